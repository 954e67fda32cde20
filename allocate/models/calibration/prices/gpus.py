"""Hourly prices of GPUs: offers by provider, instance size and kind of contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from allocate.models.calibration import mapping
from allocate.models.calibration.cells import count, number
from allocate.models.calibration.naming import gpu_name, shown
from allocate.models.calibration.reading import fail

FIELDS = {
    "gpu": "GPU type",
    "gpus": "GPUs of the instance",
    "usd_per_gpu_h": "USD per GPU and hour, on demand",
    "usd_per_h": "USD per hour of the instance, on demand",
    "spot_usd_per_gpu_h": "USD per GPU and hour, spot",
}
ALIASES: dict[str, tuple[str, ...]] = {
    "gpu": ("gpu", "accelerator", "acceleratorname"),
    "gpus": ("gpus", "acceleratorcount", "count"),
    "provider": ("provider", "cloud"),
    "usd_per_gpu_h": ("on_demand_usd_per_gpu_hour", "usd_per_gpu_h"),
    "usd_per_h": ("on_demand_usd_per_hour", "price"),
    "spot_usd_per_gpu_h": ("spot_usd_per_gpu_hour",),
}
DEAR = 1000.0
"""USD per GPU and hour above which a price is not one of an hour."""


@dataclass(frozen=True)
class Price:
    """Offers of one GPU type: the cheapest, and what all of them span (USD per GPU, hour)."""

    name: str
    """Of the type in a config; lists write one type in several ways."""
    gpu: str
    cheapest: float
    low: float
    high: float
    offers: int
    provider: str


def offers(
    path: Path, table: pl.DataFrame, given: Mapping[str, str], dropped: dict[str, int]
) -> pl.DataFrame:
    """Read offers: gpu, gpus, provider, on_demand and spot (USD per GPU and hour)."""
    columns = mapping.choose(table.columns, ALIASES, given, path, ("gpu",))
    if not {"usd_per_gpu_h", "usd_per_h"} & columns.keys():
        mapping.choose(table.columns, ALIASES, given, path, ("usd_per_gpu_h",))
    records = []
    for line, row in enumerate(table.iter_rows(named=True), 2):
        values = {
            field: number(row[column], column, path, line, 0.0, "a price")
            for field, column in columns.items()
            if field not in ("gpu", "provider")
        }
        name = str(row[columns["gpu"]] or "").strip()
        each, reason = _each(values)
        spot = values.get("spot_usd_per_gpu_h")
        if not name or not (each or spot):
            count(dropped, reason or "no GPU named, or no price")
            continue
        _not_dear(each, columns.get("usd_per_gpu_h") or columns.get("usd_per_h", ""), path, line)
        _not_dear(spot, columns.get("spot_usd_per_gpu_h", ""), path, line)
        provider = str(row[columns["provider"]] or "") if "provider" in columns else ""
        records.append(
            {"gpu": name, "gpus": values.get("gpus") or None, "provider": provider,
             "on_demand": each, "spot": spot}
        )  # fmt: skip
    schema = {"gpu": pl.String, "gpus": pl.Float64, "provider": pl.String}
    return pl.DataFrame(records, schema=schema | {"on_demand": pl.Float64, "spot": pl.Float64})


def _each(values: Mapping[str, float | None]) -> tuple[float | None, str]:
    """USD per GPU and hour, or why there is none: an instance's needs its number of GPUs."""
    if (each := values.get("usd_per_gpu_h")) is not None:
        return each, ""
    whole, count = values.get("usd_per_h"), values.get("gpus")
    if whole and not count:
        return None, "price of an instance without its number of GPUs"
    return whole / count if whole and count else None, ""


def _not_dear(value: float | None, column: str, path: Path, line: int) -> None:
    if value is not None and value > DEAR:
        hint = "prices are USD per GPU and hour"
        message = f"a GPU costs {value:g} USD per hour in `{shown(column)}`"
        fail("CAL008", message, path, line, hint=hint)


def prices(found: pl.DataFrame, node: float, spot: bool) -> list[Price]:
    """Cheapest offer of each GPU type in instances of ``node`` GPUs, or in any if there is none.

    A type is what a config calls it: ``H100`` and ``h100_sxm`` are offers of one.
    """
    column = "spot" if spot else "on_demand"
    types = {gpu: gpu_name(gpu) for gpu in found["gpu"].unique(maintain_order=True)}
    named = found.with_columns(name=pl.col("gpu").replace_strict(types, return_dtype=pl.String))
    out = []
    for name in dict.fromkeys(types.values()):
        all_sizes = named.filter((pl.col("name") == name) & (pl.col(column) > 0))
        if not all_sizes.height:
            continue
        sized = all_sizes.filter(pl.col("gpus") == node)
        chosen = (sized if sized.height else all_sizes).sort(column)
        values = all_sizes[column].to_numpy()
        cheapest = float(chosen[column][0])
        span = float(np.min(values)), float(np.max(values))
        out.append(
            Price(name, chosen["gpu"][0], cheapest, *span, all_sizes.height, chosen["provider"][0])
        )
    return out
