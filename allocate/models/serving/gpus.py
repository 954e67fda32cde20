"""GPUs: the capacity that every deployment of a type shares."""

from __future__ import annotations

from allocate.models.builder import Builder
from allocate.models.config import Config
from allocate.models.program import Resource

UNLIMITED_GPUS = 1e6


def gpu_rows(builder: Builder, config: Config) -> dict[str, tuple[int, ...]]:
    """A row for every GPU type and period."""
    out = {}
    for name, gpu in config.gpus.items():
        available = gpu.available
        if available is None:
            available = UNLIMITED_GPUS
            builder.assumed.append(f"gpus.{name}.available is not given: {UNLIMITED_GPUS:g} GPUs")
        path = f"gpus.{name}.available"
        rows = builder.period_rows(path, "GPU", available)
        out[name] = rows
        label = gpu.label or name
        builder.resource(
            Resource(
                path,
                label,
                f"USD per {label}-hour",
                available,
                rows=tuple(zip(rows, builder.periods, strict=True)),
                pay=gpu.price_usd_per_h,
                noun=f"{label}-hour",
                kind="gpu",
            )
        )
    return out
