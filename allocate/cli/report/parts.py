"""What a report is made of: a page of sections, each with sentences, figures and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from allocate.cli.render.records import draw_records
from allocate.cli.render.sheet import Sheet
from allocate.cli.render.text import NOTHING, clean, number

Row = dict[str, Any]
Spec = dict[str, Any]


def named(value: Any) -> str:
    """Write a name, or that there is none."""
    return clean(value) if value else NOTHING


@dataclass(frozen=True)
class Head:
    """A column's heading: name, unit, and whether its cells are numbers."""

    name: str
    unit: str = ""
    right: bool = True


@dataclass(frozen=True)
class Table:
    """A table as text, and the same as CSV in full precision, by file name."""

    key: str
    title: str
    heads: list[Head]
    rows: list[list[str]]
    files: dict[str, str]
    notes: dict[int, str] = field(default_factory=dict)
    about: str = ""


@dataclass(frozen=True)
class Figure:
    """A chart with its finding as title, its words for those who cannot see it, and its data.

    ``chart`` takes the width in pixels and returns a Vega-Lite spec, so that a phone gets a
    drawing of its own instead of a small copy.
    """

    key: str
    title: str
    about: str
    alt: str
    chart: Callable[[int], Spec]
    table: Table


@dataclass(frozen=True)
class Item:
    """An entry of a list: what it is about, what there is to say, and where more is said."""

    head: str
    text: str
    link: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page; one without content is left out."""

    key: str
    title: str
    sentences: list[str] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    about: str = ""

    @property
    def filled(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.sentences or self.items or self.figures or self.tables)


@dataclass(frozen=True)
class Fact:
    """A number that stands large at the top, and what it is."""

    text: str
    label: str


@dataclass(frozen=True)
class Drawn:
    """What one document gives to a page; ``good`` says whether it may be relied on.

    ``brief`` says in a few sentences what the document found, for a page of several.
    """

    good: bool
    verdict: str
    proof: list[str]
    facts: list[Fact]
    sections: list[Section]
    source: list[Fact]
    brief: list[Item] = field(default_factory=list)
    extra: list[Fact] = field(default_factory=list)
    remarks: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A document that a page is made of, and where it comes from."""

    name: str
    facts: list[Fact]


@dataclass(frozen=True)
class Page:
    """A report, ready to be drawn."""

    title: str
    good: bool
    verdict: str
    proof: list[str]
    facts: list[Fact]
    doubts: list[str]
    brief: list[Item]
    sections: list[Section]
    absent: list[Item]
    sources: list[Source]

    @property
    def figures(self) -> dict[str, Figure]:
        """The figures by name, in the order of the page."""
        return {f.key: f for section in self.sections for f in section.figures}


@dataclass(frozen=True)
class Field:
    """A column of a table that is made from records: heading, key of the record, way to write."""

    name: str
    key: str
    unit: str = ""
    write: Callable[[Any], str] = number

    @property
    def head(self) -> Head:
        """The column's heading; what is written as a name stands left."""
        return Head(self.name, self.unit, self.write not in (clean, named))


def table_of(
    key: str, title: str, fields: Sequence[Field], lines: Sequence[Row], about: str = ""
) -> Table:
    """Make a table of records, with the same columns as CSV."""
    rows = [[f.write(line.get(f.key)) for f in fields] for line in lines]
    csv = draw_records([{f.key: line.get(f.key) for f in fields} for line in lines])
    return Table(key, title, [f.head for f in fields], rows, {f"{key}.csv": csv}, about=about)


def table_of_sheet(key: str, title: str, sheet: Sheet, files: dict[str, str]) -> Table:
    """Take a table of the terminal as it is."""
    heads = [Head(c.name, c.unit, c.right) for c in sheet.columns]
    return Table(key, title, heads, sheet.rows, files, sheet.notes, sheet.about)


def records(value: Any) -> list[Row]:
    """Return the records of a part that the format leaves open; anything else is left out."""
    if not isinstance(value, list):
        return []
    return [line for line in value if isinstance(line, dict)]


def numbers(values: Iterable[Any]) -> list[float]:
    """Return those values that are numbers."""
    return [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
