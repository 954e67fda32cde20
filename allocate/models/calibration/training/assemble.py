"""Puts what the tables of training runs say into parameters, tables and a fragment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl

from allocate.errors import DataError, Problem
from allocate.models.calibration import settings
from allocate.models.calibration.grounds import correlations, ground, together
from allocate.models.calibration.naming import rounded
from allocate.models.calibration.result import Calibration, Options, Parameter
from allocate.models.calibration.training import gain, law, staleness, tables
from allocate.models.calibration.training.tables import Tables
from allocate.models.config import TrainingAsset

KINDS: tuple[str, ...] = get_args(TrainingAsset.model_fields["kind"].annotation)
"""Kinds of training asset that a config knows."""
ASSET = "*."
"""How paths begin that are the asset's, until it has its name."""


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Fit every curve that the tables hold."""
    name, fields = _named(options)
    found = tables.read(paths, options)
    out = Calibration(
        "training", ", ".join(found.formats), found.used, found.dropped, [], {}, {}, found.sources
    )
    out.state["bases"] = bases(found, options)
    asset: dict[str, Any] = {}
    _gains(out, found, asset, options)
    law.put(out, found, asset, options)
    _staleness(out, found, asset, options)
    _decay(out, found, asset, options)
    if not out.parameters:
        message = "nothing could be fitted"
        hint = "a curve needs four points; staleness needs a score at 0 and that of the base model"
        if out.notes:
            message += ": " + "; ".join(out.notes)
        raise DataError([Problem("CAL007", message, str(paths[0]), hint=hint)])
    if asset and "gain" not in asset:
        out.fragment, out.grounds = {}, {}
        out.notes.append(
            "no gain was calibrated, so the fragment is empty: name its table beside this one"
        )
    elif asset:
        out.fragment.setdefault("training", {})["assets"] = {name: fields | asset}
        at = f"training.assets.{name}."
        out.grounds = {p.replace(ASSET, at): _moved(e, at) for p, e in out.grounds.items()}
    return out


def _moved(entry: dict[str, Any], at: str) -> dict[str, Any]:
    """An entry whose correlations name the asset."""
    tied = entry.get("correlation")
    if not tied:
        return entry
    return entry | {"correlation": {p.replace(ASSET, at): v for p, v in tied.items()}}


def _named(options: Options) -> tuple[str, dict[str, str]]:
    """Name of the asset and what it says besides its curves."""
    fields = {
        "model": settings.config_name(options, "model", "model"),
        "kind": settings.choice(options, "kind", KINDS, "rl"),
    }
    return settings.config_name(options, "asset", "rl"), fields


def by_run(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by run; the unnamed run is ""."""
    out: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        out.setdefault(str(row.get("run") or ""), []).append(row)
    return out


def _gains(out: Calibration, found: Tables, asset: dict[str, Any], options: Options) -> None:
    fits, records = {}, []
    for run, rows in by_run(found.rows.get("score against training", [])).items():
        samples, score = tables.columns(rows, "samples", "score")
        fitted = gain.fit(samples, score)
        if fitted is None:
            out.notes.append(f"fewer than {gain.FEWEST} points: no curve for {run or 'the run'}")
            continue
        fits[run] = fitted
        name = f"{run}.gain" if run else "gain"
        about = {
            "method": f"{fitted.form}, least squares with soft-L1, chosen by AICc",
            "rows": fitted.points, "goodness": {"deviation_points": 100 * fitted.deviation},
            "seen": list(fitted.seen), "of": "samples",
        }  # fmt: skip
        for field, (value, low, high) in fitted.values.items():
            out.parameters.append(Parameter(f"{name}.{field}", value, low, high, "1", about))
        against = gain.disagreements(samples, score, fitted)
        out.notes += [f"{run or 'the run'}: {text}" for text in against]
        for x, y in zip(samples, score, strict=True):
            curve = fitted.start + float(fitted.gain(x))
            records.append({"run": run, "samples": x, "score": y, "curve": curve})
    if not fits:
        return
    out.tables["gain"] = pl.DataFrame(records)
    out.state["gains"] = fits
    fitted = max(fits.values(), key=lambda f: f.points)
    scale = settings.number(options, "samples", fitted.seen[1], 1.0)
    values = {field: value[0] for field, value in fitted.values.items()}
    if fitted.form == "saturating":
        values["scale"] /= scale
        asset["gain"] = {"form": "saturating"} | {k: rounded(v) for k, v in values.items()}
    else:
        numbers = {k: rounded(v, 7) for k, v in values.items()}
        asset["gain"] = {"form": "scaling_law"} | numbers | {"samples": scale}
    about = next(p.fit for p in out.parameters if ".gain." in f".{p.name}")
    paths = [f"{ASSET}gain.{field}" for field in fitted.values]
    tied = correlations(paths, fitted.covariance)
    seen = [end / scale for end in fitted.seen]
    for path, (field, (_, low, high)) in zip(paths, fitted.values.items(), strict=True):
        by = scale if field == "scale" else 1.0
        most = 1.0 if field in ("ceiling", "power") else math.inf
        out.grounds[path] = ground(
            rounded(fitted.values[field][0] / by, 7),
            low / by,
            high / by,
            "1",
            about,
            "index",
            seen,
            tied[path],
            most=most,
        )


def bases(found: Tables, options: Options) -> dict[str, float]:
    """Score of the untrained model by benchmark, "" for all; see ``tables.bases``."""
    return tables.bases(options, found.rows.get("training hours", []))


def _efficiencies(
    found: Tables, options: Options, notes: list[str]
) -> dict[tuple[str, str], staleness.Staleness]:
    """Efficiency by algorithm and benchmark. Runs at 0 count for every algorithm."""
    rows = found.rows.get("score against staleness", [])
    base = bases(found, options)
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


def _staleness(out: Calibration, found: Tables, asset: dict[str, Any], options: Options) -> None:
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
    slow = slow_down(found)
    relaxed = settings.number(options, "async_versions", 4.0, 0.1)
    cost = staleness.costs(fitted.versions, slow or 1.0, relaxed)
    if slow is None:
        out.notes.append("no training hours with and without staleness: cost 1 at every staleness")
    else:
        about = {"method": "synchronous over asynchronous hours", "rows": 2}
        out.parameters.append(
            Parameter("cost_without_staleness", slow, math.nan, math.nan, "1", about)
        )
        out.notes.append(
            f"hours are known at 0 and taken as those of {relaxed:g} versions: a line between"
        )
    if len(fits) > 1:
        out.notes.append(f"the menu is that of {'/'.join(filter(None, key))}")
    return [
        {"versions": float(v), "efficiency": rounded(float(e)), "cost": rounded(float(c))}
        for v, e, c in zip(fitted.versions, fitted.value, cost, strict=True)
        if np.isfinite(v) and e > 0
    ]


def slow_down(found: Tables) -> float | None:
    """Hours of the synchronous run over those of the asynchronous one, smallest model."""
    hours: dict[str, dict[str, float]] = {}
    for row in found.rows.get("training hours", []):
        if row.get("training_hours"):
            kind = str(row.get("setting")).casefold()
            hours.setdefault(str(row.get("run")), {})[kind] = row["training_hours"]
    for kinds in hours.values():
        if {"synchronous", "asynchronous"} <= kinds.keys():
            return kinds["synchronous"] / kinds["asynchronous"]
    return None


def _decay(out: Calibration, found: Tables, asset: dict[str, Any], options: Options) -> None:
    rows = found.rows.get("score against age", [])
    if not rows:
        return
    base = bases(found, options)
    start = base.get("", next(iter(base.values()), None))
    if start is None:
        out.notes.append("no score of the untrained model: no depreciation")
        return
    age, score = tables.columns(rows, "age_h", "score")
    fitted = staleness.decay(age, score - start)
    if fitted is None:
        out.notes.append("fewer than three gains above 0: no depreciation")
        return
    about = {
        "method": "gain(0)·exp(-δ·age), least squares of logarithms", "rows": fitted.points,
        "goodness": {"deviation_log": fitted.deviation}, "of": "hours",
        "seen": [float(age.min()), float(age.max())],
    }  # fmt: skip
    out.parameters.append(
        Parameter("depreciation_per_h", fitted.value, fitted.low, fitted.high, "1/h", about)
    )
    if fitted.value > 0 and "gain" in asset:
        out.fragment["training"] = {"depreciation_per_h": rounded(fitted.value)}
        ends = max(fitted.low, 0.0), fitted.high
        path, number = "training.depreciation_per_h", rounded(fitted.value)
        out.grounds[path] = ground(number, *ends, "1/h", about)
    elif fitted.value <= 0:
        out.notes.append("the gain does not fade in the time seen")
