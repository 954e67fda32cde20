"""Where the answer goes: stdout, or a file that is written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from allocate.cli.terminal import Story
from allocate.errors import AllocateError


class OutputError(AllocateError):
    """The answer cannot be written where it was asked for."""


def check_out(out: Path | None, inputs: Iterable[Path | None]) -> None:
    """Refuse, before any work is done, a place that cannot take the answer or holds the question.

    Raises:
        OutputError: it is one of the inputs, a folder, or cannot be written.
    """
    if out is None:
        return
    for path in inputs:
        if path is not None and _same(out, path):
            raise OutputError(f"--out {out} would replace {path}, which is read; name another file")
    folder = out.resolve().parent
    if out.is_dir():
        raise OutputError(f"{out} cannot be written: it is a folder; name a file in it")
    if not folder.is_dir():
        raise OutputError(f"{out} cannot be written: there is no folder {folder}")
    if not os.access(folder if not out.exists() or out.is_file() else out, os.W_OK):
        raise OutputError(f"{out} cannot be written: no permission")


def _same(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:  # one of the two is not there yet
        return False


def deliver(answer: str, out: Path | None, story: Story) -> None:
    """Give the answer to stdout, or to a file and say so.

    An answer that its file cannot take after all goes to stdout: it may have taken hours.
    """
    answer = answer if answer.endswith("\n") else answer + "\n"
    if out is None:
        write_stdout(answer)
        return
    try:
        write_whole(out, answer)
    except OutputError as error:
        write_stdout(answer)
        raise OutputError(f"{error} The answer is on stdout instead.") from error
    if story.quiet:
        write_stdout(f"{out}\n")
    else:
        story.say(f"wrote {out}")


def write_stdout(text: str) -> None:
    """Write to stdout; a reader that has left (``| head``) is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()


def silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place and rename it, so that no reader sees half of it."""
    import tempfile

    try:
        if path.exists() and not path.is_file():  # a pipe or a device has no beside
            path.write_text(text, encoding="utf-8")
            return
        target = path.resolve()
        handle, beside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(beside, target.stat().st_mode if target.exists() else 0o666 & ~_umask())
            os.replace(beside, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
