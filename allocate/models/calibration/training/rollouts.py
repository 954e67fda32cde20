"""Score against staleness, and training hours → what stale rollouts are worth, and their cost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibration import settings
from allocate.models.calibration.grounds import ground, together
from allocate.models.calibration.naming import rounded
from allocate.models.calibration.result import Calibration, Options, Parameter
from allocate.models.calibration.training import hours, staleness, tables
from allocate.models.calibration.training.tables import ASSET, Tables


def _efficiencies(
    found: Tables, options: Options, notes: list[str]
) -> dict[tuple[str, str], staleness.Staleness]:
    """Efficiency by algorithm and benchmark. Runs at 0 count for every algorithm."""
    rows = found.rows.get("score against staleness", [])
    base = tables.bases(options, found)
    out = {}
    names = {(str(r.get("algorithm") or ""), str(r.get("benchmark") or "")) for r in rows}
    for algorithm, benchmark in sorted(names):
        start = base.get(benchmark, base.get(""))
        if start is None:
            notes.append(
                f"no score of the untrained model on {benchmark or 'the benchmark'}: no efficiency"
            )
            continue
        mine = [r for r in rows if str(r.get("benchmark") or "") == benchmark]
        mine = [r for r in mine if r["versions"] == 0 or r.get("algorithm") == (algorithm or None)]
        versions, score = tables.columns(mine, "versions", "score")
        if not (versions == 0).any() or len(versions) < 3:
            notes.append(f"no run without staleness on {benchmark or 'the benchmark'}")
            continue
        if score[versions == 0].mean() <= start:
            notes.append(f"training gained nothing on {benchmark or 'the benchmark'}")
            continue
        out[algorithm, benchmark] = staleness.fit(versions, score, start)
    return out


def put(out: Calibration, found: Tables, asset: dict[str, Any], options: Options) -> None:
    """Fit each algorithm and benchmark; the asset's menu is that of the best, with costs."""
    notes: list[str] = []
    fits = _efficiencies(found, options, notes)
    out.notes += list(dict.fromkeys(notes))
    if not fits:
        return
    records = []
    for (algorithm, benchmark), fitted in fits.items():
        label = "/".join(filter(None, (algorithm, benchmark))) or "staleness"
        about = {
            "method": "isotonic regression of gains, parametric bootstrap",
            "rows": len(fitted.versions), "goodness": {"deviation_points": 100 * fitted.deviation},
            "seen": [0.0, float(fitted.versions[np.isfinite(fitted.versions)].max())],
            "of": "versions behind",
        }  # fmt: skip
        for i, versions in enumerate(fitted.versions):
            ends = float(fitted.low[i]), float(fitted.high[i])
            value = float(fitted.value[i])
            name = f"{label}.efficiency_{versions:g}"
            out.parameters.append(Parameter(name, value, *ends, "1", about))
            records.append({
                "algorithm": algorithm, "benchmark": benchmark, "versions": versions,
                "efficiency": value, "low": ends[0], "high": ends[1],
                "scores_alone": float(fitted.raw[i]),
            })  # fmt: skip
        if fitted.against:
            out.notes.append(
                f"{label} does not fall steadily with staleness ({'; '.join(fitted.against)}); "
                "the fit pools these"
            )
    out.tables["staleness"] = pl.DataFrame(records)
    out.state["staleness"] = fits
    menu = _menu(out, found, fits, options)
    asset["staleness"] = menu
    _ground_menu(out, menu, fits[_best(fits)])


def _best(fits: dict[tuple[str, str], staleness.Staleness]) -> tuple[str, str]:
    """The algorithm that stays worth most at the largest staleness."""
    return max(fits, key=lambda k: fits[k].value[-1])


def _ground_menu(
    out: Calibration, menu: list[dict[str, float]], fitted: staleness.Staleness
) -> None:
    """What the efficiencies of a menu rest on; they are off together, by the gain they share."""
    paths = [f"{ASSET}staleness.{i}.efficiency" for i in range(len(menu))]
    tied = together(paths)
    finite = fitted.versions[np.isfinite(fitted.versions)]
    seen = [0.0, float(finite.max())]
    about = {"method": "isotonic regression, parametric bootstrap", "rows": len(fitted.versions)}
    for path, level in zip(paths, menu, strict=True):
        k = int(np.argmax(fitted.versions == level["versions"]))
        value = level["efficiency"]
        ends = min(float(fitted.low[k]), value), max(float(fitted.high[k]), value)
        out.grounds[path] = ground(value, *ends, "1", about, "versions", seen, tied[path], most=1.0)


def _menu(
    out: Calibration, found: Tables, fits: dict[tuple[str, str], staleness.Staleness],
    options: Options,
) -> list[dict[str, float]]:  # fmt: skip
    """Menu of the algorithm that stays worth most at the largest staleness, with costs."""
    key = _best(fits)
    fitted = fits[key]
    slow = hours.slow_down(found)
    relaxed = settings.number(options, "async_versions", 4.0, 0.1)
    cost = staleness.costs(fitted.versions, slow[0] if slow else 1.0, relaxed)
    if slow is None:
        out.notes.append("no training hours with and without staleness: cost 1 at every staleness")
    else:
        about = {"method": "synchronous over asynchronous hours", "rows": 2}
        out.parameters.append(
            Parameter("cost_without_staleness", slow[0], math.nan, math.nan, "1", about)
        )
        out.notes.append(
            f"hours{f' of {slow[1]}' if slow[1] else ''} are known at 0 and taken as those of "
            f"{relaxed:g} versions: a line between"
        )
    if len(fits) > 1:
        out.notes.append(f"the menu is that of {'/'.join(filter(None, key))}")
    return [
        {"versions": float(v), "efficiency": rounded(float(e)), "cost": rounded(float(c))}
        for v, e, c in zip(fitted.versions, fitted.value, cost, strict=True)
        if np.isfinite(v) and e > 0
    ]
