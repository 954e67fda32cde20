"""Runs of training → a gain curve each, and that of one in the fragment."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from allocate.models.calibration import settings
from allocate.models.calibration.grounds import correlations, ground
from allocate.models.calibration.naming import rounded
from allocate.models.calibration.result import Calibration, Options, Parameter
from allocate.models.calibration.training import gain, tables
from allocate.models.calibration.training.tables import ASSET, Tables


def put(out: Calibration, found: Tables, asset: dict[str, Any], options: Options) -> None:
    """Fit each run that has points enough; the asset's curve is that of the most points.

    Args:
        out: gets parameters, a table, notes and what the curve rests on.
        found: what was read.
        asset: gets ``gain``.
        options: may set ``samples``, those at index 1.
    """
    fits: dict[str, gain.GainFit] = {}
    records: list[dict[str, Any]] = []
    for run, rows in tables.by_run(found.rows.get("score against training", [])).items():
        samples, score = tables.columns(rows, "samples", "score")
        fitted = gain.fit(samples, score)
        if fitted is None:
            out.notes.append(f"fewer than {gain.FEWEST} points: no curve for {run or 'the run'}")
            continue
        fits[run] = fitted
        name = f"{run}.gain" if run else "gain"
        for field, ends in fitted.values.items():
            out.parameters.append(Parameter(f"{name}.{field}", *ends, "1", _about(fitted)))
        against = gain.disagreements(samples, score, fitted)
        out.notes += [f"{run or 'the run'}: {text}" for text in against]
        for x, y in zip(samples, score, strict=True):
            curve = fitted.start + float(fitted.gain(x))
            records.append({"run": run, "samples": x, "score": y, "curve": curve})
    if not fits:
        return
    out.tables["gain"] = pl.DataFrame(records)
    out.state["gains"] = fits
    chosen = max(fits, key=lambda run: fits[run].points)
    if len(fits) > 1:
        out.notes.append(
            f"the fragment holds the gain of {chosen or 'the run without a name'}, which has most "
            "points; choose with `--option run=NAME`"
        )
    _put_chosen(out, fits[chosen], asset, options)


def _about(fitted: gain.GainFit) -> dict[str, Any]:
    return {
        "method": f"{fitted.form}, least squares with soft-L1, chosen by AICc",
        "rows": fitted.points, "goodness": {"deviation_points": 100 * fitted.deviation},
        "seen": list(fitted.seen), "of": "samples",
    }  # fmt: skip


def _put_chosen(
    out: Calibration, fitted: gain.GainFit, asset: dict[str, Any], options: Options
) -> None:
    """Set the asset's curve, and what each of its numbers rests on."""
    scale = settings.number(options, "samples", fitted.seen[1], 1.0)
    values = {field: value[0] for field, value in fitted.values.items()}
    if fitted.form == "saturating":
        values["scale"] /= scale
        asset["gain"] = {"form": "saturating"} | {k: rounded(v) for k, v in values.items()}
    else:
        numbers = {k: rounded(v, 7) for k, v in values.items()}
        asset["gain"] = {"form": "scaling_law"} | numbers | {"samples": scale}
    about = _about(fitted)
    paths = [f"{ASSET}gain.{field}" for field in fitted.values]
    tied = correlations(paths, fitted.covariance)
    seen = [end / scale for end in fitted.seen]
    for path, (field, (value, low, high)) in zip(paths, fitted.values.items(), strict=True):
        by = scale if field == "scale" else 1.0
        most = 1.0 if field in ("ceiling", "power") else math.inf
        out.grounds[path] = ground(
            rounded(value / by, 7), low / by, high / by, "1", about, "index", seen, tied[path],
            most=most,
        )  # fmt: skip
