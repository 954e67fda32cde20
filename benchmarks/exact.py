"""Training × routing globally: gap, time and solves on random configs and on an example.

    python -m benchmarks.exact [--instances 50] [--seconds 60] [--config FILE ...] [--redraw]

The results are in results/exact.json, the tables in docs/exact.md. Random configs have one to
four models that can be trained, in turn. ``fixed point`` is the welfare that routing and training
settle at without a search.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import allocate
from allocate.models.loader import Loaded, load_dict
from allocate.solver.solve import solve
from benchmarks import results
from benchmarks.success import machine

NAME = "exact"
DOCS = results.HERE.parent / "docs" / "exact.md"


def measured(name: str, loaded: Loaded, seconds: float) -> dict[str, Any]:
    """One config solved with the search, and what the search cost."""
    began = time.perf_counter()
    found = solve(loaded, ranges=False, search_s=seconds)
    took = time.perf_counter() - began
    out = {"name": name, "status": found.status, "welfare": found.welfare, "seconds": took}
    if found.everywhere is not None:
        of = found.everywhere.to_dict()
        kept = ("holds", "bound", "relative_gap", "convex_welfare", "difference_usd_per_hour")
        out |= {key: of[key] for key in (*kept, "why", "points", "cells", "solves", "stopped")}
        out |= {"models": len(of["goods"]), "search_s": of["seconds"]}
    return out


def table(records: list[dict[str, Any]]) -> str:
    """By number of trained models: proved, worst gap, wrong fixed points, solves, seconds."""
    head = ("trained models", "instances", "proved to 1e-4", "worst gap", "fixed point wrong",
            "by at most", "solves, median", "search s, median", "worst")  # fmt: skip
    rows = []
    for n in sorted({r["models"] for r in records if "models" in r}):
        own = [r for r in records if r.get("models") == n]
        wrong = [r["difference_usd_per_hour"] / r["welfare"] for r in own]
        far = [w for w in wrong if w > 1e-4]
        rows.append(
            (
                str(n),
                str(len(own)),
                str(sum(r["holds"] for r in own)),
                results.number(max(r["relative_gap"] for r in own)),
                str(len(far)),
                f"{100 * max(far, default=0.0):.1f} %",
                f"{np.median([r['solves'] for r in own]):.0f}",
                results.seconds(float(np.median([r["search_s"] for r in own]))),
                results.seconds(max(r["search_s"] for r in own)),
            )
        )
    return results.markdown(head, rows)


def told(document: dict[str, Any]) -> str:
    """Both tables, and what they were measured with."""
    asked, configs = document["seconds"], document["configs"]
    head = ("config", "trained models", "status", "gap", "points", "solves", "search s", "stopped")
    rows = [
        (f"`{r['name']}`", str(r["models"]), r["status"], results.number(r["relative_gap"]),
         str(r["points"]), str(r["solves"]), results.seconds(r["search_s"]), r["stopped"] or "")
        for r in configs
    ]  # fmt: skip
    parts = [
        f"{results.about(document['machine'])}; searches of {asked:g} s at most.",
        table(document["random"]),
    ]
    return "\n\n".join([*parts, results.markdown(head, rows)] if rows else parts)


def main() -> None:
    """Measure, write the tables, and keep the results."""
    from tests.solver.exact.cases import random

    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--instances", type=int, default=50)
    asked.add_argument("--seconds", type=float, default=60.0)
    asked.add_argument("--config", type=Path, action="append", default=[])
    asked.add_argument("--redraw", action="store_true", help="the tables of the last results only")
    how = asked.parse_args()
    if how.redraw:
        results.put(NAME, told(results.read(NAME) or {}), DOCS)
        return
    document: dict[str, Any] = {"machine": machine(), "seconds": how.seconds}
    document |= {"random": [], "configs": []}
    for path in how.config:
        document["configs"].append(measured(path.name, allocate.load(path), how.seconds))
        print(document["configs"][-1], flush=True)
    for i in range(how.instances):
        record = measured(f"random {i}", load_dict(random(i, 1 + i % 4)), how.seconds)
        document["random"].append(record)
        print(record, flush=True)
        results.write(NAME, document)
    print(told(document))
    results.put(NAME, told(document), DOCS)


if __name__ == "__main__":
    main()
