"""A table as text: what it is made of, the same for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from allocate.cli.render.text import NOTHING, clean

FIRST = 12  # lines of a table on the first screen
Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: its name, its unit, and how a line fills it."""

    name: str
    unit: str
    cell: Callable[[Row], str]
    right: bool = True
    optional: bool = False  # left out where the screen is too narrow for all
    whole: bool = False  # not cut as long as an optional column can be left out for it


@dataclass(frozen=True)
class Sheet:
    """A table ready to be drawn; ``notes`` holds a sentence under a line, by its index."""

    title: str
    columns: list[Column]
    rows: list[list[str]]
    hidden: int = 0
    notes: dict[int, str] = field(default_factory=dict)
    about: str = ""  # what its words mean, in a line


def drawn(columns: Sequence[Column], lines: Sequence[Row]) -> list[list[str]]:
    """Fill the cells of every line."""
    return [[column.cell(line) for column in columns] for line in lines]


def sheet_of(
    title: str, columns: list[Column], lines: Sequence[Row], whole: bool, about: str
) -> Sheet:
    """Draw the first lines, or all of them where ``whole``."""
    shown = lines if whole else lines[:FIRST]
    hidden = len(lines) - len(shown)
    return Sheet(title, columns, drawn(columns, shown), hidden, about=about)


def name_column(key: str, title: str | None = None, otherwise: str = NOTHING) -> Column:
    """Draw the name that stands under a key."""
    return Column(
        title or key, "", lambda r: clean(r[key]) if r.get(key) else otherwise, right=False
    )


def period_column(lines: Sequence[Row]) -> list[Column]:
    """Tell the lines of a day's periods apart, where there are several."""
    return [name_column("period")] if any(line.get("period") for line in lines) else []
