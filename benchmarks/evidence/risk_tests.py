"""Tests as the verifier: what a second try that has seen the failing tests leaves, and costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from benchmarks.evidence.intervals import around, share
from benchmarks.evidence.risk_runs import again, kinds, solved


def left_by_verifying(t: pl.DataFrame, draws: int) -> dict[str, Any]:
    """The share of the risk that verifying leaves, over runs."""
    counts, medians = kinds(t), []
    for i in range(draws):
        rng = np.random.default_rng((11, i))
        some = counts[rng.integers(0, t.height, t.height)]
        medians.append(np.median(_left(again(some, rng))))
    left, medians = _left(counts), np.array(medians)
    return {
        "runs": t.height,
        "median": around(float(np.median(left)), medians),
        "mean of the medians drawn anew": float(medians.mean()),
        "least and most": [float(left.min()), float(left.max())],
    }


def _left(counts: np.ndarray) -> np.ndarray:
    """[runs] the share of the risk that the second try leaves."""
    one, two = solved(counts)
    return (1 - two) / (1 - one)


def cheap_and_verified(t: pl.DataFrame) -> dict[str, Any]:
    """Runs that leave less risk with tests than the best one leaves without."""
    best = t.sort("pass_num_1")[-1]
    n, k = best["test_cases"].item(), best["pass_num_1"].item()
    priced = t.filter(pl.col("total_cost").is_not_null())
    limit = 1 - share(k, n)[2]  # the low end of the best one's risk
    sure = [1 - share(b, m)[0] < limit for m, b in priced["test_cases", "pass_num_2"].iter_rows()]
    better = priced.filter(pl.Series(sure)).sort("usd_2")
    cheapest = better[0]
    n2, k2 = cheapest["test_cases"].item(), cheapest["pass_num_2"].item()
    return {
        "best in one try": {
            "run": best["run"].item(),
            "risk": share(n - k, n),
            "usd": best["usd_1"].item(),
        },
        "runs with tests surely below it": better.height,
        "of": priced.height,
        "of them cheaper": better.filter(pl.col("usd_2") < best["usd_1"].item()).height,
        "cheapest of them": {
            "run": cheapest["run"].item(),
            "risk": share(n2 - k2, n2),
            "usd": cheapest["usd_2"].item(),
        },
    }


def break_even(t: pl.DataFrame) -> dict[str, float]:
    """The stake from which verifying pays, run by run: its cost over what it solves."""
    t = t.filter(pl.col("total_cost").is_not_null())
    more = (t["pass_num_2"] - t["pass_num_1"]) / t["test_cases"]
    stake = np.array((t["usd_2"] - t["usd_1"]) / more)
    low, middle, high = np.quantile(stake, [0.1, 0.5, 0.9])
    return {"tenth": float(low), "median": float(middle), "ninetieth": float(high)}


def one_scale(t: pl.DataFrame) -> dict[str, Any]:
    """How far one number, e⁻ᵗ/τ of the risk after t tokens, carries from run to run.

    τ of a run is its tokens over −ln(risk left); the others' median says what it leaves.
    """
    t = t.filter(pl.col("verify_tokens").is_not_null())
    left = _left(kinds(t))
    tokens = t["verify_tokens"].to_numpy()
    tau = tokens / -np.log(left)
    others = np.array([np.median(np.delete(tau, i)) for i in range(len(tau))])
    told = np.exp(-tokens / others)
    usual = np.array([np.median(np.delete(left, i)) for i in range(len(left))])
    return {
        "runs": len(tau),
        "tau": [float(x) for x in np.quantile(tau, [0.1, 0.5, 0.9])],
        "error of the risk left, median": float(np.median(np.abs(told - left))),
        "error without tokens, median": float(np.median(np.abs(usual - left))),
    }
