"""One result, drawn as it was asked for."""

from __future__ import annotations

import json
import sys
from typing import Any

from allocate.cli.flags import Color, Format, Part
from allocate.cli.render.following import Question
from allocate.cli.render.markdown import draw_markdown
from allocate.cli.render.records import draw_csv
from allocate.cli.render.screen import draw_screen
from allocate.cli.terminal import make_console, plain_console


def draw_answer(
    result: dict[str, Any],
    chosen: Format,
    *,
    asked: Question | None = None,
    part: Part | None = None,
    whole: bool = False,
    color: Color = Color.AUTO,
    to_file: bool = False,
) -> str:
    """Draw a result in a format, for stdout or for a file; ``part`` draws one table of it."""
    name = None if part is None else part.value
    if chosen is Format.JSON:
        return json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    if chosen is Format.CSV:
        return draw_csv(result, name or Part.PRICES.value)
    if chosen is Format.MARKDOWN:
        return draw_markdown(result, whole, name)
    console = plain_console() if to_file else make_console(sys.stdout, color)
    return draw_screen(result, console, asked, whole, name)
