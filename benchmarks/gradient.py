"""Success rate and time of gradient ascent, from nothing and from the convex answer.

    python -m benchmarks.gradient [CONFIG.yaml ...] [--seeds N] [--out FILE]

A start succeeds where its judged welfare, put inside every row, is within 1e-2, 1e-4 or 1e-6 of
the convex bound. The time is that of all starts together, compiling included.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import allocate
from allocate.solver.methods.gradient.climb import climb

WITHIN = (1e-2, 1e-4, 1e-6)


def measured(path: str, seeds: int) -> dict[str, Any]:
    """One config, both ways."""
    clock = time.perf_counter()
    solution = allocate.solve(path, ranges=False)
    out: dict[str, Any] = {
        "config": Path(path).name,
        "convex_s": time.perf_counter() - clock,
        "pairs": sum(int(s.menu[s.group].sum()) for s in solution.program.streams),
    }
    for cold in (True, False):
        clock = time.perf_counter()
        bound = solution.certificate.dual
        found = climb(
            solution.program, solution.allocation, solution.duals, bound, seeds, 0, cold=cold
        )
        gaps = [g if g is not None else float("inf") for g in found.to_dict()["gaps"]]
        out["cold" if cold else "from the convex answer"] = {
            "seconds": time.perf_counter() - clock,
            "feasible": sum(g < float("inf") for g in gaps) / seeds,
            **{f"within {w:g}": sum(g <= w for g in gaps) / seeds for w in WITHIN},
            "best gap": min(gaps) if min(gaps) < float("inf") else None,
            "improved": found.improved,
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("configs", nargs="*", default=["examples/paper_cobb_douglas.yaml"])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = []
    for path in given.configs:
        found.append(measured(path, given.seeds))
        print(json.dumps(found[-1], indent=1), flush=True)
        if given.out:
            given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
