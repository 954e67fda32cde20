"""Does what prices and advice promise come true, when it is done by hand and solved again?

    python -m benchmarks.evidence.planning [CONFIG.yaml ...] [--out FILE]

Everything goes the way of a user: a config, values set by path, a solve, the answer's welfare.

- advice: every item of ``allocate plan`` is set by hand; its gain against the one promised.
- prices: every capacity with a price is moved by a thousandth to both sides; the gain a unit
  against the price. At a corner the price is that of the next unit or of the last one.
- ranges: just inside both ends of the range that a price was said to hold in, it is still
  within 10 %; just outside it is not.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import allocate
from allocate.errors import SolveError
from allocate.solver.ranges import BAND
from allocate.solver.solution import Solution

STEP = 1e-3  # of a capacity
BESIDE = 5e-3  # of a capacity: so far inside and outside an end
SLACK = 0.01  # of a price, by which it may miss the edge of its band there
PROVED = 1e-8  # gap of the answers whose differences are taken


class Bench:
    """A config solved with values set, each time from the prices of the answer as it is."""

    def __init__(self, path: str):
        self.path = path
        self.solves = 0
        self.base = allocate.solve(path, tolerance=PROVED)
        self.welfare = self.base.certificate.primal
        self.start = self.base.to_dict()

    def at(self, values: dict[str, Any]) -> Solution | None:
        """The answer with some values set; None where there is none."""
        self.solves += 1
        sets = [f"{path}={json.dumps(value)}" for path, value in values.items()]
        try:
            return allocate.solve(
                self.path, sets, tolerance=PROVED, ranges=False, warm_from=self.start
            )
        except SolveError:
            return None


def advice(bench: Bench, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every item followed by hand."""
    lines = []
    for item in document["advice"] or []:
        found = bench.at(item["set"])
        gain = None if found is None else found.certificate.primal - bench.welfare
        promised = item["gain_usd_per_hour"]
        lines.append(
            {
                "text": item["text"],
                "promised": promised,
                "gain": gain,
                "error": None if gain is None else abs(gain - promised) / abs(promised),
                "holds": found is not None and found.certificate.holds,
            }
        )
    return lines


def prices(bench: Bench) -> list[dict[str, Any]]:
    """Every price against the gain of a small change to each side."""
    lines = []
    for price in bench.base.prices:
        capacity = price.capacity
        if not capacity or not price.value:
            continue
        gains = {}
        for side, sign in (("more", 1.0), ("less", -1.0)):
            step = sign * STEP * capacity
            found = bench.at({price.resource: capacity + step})
            if found is not None and found.certificate.holds:
                gains[side] = (found.certificate.primal - bench.welfare) / step
        errors = {s: abs(g - price.value) / abs(price.value) for s, g in gains.items()}
        least, most = min(gains.values(), default=np.nan), max(gains.values(), default=np.nan)
        lines.append(
            {
                "resource": price.resource,
                "price": price.value,
                "gains": gains,
                "error": min(errors.values(), default=None),
                "between": bool(
                    least - 0.01 * abs(least) <= price.value <= most + 0.01 * abs(most)
                ),
            }
        )
    return lines


def ranges(bench: Bench) -> list[dict[str, Any]]:
    """Every end of a range, from both sides of it."""
    lines = []
    for price in bench.base.prices:
        for side, end in ((-1.0, price.valid_from), (1.0, price.valid_to)):
            if end is None or not price.capacity or not price.value:
                continue
            drift = {}
            for where, sign in (("inside", -side), ("outside", side)):
                capacity = end + sign * BESIDE * price.capacity
                if capacity <= 0 or (where == "inside" and side * (capacity - price.capacity) < 0):
                    continue
                found = bench.at({price.resource: capacity})
                if found is not None and found.certificate.holds:
                    there = next(p.value for p in found.prices if p.resource == price.resource)
                    drift[where] = abs(there - price.value) / abs(price.value)
            lines.append(
                {
                    "resource": price.resource,
                    "end": end,
                    "capacity": price.capacity,
                    "drift": drift,
                    "right": drift.get("inside", 0.0) <= BAND + SLACK
                    and drift.get("outside", 1.0) >= BAND - SLACK,
                }
            )
    return lines


def evidence(path: str) -> dict[str, Any]:
    """All three for one config."""
    clock = time.perf_counter()
    document = allocate.plan(path).to_dict()
    planned = time.perf_counter() - clock
    bench = Bench(path)
    found = {
        "config": Path(path).name,
        "plan_seconds": planned,
        "advice": advice(bench, document),
        "prices": prices(bench),
        "ranges": ranges(bench),
    }
    return found | {"solves": bench.solves, "seconds": time.perf_counter() - clock}


def summary(found: dict[str, Any]) -> str:
    """A line for each kind."""
    advised = [x["error"] for x in found["advice"] if x["error"] is not None]
    priced = [x["error"] for x in found["prices"] if x["error"] is not None]
    ends = found["ranges"]
    return (
        f"{found['config']}: plan {found['plan_seconds']:.0f} s; {found['solves']} solves\n"
        f"  advice: {len(advised)} of {len(found['advice'])} followed, largest error "
        f"{max(advised, default=np.nan):.2e}\n"
        f"  prices: {len(priced)}, {sum(e <= 0.01 for e in priced)} within 1 % to a side, "
        f"{sum(x['between'] for x in found['prices'])} between the gains of both sides\n"
        f"  ranges: {sum(e['right'] for e in ends)} of {len(ends)} ends right"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("configs", nargs="*", default=["examples/fleet.yaml"])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = []
    for path in given.configs:
        found.append(evidence(path))
        print(summary(found[-1]), flush=True)
        if given.out:
            given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
