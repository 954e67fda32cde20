"""Scores fitted training curves against runs that were not used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from allocate.models.calibration.result import COMPARED_NOTHING, Calibration, Options, Parameter
from allocate.models.calibration.statistics import compared
from allocate.models.calibration.training import ages, gain, hours, staleness, tables
from allocate.models.calibration.training.tables import Tables
from allocate.models.curves.capability import ScalingLaw

_LAW = ("floor", "b", "c", "power")


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Score each fitted curve against the tables that speak of it.

    Errors of scores and efficiencies are in points; rates and hours are set side by side.
    """
    found = tables.read(paths, options)
    out = {
        "score": _scores(calibration, found),
        "efficiency": _efficiencies(calibration, found, options),
        "depreciation_per_h": _decay(calibration, found, options),
        "cost_without_staleness": _cost(calibration, found),
    }
    out = {key: value for key, value in out.items() if value}
    if not out:
        calibration.notes.append(
            f"{COMPARED_NOTHING}: {', '.join(found.formats)} has no curve, algorithm or "
            "benchmark in common with what was calibrated"
        )
    return out | {"rows_dropped": found.dropped, "files": [s.to_dict() for s in found.sources]}


def _errors(off: Any) -> dict[str, Any]:
    return {
        "points": len(off),
        "median_error_points": float(np.median(off)),
        "max_error_points": float(np.max(off)),
    }


def _scores(calibration: Calibration, found: Tables) -> dict[str, Any]:
    """Other runs beside the curve of the same name, else the only curve or the law of others."""
    fits: dict[str, gain.GainFit] = calibration.state.get("gains", {})
    known = {p.name: p.value for p in calibration.parameters}
    law = None if fits or f"gain.{_LAW[0]}" not in known else _law(known)
    out = {}
    for run, rows in tables.by_run(found.rows.get("score against training", [])).items():
        fitted = fits.get(run) or (next(iter(fits.values())) if len(fits) == 1 else None)
        samples, score = tables.columns(rows, "samples", "score")
        if fitted is not None:
            said = fitted.start + fitted.gain(samples)
        elif law is not None:
            said = law.start + np.asarray(law.value(samples))
        else:
            continue
        if len(score):
            out[run or "run"] = _errors(100 * np.abs(said - score))
    return out


def _law(known: dict[str, float]) -> ScalingLaw:
    floor, b, c, power = (known[f"gain.{name}"] for name in _LAW)
    return ScalingLaw(floor, b, c, power)


def _efficiencies(calibration: Calibration, found: Tables, options: Options) -> dict[str, Any]:
    """Efficiency at stalenesses above 0, of scores gained over the untrained model.

    The gain without staleness is the other table's own, where it has one, else that of the
    calibrated runs.
    """
    fits: dict[tuple[str, str], staleness.Staleness] = calibration.state.get("staleness", {})
    base = calibration.state.get("bases", {}) | tables.bases(options, found)
    rows = found.rows.get("score against staleness", [])
    out = {}
    for (algorithm, benchmark), mine in fits.items():
        start = base.get(benchmark, base.get(""))
        here = [r for r in rows if str(r.get("benchmark") or "") == benchmark]
        fresh = [r["score"] for r in here if r["versions"] == 0]
        stale = [
            r for r in here
            if r["versions"] > 0 and np.isfinite(r["versions"])
            and str(r.get("algorithm") or "") == algorithm
        ]  # fmt: skip
        if start is None or not stale:
            continue
        gained = float(np.mean(fresh)) - start if fresh else mine.gained
        versions, score = tables.columns(stale, "versions", "score")
        known = np.isfinite(mine.versions)
        said = np.interp(versions, mine.versions[known], mine.value[known])
        label = "/".join(filter(None, (algorithm, benchmark))) or "all"
        out[label] = _errors(100 * np.abs(said - (score - start) / gained))
    return out


def _decay(calibration: Calibration, found: Tables, options: Options) -> dict[str, Any] | None:
    """Depreciation beside that of other ages; both have an error of their own."""
    mine = _parameter(calibration, "depreciation_per_h")
    rows = found.rows.get("score against age", [])
    base = calibration.state.get("bases", {}) | tables.bases(options, found)
    if mine is None or not rows or not base:
        return None
    other = ages.fit(rows, base, options)
    return None if isinstance(other, str) else compared(mine, other.value, other.low, other.high)


def _cost(calibration: Calibration, found: Tables) -> dict[str, Any] | None:
    """How much longer training without staleness takes; hours of one run have no interval."""
    mine = _parameter(calibration, "cost_without_staleness")
    other = hours.slow_down(found)
    if mine is None or other is None:
        return None
    return compared(mine, other[0], math.nan, math.nan)


def _parameter(calibration: Calibration, name: str) -> Parameter | None:
    return next((p for p in calibration.parameters if p.name == name), None)
