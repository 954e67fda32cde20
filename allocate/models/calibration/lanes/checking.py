"""How far predictions of times are from measurements they have not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allocate.models.calibration.lanes import fit, rows
from allocate.models.calibration.lanes.surface import Design, Floats, Surface

if TYPE_CHECKING:
    import polars as pl

TIMES = {"tpot": "tpot_ms", "ttft": "ttft_ms"}
_KNOWN = "known configuration"
_PAIR = "known model and GPU"
_NEW = "unseen model and GPU"


def errors(predicted: Floats, measured: Floats) -> dict[str, Any]:
    """Median and 90th percentile of the relative error, over rows where both are known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.abs(predicted / measured - 1.0)
    off = off[np.isfinite(off)]
    if not off.size:
        return {"median_relative_error": None, "p90_relative_error": None, "rows": 0}
    return {
        "median_relative_error": float(np.median(off)),
        "p90_relative_error": float(np.quantile(off, 0.9)),
        "rows": int(off.size),
    }


def score(
    train: pl.DataFrame, other: pl.DataFrame, design: Design, surfaces: Mapping[str, Surface],
    lanes: Mapping[tuple[Any, ...], fit.LaneFit],
) -> dict[str, Any]:  # fmt: skip
    """Score predictions of ``other``'s rows, beside two baselines and the lane form alone.

    Args:
        train: rows of the fit.
        other: rows that were not used for it.
        design: of ``other``.
        surfaces: fitted surfaces by time.
        lanes: fitted lane by configuration.
    """
    kinds = kinds_of(train, other)
    measured = {t: other[c].cast(float).to_numpy().astype(float) for t, c in TIMES.items()}
    predicted = {
        "smoothed": {t: surfaces[t].predict(design) if t in surfaces else None for t in TIMES},
        "lane form": lane_times(other, lanes),
        "nearest measured point": nearest(train, other),
        "roofline": {t: design.roofline[c] for t, c in TIMES.items()},
    }
    out: dict[str, Any] = {"rows": other.height}
    for time in TIMES:
        found = predicted["smoothed"][time]
        if found is None:
            continue
        out[time] = errors(found, measured[time])
    for label in (_KNOWN, _PAIR, _NEW):
        here = kinds == label
        if here.any():
            out.setdefault("by_kind", {})[label] = {
                time: {
                    name: errors(values[time][here], measured[time][here])
                    for name, values in predicted.items()
                    if values[time] is not None
                }
                for time in TIMES
            }
    out["baselines"] = {
        name: {t: errors(predicted[name][t], measured[t]) for t in TIMES}
        for name in ("nearest measured point", "roofline", "lane form")
    }
    return out


def kinds_of(train: pl.DataFrame, other: pl.DataFrame) -> NDArray[np.str_]:
    """Say of each row whether its configuration, or at least its pair, was measured."""
    known = set(train.select(rows.CONFIGURATION).iter_rows())
    pairs = set(train.select(rows.PAIR).iter_rows())
    return np.array([
        _KNOWN if c in known else _PAIR if p in pairs else _NEW
        for c, p in zip(
            other.select(rows.CONFIGURATION).iter_rows(),
            other.select(rows.PAIR).iter_rows(),
            strict=True,
        )
    ])  # fmt: skip


def lane_times(
    frame: pl.DataFrame, lanes: Mapping[tuple[Any, ...], fit.LaneFit]
) -> dict[str, Floats]:
    """TPOT and TTFT, ms, of the lane form; NaN where the configuration has no lane."""
    out = {time: np.full(frame.height, np.nan) for time in TIMES}
    keys = list(frame.select(rows.CONFIGURATION).iter_rows())
    sizes = [frame[n].to_numpy().astype(float) for n in ("isl", "osl", "mix", "concurrency")]
    for key, lane in lanes.items():
        here = np.array([k == key for k in keys])
        if here.any():
            at = [size[here] for size in sizes]
            out["tpot"][here] = fit.tpot_in_flight(lane.value, *at)
            out["ttft"][here] = fit.ttft_ms(lane.value, *at)
    return out


def nearest(
    train: pl.DataFrame, other: pl.DataFrame, apart: NDArray[np.bool_] | None = None
) -> dict[str, Floats]:
    """Times of the nearest measured row: same configuration, else pair, else model or GPU.

    Distance is in logarithms of load and lengths. ``apart`` [other, train] marks rows that
    may not be used.
    """
    load = [
        np.log(f.select("concurrency", "isl", "osl").to_numpy().astype(float))
        for f in (other, train)
    ]
    distance = np.abs(load[0][:, None, :] - load[1][None, :, :]).sum(axis=2)
    for columns, cost in ((rows.CONFIGURATION, 1e2), (rows.PAIR, 1e4), (("model",), 1e5)):
        labels = [
            np.array(["|".join(map(str, row)) for row in f.select(columns).iter_rows()])
            for f in (other, train)
        ]
        distance += cost * (labels[0][:, None] != labels[1][None, :])
    if apart is not None:
        distance[apart] = np.inf
    chosen = distance.argmin(axis=1)
    return {t: train[c].cast(float).to_numpy().astype(float)[chosen] for t, c in TIMES.items()}


def levels(frame: pl.DataFrame) -> list[NDArray[np.intp]]:
    """Rows of each (configuration, concurrency level) that has at least three other levels."""
    out = []
    numbered = frame.with_row_index("row")
    for _, group in numbered.group_by(rows.CONFIGURATION, maintain_order=True):
        if group["concurrency"].n_unique() < 4 or group.height < 8:
            continue
        for _, level in group.group_by("concurrency", maintain_order=True):
            out.append(level["row"].to_numpy().astype(np.intp))
    return out
