"""Many scenarios of one structure: other demand, prices and capacities.

They are solved one after another, each from the prices of the one before (``chain``) or of
the first one (``star``), or cold. Programs are made beforehand: the time is the solving's.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from allocate.models.program import Program
from benchmarks import results
from benchmarks.families import FAMILIES
from benchmarks.measure import blank
from benchmarks.results import number, seconds
from benchmarks.success import machine

Record = dict[str, Any]
NAME = "batch"
WAYS = ("cold", "star", "chain")
_DEMAND, _CAPACITY, _PRICE = 0.2, 0.1, 0.05  # spreads, as logarithms


def scenarios(program: Program, count: int, seed: int) -> list[Program]:
    """So many variants: all demand together and class by class, capacities, own prices."""
    rng = np.random.default_rng([seed, 64])
    return [_variant(program, rng) for _ in range(count)]


def _variant(program: Program, rng: np.random.Generator) -> Program:
    streams = []
    for stream in program.streams:
        k = len(stream.rate)
        demand = np.exp(rng.normal(0.0, _DEMAND) + rng.normal(0.0, _DEMAND, k))
        dearer = np.exp(rng.normal(0.0, _PRICE, len(stream.slots)))
        slots = tuple(
            replace(s, own_price=s.own_price * float(f))
            for s, f in zip(stream.slots, dearer, strict=True)
        )
        streams.append(replace(stream, rate=stream.rate * demand, slots=slots))
    out = replace(program, streams=tuple(streams))
    for resource in program.resources:
        if resource.capacity:
            more = resource.capacity * float(np.exp(rng.normal(0.0, _CAPACITY)))
            out = out.with_capacity(resource, more)
    return out


def run(classes: int, rows: int, count: int, tolerance: float, seed: int, way: str) -> Record:
    """Solve ``count`` scenarios one way; every answer is judged after the clock has stopped."""
    from allocate.solver.certificate import certify
    from allocate.solver.methods.prices import solve_prices
    from allocate.solver.methods.start import first_prices
    from allocate.solver.solve import peak_memory_mb

    base = FAMILIES["synthetic"].build(classes, 16, rows, seed)
    todo = scenarios(base, count, seed)
    known = solve_prices(base, first_prices(base), tolerance, seed).duals  # and all compiled
    solve_prices(todo[0], known, tolerance, seed, True)
    answers, each = [], []
    start = known
    clock = time.perf_counter()
    for program in todo:
        began = time.perf_counter()
        if way == "cold":
            answer = solve_prices(program, first_prices(program), tolerance, seed)
        else:
            answer = solve_prices(program, start, tolerance, seed, True)
        each.append(time.perf_counter() - began)
        answers.append(answer)
        start = answer.duals if way == "chain" else known
    spent = time.perf_counter() - clock
    proofs = [
        certify(p, a.allocation, a.duals, tolerance)
        for p, a in zip(todo, answers, strict=True)
        if a.allocation is not None
    ]
    good = sum(p.holds for p in proofs)
    return blank("synthetic", classes, f"prices, {way}", tolerance, seed) | {
        "status": "optimal" if good == count else "feasible",
        "ok": good == count,
        "arms": len(base.streams[0].arms),
        "rows": len(base.rows),
        "scenarios": count,
        "certified": good,
        "seconds": spent,
        "slowest_seconds": max(each),
        "passes": sum(a.passes for a in answers),
        "relative_gap": max((float(p.relative_gap) for p in proofs), default=None),
        "max_violation": max((float(p.max_violation) for p in proofs), default=None),
        "peak_memory_mb": peak_memory_mb(),
    }


def table(document: Record) -> str:
    """The table in Markdown."""
    head = ("way", "scenarios", "classes", "rows", "certified", "s in all", "slowest s")
    head = (*head, "passes", "worst gap", "worst violation")
    rows = [
        [
            r["method"],
            number(r.get("scenarios"), "{}"),
            f"{r['classes']:,}",
            number(r["rows"], "{}"),
            number(r.get("certified"), "{}"),
            seconds(r["seconds"]),
            number(r.get("slowest_seconds"), "{:.3f}"),
            number(r["passes"], "{:,}"),
            number(r["relative_gap"], "{:.1e}"),
            number(r["max_violation"], "{:.1e}"),
        ]
        for r in document["records"]
    ]
    return f"{results.about(document['machine'])}.\n\n" + results.markdown(head, rows)


def document(records: list[Record]) -> Record:
    """A set of results."""
    return {"format": results.FORMAT, "machine": machine(), "records": records}
