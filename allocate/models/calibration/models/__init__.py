"""``calibrate models``: leaderboards and outcomes per query → success curves.

Reads leaderboards in Aider's form (score, tokens, seconds, cost), outcomes per query (those
of RouteLLM and RouterArena, or one row a query and model), and any CSV by ``--map``.
Gives success against tokens with binomial intervals, success by class, the correlation of
failures, and what a second try that reads the test's errors repairs.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from allocate.errors import DataError, Problem
from allocate.models.calibration import reading, settings
from allocate.models.calibration.models import leaderboard, outcomes
from allocate.models.calibration.result import Calibration, Options

__all__ = ["FIELDS", "OPTIONS", "calibrate", "check", "detects"]

FIELDS = leaderboard.FIELDS | outcomes.FIELDS
OPTIONS = {
    "models": "keep only these models, as a|b",
    "exponent": "sum of the exponents of the token uses in the config; default 0.9",
}


def detects(path: Path) -> str | None:
    """Know a file by its header."""
    if path.suffix == ".parquet":
        return None
    line = reading.first_line(path)
    header = next(csv.reader([line]), []) if line and line.strip()[:1] not in ("{", "[") else []
    return _kind(header)


def _kind(header: Sequence[str]) -> str | None:
    names = {name.strip().casefold() for name in header}
    if {"pass_rate_2", "test_cases"} <= names:
        return "Aider leaderboard"
    if outcomes.wide_models([n.strip() for n in header]) and names & {"query", "query_id"}:
        return "outcomes per query"
    if names & {"correct", "resolved", "reward"} and names & {"query", "query_id", "task_id"}:
        return "outcomes per query and model"
    return None


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Fit what the files say; leaderboards and outcomes are not mixed in one run."""
    from allocate.models.calibration.models import curves, rates

    form, tables, sources = _tables(paths, options)
    recognised = ", ".join(dict.fromkeys(detects(p) or "table by its columns" for p in paths))
    if form == "leaderboard":
        dropped: dict[str, int] = {}
        runs = [
            run
            for path, table in tables
            for run in leaderboard.read(path, table, options.columns, dropped)
        ]
        return curves.calibrate(_kept(runs, options), dropped, sources, recognised, options)
    frames = [outcomes.read(path, table, options.columns) for path, table in tables]
    return rates.calibrate(pl.concat(frames, how="diagonal"), sources, recognised, options)


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Score predicted success against runs or outcomes that were not used."""
    from allocate.models.calibration.models import curves, rates

    form, tables, sources = _tables(paths, options)
    if (form == "leaderboard") != ("families" in calibration.state):
        message = "leaderboards can be checked against leaderboards only, outcomes against outcomes"
        raise DataError([Problem("CAL002", message, str(paths[0]))])
    if form == "leaderboard":
        dropped: dict[str, int] = {}
        runs = [
            run
            for path, table in tables
            for run in leaderboard.read(path, table, options.columns, dropped)
        ]
        out = curves.check(calibration, _kept(runs, options), dropped)
        out["rows_dropped"] = dropped
    else:
        frames = [outcomes.read(path, table, options.columns) for path, table in tables]
        out = rates.check(calibration, pl.concat(frames, how="diagonal"))
    return out | {"files": [s.to_dict() for s in sources]}


def _tables(
    paths: Sequence[Path], options: Options
) -> tuple[str, list[tuple[Path, pl.DataFrame]], list[Any]]:
    tables, sources, forms = [], [], set()
    for path in paths:
        table = reading.read_table(path)
        kind = _kind(table.columns)
        by_query = "correct" in options.columns or (kind or "").startswith("outcomes")
        forms.add("outcomes" if by_query else "leaderboard")
        tables.append((path, table))
        sources.append(reading.source(path, table.height))
    if len(forms) > 1:
        message = "leaderboards and outcomes per query stand side by side"
        hint = "calibrate them one after the other, each into its own folder"
        raise DataError([Problem("CAL002", message, str(paths[0]), hint=hint)])
    return forms.pop(), tables, sources


def _kept(runs: list[dict[str, Any]], options: Options) -> list[dict[str, Any]]:
    wanted = settings.several(options, "models")
    if wanted is None:
        return runs
    names = {name.casefold() for name in wanted}
    return [
        run
        for run in runs
        if run["model"].casefold() in names
        or leaderboard.EFFORT.sub("", run["model"]).strip().casefold() in names
    ]
