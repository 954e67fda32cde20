"""Plants each failure mode in random small instances and counts what `diagnose` reports.

    python benchmarks/evidence/failure_modes.py [--instances N] [--seed S] [--out FILE]

In each instance (``failure_instances.py``) one price is held at zero in one layer
(``plant.py``), what comes of it is settled under the true limits, and the result is diagnosed.
Rows of the matrix are planted modes, columns what is reported; the last row is the joint answer
itself, in which nothing must be found. Rows ``AL…-inf`` hold the same price at infinity, which
no code is for: whatever is reported there is false, and the loss belongs in a line of the ledger.

A planted mode counts where it costs more than 1 % of the joint welfare. A report counts as
false where it is of another mode and worth more than 1 % of the joint welfare: that much can a
mode bring about elsewhere, by taking capacity from others. A finding that says that another
rule fits as well (`also`) counts as a report of either; how often a mode is found by its own
code alone is counted beside, and so is where over- and under-routing come to the same
allocation, which nothing that sees only the allocation can tell apart. Reports of another mode
over 0.01 %, which is what the command shows, are counted too (``others``); so small a one can be
true. Intervals are Wilson's, 95 %, of one rate each.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from allocate.errors import AllocateError
from allocate.models.loader import load_dict
from allocate.models.stream import Flows
from allocate.solver.studies.diagnosis.stage import stage
from allocate.solver.studies.diagnosis.study import LEAST, Diagnosis, examine
from benchmarks.evidence.failure_instances import draw
from benchmarks.evidence.plant import MODES, UNNAMED, optimum, plant

COSTLY = 0.01  # of the joint welfare: a mode that costs less need not be found
FALSE = 0.01  # of the joint welfare: a report of another mode that is larger is false
OPTIMUM = "optimum"
ROWS = (*MODES, *UNNAMED, OPTIMUM)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--instances", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    trials = []
    for i in range(given.instances):
        trials += tried(given.seed, i)
        print(f"{i + 1} of {given.instances}", end="\r", file=sys.stderr, flush=True)
        if given.out:
            result = {"instances": i + 1, "seed": given.seed, **summary(trials)}
            beside = given.out.with_suffix(".part")
            beside.write_text(json.dumps(result, indent=1) + "\n")
            beside.replace(given.out)
    print(matrix(summary(trials)))


def tried(seed: int, number: int) -> list[dict[str, Any]]:
    """Every mode planted in one instance, and its joint answer."""
    out: list[dict[str, Any]] = []
    flows: dict[str, Flows] = {}
    try:
        on = stage(load_dict(draw(np.random.default_rng((seed, number)))))
    except AllocateError as error:
        return [{"instance": number, "mode": None, "failed": str(error)}]
    if on.welfare <= 0:
        return [{"instance": number, "mode": None, "failed": "nothing is worth doing"}]
    for mode in ROWS:
        try:
            outcome = optimum(on) if mode == OPTIMUM else plant(mode, on)
        except (LookupError, AllocateError) as error:
            out.append({"instance": number, "mode": mode, "failed": str(error)})
            continue
        flows[mode] = outcome.solution.allocation.flows[0]
        out.append({"instance": number, "mode": mode, **counted(examine(on, outcome))})
    if alike(flows.get("AL101"), flows.get("AL102")):
        for trial in out:
            trial["same"] = trial["mode"] in ("AL101", "AL102")
    return out


def alike(one: Flows | None, other: Flows | None) -> bool:
    """Whether the same requests go the same ways."""
    if one is None or other is None or len(one.arm) != len(other.arm):
        return False
    first, second = (np.lexsort((f.requests, f.arm, f.member)) for f in (one, other))
    return all(
        np.allclose(np.asarray(a)[first], np.asarray(b)[second], rtol=1e-6)
        for a, b in zip(one, other, strict=True)
    )


def counted(found: Diagnosis) -> dict[str, Any]:
    """What was reported, as shares of the joint welfare, by code and what fits as well."""
    sizes: dict[tuple[str, ...], float] = {}
    for f in found.findings:
        codes = f.code, *f.also
        sizes[codes] = sizes.get(codes, 0.0) + float(f.usd_per_hour / found.joint)
    return {
        "cost": float(found.gap / found.joint),
        "reported": sizes,
        "explained": float(found.ledger.together / found.gap) if found.gap > 0 else None,
        "lines": {x.what: x.usd_per_hour / found.gap for x in found.ledger.lines if found.gap > 0},
    }


def summary(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """The matrix, and how often modes are found and others wrongly reported."""
    failed = [t for t in trials if "failed" in t]
    done = [t for t in trials if "failed" not in t]
    modes = {m: row(m, [t for t in done if t["mode"] == m]) for m in ROWS}
    return {
        "failed": failed,
        "modes": modes,
        "optimum_findings": sum(len(t["reported"]) for t in done if t["mode"] == OPTIMUM),
    }


def row(mode: str, mine: list[dict[str, Any]]) -> dict[str, Any]:
    """What was reported where a mode was planted."""
    costly = [t for t in mine if t["cost"] > COSTLY]
    wrong = [
        {"instance": t["instance"], **{"/".join(c): s for c, s in others.items()}}
        for t in mine
        if (others := _others(mode, t, FALSE))
    ]
    small = sum(bool(_others(mode, t, LEAST)) for t in mine)
    out = {
        "planted": len(mine),
        "costly": len(costly),
        "reported": {c: sum(any(c in k for k in t["reported"]) for t in costly) for c in MODES},
        "false": len(wrong),
        "of": len(mine),
        "false_rate": rate(len(wrong), len(mine)),
        "others": small,
        "others_rate": rate(small, len(mine)),
        "wrong": wrong,
        "median_cost": float(np.median([t["cost"] for t in costly])) if costly else None,
    }
    if mode == OPTIMUM:
        return out
    if mode in UNNAMED:
        return out | _unnamed(UNNAMED[mode], costly)
    found = [t for t in costly if any(mode in codes for codes in t["reported"])]
    return out | {
        "explained": spread([t["explained"] for t in costly if t["explained"] is not None]),
        "found": len(found),
        "found_by_its_code": sum(any(mode == k[0] for k in t["reported"]) for t in found),
        "found_rate": rate(len(found), len(costly)),
        "same_as_the_other_routing": sum(t.get("same", False) for t in costly),
        "missed": [t["instance"] for t in costly if t not in found],
    }


def _others(mode: str, trial: dict[str, Any], least: float) -> dict[tuple[str, ...], float]:
    """Reports of other modes that are worth more than a share of the joint welfare."""
    return {c: s for c, s in trial["reported"].items() if s > least and mode not in c}


def _unnamed(line: str, costly: list[dict[str, Any]]) -> dict[str, Any]:
    """How much of the loss is in the line of the ledger that it belongs in."""
    return {
        "line": line,
        "in_its_line": spread([t["lines"].get(line, 0.0) for t in costly]),
        "largest_line": sum(
            max(t["lines"], key=t["lines"].get, default="") == line for t in costly
        ),
    }


def rate(count: int, of: int) -> list[float] | None:
    """A share and its 95 % interval after Wilson."""
    if not of:
        return None
    inside = binomtest(count, of).proportion_ci(0.95, "wilson")
    return [count / of, float(inside.low), float(inside.high)]


def spread(values: list[float]) -> list[float] | None:
    """Tenth, median and ninetieth percentile."""
    return [float(v) for v in np.quantile(values, [0.1, 0.5, 0.9])] if values else None


def matrix(result: dict[str, Any]) -> str:
    """Draw the matrix of costly planted modes."""
    head = f"{'planted':>9} {'costly':>7} " + " ".join(f"{c:>6}" for c in MODES) + "  false"
    lines = [head]
    for mode, line in result["modes"].items():
        cells = " ".join(f"{line['reported'][c]:>6}" for c in MODES)
        lines.append(f"{mode:>9} {line['costly']:>7} {cells}  {line['false']} of {line['of']}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
