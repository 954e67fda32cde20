"""Rows of a table of what is done today, and their places in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from allocate.errors import DataError, Problem
from allocate.models.paths import nearest
from allocate.solver.studies.baselines.observed_torn import header_of, separated, spans, torn

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
        names = [_bare(self._lines[0][i:j]) for i, j in spans(self._lines[0])]
        cells = spans(here)
        at = names.index(name) if name in names else len(cells)
        if at >= len(cells):
            return {"line": line}
        return {"line": line, "column": cells[at][0] + 1, "source_line": here}


def _bare(cell: str) -> str:
    return cell.removeprefix("\ufeff").strip().strip('"')


def table_rows(path: Path, uses: Sequence[str]) -> list[Row]:
    """Rows of a table; ``uses`` are the names of the token uses.

    Raises:
        DataError: it cannot be read, or has a column that means nothing.
    """
    import polars as pl

    known = [*TEXTS, *NUMBERS, *(f"tokens_{u}" for u in uses), *(f"{k}_tokens" for k in KINDS)]
    lined = path.name.endswith((".csv", ".csv.gz"))
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
        elif lined:
            frame = pl.read_csv(path, infer_schema=False)
        else:
            _refuse(path, "it is not a .csv, .csv.gz, .parquet or .json file")
    except FileNotFoundError:
        _refuse(path, "there is no such file")
    except (pl.exceptions.PolarsError, OSError, UnicodeError) as error:
        if lined and (found := torn(path, known)):
            raise DataError(found) from error
        _refuse(path, str(error).partition("\n")[0])
    strange = [c for c in frame.columns if c not in known]
    if strange and lined and (other := separated(path, header_of(path), known)):
        raise DataError([other])
    if strange:
        cells = Cells(path)
        raise DataError([_unknown(path, cells, column, known) for column in strange])
    return [(n + 2 if lined else None, row) for n, row in enumerate(frame.iter_rows(named=True))]


def _unknown(path: Path, cells: Cells, column: str, known: Sequence[str]) -> Problem:
    place = cells.place(None if path.suffix == ".parquet" else 1, column)
    twice = re.fullmatch(r"(.+)_duplicated_\d+", column)  # so the reader of CSV calls it
    if twice and twice[1] in known:
        message, hint = f"the column `{twice[1]}` stands there twice", "leave out one of them"
        return Problem("OBS002", message, file=str(path), hint=hint, **place)
    message = f"`{column}` is not a column of a table of what is done today"
    return Problem("OBS002", message, file=str(path), hint=nearest(column, known), **place)


def _refuse(path: Path, why: str) -> NoReturn:
    hint = "give a .csv, .csv.gz or .parquet table, or a .json result of `allocate solve`"
    raise DataError([Problem("OBS001", f"cannot read `{path}`: {why}", file=str(path), hint=hint)])
