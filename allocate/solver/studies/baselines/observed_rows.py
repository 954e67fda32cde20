"""Rows of a table of what is done today, and their places in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from allocate.errors import DataError, Problem
from allocate.models.paths import nearest

KINDS = ("rollout", "verifier", "update")
TEXTS = ("class", "period", "model", "autonomy", "deployment", "asset")
NUMBERS = (
    "share",
    "requests_per_s",
    "utilisation",
    "tpot_ms",
    "retention_s",
    "replicas",
    "staleness",
)
Row = tuple[int | None, dict[str, Any]]
"""A row and its line in the file, where it has one."""


@dataclass(frozen=True)
class Cells:
    """Finds the place of a cell in a plain CSV file, for messages."""

    path: Path

    @cached_property
    def _lines(self) -> list[str]:
        if self.path.suffix != ".csv":
            return []
        try:
            return self.path.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def place(self, line: int | None, name: str | None) -> dict[str, Any]:
        """Line, column and text of the cell below a column's name; what is not known is left out.

        A cell that stands over several lines makes the line one that is near.
        """
        if line is None or line > len(self._lines):
            return {"line": line}
        here = self._lines[line - 1]
        names = [_bare(self._lines[0][i:j]) for i, j in _spans(self._lines[0])]
        spans = _spans(here)
        at = names.index(name) if name in names else len(spans)
        if at >= len(spans):
            return {"line": line}
        return {"line": line, "column": spans[at][0] + 1, "source_line": here}


def _bare(cell: str) -> str:
    return cell.strip().strip('"').removeprefix("\ufeff")


def _spans(line: str) -> list[tuple[int, int]]:
    """Begin and end of every cell of a line of CSV."""
    out, start, quoted = [], 0, False
    for i, letter in enumerate(line):
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            out.append((start, i))
            start = i + 1
    return [*out, (start, len(line))]


def table_rows(path: Path, uses: Sequence[str]) -> list[Row]:
    """Rows of a table; ``uses`` are the names of the token uses.

    Raises:
        DataError: it cannot be read, or has a column that means nothing.
    """
    import polars as pl

    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
        elif path.name.endswith((".csv", ".csv.gz")):
            frame = pl.read_csv(path, infer_schema=False)
        else:
            _refuse(path, "it is not a .csv, .csv.gz, .parquet or .json file")
    except FileNotFoundError:
        _refuse(path, "there is no such file")
    except (pl.exceptions.PolarsError, OSError, UnicodeError) as error:
        _refuse(path, str(error).partition("\n")[0])
    known = [*TEXTS, *NUMBERS, *(f"tokens_{u}" for u in uses), *(f"{k}_tokens" for k in KINDS)]
    strange = [c for c in frame.columns if c not in known]
    if strange:
        cells = Cells(path)
        raise DataError([_unknown(path, cells, column, known) for column in strange])
    lined = path.suffix != ".parquet"
    return [(n + 2 if lined else None, row) for n, row in enumerate(frame.iter_rows(named=True))]


def _unknown(path: Path, cells: Cells, column: str, known: Sequence[str]) -> Problem:
    message = f"`{column}` is not a column of a table of what is done today"
    place = cells.place(None if path.suffix == ".parquet" else 1, column)
    return Problem("OBS002", message, file=str(path), hint=nearest(column, known), **place)


def _refuse(path: Path, why: str) -> None:
    hint = "give a .csv, .csv.gz or .parquet table, or a .json result of `allocate solve`"
    raise DataError([Problem("OBS001", f"cannot read `{path}`: {why}", file=str(path), hint=hint)])
