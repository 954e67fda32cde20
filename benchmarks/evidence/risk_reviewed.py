"""A model as the reviewer: policies on the same 125 tasks, against the stronger model alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from scipy.stats import binomtest

from benchmarks.evidence.intervals import share
from benchmarks.evidence.risk_runs import DATA

REVIEWS = (
    "v2_review_quality", "v2_review_retention", "capability_review_quality",
    "capability_review_retention",
)  # fmt: skip
ALONE = ("luna_only", "sonnet5_only", "opus5_only")


def holm(p: np.ndarray) -> np.ndarray:
    """[tests] p-values that hold for all tests together (Holm 1979)."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    return np.minimum(stepped, 1.0)[np.argsort(order)]


def _metered(t: pl.DataFrame, policy: str) -> dict[str, Any]:
    """Cost and tasks on the benchmarks where no policy has calls that were not metered."""
    mine = t.filter((pl.col("policy") == policy) & pl.col("benchmark").is_in(exact(t)))
    tasks = int(mine["tasks"].sum())
    return {
        "tasks": tasks,
        "solved": int(mine["solved"].sum()),
        "usd": float(mine["inference_cost_usd"].sum() / tasks),
    }


def exact(t: pl.DataFrame) -> list[str]:
    """Benchmarks where the cost of every policy that is looked at is exact."""
    looked = t.filter(pl.col("policy").is_in([*ALONE, "sol_only", *REVIEWS]))
    bounds = looked.group_by("benchmark").agg(pl.col("cost_is_lower_bound").max())
    return sorted(bounds.filter(pl.col("cost_is_lower_bound") == 0)["benchmark"])


def reviewed() -> list[dict[str, Any]]:
    """Risk, cost, and tasks won and lost against the stronger model alone.

    ``p`` is of the exact sign test of one policy, ``p of all`` after Holm for all of them.
    """
    t = pl.read_csv(DATA / "review_policies.csv")
    out = []
    for policy in (*ALONE, "sol_only", *REVIEWS):
        mine = t.filter(pl.col("policy") == policy)
        total = mine.sum()
        won, lost = (int(total[c].item()) for c in ("gained_vs_sol", "lost_vs_sol"))
        done, tasks = (int(total[c].item()) for c in ("solved", "tasks"))
        out.append(
            {
                "policy": policy,
                "risk": share(tasks - done, tasks),
                "usd": float(total["inference_cost_usd"].item() / tasks),
                "usd is a lower bound": bool(mine["cost_is_lower_bound"].sum()),
                "where all was metered": _metered(t, policy),
                "won and lost against sol": [won, lost],
                "p": float(binomtest(won, won + lost).pvalue) if won + lost else 1.0,
            }
        )
    others = [line for line in out if line["policy"] != "sol_only"]
    for line, p in zip(others, holm(np.array([x["p"] for x in others])), strict=True):
        line["p of all"] = float(p)
    return out
