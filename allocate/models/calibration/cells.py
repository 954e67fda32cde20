"""Cells of a table as numbers, and rows that are left out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from allocate.models.calibration.naming import shown
from allocate.models.calibration.reading import fail


def number(
    cell: Any,
    column: str,
    path: Path,
    line: int | None = None,
    least: float = -math.inf,
    what: str = "a number",
    endless: bool = False,
) -> float | None:
    """Read a number; an empty cell is None.

    Args:
        cell: as the table holds it.
        column: its column, for messages.
        path: the file, for messages.
        line: the line, for messages.
        least: a smaller one is refused.
        what: what it should be, for messages.
        endless: infinity is one too.

    Raises:
        DataError: CAL006, where it is none.
    """
    if cell is None or not str(cell).strip():
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = math.nan
    if not value >= least or (math.isinf(value) and not endless):
        fail("CAL006", f"`{shown(cell)}` in `{column}` is not {what}", path, line)
    return value


def count(dropped: dict[str, int], reason: str, by: int = 1) -> None:
    """Count rows that are left out."""
    if by:
        dropped[reason] = dropped.get(reason, 0) + by
