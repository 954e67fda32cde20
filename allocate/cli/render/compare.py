"""One comparison, drawn as it was asked for."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from allocate.cli.flags import Color, Format
from allocate.cli.render.compare_sheets import remarks, sheets
from allocate.cli.render.grid import lay_out
from allocate.cli.render.markdown import draw_sheet, escape
from allocate.cli.render.records import draw_csv
from allocate.cli.render.screen import STYLES
from allocate.cli.render.text import clean
from allocate.cli.terminal import make_console, plain_console

Line = tuple[str, str]
_FEW = 3


def draw_comparison(
    document: dict[str, Any],
    chosen: Format,
    *,
    config: Path | None = None,
    whole: bool = False,
    color: Color = Color.AUTO,
    to_file: bool = False,
) -> str:
    """Draw a comparison in a format, for stdout or for a file."""
    if chosen is Format.JSON:
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if chosen is Format.CSV:
        lines = [{k: v for k, v in b.items() if k != "about"} for b in document["baselines"]]
        return draw_csv({"layers": {"baselines": lines}}, "baselines")
    if chosen is Format.MARKDOWN:
        return _markdown(document, whole)
    console = plain_console() if to_file else make_console(sys.stdout, color)
    return _screen(document, console, config, whole)


def _screen(document: dict[str, Any], console: Console, config: Path | None, whole: bool) -> str:
    with console.capture() as captured:
        for style, line in _lines(document, console.width, config, whole):
            console.print(Text(line, style=STYLES[style]), soft_wrap=True)
    return captured.get()


def _lines(
    document: dict[str, Any], width: int, config: Path | None, whole: bool
) -> Iterator[Line]:
    said = "plain" if document["status"] == "optimal" else "bad"
    yield from _wrapped("good" if said == "plain" else "bad", document["verdict"], width, "")
    if document["status"] != "optimal":
        text = "stopped early or not certified: what follows is what is known so far"
        yield from _wrapped("bad", text, width, "")
    for sheet in sheets(document):
        yield "plain", ""
        yield "title", sheet.title
        yield from lay_out(sheet, width)
    notes = remarks(document)
    if notes:
        yield "plain", ""
        yield "title", "How the baselines were set"
        for note in notes if whole else notes[:_FEW]:
            yield from _wrapped("plain", f"- {note}", width, "  ")
        if not whole and len(notes) > _FEW:
            yield "note", f"    {len(notes) - _FEW} more: --all shows them"
    if config is None:
        return
    yield "plain", ""
    yield "title", "Next"
    for command, why in _next(document, config):
        beside = len(command) + len(why) + 6 <= width
        if not beside:
            yield "note", f"  # {why}"
        yield "command", f"  {command}  # {why}" if beside else f"  {command}"


def _next(document: dict[str, Any], config: Path) -> list[tuple[str, str]]:
    file = shlex.quote(clean(config))
    out = [(f"allocate solve {file}", "the joint answer itself and its prices")]
    if not any(line["name"] == "observed" for line in document["baselines"]):
        out.append((f"allocate compare {file} --observed TABLE", "against what you do today"))
    out.append((f"allocate compare {file} --format json --out compare.json", "every number"))
    return out


def _wrapped(style: str, text: str, width: int, indent: str) -> Iterator[Line]:
    for line in textwrap.wrap(clean(text), width, subsequent_indent=indent, break_on_hyphens=False):
        yield style, line


def _markdown(document: dict[str, Any], whole: bool) -> str:
    parts = [f"**{escape(document['verdict'])}**"]
    for sheet in sheets(document):
        parts += draw_sheet(sheet)
    notes = remarks(document)
    if notes:
        parts.append("\n## How the baselines were set\n")
        parts += [f"- {escape(note)}" for note in (notes if whole else notes[:_FEW])]
    return "\n".join(parts).rstrip() + "\n"
