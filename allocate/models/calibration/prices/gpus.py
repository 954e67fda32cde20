"""Hourly prices of GPUs: offers by provider, instance size and kind of contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from allocate.models.calibration import mapping
from allocate.models.calibration.naming import shown
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
            field: _number(row[column], column, path, line)
            for field, column in columns.items()
            if field not in ("gpu", "provider")
        }
        gpus, each = values.get("gpus") or 1.0, values.get("usd_per_gpu_h")
        if each is None and values.get("usd_per_h") is not None:
            each = values["usd_per_h"] / gpus  # type: ignore[operator]
        spot = values.get("spot_usd_per_gpu_h")
        name = str(row[columns["gpu"]] or "").strip()
        if not name or (not each and not spot):
            reason = "no GPU named, or no price"
            dropped[reason] = dropped.get(reason, 0) + 1
            continue
        provider = str(row[columns["provider"]] or "") if "provider" in columns else ""
        records.append(
            {"gpu": name, "gpus": gpus, "provider": provider, "on_demand": each, "spot": spot}
        )
    schema = {"gpu": pl.String, "gpus": pl.Float64, "provider": pl.String}
    return pl.DataFrame(records, schema=schema | {"on_demand": pl.Float64, "spot": pl.Float64})


def prices(found: pl.DataFrame, node: float, spot: bool) -> list[Price]:
    """Cheapest offer of each GPU type in instances of ``node`` GPUs, or in any if there is none."""
    column = "spot" if spot else "on_demand"
    out = []
    for name in found["gpu"].unique(maintain_order=True):
        all_sizes = found.filter((pl.col("gpu") == name) & (pl.col(column) > 0))
        if not all_sizes.height:
            continue
        sized = all_sizes.filter(pl.col("gpus") == node)
        chosen = (sized if sized.height else all_sizes).sort(column)
        values = all_sizes[column].to_numpy()
        cheapest = float(chosen[column][0])
        span = float(np.min(values)), float(np.max(values))
        out.append(Price(name, cheapest, *span, all_sizes.height, chosen["provider"][0]))
    return out


def _number(cell: object, column: str, path: Path, line: int) -> float | None:
    if cell is None or not str(cell).strip():
        return None
    try:
        value = float(str(cell))
    except ValueError:
        value = np.nan
    if not 0 <= value < np.inf:
        fail("CAL006", f"`{shown(cell)}` in `{column}` is not a price", path, line)
    if "usd" in column.casefold() and "gpu" in column.casefold() and value > DEAR:
        hint = "prices are USD per GPU and hour"
        fail("CAL008", f"a GPU costs {value:g} USD per hour in `{column}`", path, line, hint=hint)
    return value
