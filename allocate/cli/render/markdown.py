"""A result as Markdown, for a pull request or a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from allocate.cli.render import verdict
from allocate.cli.render.artifact_sheets import artifact_sheets
from allocate.cli.render.samples import spread_notes, spread_sheets
from allocate.cli.render.sensitivity import hanging_notes, hanging_sheets
from allocate.cli.render.sheet import Sheet
from allocate.cli.render.solve_sheets import layer_sheets, part_sheet, prices_sheet
from allocate.cli.render.text import clean

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|~"})


def draw_markdown(result: dict[str, Any], whole: bool = False, part: str | None = None) -> str:
    """Write the screen's content, or one of its tables, with Markdown's headings and tables."""
    if part is not None:
        return "\n".join(_table(part_sheet(result, part, whole))).strip() + "\n"
    return "\n".join(_document(result, whole)).rstrip() + "\n"


def escape(text: str) -> str:
    """Make Markdown show a text as it stands."""
    return clean(text).translate(_SPECIAL)


def _document(result: dict[str, Any], whole: bool) -> Iterator[str]:
    first, *rest = verdict.verdict(result)
    yield f"**{escape(first)}**"
    yield from (f"\n{escape(line)}" for line in rest)
    parts = verdict.balance(result)
    if parts:
        cells = [("welfare", result["objective"]["welfare"]), *parts]
        yield ""
        yield from _pipes([f"{name}, USD/h" for name, _ in cells], [True] * len(cells))
        yield _line(verdict.amounts([amount for _, amount in cells]))
    yield from _list("Conflicting limits", result.get("conflicts") or [])
    for sheet in [
        prices_sheet(result, whole),
        *layer_sheets(result, whole),
        *spread_sheets(result, whole),
        *hanging_sheets(result, whole),
        *(artifact_sheets(result, whole) if whole else ()),
    ]:
        yield from _table(sheet)
    yield from _list("Large changes, solved again", hanging_notes(result))
    if told := list(spread_notes(result)):
        yield "\n" + escape(". ".join(told))
    if result["prices"]:
        yield "\n## What binds\n"
        yield from (f"- {escape(line)}" for line in verdict.bindings(result))
    yield from _list("Assumed", [verdict.remark(e) for e in result["assumed"]])
    yield from _list("Warnings", [verdict.remark(e) for e in result["warnings"]])


def _table(sheet: Sheet) -> Iterator[str]:
    if not sheet.rows:
        return
    yield f"\n## {sheet.title}\n"
    if sheet.about:
        yield f"{escape(sheet.about)}\n"
    heads = [f"{c.name}, {c.unit}" if c.unit else c.name for c in sheet.columns]
    yield from _pipes(heads, [c.right for c in sheet.columns])
    yield from (_line(cells) for cells in sheet.rows)
    if sheet.hidden:
        yield f"\n{sheet.hidden} more with `--all`."
    if sheet.notes:
        yield ""
    for i, note in sheet.notes.items():
        yield f"- {escape(sheet.rows[i][0])}: {escape(note)}"


def _pipes(heads: list[str], right: list[bool]) -> Iterator[str]:
    yield _line(heads)
    yield "|" + "|".join("---:" if r else "---" for r in right) + "|"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _list(title: str, entries: list[Any]) -> Iterator[str]:
    if entries:
        yield f"\n## {title}\n"
        yield from (f"- {escape(str(entry))}" for entry in entries)


def draw_sheet(sheet: Sheet) -> list[str]:
    """Write one sheet as lines of Markdown."""
    return list(_table(sheet))
