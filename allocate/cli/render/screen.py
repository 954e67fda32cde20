"""The one screen of ``solve``: verdict, prices, allocation, what binds, what was assumed, next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from allocate.cli.render import verdict
from allocate.cli.render.artifact_sheets import KEYS, artifact_lines, artifact_sheets
from allocate.cli.render.following import Question, next_commands
from allocate.cli.render.lines import FIRST, Line, folded, listed, next_steps, paint, table
from allocate.cli.render.samples import spread_notes, spread_sheets
from allocate.cli.render.sensitivity import hanging_notes, hanging_sheets
from allocate.cli.render.sheet import Sheet
from allocate.cli.render.solve_sheets import layer_sheets, part_sheet, prices_sheet

WORDS = "Words and columns: docs/prices.md"


def draw_screen(
    result: dict[str, Any],
    console: Console,
    asked: Question | None = None,
    whole: bool = False,
    part: str | None = None,
) -> str:
    """Draw a result for a console, as the text to write on it.

    Args:
        result: the document.
        console: where to; its width is kept.
        asked: what was asked, for the commands to try next; None leaves them out.
        whole: every line of every table and list.
        part: only the table of this name.
    """
    lines = _screen(result, console.width, asked, whole)
    if part is not None:
        lines = _only(part_sheet(result, part, whole), console.width)
    return paint(lines, console)


def _screen(
    result: dict[str, Any], width: int, asked: Question | None, whole: bool
) -> Iterator[Line]:
    good = result["status"] == "optimal"
    for i, sentence in enumerate(verdict.verdict(result)):
        style = ("good" if good else "bad") if i == 0 else "plain"
        yield from folded(style, sentence, width)
    for i, line in enumerate(verdict.equation(result, width)):
        yield ("head" if i == 0 else "row"), line
    yield from listed("Conflicting limits", result.get("conflicts") or [], width, True)
    sheets = [
        prices_sheet(result, whole),
        *layer_sheets(result, whole),
        *spread_sheets(result, whole),
        *hanging_sheets(result, whole),
        *(artifact_sheets(result, whole) if whole else ()),
    ]
    for sheet in sheets:
        yield from table(sheet, width)
    told = list(spread_notes(result))
    if told:
        yield "plain", ""
    for sentence in told:
        yield from folded("note", sentence, width)
    yield from listed("Large changes, solved again", hanging_notes(result), width, True)
    if result["prices"]:
        yield "plain", ""
        for sentence in verdict.bindings(result):
            yield from folded("plain", sentence, width)
    yield from listed("Assumed", map(verdict.remark, result["assumed"]), width, whole)
    yield from listed("Warnings", map(verdict.remark, result["warnings"]), width, whole)
    cut = any(sheet.hidden for sheet in sheets) or any(
        len(result[key]) > FIRST for key in ("assumed", "warnings")
    )
    if asked is not None:
        yield from next_steps(next_commands(result, asked, hidden=cut and not whole), width)
    if any(sheet.rows for sheet in sheets):
        yield "plain", ""
        yield "note", WORDS
        more = [] if whole else [name for name in KEYS if artifact_lines(result, name)]
        if more:
            yield from folded(
                "note", f"More tables, with --table NAME or --all: {', '.join(more)}", width
            )


def _only(sheet: Sheet, width: int) -> Iterator[Line]:
    """Draw one sheet alone, and say so if it is empty."""
    if sheet.rows:
        yield from list(table(sheet, width))[1:]  # without the blank line above it
    else:
        yield "title", sheet.title
        yield "note", "  nothing: this answer has no such lines"
