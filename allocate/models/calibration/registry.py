"""Kinds of calibration by name, each imported when it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from allocate.errors import DataError, Problem
from allocate.models.calibration.opening import plain_bytes
from allocate.models.calibration.result import Calibration, Options
from allocate.models.paths import nearest

KINDS = {
    "trace": "request logs: rates, lengths, bursts and the shape of a day",
    "reuse": "prefix hashes: hit ratio against time kept and memory",
    "lanes": "engine measurements: step and prefill time of a deployment",
    "models": "scores and outcomes: success against tokens",
    "spans": "agent traces: tokens per use, cache reads, retries, waits",
    "prices": "price lists: API models and GPU hours",
    "training": "training runs: gain against tokens, worth of stale rollouts",
}
_PLACE = "allocate.models.calibration"


class Reader(Protocol):
    """What the module of a kind exposes."""

    FIELDS: dict[str, str]
    """Fields that ``--map field=column`` may name → what they are."""
    OPTIONS: dict[str, str]
    """Settings that ``--option name=value`` may give → what they do."""

    def detects(self, path: Path) -> str | None:
        """Say which format a file is, or None; reads its beginning only, never raises."""
        ...

    def calibrate(self, paths: Sequence[Path], options: Options) -> Calibration:
        """Read the files and fit; a ``DataError`` says what is wrong with them."""
        ...

    def check(
        self, calibration: Calibration, paths: Sequence[Path], options: Options
    ) -> dict[str, Any]:
        """Score a calibration against files that it has not seen."""
        ...


def reader(kind: str) -> Reader:
    """Import the reader of a kind.

    Raises:
        DataError: there is no such kind.
    """
    if kind not in KINDS:
        raise DataError(
            [Problem("CAL009", f"`{kind}` is no kind of calibration", hint=nearest(kind, KINDS))]
        )
    return cast(Reader, importlib.import_module(f"{_PLACE}.{kind}"))


def detect(paths: Sequence[Path]) -> tuple[str, str]:
    """Find the one kind that knows all the files, and the format it sees in the first.

    Raises:
        DataError: a file cannot be read, or no kind or several kinds know them.
    """
    for path in paths:
        plain_bytes(path).close()
    found: dict[str, str] = {}
    for kind in KINDS:
        seen = [reader(kind).detects(path) for path in paths]
        if all(seen):
            found[kind] = str(seen[0])
    if len(found) == 1:
        return next(iter(found.items()))
    if found:
        listed = ", ".join(f"{kind} ({what})" for kind, what in found.items())
        message = f"the source fits several kinds: {listed}"
        hint = f"name one first, as in `allocate calibrate {next(iter(found))} SOURCE`"
    else:
        message = "the source is of no format that is known"
        hint = "name the kind first and the columns with --map, as in " + (
            "`allocate calibrate trace SOURCE --map timestamp=time`"
        )
    raise DataError([Problem("CAL002", message, str(paths[0]), hint=hint)])
