"""One comparison, drawn as it was asked for."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allocate.cli.flags import Color, Format
from allocate.cli.render.compare_sheets import remarks, sheets
from allocate.cli.render.lines import Line, folded, listed, next_steps, paint, table
from allocate.cli.render.markdown import draw_sheet, escape
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean
from allocate.cli.terminal import make_console, plain_console

WORDS = "Words and columns: docs/compare.md"
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
        return draw_records([{"name": "joint", **document["joint"]}, *lines])
    if chosen is Format.MARKDOWN:
        return _markdown(document, whole)
    console = plain_console() if to_file else make_console(sys.stdout, color)
    return paint(_lines(document, console.width, config, whole), console)


def _lines(
    document: dict[str, Any], width: int, config: Path | None, whole: bool
) -> Iterator[Line]:
    good = document["status"] == "optimal"
    yield from folded("good" if good else "bad", document["verdict"], width, "")
    if not good:
        text = "stopped early or not certified: what follows is what is known so far"
        yield from folded("bad", text, width, "")
    for sheet in sheets(document):
        yield from table(sheet, width)
    yield from listed("Warnings", document["warnings"], width, True)
    yield from listed("How the baselines were set", remarks(document), width, whole, _FEW)
    if config is not None:
        yield from next_steps(_next(document, config), width)
    yield "plain", ""
    yield "note", WORDS


def _next(document: dict[str, Any], config: Path) -> list[tuple[str, str]]:
    file = shlex.quote(clean(config))
    logged = any(line["name"] == "observed" for line in document["baselines"])
    today = " --observed TABLE" if logged else ""
    out = [
        (f"allocate solve {file}", "the joint answer itself and its prices"),
        (f"allocate diagnose {file}{today}", "where the loss is, and what to change"),
    ]
    if not logged:
        out.append((f"allocate compare {file} --observed TABLE", "against what you do today"))
    out.append((f"allocate compare {file} --format json --out compare.json", "every number"))
    return out


def _markdown(document: dict[str, Any], whole: bool) -> str:
    parts = [f"**{escape(document['verdict'])}**"]
    for sheet in sheets(document):
        parts += draw_sheet(sheet)
    if told := document["warnings"]:
        parts += ["\n## Warnings\n", *(f"- {escape(clean(text))}" for text in told)]
    notes = remarks(document)
    if notes:
        parts.append("\n## How the baselines were set\n")
        parts += [f"- {escape(note)}" for note in (notes if whole else notes[:_FEW])]
    return "\n".join(parts).rstrip() + "\n"
