"""Where the time of one solve goes, and how far that is above what the machine could do at best.

The solve is run twice and the second one is measured, so that nothing is compiled any more. The
floors are measured in the same run: reading the columns of all classes once, and the logarithms of
the pairs that a pass prices (four each, by the closed form of the best response), on every core.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from allocate.cores import available_cores, on_cores
from allocate.models.program import Program
from allocate.models.stream import Stream
from allocate.solver.certificate import certify
from allocate.solver.methods import search
from allocate.solver.methods.prices import solve_prices
from allocate.solver.methods.start import first_prices
from benchmarks import results
from benchmarks.families import FAMILIES
from benchmarks.measure import timed
from benchmarks.success import machine

Record = dict[str, Any]
NAME = "profile"
LOGARITHMS = 4  # of a pair, by the closed form: one for the success, two for the risk, Wright's ω
_SIZE = 1 << 22  # numbers of a floor's measurement
STEPS = {
    "screen": "pricing all arms of all classes once",
    "_pass": "passes over the arms near the best",
    "_newton": "steps on the dual: quadratic programs of the rows",
    "allocation": "tokens for everybody, and the linear program of those near a tie",
}


def run(classes: int, rows: int, tolerance: float, seed: int) -> Record:
    """Profile one solve of the size family, from no knowledge of the prices."""
    program = FAMILIES["synthetic"].build(classes, 16, rows, seed)
    start = first_prices(program)
    solve_prices(program, start, tolerance, seed)
    spent: dict[str, list[float]] = defaultdict(list)
    pairs: list[int] = []
    with _Watched(program, spent, pairs):
        found, whole = timed(lambda: solve_prices(program, start, tolerance, seed))
    assert found.allocation is not None
    allocation = found.allocation
    proof, judging = timed(lambda: certify(program, allocation, found.duals, tolerance))
    crowd = program.streams[0]
    steps = {name: {"times": len(s), "seconds": sum(s)} for name, s in spent.items()}
    known = sum(step["seconds"] for step in steps.values())
    return {
        "machine": machine(),
        "classes": classes,
        "arms": len(crowd.arms),
        "rows": len(program.rows),
        "tolerance": tolerance,
        "ok": proof.holds,
        "seconds": whole,
        "passes": found.passes,
        "judge_seconds": judging,
        "steps": {**steps, "other": {"times": 1, "seconds": whole - known}},
        "pairs_per_pass": float(np.mean(pairs)) if pairs else None,
        "floors": {
            "read": _least(lambda: _read(crowd)),
            "logarithms": _logarithms(float(np.mean(pairs)) if pairs else 0.0),
        },
    }


class _Watched:
    """Times the steps of the search over all members while it is open."""

    def __init__(self, program: Program, spent: dict[str, list[float]], pairs: list[int]):
        self.whole, self.spent, self.pairs = len(program.streams[0].rate), spent, pairs
        self.true = {name: getattr(search.Search, name) for name in STEPS}
        self.depth = 0

    def __enter__(self) -> None:
        for name, method in self.true.items():
            setattr(search.Search, name, self._timed(name, method))

    def __exit__(self, *_: object) -> None:
        for name, method in self.true.items():
            setattr(search.Search, name, method)

    def _timed(self, name: str, method: Callable) -> Callable:
        def watched(it: search.Search, *args: Any, **kwargs: Any) -> Any:
            if len(it.crowd.rate) < self.whole or self.depth:  # a sample, or within another step
                return method(it, *args, **kwargs)
            if name == "_pass" and (few := getattr(it.looker, "few", None)) is not None:
                self.pairs.append(len(few.arm))
            self.depth += 1
            clock = time.perf_counter()
            try:
                return method(it, *args, **kwargs)
            finally:
                self.depth -= 1
                self.spent[name].append(time.perf_counter() - clock)

        return watched


def _read(crowd: Stream) -> float:
    """Touch every number of the classes once."""
    columns = [crowd.rate, crowd.features, crowd.decline_cost, crowd.addition, crowd.stake]
    columns += [*crowd.factor.values(), *([] if crowd.difficulty is None else [crowd.difficulty])]
    return float(sum(x.sum() for x in columns))


def _logarithms(pairs: float) -> float:
    """Seconds that the logarithms of so many pairs take on all cores."""
    x = np.linspace(1.0, 2.0, _SIZE)
    cores = available_cores()

    def work() -> None:
        on_cores(np.log, [x] * cores)

    return _least(work) / (cores * _SIZE) * LOGARITHMS * pairs


def _least(work: Callable[[], Any]) -> float:
    """The least of some runs."""
    return min(timed(work)[1] for _ in range(5))


def table(document: Record) -> str:
    """The profile in Markdown."""
    steps, floors, whole = document["steps"], document["floors"], document["seconds"]
    rows = [
        [
            STEPS.get(name, "samples, from which the first prices come, and the rest"),
            f"{step['times']}",
            results.seconds(step["seconds"]),
            f"{100 * step['seconds'] / whole:.0f} %",
        ]
        for name, step in steps.items()
    ]
    each = steps["_pass"]["seconds"] / max(steps["_pass"]["times"], 1)
    floor = floors["read"] + floors["logarithms"]
    said = (
        f"{document['classes']:,} classes, {document['arms']} arms, {document['rows']} rows at "
        f"{document['tolerance']:.0e}: {whole:.2f} s, {document['passes']} passes; the judge "
        f"{document['judge_seconds']:.2f} s. {results.about(document['machine'])}.\n\n"
        + results.markdown(("step", "times", "s", "of all"), rows)
        + f"\n\nA pass prices {document['pairs_per_pass']:,.0f} pairs in {each:.2f} s. At best it "
        f"would take {floor:.3f} s: {floors['read']:.3f} s to read every number of the classes "
        f"once, {floors['logarithms']:.3f} s for {LOGARITHMS} logarithms a pair. It takes "
        f"{each / floor:.0f} times that, and {each / floors['read']:.0f} times the reading."
    )
    return said
