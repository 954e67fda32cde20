"""Says where a table of what is done today is torn: the line, and what stands there.

A reader of CSV that gives up names neither; this looks through the text again, for what to mend.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from allocate.errors import Problem

_OTHERS = {";": "`;`", "\t": "tabs", "|": "`|`"}
_COMMAS = "save the table with commas between cells, and points in numbers: 0.5, not 0,5"
_QUOTES = 'quotes begin and end a cell, "a, b"; one inside such a cell is written twice'
_EXTRA = "leave out what is too much, or quote a cell that holds a comma"
_BEGIN = "begin with a line of columns, such as class,model,share"
_SAVE = "save the table as UTF-8"


def torn(path: Path, known: Sequence[str]) -> list[Problem]:
    """What is wrong with a CSV file that cannot be read, by line; ``known`` are its columns.

    None where nothing is found, or the file itself cannot be read.
    """
    try:
        data = _unpacked(path)
    except (OSError, EOFError, zlib.error):
        return []
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return [_at(path, line, "this line is not UTF-8 text", _SAVE)]
    lines = [line.rstrip("\r") for line in text.rstrip("\n").split("\n")] if text else []
    if not lines:
        return [Problem("OBS001", f"`{path}` is empty", file=str(path), hint=_BEGIN)]
    other = separated(path, lines[0], known)
    if other is not None:
        return [other]
    return list(_rows(path, lines)) or list(_quotes(path, lines))


def separated(path: Path, header: str, known: Sequence[str]) -> Problem | None:
    """The problem of a header whose cells something else than commas separates."""

    def columns(separator: str) -> int:
        cells = header.removeprefix("\ufeff").split(separator)
        return sum(cell.strip().strip('"') in known for cell in cells)

    best = max(_OTHERS, key=columns)
    if columns(best) <= columns(","):
        return None
    message = f"the cells of `{path}` are separated by {_OTHERS[best]}, not by commas"
    return _at(path, 1, message, _COMMAS, header)


def spans(line: str) -> list[tuple[int, int]]:
    """Begin and end of every cell of a line of CSV."""
    out, start, quoted = [], 0, False
    for i, letter in enumerate(line):
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            out.append((start, i))
            start = i + 1
    return [*out, (start, len(line))]


def header_of(path: Path) -> str:
    """The first line of a file that could be read."""
    return _unpacked(path).decode("utf-8-sig").partition("\n")[0].rstrip("\r")


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _rows(path: Path, lines: list[str]) -> Iterator[Problem]:
    """Rows with more cells than the header, or with quotes that do not match."""
    rows = csv.reader((f"{line}\n" for line in lines), strict=True)
    begin, width = 1, None
    try:
        for row in rows:
            width = len(row) if width is None else width
            if len(row) > width:
                message = f"this row has {len(row)} cells, and the header {width}"
                here = lines[begin - 1]
                cells = spans(here)  # fewer than the row has where a cell goes on in the next line
                column = cells[width][0] + 1 if width < len(cells) else 1
                yield _at(path, begin, message, _EXTRA, here, column)
            begin = rows.line_num + 1
    except csv.Error:
        yield _at(path, begin, "the quotes of this row do not match", _QUOTES, lines[begin - 1])
        return


def _quotes(path: Path, lines: list[str]) -> Iterator[Problem]:
    """The first line with quotes that do not match, where all rows could be told apart."""
    for n, line in enumerate(lines, 1):
        if line.count('"') % 2:
            yield _at(path, n, "the quotes of this row do not match", _QUOTES, line)
            return


def _at(
    path: Path, line: int, message: str, hint: str, source: str | None = None, column: int = 1
) -> Problem:
    """A problem of a line, shown where its text is known."""
    problem = Problem("OBS001", message, file=str(path), line=line, hint=hint)
    return replace(problem, column=column, source_line=source) if source else problem
