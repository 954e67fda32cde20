"""A calibration as a person reads it: what was recognised, found, and how far to trust it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from allocate.cli.flags import Color, Format
from allocate.cli.render.grid import lay_out
from allocate.cli.render.lines import Line, folded, headed, listed, paint
from allocate.cli.render.markdown import draw_sheet, escape
from allocate.cli.render.records import draw_records
from allocate.cli.render.sheet import Column, Sheet, drawn
from allocate.cli.render.text import NOTHING, clean, number
from allocate.cli.terminal import make_console
from allocate.models.calibration.result import SEEN

SHOWN = 16  # parameters on the first screen


def draw_calibration(
    document: dict[str, Any], chosen: Format, whole: bool = False, color: Color = Color.AUTO
) -> str:
    """Draw the document of a calibration in a format."""
    if chosen is Format.JSON:
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if chosen is Format.CSV:
        return draw_records(document["parameters"])
    if chosen is Format.MARKDOWN:
        return "\n".join(_markdown(document)) + "\n"
    console = make_console(sys.stdout, color)
    return paint(_lines(document, console.width, whole), console)


def _summary(document: dict[str, Any]) -> list[str]:
    dropped = document["rows_dropped"]
    lines = [f"{document['kind']}: {document['recognised']}"]
    rows = "1 row" if document["rows_used"] == 1 else f"{document['rows_used']:,} rows"
    used = f"{rows} used, {sum(dropped.values()):,} dropped"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items() if count)
    return [*lines, f"{used}{': ' + reasons if reasons else ''}"]


def _sheet(document: dict[str, Any], whole: bool) -> Sheet:
    columns = [
        Column("parameter", "", lambda p: clean(p["name"]), right=False),
        Column("value", "", lambda p: number(p["value"])),
        Column("low", "", lambda p: number(p["low"])),
        Column("high", "", lambda p: number(p["high"])),
        Column("unit", "", lambda p: clean(p["unit"]), right=False),
        Column("rows", "", lambda p: number(p["fit"]["rows"], 12)),
    ]
    parameters = document["parameters"]
    shown = parameters if whole else parameters[:SHOWN]
    rows = drawn(columns, shown)
    return Sheet("Parameters", columns, rows, hidden=len(parameters) - len(shown))


def _lines(document: dict[str, Any], width: int, whole: bool) -> Iterator[Line]:
    for line in _summary(document):
        yield from folded("plain", line, width)
    title = f"Parameters, with intervals that hold {document['interval_level']:.0%} of the time"
    yield from headed(title, lay_out(_sheet(document, whole), width))
    if document["check"] is not None:
        seen = any(note.startswith(SEEN) for note in document["notes"])
        title = "Check against data of the fit" if seen else "Check against data that were not used"
        yield from headed(title, lay_out(_check_sheet(document["check"]), width))
    yield from listed("Notes", document["notes"], width, True)
    yield from listed("Files", document["files"], width, True)


def _check_sheet(check: dict[str, Any]) -> Sheet:
    columns = [
        Column("measure", "", lambda r: r["name"], right=False),
        Column("value", "", lambda r: r["value"]),
    ]
    rows = [[clean(name), value] for name, value in _flat(check)]
    return Sheet("Check", columns, rows)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of a nested record as dotted names; an item of a list goes by its first value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            first, *rest = item.items()
            for key, inner in rest:
                yield from _flat(inner, f"{name}.{first[1]}.{key}")
    else:
        yield name, _shown(value)


def _shown(value: Any) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return number(value)
        case list():
            return ", ".join(_shown(item) for item in value)
    return clean(value)


def _markdown(document: dict[str, Any]) -> Iterator[str]:
    first, *rest = _summary(document)
    yield f"**{escape(first)}**"
    yield from (f"\n{escape(line)}" for line in rest)
    sheets = [_sheet(document, True)]
    if document["check"] is not None:
        sheets.append(_check_sheet(document["check"]))
    for sheet in sheets:
        yield from draw_sheet(sheet)
    if document["notes"]:
        yield "\n## Notes\n"
        yield from (f"- {escape(note)}" for note in document["notes"])
