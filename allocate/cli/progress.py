"""Progress of a solve: on stderr, only on a terminal, only after a second, gone at the end.

A solver reports a mapping. What is shown of it: ``phase`` (one of `PHASES`), ``round`` or ``done``
and ``of`` (how many there are, None if nobody knows), ``what`` of them it is at, and ``gap``:
relative, and only while the first optimum is looked for, as every later round begins with a new
one. Whatever is missing is left out; the time is measured here.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from allocate.cli.render.text import clean, number
from allocate.cli.terminal import Story, progress_console

AFTER_S = 1.0
SETTLED = 1e-9  # a gap below this is rounding, one above 1 says nothing yet
#: What each phase does, in a user's words; in the last one the answer is known already.
PHASES = {
    "solve": "looking for the optimum",
    "speeds": "choosing speeds",
    "training": "letting routing and training agree",
    "ranges": "optimum found; checking how far prices hold",
    "tuning": "tuning the local rules",
    "baselines": "baseline",
    "splitting": "splitting the gain among the layers",
    "diagnosis": "looking for faults",
    "sweep": "solving points",
    "draws": "answer found; solving draws",
    "derivatives": "answer found; taking derivatives",
    "gradient": "answer found; climbing from it",
    "checking changes": "solving large changes again",
    "where buying stops": "finding where buying stops",
}
KEEPS = {
    "training": "Ctrl-C gives the last round",
    "speeds": "Ctrl-C gives the last round",
    "ranges": "Ctrl-C keeps the answer",
    "tuning": "Ctrl-C keeps the joint answer",
    "baselines": "Ctrl-C keeps the finished ones",
    "splitting": "Ctrl-C keeps the comparison",
    "sweep": "Ctrl-C shows the finished ones",
    "draws": "Ctrl-C shows the finished ones",
    "derivatives": "Ctrl-C shows the finished ones",
    "checking changes": "Ctrl-C shows what is checked",
    "where buying stops": "Ctrl-C shows what is found",
    "checking advice": "Ctrl-C shows what is checked",
}


class Progress:
    """A context manager whose ``report`` a solver calls with what it knows.

    On a pipe it is silent, but for a line at the end when the story is verbose.
    """

    def __init__(self, story: Story, shown: bool = True) -> None:
        self._story = story
        self._shown = shown and not story.quiet and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._step: dict[str, Any] = {}
        self._status: Any = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Progress:
        self._since = time.monotonic()
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
        if self._step:
            self._story.detail(f"last: {self.line()}")

    def report(self, step: Mapping[str, Any]) -> None:
        """Take one report of a solver; what it does not repeat stays as it was in this phase."""
        with self._lock:
            if step.get("phase", self._step.get("phase")) != self._step.get("phase"):
                self._step = {}
            self._step = {**self._step, **step}

    def line(self) -> str:
        """Say what goes on now, and for how long it has."""
        return describe(self._step, time.monotonic() - self._since)

    def __rich__(self) -> Any:
        """Draw the line anew at every refresh, so that the seconds run."""
        from rich.text import Text

        return Text(self.line(), no_wrap=True, overflow="ellipsis")

    def _start(self) -> None:
        with self._lock:
            if self._shown:
                console = progress_console(sys.stderr)
                self._status = console.status(self, spinner="line", refresh_per_second=4)
                self._status.start()


def describe(step: Mapping[str, Any], seconds: float) -> str:
    """Say a report in words.

    >>> describe({"phase": "ranges", "round": 4, "of": 15}, 62.3)
    'optimum found; checking how far prices hold (4 of 15), 62 s; Ctrl-C keeps the answer'
    """
    phase = str(step.get("phase", "solve"))
    text = PHASES.get(phase, phase)
    round_, of = step.get("round", step.get("done")), step.get("of")
    if step.get("what") is not None:
        text += f" {number(round_)} of {number(of)}: {clean(step['what'])}"
    elif round_:
        text += f" ({number(round_)} of {number(of)})" if of else f", round {number(round_)}"
    gap = step.get("gap")
    if phase == "solve" and gap is not None and SETTLED < gap < 1.0:
        text += f", gap {number(float(gap), 2)}"
    text += f", {seconds:.0f} s"
    return f"{text}; {KEEPS[phase]}" if phase in KEEPS else text
