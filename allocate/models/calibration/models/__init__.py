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
from allocate.models.calibration.cells import count
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
        runs = _runs(tables, options, dropped, True)
        return curves.calibrate(runs, dropped, sources, recognised, options)
    read = [outcomes.read(path, table, options.columns) for path, table in tables]
    return rates.calibrate(read, sources, recognised, options)


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Score predicted success against runs or outcomes that were not used."""
    from allocate.models.calibration.models import held_out, rates

    form, tables, sources = _tables(paths, options)
    if (form == "leaderboard") != ("families" in calibration.state):
        message = "leaderboards can be checked against leaderboards only, outcomes against outcomes"
        raise DataError([Problem("CAL002", message, str(paths[0]))])
    if form == "leaderboard":
        dropped: dict[str, int] = {}
        out = held_out.check(calibration, _runs(tables, options, dropped, False), dropped)
        out["rows_dropped"] = dropped
    else:
        frames = [outcomes.read(path, table, options.columns).frame for path, table in tables]
        out = rates.check(calibration, pl.concat(frames, how="diagonal"))
    return out | {"files": [s.to_dict() for s in sources]}


def _runs(
    tables: Sequence[tuple[Path, pl.DataFrame]], options: Options, dropped: dict[str, int],
    all_needed: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """Runs of all leaderboards that are asked for; the others are counted.

    Args:
        tables: the files with what they hold.
        options: may name ``models``.
        dropped: rows that are not used, by reason; gets more.
        all_needed: refuse a name that no run has, and a table without any run.
    """
    runs = [
        run
        for path, table in tables
        for run in leaderboard.read(path, table, options.columns, dropped)
    ]
    if not runs and all_needed:
        hint = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        message = "no run can be used"
        raise DataError([Problem("CAL007", message, str(tables[0][0]), hint=hint or None)])
    wanted = settings.several(options, "models")
    if wanted is None:
        return runs
    names = {name.casefold() for name in wanted}
    if all_needed:
        there = {run["model"] for run in runs} | {leaderboard.base_name(run) for run in runs}
        settings.all_there("models", wanted, there, "no run is of")
    kept = [
        run
        for run in runs
        if names & {run["model"].casefold(), leaderboard.base_name(run).casefold()}
    ]
    count(dropped, "not asked for", len(runs) - len(kept))
    return kept


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
