"""Progress of a solve: on stderr, only on a terminal, only after a second, gone at the end."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

from allocate.cli.flags import Color
from allocate.cli.render.text import number
from allocate.cli.terminal import Story, make_console

AFTER_S = 1.0


class Progress:
    """A context manager whose ``report`` a solver calls with what it knows.

    On a pipe it is silent, but for a line at the end when the story is verbose.
    """

    def __init__(self, story: Story, shown: bool = True) -> None:
        self._story = story
        self._shown = shown and not story.quiet and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._line = "solving"
        self._status: Any = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Progress:
        if self._shown:
            self._timer = threading.Timer(AFTER_S, self._start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._shown = False
            if self._status is not None:
                self._status.stop()
        if self._line != "solving":
            self._story.detail(self._line)

    def report(self, step: dict[str, Any]) -> None:
        """Take one report of a solver: iteration, gap, violation, price_change, passes."""
        parts = [f"{name.replace('_', ' ')} {number(step[name], 3)}" for name in step]
        with self._lock:
            self._line = "  ".join(parts)
            if self._status is not None:
                self._status.update(self._line)

    def _start(self) -> None:
        with self._lock:
            if self._shown:
                console = make_console(sys.stderr, Color.AUTO)
                self._status = console.status(self._line, spinner="line")
                self._status.start()
