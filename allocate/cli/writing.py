"""Ctrl-C while an answer that is found is put into words and written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from allocate.cli.terminal import complain

_MEANT = 3  # times that it is pressed by who would rather have nothing


@contextmanager
def writing() -> Iterator[None]:
    """Keep an answer from being lost to an impatient Ctrl-C: told once, heeded the third time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = 0

    def told(number: int, frame: object) -> None:
        nonlocal pressed
        pressed += 1
        if pressed >= _MEANT:
            raise KeyboardInterrupt
        if pressed == 1:
            complain("the answer is found and is being written; Ctrl-C twice more gives it up")

    before = signal.signal(signal.SIGINT, told)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
