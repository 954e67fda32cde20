"""Outcomes per query → success by class and model, and correlation of failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from allocate.errors import DataError, Problem
from allocate.models.calibration import settings
from allocate.models.calibration.cells import count
from allocate.models.calibration.grounds import ground
from allocate.models.calibration.models import outcomes
from allocate.models.calibration.naming import rounded, unique_slugs
from allocate.models.calibration.result import (
    COMPARED_NOTHING,
    Calibration,
    Options,
    Parameter,
    Source,
)
from allocate.models.calibration.statistics import compared, proportion


def calibrate(
    read: Sequence[outcomes.Outcomes], sources: list[Source], recognised: str, options: Options
) -> Calibration:
    """Count what each model solves, by class, and how failures go together.

    Args:
        read: what the files hold.
        sources: the files.
        recognised: their formats.
        options: may name ``models``.

    Raises:
        DataError: no file has an outcome, or one of a model that is asked for.
    """
    frame = pl.concat([part.frame for part in read], how="diagonal")
    every = [m for m in outcomes.models_of(frame) if frame[m].count()]
    models = every
    if not every:
        raise DataError([Problem("CAL007", "no outcome can be used", sources[0].name)])
    wanted = settings.several(options, "models")
    if wanted is not None:
        settings.all_there("models", wanted, every, "no outcome is of")
        names = {name.casefold() for name in wanted}
        models = [m for m in every if m.casefold() in names]
    frame = frame.select("class", "query", *models)
    asked = frame.filter(pl.any_horizontal(pl.col(models).is_not_null()))
    used, dropped = _counted(read, models, every)
    table, pairs = outcomes.by_class(asked), outcomes.correlations(asked)
    out = Calibration(
        "models", recognised, used, dropped, [], {"success_by_class": table}, {}, sources,
        [
            "outcomes say nothing about tokens: each model is a constant, not a curve",
            "models-quality_by_class.csv has a class table's columns, without rates and values",
        ],
        state={"by_class": table, "models": models},
    )  # fmt: skip
    fragment: dict[str, Any] = {}
    slugs = unique_slugs(models)
    for model, name in slugs.items():
        share, low, high = proportion(float(asked[model].sum()), float(asked[model].count()))
        about = {"method": "share solved, Wilson interval", "rows": asked[model].count()}
        about |= {"goodness": None, "seen": None}
        out.parameters.append(Parameter(f"{name}.quality", share, low, high, "1", about))
        number = rounded(share, 4)
        fragment[name] = {"label": model, "quality": number}
        entry = ground(number, low, high, "1", about, most=1.0)
        out.grounds[f"models.{name}.quality"] = entry
    out.fragment = {"models": fragment}
    out.parameters += _correlations(pairs, slugs)
    if pairs.height:
        out.tables["failure_correlation"] = pairs
    quality = table.pivot("model", index="class", values="shrunk")
    names = {m: f"quality.{slugs[m]}" for m in models if m in quality.columns}
    out.tables["quality_by_class"] = quality.rename({"class": "name"} | names)
    return out


def _counted(
    read: Sequence[outcomes.Outcomes], models: Sequence[str], every: Sequence[str]
) -> tuple[int, dict[str, int]]:
    """Rows of all files that are used, and the others by reason."""
    used = sum(part.used(models) for part in read)
    known = sum(part.used(every) for part in read)
    dropped: dict[str, int] = {}
    count(dropped, "not asked for", known - used)
    reason = "no outcome of any model, or a score outside 0 to 1"
    count(dropped, reason, sum(part.rows for part in read) - known)
    return used, dropped


def _correlations(pairs: pl.DataFrame, slugs: Mapping[str, str]) -> list[Parameter]:
    """Parameters of a table of pairs; ``slugs`` are the models' names in a config."""
    out = []
    for row in pairs.iter_rows(named=True):
        pair = f"{slugs[row['model']]}.{slugs[row['other']]}"
        about = {
            "method": "phi coefficient, error of its influence function",
            "rows": row["queries"],
        }
        for name, low, high in (
            ("correlation", "low", "high"),
            ("within_classes", "within_low", "within_high"),
        ):
            label = "failure_correlation" + ("_within_classes" if name != "correlation" else "")
            out.append(Parameter(f"{pair}.{label}", row[name], row[low], row[high], "1", about))
    return out


def check(calibration: Calibration, frame: pl.DataFrame) -> dict[str, Any]:
    """Score success by class, as shrunk, raw and by model alone, against other outcomes."""
    models = [m for m in calibration.state["models"] if m in frame.columns]
    there = frame.select("class", "query", *models)
    if not models or not there.height:
        calibration.notes.append(f"{COMPARED_NOTHING}: no model of it was calibrated")
        return {"queries": 0}
    table: pl.DataFrame = calibration.state["by_class"]
    overall = table.group_by("model").agg(
        ((pl.col("success") * pl.col("queries")).sum() / pl.col("queries").sum()).alias("mean")
    )
    other = outcomes.by_class(there).rename({"success": "true", "queries": "n"})
    joined = other.select("class", "model", "true", "n").join(overall, on="model")
    joined = joined.join(
        table.select("class", "model", "success", "shrunk"), on=["class", "model"], how="left"
    )
    joined = joined.with_columns(
        pl.col("success").fill_null(pl.col("mean")), pl.col("shrunk").fill_null(pl.col("mean"))
    )
    weight = joined["n"].to_numpy().astype(float)
    true = joined["true"].to_numpy()

    def points(column: str) -> float:
        off = np.abs(joined[column].to_numpy() - true)
        return float(100 * (weight * off).sum() / weight.sum())

    mine = {p.name: p for p in calibration.parameters}
    pairs = _correlations(outcomes.correlations(there), unique_slugs(calibration.state["models"]))
    return {
        "queries": there.height,
        "classes": joined["class"].n_unique(),
        "success": {
            "mean_error_points": points("shrunk"),
            "mean_error_points_of_raw_shares": points("success"),
            "mean_error_points_of_model_alone": points("mean"),
        },
        "failure_correlation": {
            p.name: compared(mine[p.name], p.value, p.low, p.high) for p in pairs if p.name in mine
        },
    }
