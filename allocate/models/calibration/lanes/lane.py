"""One fitted configuration, and what can be said of it and of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibrated import Driver
from allocate.models.calibration.grounds import correlations, ground
from allocate.models.calibration.lanes import checking, fit, rows
from allocate.models.calibration.lanes.hardware import Machine
from allocate.models.calibration.naming import rounded
from allocate.models.calibration.result import Parameter
from allocate.models.calibration.statistics import LOWER, UPPER

METHOD = "non-negative least squares of relative errors, soft-L1, sandwich interval"


@dataclass(frozen=True)
class Lane:
    """One configuration: its name in a config, its rows, its machine and its fit."""

    name: str
    frame: pl.DataFrame
    machine: Machine | None
    gpus: float
    fit: fit.LaneFit


def key(lane: Lane) -> tuple[Any, ...]:
    """Identify a lane's configuration."""
    return lane.frame.select(rows.CONFIGURATION).row(0)


def grounds_of(lane: Lane) -> dict[str, dict[str, Any]]:
    """What the fields of a lane's deployment rest on."""
    at = f"deployments.{lane.name}"
    of: tuple[Driver, ...] = ("batch", "batch", "context_tokens", "prompt_tokens")
    prompts = lane.frame["isl"].cast(pl.Float64).to_numpy()
    seen = (lane.fit.batch, lane.fit.batch, lane.fit.context, (prompts.min(), prompts.max()))
    error = {"median_relative_error": lane.fit.median_error}
    about = {"method": METHOD, "rows": lane.fit.rows, "goodness": error}
    paths = [f"{at}.{name}" for name in fit.NAMES]
    tied = correlations(paths, lane.fit.covariance)
    out = {}
    for i, path in enumerate(paths):
        value = rounded(float(lane.fit.value[i]))
        ends = min(float(lane.fit.low[i]), value), max(float(lane.fit.high[i]), value)
        out[path] = ground(
            value, *ends, fit.UNITS[i], about, of[i], seen[i], tied[path], normal=True
        )
    return out


def first_token(lane: Lane) -> list[Parameter]:
    """How many times the lane's TTFT the measured ones take: queues and bursts are in these."""
    timed = lane.frame.filter((pl.col("ttft_ms") > 0) & (pl.col("mix") > 0))
    if not timed.height:
        return []
    said = checking.lane_times(timed, {key(lane): lane.fit})["ttft"]
    ratio = timed["ttft_ms"].to_numpy()[said > 0] / said[said > 0]
    if not ratio.size:
        return []
    low, middle, high = (float(x) for x in np.quantile(ratio, [LOWER, 0.5, UPPER]))
    about = {"method": "measured TTFT over that of the lane form, by row", "rows": ratio.size}
    return [Parameter(f"{lane.name}.ttft_over_lane", middle, low, high, "1", about)]


def notes_of(lanes: list[Lane], chosen: list[Lane], short: int, blocks: list[Any]) -> list[str]:
    """Say what a reader of the result should know."""
    notes = []
    if short:
        one = "configuration has" if short == 1 else "configurations have"
        notes.append(f"{short} {one} fewer than 3 rows or one batch size: no lane")
    if len(chosen) < len(lanes):
        notes.append(
            f"the fragment holds {len(chosen)} deployments, of {len(lanes)} configurations those "
            "with most rows for each model, GPU and size; all are in lanes-deployments.csv"
        )
    leaning = sum(bool(lane.fit.open.any()) for lane in lanes)
    if leaning:
        one = "lane leans" if leaning == 1 else "lanes lean"
        notes.append(f"{leaning} {one} on the roofline where the rows leave a term open")
    unknown = sorted({lane.frame["model"][0] for lane in lanes if lane.machine is None})
    if unknown:
        notes.append(
            f"no geometry or data sheet for {', '.join(unknown)}: no KV memory, no roofline"
        )
    rough = [lane.name for lane in chosen if lane.fit.median_error > 0.1]
    if rough:
        notes.append(
            f"the lane form misses {len(rough)} deployments by more than 10 % in the median "
            f"({', '.join(rough[:4])}{', …' if len(rough) > 4 else ''}): steps there grow less "
            "than in proportion to the batch; fit the loads you will run, as `--option load=4:64`"
        )
    if not blocks:
        notes.append("fewer than four concurrency levels: nothing could be left out for a check")
    ratios = [p.value for lane in lanes for p in first_token(lane)]
    if ratios:
        notes.append(
            "TTFT of a lane is δ·prompt/(1 − u), in steady state; measured first tokens, with the "
            f"queues and bursts of the benchmark, take {np.median(ratios):.2g} times as long in "
            "the median lane (`ttft_over_lane`)"
        )
    return notes
