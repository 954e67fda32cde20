"""Draws per second of ``allocate solve --samples`` on the examples, and the spreads they show.

    python benchmarks/evidence/calibration_samples.py [--draws 20] [--examples fleet,coding_agent]

The examples' intervals are those under ``calibrated`` (``examples/data/intervals.py``).
Results go to ``benchmarks/results/calibration_samples.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from allocate.models.loader import load
from allocate.solver.solve import solve
from allocate.solver.studies.samples import Asked, sample

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "benchmarks" / "results" / "calibration_samples.json"


def main() -> None:
    """Measure the examples that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--examples", default="fleet,coding_agent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=None)
    asked = parser.parse_args()
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in asked.examples.split(","):
        found[name] = measured(name, asked.draws, asked.seed, asked.workers)
        print(name, json.dumps(found[name], indent=1))
        OUT.write_text(json.dumps(found, indent=1) + "\n")


def measured(name: str, draws: int, seed: int, workers: int | None) -> dict[str, Any]:
    """Solve one example, then draws of it."""
    loaded = load(ROOT / "examples" / f"{name}.yaml")
    clock = time.perf_counter()
    base = solve(loaded, ranges=False).to_dict()
    first = time.perf_counter() - clock
    out = sample(loaded, base, draws, Asked(seed=seed, workers=workers))
    kept = ("asked", "certified", "statuses", "welfare", "seconds", "draws_per_s")
    return {
        "base_solve_s": first,
        "numbers_drawn": len(out["drawn"]),
        "extrapolated": len(base["extrapolated"]),
        **{key: out[key] for key in kept},
        "prices": [
            {key: p[key] for key in ("resource", "value", "p05", "median", "p95")}
            for p in out["prices"]
            if p["value"] or p["binding_share"]
        ],
    }


if __name__ == "__main__":
    main()
