"""Reads the tables of training runs into arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibration import mapping, reading, settings
from allocate.models.calibration.cells import count, number
from allocate.models.calibration.reading import fail
from allocate.models.calibration.result import Options, Source
from allocate.models.calibration.training import formats

ASSET = "*."
"""How paths begin that are the asset's, until it has its name."""
NUMBERS = ("samples", "score", "versions", "age_h", "training_hours")


@dataclass
class Tables:
    """Rows by what they are about; laws as name → value; scores as shares of 1."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    law: dict[str, float] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    used: int = 0


def read(paths: Sequence[Path], options: Options) -> Tables:
    """Read all files."""
    out = Tables()
    for path in paths:
        table = reading.read_table(path)
        what = _kind(table, options)
        if what is None:
            hint = "name its columns, as in `--map samples=step --map score=accuracy`"
            fail("CAL005", "the table has no score against anything known", path, 1, hint=hint)
        if what not in out.formats:
            out.formats.append(what)
        if what == "fitted scaling law":
            out.law |= _law(path, table)
            out.used += table.height
        else:
            kept = _rows(path, table, options, what, out.dropped)
            out.rows.setdefault(what, []).extend(kept)
            out.used += len(kept)
        out.sources.append(reading.source(path, table.height))
    return out


def _kind(table: pl.DataFrame, options: Options) -> str | None:
    for name, what in (
        ("versions", "score against staleness"),
        ("age_h", "score against age"),
        ("samples", "score against training"),
    ):
        if name in options.columns:
            return what
    return formats.kind(table.columns)


def _law(path: Path, table: pl.DataFrame) -> dict[str, float]:
    out = {}
    for line, (name, value) in enumerate(table.select("parameter", "value").iter_rows(), 2):
        out[str(name)] = number(value, "value", path, line, endless=True)
    return {k: v for k, v in out.items() if v is not None}


def _rows(
    path: Path, table: pl.DataFrame, options: Options, what: str, dropped: dict[str, int]
) -> list[dict[str, Any]]:
    needed = {
        "score against staleness": ("versions", "score"),
        "score against age": ("age_h", "score"),
        "score against training": ("samples", "score"),
        "training hours": ("setting", "training_hours"),
    }[what]
    columns = mapping.choose(table.columns, formats.ALIASES, options.columns, path, needed)
    out = []
    for line, raw in enumerate(table.iter_rows(named=True), 2):
        row: dict[str, Any] = {"line": line}
        for name, column in columns.items():
            cell = raw[column]
            row[name] = number(cell, column, path, line, endless=True) if name in NUMBERS else cell
        asked = all(
            name not in options.settings or name not in row or row[name] == options.settings[name]
            for name in ("algorithm", "benchmark", "run")
        )
        missing = any(row.get(name) is None for name in needed) and what != "training hours"
        if missing or not asked:
            count(dropped, "an empty cell" if missing else "another run, algorithm or benchmark")
            continue
        out.append(row)
    _shares(out, path)
    return out


def _shares(rows: list[dict[str, Any]], path: Path) -> None:
    """Turn percent into shares of 1, for a whole table at once."""
    scores = [r["score"] for r in rows if r.get("score") is not None]
    if not scores:
        return
    if max(scores) > 100 or min(scores) < 0:
        fail("CAL008", "scores are neither shares of 1 nor %", path, 1)
    if max(scores) > 1:
        if sum(s <= 1 for s in scores) > len(scores) / 2 and len(scores) > 3:
            fail("CAL008", "some scores look like shares of 1 and some like %", path, 1)
        for row in rows:
            if row.get("score") is not None:
                row["score"] /= 100


def bases(options: Options, found: Tables) -> dict[str, float]:
    """Score of the untrained model by benchmark, "" for all: as said, else of the hours' table.

    Of several models in that table it is the smallest, as in ``hours.slow_down``.

    Raises:
        DataError: CAL009, a score that is none.
    """
    out: dict[str, float] = {}
    rows = found.rows.get("training hours", [])
    for row in sorted(rows, key=lambda row: formats.size(str(row.get("run") or ""))):
        if str(row.get("setting")).casefold() == "base" and row.get("score") is not None:
            out.setdefault("AIME24", row["score"])  # the table's score column is of this benchmark
    text = options.settings.get("base", "")
    for part in filter(None, text.split("|")):
        name, equals, value = part.rpartition("=")
        try:
            score = float(value)
        except ValueError:
            score = math.nan
        if not 0 <= score <= 100:
            settings.refuse("base", text, "is not a score", "write 29.3, or AIME24=29.3|AIME25=24")
        out[name if equals else ""] = score / 100 if score > 1 else score
    return out


def by_run(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by run; the unnamed run is ""."""
    out: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        out.setdefault(str(row.get("run") or ""), []).append(row)
    return out


def columns(rows: list[dict[str, Any]], *names: str) -> list[np.ndarray]:
    """Columns of rows as arrays."""
    return [np.array([row[name] for row in rows], float) for name in names]
