"""Draws per second of ``allocate solve --samples`` on the examples, and the spreads they show.

    python benchmarks/evidence/calibration_samples.py [--draws 20] [--examples fleet,coding_agent]

The examples' numbers are derived without intervals. Here they get those of ``allocate calibrate``
on the same tables: of the lanes, the reader's fit of that model, GPU and size, its numbers and
intervals; of success points, Wilson's for 225 exercises; of reuse points, 10 %.
Results go to ``benchmarks/results/calibration_samples.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from allocate.models.calibration.grounds import ground
from allocate.models.calibration.running import run
from allocate.models.calibration.statistics import proportion
from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.samples import Asked, sample

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "examples" / "data" / "silicon_ttft_tpot.csv"
OUT = ROOT / "benchmarks" / "results" / "calibration_samples.json"
SOURCE = {  # the examples' models in the table
    "small": "Qwen/Qwen3-32B",
    "medium": "Qwen/Qwen3-235B-A22B-FP8",
    "large": "deepseek-ai/DeepSeek-R1",
    "qwen": "Qwen/Qwen3-235B-A22B-FP8",
}
TERMS = ("alpha_ms", "beta_ms", "gamma_ms_per_ktok", "delta_ms_per_ktok")
EXERCISES = 225


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
    data = YAML(typ="safe").load(ROOT / "examples" / f"{name}.yaml")
    data["calibrated"] = dict(intervals(data))
    loaded = load_dict(data, ROOT / "examples")
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


def intervals(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Entries of ``calibrated`` for an example."""
    for name, model in data["models"].items():
        points = (model.get("success") or {}).get("points")
        if points:
            ends = [proportion(round(y * EXERCISES), EXERCISES) for _, y in points]
            heights = [y for _, y in points]
            low = [min(e[1], y) for e, y in zip(ends, heights, strict=True)]
            high = [max(e[2], y) for e, y in zip(ends, heights, strict=True)]
            yield f"models.{name}.success.points", ground(heights, low, high, most=1.0)
    for name, profile in (data.get("caching", {}).get("reuse") or {}).items():
        heights = [y for _, y in profile["points"]]
        ends = [0.9 * y for y in heights], [min(1.1 * y, 1.0) for y in heights]
        yield f"caching.reuse.{name}.points", ground(heights, *ends, most=1.0)
    for name, deployment in data["deployments"].items():
        yield from lane(name, deployment)


def lane(name: str, deployment: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Entries of one deployment: the widths and correlations of the reader's fit."""
    of = f"{deployment['gpu']}_sxm", f"{deployment.get('gpus_per_replica', 1):g}"
    settings = [f"model={SOURCE[deployment['model']]}", f"gpu={of[0]}", f"tp={of[1]}"]
    fitted = run("lanes", [TABLE], settings=settings)
    own = next(iter(fitted.fragment["deployments"]))
    for term in TERMS:
        known = fitted.grounds[f"deployments.{own}.{term}"]
        if term not in deployment or known.get("high") is None:
            continue
        deployment[term] = known["value"]
        tied = {
            path.replace(f".{own}.", f".{name}."): value
            for path, value in known.get("correlation", {}).items()
            if path.rpartition(".")[2] in deployment
        }
        yield f"deployments.{name}.{term}", known | {"correlation": tied}


if __name__ == "__main__":
    main()
