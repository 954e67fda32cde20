"""The one screen of ``solve``: verdict, prices, allocation, what binds, what was assumed, next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from allocate.cli.render import verdict
from allocate.cli.render.following import Question, next_commands
from allocate.cli.render.grid import lay_out
from allocate.cli.render.sheets import Sheet, layer_sheets, part_sheet, prices_sheet
from allocate.cli.render.text import clean, wrapped

STYLES = {
    "good": "bold green",
    "bad": "bold red",
    "title": "bold",
    "head": "dim",
    "note": "dim",
    "row": "",
    "plain": "",
    "command": "cyan",
}
Line = tuple[str, str]
FIRST = 5  # entries of a list
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
    with console.capture() as captured:
        for style, line in lines:
            text = Text(line, style=STYLES[style], end="\n")
            console.print(text, soft_wrap=True)
    return captured.get()


def _screen(
    result: dict[str, Any], width: int, asked: Question | None, whole: bool
) -> Iterator[Line]:
    good = result["status"] == "optimal"
    for i, sentence in enumerate(verdict.verdict(result)):
        style = ("good" if good else "bad") if i == 0 else "plain"
        yield from _wrapped(style, sentence, width)
    for i, line in enumerate(verdict.equation(result, width)):
        yield ("head" if i == 0 else "row"), line
    yield from _listed("Conflicting limits", result.get("conflicts") or [], width, True)
    sheets = [prices_sheet(result, whole), *layer_sheets(result, whole)]
    for sheet in sheets:
        yield from _table(sheet, width)
    if result["prices"]:
        yield "plain", ""
        for sentence in verdict.bindings(result):
            yield from _wrapped("plain", sentence, width)
    yield from _listed("Assumed", map(verdict.remark, result["assumed"]), width, whole)
    yield from _listed("Warnings", map(verdict.remark, result["warnings"]), width, whole)
    cut = any(sheet.hidden for sheet in sheets) or any(
        len(result[key]) > FIRST for key in ("assumed", "warnings")
    )
    if asked is not None:
        yield from _next(next_commands(result, asked, hidden=cut and not whole), width)
    if any(sheet.rows for sheet in sheets):
        yield "plain", ""
        yield "note", WORDS


def _table(sheet: Sheet, width: int) -> Iterator[Line]:
    if sheet.rows:
        yield "plain", ""
        yield from _only(sheet, width)


def _only(sheet: Sheet, width: int) -> Iterator[Line]:
    yield "title", sheet.title
    if not sheet.rows:
        yield "note", "  nothing: this answer has no such lines"
        return
    yield from _wrapped("note", sheet.about, width, "")
    yield from lay_out(sheet, width)


def _listed(title: str, entries: Any, width: int, whole: bool) -> Iterator[Line]:
    texts = [clean(entry) for entry in entries]
    if not texts:
        return
    yield "plain", ""
    yield "title", title
    for text in texts if whole else texts[:FIRST]:
        yield from _wrapped("plain", f"- {text}", width, "  ")
    hidden = 0 if whole else len(texts) - FIRST
    if hidden > 0:
        yield "note", f"    {hidden} more: --all shows them"


def _next(commands: list[tuple[str, str]], width: int) -> Iterator[Line]:
    if not commands:
        return
    yield "plain", ""
    yield "title", "Next"
    beside = all(len(command) + len(why) + 6 <= width for command, why in commands)
    for command, why in commands:
        if not beside:
            yield "note", f"  # {why}"
        if not beside and len(command) + 2 > width:
            yield from _folded(command, width)
        else:
            yield "command", f"  {command}  # {why}" if beside else f"  {command}"


def _folded(command: str, width: int) -> Iterator[Line]:
    """Fold a command before its flags, as a shell takes it."""
    line, *flags = command.replace(" --", "\n--").split("\n")
    for flag in flags:
        if len(line) + len(flag) + 5 > width:
            yield "command", f"  {line} \\"
            line = f"  {flag}"
        else:
            line += f" {flag}"
    yield "command", f"  {line}"


def _wrapped(style: str, text: str, width: int, indent: str = "  ") -> Iterator[Line]:
    for line in wrapped(text, width, indent):
        yield style, line
