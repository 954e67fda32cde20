"""Files written whole or not at all, and a folder that one process at a time may change."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
LOCK = ".allocate.lock"
"""Name of the empty file that stands in a folder that was written under ``alone``."""


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file beside its place and rename it, so that no reader sees half of it.

    A file that is replaced keeps its mode, a new one gets what the umask leaves of 0666. A pipe or
    a device has no beside and is written straight.

    Raises:
        OSError: the file cannot be written; what stood there is untouched.
    """
    raw = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(raw)
        return
    target = path.resolve()
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
    # The kernel takes the umask off the mode: to read it, one would have to set it for all threads.
    handle = os.open(beside, _NEW, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(beside, target.stat().st_mode & 0o7777)
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


@contextlib.contextmanager
def alone(folder: Path, wait_s: float = 60.0) -> Iterator[None]:
    """Hold a folder, so that of two processes that change it one waits for the other.

    The lock ends with the process that holds it, however that ends.

    Raises:
        OSError: the folder cannot be written, or another process holds it for ``wait_s``.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=wait_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise TimeoutError(f"another process has been writing into it for {wait_s:g} s") from error
    try:
        yield
    finally:
        lock.release()
