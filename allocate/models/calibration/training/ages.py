"""Score against the age of a training → how fast its gain goes out of date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from allocate.models.calibration import settings
from allocate.models.calibration.grounds import ground
from allocate.models.calibration.naming import rounded
from allocate.models.calibration.result import Calibration, Options, Parameter
from allocate.models.calibration.training import staleness, tables
from allocate.models.calibration.training.tables import Tables


def fit(
    rows: list[dict[str, Any]], base: Mapping[str, float], options: Options
) -> staleness.Decay | str:
    """Rate of depreciation of the rows' gains over the untrained model, or why there is none.

    Args:
        rows: each with ``age_h`` and ``score``, perhaps with ``benchmark``.
        base: score of the untrained model by benchmark, "" for all.
        options: named in what is refused.

    Raises:
        DataError: CAL009, where it is not told which benchmark the scores are of.
    """
    names = sorted({str(row.get("benchmark") or "") for row in rows})
    if len(names) > 1:
        hint = f"choose one of {', '.join(name or 'those without a name' for name in names)}"
        settings.refuse("benchmark", "", "is needed: scores by age are of several benchmarks", hint)
    [name] = names
    start = base.get(name, base.get(""))
    if start is None and not name and len(base) == 1:
        [start] = base.values()
    if start is None and not name and base:
        why = "holds several scores of the untrained model, and scores by age do not say theirs"
        hint = "give one, as `--option base=29.3`, or a column `benchmark`"
        settings.refuse("base", options.settings.get("base", "|".join(base)), why, hint)
    if start is None:
        return f"no score of the untrained model{f' on {name}' if name else ''}: no depreciation"
    age, score = tables.columns(rows, "age_h", "score")
    return staleness.decay(age, score - start) or "fewer than three gains above 0: no depreciation"


def put(out: Calibration, found: Tables, asset: dict[str, Any], options: Options) -> None:
    """Fit the ages, where there are any; a fragment holds them beside a gain only."""
    rows = found.rows.get("score against age", [])
    if not rows:
        return
    fitted = fit(rows, tables.bases(options, found), options)
    if isinstance(fitted, str):
        out.notes.append(fitted)
        return
    age = np.array([row["age_h"] for row in rows], float)
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
