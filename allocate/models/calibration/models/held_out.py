"""How well success curves say runs that they were not fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np

from allocate.models.calibration.cells import count
from allocate.models.calibration.models import leaderboard, power_law, tries
from allocate.models.calibration.models.leaderboard import Family
from allocate.models.calibration.result import COMPARED_NOTHING, Calibration
from allocate.models.calibration.statistics import proportion


def left_out(families: dict[str, Family]) -> dict[str, Any] | None:
    """Predict each effort of each model from its other efforts; None with one effort each."""
    everything = list(families.values())
    rows = []
    for i, family in enumerate(everything):
        counts = family.counts()
        if len(counts.tokens) < 2:
            continue
        others = [f.counts() for j, f in enumerate(everything) if j != i]
        pooled = power_law.slopes(others)
        for k in range(len(counts.tokens)):
            rest = counts.without(k)
            predicted = power_law.fit(rest, pooled).success(counts.tokens[k : k + 1])[0]
            near = rest.solved / rest.cases
            nearest = near[np.abs(np.log(rest.tokens / counts.tokens[k])).argmin()]
            share, low, high = proportion(counts.solved[k], counts.cases[k])
            rows.append((family.runs[k]["model"], predicted, nearest, share, low, high))
    if not rows:
        return None
    return {"method": "each effort left out in turn"} | _points(rows)


def _points(rows: list[tuple[str, float, float, float, float, float]]) -> dict[str, Any]:
    predicted, nearest, share, low, high = np.array([r[1:] for r in rows]).T
    return {
        "runs": len(rows),
        "success": _errors(predicted, share),
        "nearest_run": _errors(nearest, share),
        "inside_counting_interval": float(np.mean((predicted >= low) & (predicted <= high))),
        "each": [
            {"run": r[0], "predicted": r[1], "measured": r[3], "low": r[4], "high": r[5]}
            for r in rows
        ],
    }


def _errors(predicted: Any, measured: Any) -> dict[str, float]:
    off = 100 * np.abs(np.asarray(predicted) - np.asarray(measured))
    return {
        "median_error_points": float(np.median(off)),
        "p90_error_points": float(np.quantile(off, 0.9)),
        "max_error_points": float(off.max()),
    }


def check(
    calibration: Calibration, runs: list[dict[str, Any]], dropped: dict[str, int]
) -> dict[str, Any]:
    """Score the curves against other runs of the same models."""
    fits: dict[str, power_law.Fit] = calibration.state["fits"]
    known = {
        leaderboard.identity(f.runs[0]): (name, f)
        for name, f in calibration.state["families"].items()
    }
    rows, others = [], leaderboard.families(runs)
    bare = sum(run["completion_tokens"] is None for run in runs)
    count(dropped, "no token counts: nothing that a curve says", bare)
    for family in others:
        found = known.get(leaderboard.identity(family.runs[0]))
        if found is None:
            count(dropped, "a model that was not calibrated", len(family.runs))
            continue
        counts = family.counts()
        base = found[1].counts()
        for k, one in enumerate(family.runs):
            share, low, high = proportion(counts.solved[k], counts.cases[k])
            predicted = fits[found[0]].success(counts.tokens[k : k + 1])[0]
            near = np.abs(np.log(base.tokens / counts.tokens[k])).argmin()
            rows.append(
                (one["model"], predicted, base.solved[near] / base.cases[near], share, low, high)
            )
    out = {k: v for k, v in _points(rows).items() if k != "each"} if rows else {"runs": 0}
    seconds = tries.check(calibration, tries.second_tries(leaderboard.named(others)))
    if not rows and not seconds:
        calibration.notes.append(
            f"{COMPARED_NOTHING}: no model of it was calibrated, or none has token counts"
        )
    return out | seconds
