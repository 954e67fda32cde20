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


def check_folder(folder: Path | None, names: Iterable[str], inputs: Iterable[Path | None]) -> None:
    """Refuse, before any work is done, a folder that cannot take the files of an answer.

    Args:
        folder: where they will stand; it need not be there yet.
        names: patterns of what may be replaced in it, as ``fnmatch`` takes them.
        inputs: what is read.

    Raises:
        OutputError: it is a file, cannot be written, or an input stands in a file's place.
    """
    from fnmatch import fnmatch

    if folder is None:
        return
    patterns = list(names)
    for path in inputs:
        if path is None or not _same(path.resolve().parent, folder):
            continue
        if any(fnmatch(path.resolve().name, pattern) for pattern in patterns):
            raise OutputError(
                f"--out {folder} could replace {path}, which is read; name another folder"
            )
    there = next(p for p in (folder.resolve(), *folder.resolve().parents) if p.exists())
    if not there.is_dir():
        raise OutputError(f"{folder} cannot be written: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} cannot be written: no permission")


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
    """Write a file whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    from allocate import files

    try:
        files.write_whole(path, text)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
