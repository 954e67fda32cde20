"""Is the joint answer at least as good as every baseline at equal spend? On random instances.

    python benchmarks/evidence/coordination.py [--instances N] [--seed S] [--out FILE]

Instances are those of the success table (``benchmarks/registry.py``) that have an answer, kind
after kind, with two to four classes. Each is compared as ``allocate compare`` does it. An
instance passes where the joint answer at a baseline's own spending is worth no less than the
baseline but for the certificates' error, spends no more, and the Shapley shares of the four
layers sum to the gain. The file is written after every instance; a run that is started again
goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from allocate.errors import AllocateError
from allocate.models.loader import load_dict
from allocate.solver.studies.compare import compare
from allocate.solver.studies.comparison import Comparison, Line
from benchmarks.registry import REGISTRY

KINDS = tuple(
    name
    for name, one in REGISTRY.items()
    if one.expect == "optimal" and one.build.__module__ == "benchmarks.registry"
)
"""Kinds that are drawn from traits; the degenerate ones have nothing to compare."""
ROUNDING = 1e-6  # of the money that moves: what two solves of one program may differ by


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/coordination.json"))
    given = parser.parse_args()
    records = known(given.out, given.seed)
    for number in range(given.instances):
        if number not in records:
            records[number] = tried(given.seed, number)
            write(given.out, given.seed, records)
        print(f"{number + 1} of {given.instances}", end="\r", file=sys.stderr, flush=True)
    print(json.dumps(summary(list(records.values())), indent=1))


def known(file: Path, seed: int) -> dict[int, dict[str, Any]]:
    """What an earlier run with this seed has found."""
    if not file.exists():
        return {}
    document = json.loads(file.read_text())
    return {r["number"]: r for r in document["instances"]} if document["seed"] == seed else {}


def write(file: Path, seed: int, records: dict[int, dict[str, Any]]) -> None:
    """Beside, then renamed: a run that is stopped leaves a whole file."""
    found = [records[n] for n in sorted(records)]
    document = {"seed": seed, "summary": summary(found), "instances": found}
    part = file.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1) + "\n")
    part.replace(file)


def tried(seed: int, number: int) -> dict[str, Any]:
    """Draw one instance, compare, and say whether what must hold does."""
    kind = KINDS[number % len(KINDS)]
    classes = 2 + number // len(KINDS) % 3
    about = {"number": number, "kind": kind, "classes": classes}
    clock = time.process_time()
    try:
        config = REGISTRY[kind].build(classes, (seed, number))
        found = compare(load_dict(config), least=False, steps=False)
    except AllocateError as error:
        return {**about, "failed": str(error)}
    return {**about, **judged(found), "cpu_s": round(time.process_time() - clock, 1)}


def judged(found: Comparison) -> dict[str, Any]:
    """What must hold, with the numbers that it is said of; USD per hour."""
    size = max(abs(v) for v in found.joint.accounts.values()) if found.joint.accounts else 0.0
    lines = {name: of_line(line, size) for name, line in found.baselines.items()}
    told, line = found.attribution, found.reference
    sums = None
    if told is not None and line is not None:
        off = abs(sum(told.shares.values()) - line.equal_gain)
        sums = bool(off <= ROUNDING * max(size, abs(line.equal_gain)))
    return {
        "joint": float(found.joint.welfare),
        "baselines": lines,
        "undrawn": found.failed,
        "shares": None if told is None else {k: float(v) for k, v in told.shares.items()},
        "unsolved_coalitions": None if told is None else len(told.unsolved),
        "shares_sum": sums,
        "holds": all(one["holds"] for one in lines.values()) and sums is not False,
    }


def of_line(line: Line, size: float) -> dict[str, Any]:
    """One baseline: the gain at equal spend, and whether all is as it must be."""
    outcome, equal = line.outcome, line.equal
    slack = line.error + ROUNDING * max(size, abs(outcome.welfare))
    room = 1e-6 * max(outcome.spend, 1e-9)
    holds = (
        line.equal_gain >= -slack
        and line.gain >= line.equal_gain - slack
        and equal.spend <= outcome.spend + room
        and equal.machines <= outcome.machines + room
    )
    return {
        "welfare": float(outcome.welfare),
        "spend": float(outcome.spend),
        "gain": float(line.equal_gain),
        "error": float(line.error),
        "counted": float(line.counted),
        "holds": bool(holds),
    }


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """How many hold, which do not, and how large the gains are."""
    done = [r for r in records if "failed" not in r]
    names = sorted({name for r in done for name in r["baselines"]})
    return {
        "instances": len(records),
        "compared": len(done),
        "hold": sum(r["holds"] for r in done),
        "broken": [r["number"] for r in done if not r["holds"]],
        "failed": [[r["number"], r["failed"]] for r in records if "failed" in r],
        "attributed": sum(r["shares"] is not None for r in done),
        "shares_sum": sum(r["shares_sum"] is True for r in done),
        "baselines": {
            name: gains([r for r in done if name in r["baselines"]], name) for name in names
        },
        "undrawn": {
            n: sum(n in r["undrawn"] for r in done)
            for n in sorted({x for r in done for x in r["undrawn"]})
        },
    }


def gains(records: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Gains at equal spend over one baseline, as shares of the joint welfare."""
    lines = [(r["baselines"][name], r["joint"]) for r in records]
    share = [one["counted"] / joint for one, joint in lines if joint > 0]
    return {
        "drawn": len(lines),
        "none": sum(one["counted"] == 0 for one, _ in lines),
        "quantiles_10_50_90": [float(q) for q in np.quantile(share, [0.1, 0.5, 0.9])]
        if share
        else None,
    }


if __name__ == "__main__":
    main()
