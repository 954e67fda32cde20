"""Opens what users hand in: streams, bounded, and every fault said with its place.

A file is read as bytes in blocks; ``.gz`` is expanded on the way with a limit on how far it
may grow. Text must be UTF-8. Nothing here keeps more than a block, but for ``read_json`` and
``read_table``, which have a limit on the whole.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from allocate.errors import DataError
from allocate.models.calibration import parquet
from allocate.models.calibration.naming import printable, shown
from allocate.models.calibration.opening import fail, open_bytes, plain_bytes
from allocate.models.calibration.result import Source

if TYPE_CHECKING:
    import polars as pl

BLOCK = 1 << 24
"""Bytes read at a time; also the longest single record."""
MOST_COLUMNS = 2000
MAX_WHOLE = 1 << 29
"""Bytes of a document that must be held at once (one JSON document, a small table)."""
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)


def source(path: Path, rows: int) -> Source:
    """Describe a file by its name and hash, never by where it stands."""
    digest = hashlib.sha256()
    with plain_bytes(path) as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            digest.update(block)
    return Source(printable(path.name), digest.hexdigest(), rows)


def head(path: Path, size: int = 1 << 16) -> bytes:
    """Return the first bytes, expanded; ``b""`` where they cannot be read. For detection."""
    try:
        with open_bytes(path) as file:
            return file.read(size)
    except DataError:
        return b""


def first_line(path: Path) -> str:
    """Return the first line that is not blank, or ``""``. For detection."""
    text = head(path).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return next((line for line in text.splitlines() if line.strip()), "")


def decode(raw: bytes, path: Path, line: int = 1) -> str:
    """Decode UTF-8; ``line`` is the number of the first line of ``raw``."""
    if line == 1:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            fail("CAL001", "the file is UTF-16", path, 1, 1, "save it as UTF-8")
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        at = line + before.count(b"\n"), error.start - before.rfind(b"\n")
        fail("CAL001", f"byte 0x{raw[error.start]:02x} is not UTF-8", path, *at, "save it as UTF-8")
    if "\0" in text:
        at = line + text.count("\n", 0, text.index("\0"))
        fail("CAL001", "the file is not text", path, at, hint="give a CSV or JSON file")
    return text


def blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, whole lines of text), about ``BLOCK`` bytes each.

    A line break within double quotes does not end a record.
    """
    line, kept = 1, b""
    with open_bytes(path) as file:
        while data := file.read(BLOCK):
            kept += data
            end = _last_record(kept)
            if not end:
                if len(kept) >= 2 * BLOCK:
                    fail("CAL004", "a line is too long, or a quote is never closed", path, line)
                continue
            yield line, kept[:end]
            line += kept.count(b"\n", 0, end)
            kept = kept[end:]
    if kept.strip():
        yield line, kept


def _last_record(data: bytes) -> int:
    """Where the last complete record of ``data`` ends; 0 when none does."""
    end = data.rfind(b"\n") + 1
    odd = data.count(b'"', 0, end) % 2
    while end and odd:
        before = data.rfind(b"\n", 0, end - 1) + 1
        odd ^= data.count(b'"', before, end) % 2
        end = before
    return end


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a file with one JSON object a line."""
    number = 0
    with open_bytes(path) as file:
        while raw := file.readline(BLOCK + 1):
            number += 1
            if len(raw) > BLOCK:
                fail("CAL004", f"a line is longer than {BLOCK >> 20} MiB", path, number)
            text = decode(raw, path, number).strip()
            if text:
                value = parse_json(text, path, number)
                if not isinstance(value, dict):
                    fail("CAL006", "a line is not a JSON object", path, number, 1)
                yield number, value


def read_json(path: Path) -> Any:
    """Read one JSON document, whole."""
    with open_bytes(path) as file:
        raw = file.read(MAX_WHOLE + 1)
    if len(raw) > MAX_WHOLE:
        hint = "give one JSON object a line, which is streamed"
        fail("CAL004", f"the document is larger than {MAX_WHOLE >> 20} MiB", path, hint=hint)
    return parse_json(decode(raw, path), path, 1)


def parse_json(text: str, path: Path, line: int) -> Any:
    """Parse JSON; NaN and Infinity, which are not JSON, become None: missing, not zero.

    A fault is told by its line and column only: the line itself may hold a prompt.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        ends = error.pos >= len(text.rstrip())
        message = "the JSON ends early" if ends else f"not valid JSON: {error.msg.lower()}"
        hint = "the file seems to be cut off: copy it again" if ends else None
        code = "CAL003" if ends else "CAL006"
        fail(code, message, path, line + error.lineno - 1, error.colno, hint)
    except RecursionError:
        fail("CAL004", "the JSON is nested too deeply", path, line)
    except ValueError as error:  # such as an integer of 5,000 digits
        fail("CAL006", f"not valid JSON: {str(error).partition(';')[0].lower()}", path, line)


def csv_frames(path: Path) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield (line of the first row, rows as text) of a CSV file with a header, in blocks.

    Every column is text; an empty cell is null. All blocks have the header's columns.
    """
    header: list[str] | None = None
    for line, raw in blocks(path):
        text = decode(raw, path, line)
        start = line
        if header is None:
            header, text, start = _header(text, path)
        if text.strip():
            yield start, _frame(text, header, path, start)
    if header is None:
        fail("CAL003", "the file holds no lines", path)


def _header(text: str, path: Path) -> tuple[list[str], str, int]:
    import csv

    lines = io.StringIO(text, newline="")
    rows = csv.reader(lines)
    try:
        names = next((row for row in rows if any(cell.strip() for cell in row)), [])
    except csv.Error as error:
        fail("CAL006", f"the header cannot be read: {error}", path, 1)
    names = [name.strip() for name in names]
    if not names:
        fail("CAL003", "the file holds no lines", path)
    if len(names) > MOST_COLUMNS:
        message = f"the table has {len(names):,} columns, more than {MOST_COLUMNS:,}"
        fail("CAL004", message, path, 1)
    for name, count in Counter(names).items():
        if count > 1:
            fail("CAL005", f"the column `{shown(name)}` stands in the file twice", path, 1)
    end = lines.tell()
    return names, text[end:], 1 + text.count("\n", 0, end)


def _frame(text: str, header: list[str], path: Path, line: int) -> pl.DataFrame:
    import polars as pl

    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()), has_header=False, infer_schema=False, raise_if_empty=False
        )
        if frame.width == len(header) and _is_whole(frame, text):
            return frame.rename(dict(zip(frame.columns, header, strict=True)))
    except pl.exceptions.PolarsError:
        pass
    _misshapen(text, header, path, line)


def _is_whole(frame: pl.DataFrame, text: str) -> bool:
    """Whether every row has all its cells; a row that has not ends in null."""
    if not frame.width or not frame.to_series(-1).null_count():
        return True
    if '"' not in text:
        return text.count(",") == frame.height * (frame.width - 1)
    import csv

    return all(len(row) in (0, frame.width) for row in csv.reader(io.StringIO(text, newline="")))


def _misshapen(text: str, header: list[str], path: Path, line: int) -> NoReturn:
    """Say which row does not have the header's cells."""
    import csv

    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in rows:
            if row and len(row) != len(header):
                message = f"the row has {len(row)} cells, the header {len(header)}"
                at = line + rows.line_num - 1
                fail("CAL003", message, path, at, hint="the file may be cut off here")
    except csv.Error as error:
        fail("CAL006", f"not valid CSV: {error}", path, line + rows.line_num)
    fail("CAL006", "not valid CSV", path, line)


def read_table(path: Path) -> pl.DataFrame:
    """Read a small CSV (also .gz) or Parquet table, whole, every column as text."""
    import polars as pl

    if path.suffix == ".parquet":
        return parquet.read(path, MAX_WHOLE, MOST_COLUMNS)
    frames, size = [], 0
    for line, frame in csv_frames(path):
        size += int(frame.estimated_size())
        if size > MAX_WHOLE:
            fail("CAL004", f"the table is larger than {MAX_WHOLE >> 20} MiB", path, line)
        frames.append(frame)
    if not frames:
        fail("CAL003", "the table has a header and no rows", path)
    return pl.concat(frames)
