"""The one screen of ``solve``: verdict, prices, allocation, what binds, what was assumed, next."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from allocate.cli.render import verdict
from allocate.cli.render.grid import lay_out
from allocate.cli.render.sheets import FIRST, Sheet, layer_sheets, prices_sheet
from allocate.cli.render.text import clean

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


def draw_screen(
    result: dict[str, Any], console: Console, config: Path | None = None, whole: bool = False
) -> str:
    """Draw a result for a console, as the text to write on it."""
    with console.capture() as captured:
        for style, line in _screen(result, console.width, config, whole):
            text = Text(line, style=STYLES[style], end="\n")
            console.print(text, soft_wrap=True)
    return captured.get()


def _screen(result: dict[str, Any], width: int, config: Path | None, whole: bool) -> Iterator[Line]:
    good = result["status"] == "optimal"
    for i, sentence in enumerate(verdict.verdict(result)):
        style = ("good" if good else "bad") if i == 0 else "plain"
        yield from _wrapped(style, sentence, width)
    for style, line in zip(("head", "row"), verdict.equation(result), strict=False):
        yield style, line
    yield from _listed("Conflicting limits", result.get("conflicts") or [], width, True)
    for sheet in [prices_sheet(result, whole), *layer_sheets(result, whole)]:
        yield from _table(sheet, width)
    if result["prices"]:
        yield "plain", ""
        for sentence in verdict.bindings(result):
            yield from _wrapped("plain", sentence, width)
    yield from _listed("Assumed", map(verdict.remark, result["assumed"]), width, whole)
    yield from _listed("Warnings", map(verdict.remark, result["warnings"]), width, whole)
    yield from _next(result, config, width)


def _table(sheet: Sheet, width: int) -> Iterator[Line]:
    if sheet.rows:
        yield "plain", ""
        yield "title", sheet.title
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


def _next(result: dict[str, Any], config: Path | None, width: int) -> Iterator[Line]:
    yield "plain", ""
    yield "title", "Next"
    commands = verdict.next_commands(result, config)
    beside = all(len(command) + len(why) + 6 <= width for command, why in commands)
    for command, why in commands:
        if not beside:
            yield "note", f"  # {why}"
        yield "command", f"  {command}  # {why}" if beside else f"  {command}"


def _wrapped(style: str, text: str, width: int, indent: str = "  ") -> Iterator[Line]:
    for line in textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False):
        yield style, line
