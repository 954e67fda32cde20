"""The large instances by name: any number of classes, as a ``Program`` in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from allocate.models.program import Program
from allocate.models.stack import build
from benchmarks import matching, scaled, synthetic

SPARSITY = 10.0  # edges of a source, as in DuaLip's own benchmarks: 0.1 of 100, 0.01 of 1,000


@dataclass(frozen=True)
class Family:
    """``build(classes, arms, rows, seed)`` makes one; ``linear`` says that it is an LP."""

    name: str
    what: str
    build: Callable[[int, int, int, int], Program]
    linear: bool = False


def _synthetic(linear: bool) -> Callable[[int, int, int, int], Program]:
    def make(classes: int, arms: int, rows: int, seed: int) -> Program:
        with tempfile.TemporaryDirectory() as folder:
            loaded = synthetic.build(Path(folder), classes, arms, rows, seed, linear)
            return build(loaded.config, loaded.classes).program

    return make


def _scaled(name: str) -> Callable[[int, int, int, int], Program]:
    def make(classes: int, _arms: int, rows: int, seed: int) -> Program:
        with tempfile.TemporaryDirectory() as folder:
            loaded = scaled.build(Path(folder), name, classes, rows, seed)
            return build(loaded.config, loaded.classes).program

    return make


def _matching(classes: int, arms: int, _rows: int, seed: int) -> Program:
    return matching.program(matching.draw(classes, arms, min(1.0, SPARSITY / arms), seed))


FAMILIES: dict[str, Family] = {
    one.name: one
    for one in (
        Family(
            "synthetic", "the size family: router, autonomy and lanes, --rows", _synthetic(False)
        ),
        Family(
            "synthetic_linear",
            "the same with straight-line curves: a linear program",
            _synthetic(True),
            linear=True,
        ),
        Family(
            "coding_agent",
            "the example, classes split as in the traces; --rows: tenants with budgets",
            _scaled("coding_agent"),
        ),
        Family(
            "fleet", "the example on own GPUs in four parts of a day, likewise", _scaled("fleet")
        ),
        Family(
            "matching_lp",
            "DuaLip's matching: --classes sources, --arms destinations, 10 edges a source",
            _matching,
            linear=True,
        ),
    )
}
