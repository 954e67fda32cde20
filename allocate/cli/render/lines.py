"""What screens of every command are made of: styled lines, lists, tables and commands to try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from allocate.cli.render.grid import lay_out
from allocate.cli.render.sheet import Sheet
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
"""A style and a text that is no wider than the console."""
FIRST = 5  # entries of a list


def paint(lines: Iterable[Line], console: Console) -> str:
    """Draw lines for a console, as the text to write on it."""
    with console.capture() as captured:
        for style, line in lines:
            console.print(Text(line, style=STYLES[style]), soft_wrap=True)
    return captured.get()


def folded(style: str, text: str, width: int, indent: str = "  ") -> Iterator[Line]:
    """Fold a sentence; nothing of an empty one."""
    for line in wrapped(clean(text), width, indent) if text else ():
        yield style, line


def headed(title: str, lines: Iterable[Line]) -> Iterator[Line]:
    """Put a blank line and a title above lines."""
    yield "plain", ""
    yield "title", title
    yield from lines


def listed(
    title: str, entries: Iterable[object], width: int, whole: bool, first: int = FIRST
) -> Iterator[Line]:
    """List entries under a title, the ``first`` of them unless ``whole``; nothing if none."""
    texts = [clean(entry) for entry in entries]
    if not texts:
        return
    yield from headed(title, ())
    for text in texts if whole else texts[:first]:
        yield from folded("plain", f"- {text}", width)
    if not whole and len(texts) > first:
        yield "note", f"    {len(texts) - first} more: --all shows them"


def table(sheet: Sheet, width: int) -> Iterator[Line]:
    """Draw a sheet under its title; nothing of one without rows."""
    if sheet.rows:
        about = folded("note", sheet.about, width, "")
        yield from headed(sheet.title, [*about, *lay_out(sheet, width)])


def next_steps(commands: Sequence[tuple[str, str]], width: int) -> Iterator[Line]:
    """List commands to try, each with why: beside it where all have the room, else above."""
    if not commands:
        return
    yield from headed("Next", ())
    beside = all(len(command) + len(why) + 6 <= width for command, why in commands)
    for command, why in commands:
        if not beside:
            yield "note", f"  # {why}"
        if not beside and len(command) + 2 > width:
            yield from _before_flags(command, width)
        else:
            yield "command", f"  {command}  # {why}" if beside else f"  {command}"


def _before_flags(command: str, width: int) -> Iterator[Line]:
    """Fold a command before its flags, as a shell takes it."""
    line, *flags = command.replace(" --", "\n--").split("\n")
    for flag in flags:
        if len(line) + len(flag) + 5 > width:
            yield "command", f"  {line} \\"
            line = f"  {flag}"
        else:
            line += f" {flag}"
    yield "command", f"  {line}"
