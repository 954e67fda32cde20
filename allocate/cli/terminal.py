"""The two streams: stdout is the answer, stderr the story."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from allocate.cli.flags import Color
from allocate.cli.render.text import clean_lines

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 80
NARROWEST = 20
WIDEST = 120


def is_coloured(stream: TextIO, color: Color) -> bool:
    """Colour a terminal that can show it, unless the user said otherwise."""
    if color is not Color.AUTO:
        return color is Color.ALWAYS
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown")
    return stream.isatty() and not plain


def make_console(stream: TextIO, color: Color = Color.AUTO) -> Console:
    """Open a console on a stream: never markup, and as wide as `width_of` says."""
    from rich.console import Console

    coloured = is_coloured(stream, color)
    console = Console(
        file=stream,
        force_terminal=coloured,
        color_system="standard" if coloured else None,
        no_color=not coloured,
        markup=False,
        highlight=False,
        emoji=False,
        width=width_of(stream),
    )
    if console.width > WIDEST:
        console.width = WIDEST
    return console


def width_of(stream: TextIO) -> int | None:
    """Take the terminal's width (None: rich asks it); elsewhere what COLUMNS says, else 80."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) >= NARROWEST:
        return int(columns)
    return None if stream.isatty() else PIPED_WIDTH


def progress_console(stream: TextIO) -> Console:
    """Open a console that redraws a line; NO_COLOR takes its colour, not the line."""
    from rich.console import Console

    coloured = is_coloured(stream, Color.AUTO)
    return Console(
        file=stream,
        force_terminal=stream.isatty(),
        no_color=not coloured,
        markup=False,
        highlight=False,
        emoji=False,
    )


def plain_console() -> Console:
    """Open a console for a file: the width of a pipe and no colour, whatever the terminal is."""
    return make_console(io.StringIO(), Color.NEVER)


@dataclass(frozen=True)
class Story:
    """What is told on stderr: warnings always but when quiet, details when verbose."""

    quiet: bool = False
    verbose: bool = False

    def say(self, text: str) -> None:
        """Tell something that the user wants to know now."""
        if not self.quiet:
            print(clean_lines(text), file=sys.stderr, flush=True)

    def detail(self, text: str) -> None:
        """Tell something that explains the run."""
        if self.verbose and not self.quiet:
            self.say(text)


def complain(text: str) -> None:
    """Say on stderr why there is no answer; ``-q`` does not hide it."""
    print(clean_lines(text), file=sys.stderr, flush=True)
