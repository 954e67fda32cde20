"""Opens a file that a user hands in, expanding gzip with a limit on how far it may grow."""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from pathlib import Path
from typing import IO, Any, NoReturn

from allocate.errors import DataError, Problem

BUFFER = 1 << 24
MAX_GROWTH = 200
"""How many times its size a compressed file may grow; logs grow 3 to 40 times."""
GROWTH_FREE = 1 << 26
"""Bytes that may come out before growth is judged."""
_MAGIC = {b"\x1f\x8b": "gzip"}
_FOREIGN = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"(\xb5/\xfd": "Zstandard",
    b"PK\x03\x04": "zip",
}


def fail(
    code: str,
    message: str,
    path: Path,
    line: int | None = None,
    column: int | None = None,
    hint: str | None = None,
) -> NoReturn:
    """Raise one problem of a source as a ``DataError``; it never quotes a line of it."""
    raise DataError([Problem(code, message, str(path), line, column, hint)])


class _Growing(io.RawIOBase):
    """A gzip stream that stops when it grows further than a log can."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.stream = gzip.open(path, "rb")  # noqa: SIM115  closed in close()
        self.out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.stream.read(len(buffer))
        except EOFError:
            fail("CAL003", "the compressed file ends early", self.path, hint="copy it again")
        except (OSError, zlib.error) as error:
            fail("CAL003", f"the compressed file is damaged: {error}", self.path)
        self.out += len(data)
        if self.out > GROWTH_FREE and self.out > MAX_GROWTH * self.size:
            fail(
                "CAL004",
                f"the compressed file grows more than {MAX_GROWTH} times its size",
                self.path,
                hint="expand it yourself if you trust it",
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.stream.close()
        super().close()


def plain_bytes(path: Path) -> IO[bytes]:
    """Open a file as it is, or say why it cannot be read."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            fail("CAL001", "this is a folder", path, hint="name the files in it")
        if not stat.S_ISREG(mode):
            hint = "write it into a file first; a .gz file is read as it is"
            fail(
                "CAL001", "this is a pipe or a device, and a source is read twice", path, hint=hint
            )
        return path.open("rb")
    except FileNotFoundError:
        fail("CAL001", "there is no such file", path, hint="check the path")
    except OSError as error:
        fail("CAL001", f"cannot read the file: {(error.strerror or str(error)).lower()}", path)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, expanded when it is gzip (told by its content, not by its name)."""
    with plain_bytes(path) as file:
        start = file.read(8)
    if not start:
        fail("CAL003", "the file is empty", path)
    if start.startswith(b"PAR1"):
        fail("CAL002", "the file is Parquet", path, hint="write it as CSV or JSON lines")
    for magic, name in _FOREIGN.items():
        if start.startswith(magic):
            fail("CAL002", f"the file is compressed with {name}", path, hint="expand it first")
    if any(start.startswith(magic) for magic in _MAGIC):
        return io.BufferedReader(_Growing(path), BUFFER)
    return plain_bytes(path)
