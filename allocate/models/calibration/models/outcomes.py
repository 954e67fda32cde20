"""Outcomes per query: success by class and model, and how failures go together.

Two forms: wide, one row a query with a column ``MODEL_correct`` or ``MODEL_score`` a model
(RouteLLM's and RouterArena's); long, one row a query and model. Scores are 0 to 1. Text of a
query is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from allocate.models.calibration import mapping
from allocate.models.calibration.naming import shown
from allocate.models.calibration.reading import fail
from allocate.models.calibration.statistics import NORMAL, proportion

FIELDS = {
    "query": "what tells queries apart",
    "class": "class or subject of the query",
    "group": "benchmark or data set, where a class alone is not unique",
    "correct": "1 or 0, or a score from 0 to 1, of one model on one query",
}
ALIASES: dict[str, tuple[str, ...]] = {
    "query": ("query", "query_id", "task_id", "id"),
    "class": ("class", "subject", "dataset", "category"),
    "group": ("benchmark",),
    "correct": ("correct", "score", "reward", "resolved", "success"),
    "model": ("model",),
}
STRAY = 0.02
"""Share of scores outside 0 to 1 that is left out as stray; more is another unit."""
_ENDS = ("_correct", "_score")


def wide_models(header: list[str]) -> dict[str, str]:
    """Model → column of a wide table."""
    out = {}
    for end in _ENDS:
        out |= {c.removesuffix(end): c for c in header if c.endswith(end) and len(c) > len(end)}
    return out


@dataclass(frozen=True)
class Outcomes:
    """What one file holds.

    ``frame`` has columns class, query and one column of scores a model (null: not asked).
    ``by_model`` counts the rows of a long table that have a score; None of a wide one.
    """

    frame: pl.DataFrame
    rows: int
    by_model: Mapping[str, int] | None = None

    def used(self, models: Sequence[str]) -> int:
        """Rows that say something of some models."""
        if self.by_model is not None:
            return sum(self.by_model.get(model, 0) for model in models)
        there = [model for model in models if model in self.frame.columns]
        known = pl.any_horizontal(pl.col(there).is_not_null())
        return self.frame.filter(known).height if there else 0


def read(path: Path, table: pl.DataFrame, given: Mapping[str, str]) -> Outcomes:
    """Read the scores of a file.

    Raises:
        DataError: a column is missing, or scores are none from 0 to 1.
    """
    columns = mapping.choose(table.columns, ALIASES, given, path)
    models = {} if "correct" in given else wide_models(table.columns)
    kind = pl.lit("all") if "class" not in columns else pl.col(columns["class"]).fill_null("")
    if "group" in columns and columns.get("class") != columns["group"]:
        group = pl.col(columns["group"]).fill_null("")
        kind = pl.when(kind == group).then(group).otherwise(group + "/" + kind)
    named = table.with_columns(
        kind.alias("__class"), pl.Series("__line", range(2, table.height + 2))
    )
    if models:
        query = pl.col(columns["query"]) if "query" in columns else pl.col("__line").cast(pl.String)
        out = [_scores(named, column, model, path) for model, column in models.items()]
        frame = named.select(pl.col("__class").alias("class"), query.alias("query"), *out)
        return Outcomes(frame, table.height)
    needed = mapping.choose(table.columns, ALIASES, given, path, ("model", "correct", "query"))
    long = named.select(
        pl.col("__class").alias("class"), pl.col(needed["query"]).alias("query"),
        pl.col(needed["model"]).fill_null("").alias("model"),
        _scores(named, needed["correct"], "score", path),
    )  # fmt: skip
    scored = long.drop_nulls("score").group_by("model").len()
    wide = long.pivot("model", index=["class", "query"], values="score", aggregate_function="mean")
    return Outcomes(wide, table.height, dict(scored.iter_rows()))


def _scores(table: pl.DataFrame, column: str, name: str, path: Path) -> pl.Series:
    raw = table[column].cast(pl.String).str.strip_chars().str.to_lowercase()
    raw = raw.replace({"true": "1", "false": "0", "": None})
    value = raw.cast(pl.Float64, strict=False)
    wrong = raw.is_not_null() & value.is_null()
    if wrong.any():
        at = int(wrong.arg_max() or 0)
        message = f"`{shown(raw[at])}` in `{column}` is not a score from 0 to 1"
        fail("CAL006", message, path, at + 2)
    outside = ~value.is_between(0, 1).fill_null(True)
    if outside.sum() > STRAY * len(value):
        at = int(outside.arg_max() or 0)
        message = f"{value[at]:g} in `{column}` is not a score from 0 to 1"
        fail("CAL008", message, path, at + 2, hint="divide percentages by 100")
    return value.set(outside, None).alias(name)


def models_of(frame: pl.DataFrame) -> list[str]:
    """Models of a frame of outcomes."""
    return [c for c in frame.columns if c not in ("class", "query")]


def by_class(frame: pl.DataFrame) -> pl.DataFrame:
    """Success by class and model: share, Wilson interval and the share shrunk to the model's.

    The shrunk share is that of a beta prior with the model's mean, whose weight is fitted to
    the spread between classes (moments); small classes say little by themselves.
    """
    records: list[dict[str, Any]] = []
    for model in models_of(frame):
        known = frame.filter(pl.col(model).is_not_null())
        sums = known.group_by("class", maintain_order=True).agg(
            pl.col(model).sum().alias("solved"), pl.len().alias("queries")
        )
        n, k = (sums[c].to_numpy().astype(float) for c in ("queries", "solved"))
        mean, weight = _prior(k, n)
        for kind, solved, queries in zip(sums["class"], k, n, strict=True):
            share, low, high = proportion(solved, queries)
            shrunk = (solved + weight * mean) / (queries + weight)
            records.append({
                "class": kind, "model": model, "queries": int(queries), "success": share,
                "low": low, "high": high, "shrunk": shrunk,
            })  # fmt: skip
    return pl.DataFrame(records)


def _prior(solved: NDArray[Any], tried: NDArray[Any]) -> tuple[float, float]:
    """Mean and weight (in queries) of the classes' beta prior, by moments."""
    mean = float(solved.sum() / tried.sum())
    if len(tried) < 3 or not 0 < mean < 1:
        return mean, 1.0
    noise = mean * (1 - mean)
    spare = float((tried * (solved / tried - mean) ** 2).sum()) - noise * (len(tried) - 1)
    between = spare / float(tried.sum() - (tried**2).sum() / tried.sum())
    return mean, float(np.clip(noise / max(between, 1e-9) - 1.0, 1.0, 1e6))


def correlations(frame: pl.DataFrame) -> pl.DataFrame:
    """How failures of each pair go together: over all queries, and within classes.

    Phi coefficient with an interval of its own; within classes the scores are centred by class,
    so that what is left is not that some classes are hard for both.
    """
    records = []
    for a, b in combinations(models_of(frame), 2):
        both = frame.filter(pl.col(a).is_not_null() & pl.col(b).is_not_null())
        if both.height < 10:
            continue
        centred = both.with_columns(
            (pl.col(a) - pl.col(a).mean().over("class")).alias("__a"),
            (pl.col(b) - pl.col(b).mean().over("class")).alias("__b"),
        )
        whole = _phi(both[a].to_numpy(), both[b].to_numpy())
        inside = _phi(
            centred["__a"].to_numpy(), centred["__b"].to_numpy(), both["class"].n_unique()
        )
        if whole is None or inside is None:
            continue
        (whole, low, high), (inside, inner_low, inner_high) = whole, inside
        records.append({
            "model": a, "other": b, "queries": both.height, "correlation": whole, "low": low,
            "high": high, "within_classes": inside, "within_low": inner_low,
            "within_high": inner_high,
            "both_fail": float(np.mean((1 - both[a].to_numpy()) * (1 - both[b].to_numpy()))),
            "best_of_both": float(np.mean(np.maximum(both[a].to_numpy(), both[b].to_numpy()))),
        })  # fmt: skip
    return pl.DataFrame(records)


def _phi(a: NDArray[Any], b: NDArray[Any], means: int = 1) -> tuple[float, float, float] | None:
    """Phi coefficient with an interval; ``means`` were taken out of the scores.

    The error is that of its influence function, on Fisher's scale. Fisher's own error is that of
    normal scores: of outcomes, which are 0 or 1, it held the truth in 79 to 83 of 100 draws.
    """
    if a.std() < 1e-12 or b.std() < 1e-12:
        return None
    x, y = (a - a.mean()) / a.std(), (b - b.mean()) / b.std()
    value = float(np.clip(np.mean(x * y), -1.0, 1.0))
    free = max(len(a) - means, 3)
    error = np.sqrt(np.mean((x * y - 0.5 * value * (x**2 + y**2)) ** 2) / free)
    # never surer than normal scores would be, as where all outcomes agree
    narrow = np.clip(value, -0.9999, 0.9999)
    reach = NORMAL * max(float(error) / (1 - narrow**2), 1 / np.sqrt(free))
    low, high = np.tanh(np.arctanh(narrow) + np.array([-reach, reach]))
    return value, float(low), float(high)
