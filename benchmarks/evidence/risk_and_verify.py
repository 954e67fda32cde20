"""Realised risk against what is spent on verifying, and who falls behind when a failure is dear.

    python -m benchmarks.evidence.risk_and_verify [--draws N] [--out FILE] [--chart FILE.svg]

Two measured tables (`data/`). *Tests*: 79 runs of 225 exercises, each solved in one try or in a
second one that has seen the failing tests. To verify is to run the tests and try again: what one
try leaves wrong is the risk without it, what two leave is the risk with it. *Reviewer*: policies
on 125 tasks, some of which have a model check an answer before they escalate.

A buyer picks a run, and whether to verify, for the most stake × solved − cost; the stake is what
a solved task is worth and an unsolved one loses, together. He picks by the counts of one half of
the exercises and is judged by those of the other, so that what was luck in the first does not
help him. Intervals are the 2.5th and 97.5th percentile of the draws, or Wilson's for single shares.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import binomtest

DATA = Path(__file__).parent / "data"
STAKES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # USD a task
REVIEWS = (
    "v2_review_quality", "v2_review_retention", "capability_review_quality",
    "capability_review_retention",
)  # fmt: skip
ALONE = ("luna_only", "sonnet5_only", "opus5_only")


def runs() -> pl.DataFrame:
    """One row per run: counts, USD and tokens of an exercise with one try, and of both.

    Each failure has a second try, and a try costs the same the first time and the second:
    1 + (1 − p₁) tries an exercise are what the whole run's tokens and cost paid for.
    """
    t = pl.read_csv(DATA / "aider_two_tries.csv")
    n, p = pl.col("test_cases"), pl.col("pass_num_1") / pl.col("test_cases")
    label = pl.concat_str(["model", "reasoning_effort"], separator=", ", ignore_nulls=True)
    pair = pl.concat_str([label, "editor_model"], separator=" + ", ignore_nulls=True)
    return t.with_columns(
        pair.alias("run"),
        (pl.col("total_cost") / n / (2 - p)).alias("usd_1"),
        (pl.col("total_cost") / n).alias("usd_2"),
        (pl.col("completion_tokens") / n * (1 - p) / (2 - p)).alias("verify_tokens"),
    )


def share(count: int, of: int) -> list[float]:
    """[low, share, high] after Wilson."""
    inside = binomtest(count, of).proportion_ci(0.95, "wilson")
    return [float(inside.low), count / of, float(inside.high)]


def interval(x: np.ndarray) -> list[float]:
    """[low, mean, high] of resamples."""
    low, high = np.percentile(x, [2.5, 97.5])
    return [float(low), float(x.mean()), float(high)]


def halves(t: pl.DataFrame, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Shares solved by one try and by two, [runs] each, in two halves of the exercises.

    Which exercise of a run falls in which half is drawn, and each half is counted anew.
    """
    n, k1, k2 = (t[c].to_numpy() for c in ("test_cases", "pass_num_1", "pass_num_2"))
    kinds = np.array([k1, k2 - k1, n - k2]).T
    first = np.array(
        [rng.multivariate_hypergeometric(k, m // 2) for k, m in zip(kinds, n, strict=True)]
    )
    out = []
    for half in (first, kinds - first):
        size = half.sum(axis=1)
        counts = np.array([rng.multinomial(m, k / m) for m, k in zip(size, half, strict=True)])
        out.append((counts[:, 0] / size, counts[:, :2].sum(axis=1) / size))
    return out


def resampled(t: pl.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """[runs], [runs] shares solved by one try and by two, counted anew."""
    n, k1, k2 = (t[c].to_numpy() for c in ("test_cases", "pass_num_1", "pass_num_2"))
    counts = [
        rng.multinomial(m, [a / m, (b - a) / m, (m - b) / m])
        for m, a, b in zip(n, k1, k2, strict=True)
    ]
    first, second, _ = np.array(counts).T
    return first / n, (first + second) / n


# --- tests as the verifier -----------------------------------------------------------------------


def left_by_verifying(t: pl.DataFrame, draws: int) -> dict[str, Any]:
    """The share of the risk that verifying leaves, over runs."""
    medians = []
    for i in range(draws):
        rng = np.random.default_rng((11, i))
        some = t[rng.integers(0, t.height, t.height)]
        p1, p2 = resampled(some, rng)
        medians.append(np.median((1 - p2) / (1 - p1)))
    left = (t["test_cases"] - t["pass_num_2"]) / (t["test_cases"] - t["pass_num_1"])
    return {
        "runs": t.height,
        "median": float(left.median()),
        "median, resampled": interval(np.array(medians)),
        "least and most": [float(left.min()), float(left.max())],
    }


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
            "risk": _risk(k, n),
            "usd": best["usd_1"].item(),
        },
        "runs with tests surely below it": better.height,
        "of": priced.height,
        "of them cheaper": better.filter(pl.col("usd_2") < best["usd_1"].item()).height,
        "cheapest of them": {
            "run": cheapest["run"].item(),
            "risk": _risk(k2, n2),
            "usd": cheapest["usd_2"].item(),
        },
    }


def _risk(solved: int, of: int) -> list[float]:
    return share(of - solved, of)


def buyers(t: pl.DataFrame, draws: int) -> list[dict[str, Any]]:
    """Welfare lost per task against free choice, by stake, of those who do not choose freely.

    At the same spend: against free choice among what costs no more than the buyer's own pick.
    """
    t = t.filter(pl.col("total_cost").is_not_null())
    usd_1, usd_2 = t["usd_1"].to_numpy(), t["usd_2"].to_numpy()
    cheap, usd = int(usd_2.argmin()), np.concatenate([usd_1, usd_2])
    lost: dict[tuple[float, str], list[float]] = {}
    verified = {s: [] for s in STAKES}
    for i in range(draws):
        rng = np.random.default_rng((13, i))
        (p1, p2), (q1, q2) = halves(t, rng)
        for s in STAKES:
            told = np.concatenate([s * p1 - usd_1, s * p2 - usd_2])
            true = np.concatenate([s * q1 - usd_1, s * q2 - usd_2])
            free, n = int(told.argmax()), len(p1)
            verified[s].append(free >= n)
            picked = {
                "never verifies": int(told[:n].argmax()),
                "verifies, cheapest model": n + cheap,
                "cheapest model, never verifies": int(usd_1.argmin()),
            }
            for who, k in picked.items():
                lost.setdefault((s, who), []).append((true[free] - true[k]) / s)
            k = picked["never verifies"]  # and what as much money could have bought
            same = int(np.where(usd <= usd[k], told, -np.inf).argmax())
            who = "never verifies, at the same spend"
            lost.setdefault((s, who), []).append((true[same] - true[k]) / s)
    return [
        {
            "stake_usd": s,
            "who": who,
            "lost, share of the stake": interval(np.array(x)),
            "free choice verifies": float(np.mean(verified[s])),
        }
        for (s, who), x in lost.items()
    ]


def break_even(t: pl.DataFrame) -> dict[str, float]:
    """The stake from which verifying pays, run by run: its cost over what it solves."""
    t = t.filter(pl.col("total_cost").is_not_null())
    solved = (t["pass_num_2"] - t["pass_num_1"]) / t["test_cases"]
    stake = np.array((t["usd_2"] - t["usd_1"]) / solved)
    low, middle, high = np.quantile(stake, [0.1, 0.5, 0.9])
    return {"tenth": float(low), "median": float(middle), "ninetieth": float(high)}


def one_scale(t: pl.DataFrame) -> dict[str, Any]:
    """How far one number, e⁻ᵗ/τ of the risk after t tokens, carries from run to run.

    τ of a run is its tokens over −ln(risk left); the others' median says what it leaves.
    """
    t = t.filter(pl.col("verify_tokens").is_not_null())
    left = np.array((t["test_cases"] - t["pass_num_2"]) / (t["test_cases"] - t["pass_num_1"]))
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


# --- a model as the reviewer ---------------------------------------------------------------------


def holm(p: np.ndarray) -> np.ndarray:
    """[tests] p-values that hold for all tests together (Holm 1979)."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    return np.minimum(stepped, 1.0)[np.argsort(order)]


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
        out.append(
            {
                "policy": policy,
                "risk": _risk(int(total["solved"].item()), int(total["tasks"].item())),
                "usd": float(total["inference_cost_usd"].item() / total["tasks"].item()),
                "usd is a lower bound": bool(mine["cost_is_lower_bound"].sum()),
                "won and lost against sol": [won, lost],
                "p": float(binomtest(won, won + lost).pvalue) if won + lost else 1.0,
            }
        )
    others = [line for line in out if line["policy"] != "sol_only"]
    for line, p in zip(others, holm(np.array([x["p"] for x in others])), strict=True):
        line["p of all"] = float(p)
    return out


def chart(t: pl.DataFrame, path: Path) -> None:
    """Risk with one try and with two, against what they cost; a line is a run."""
    import altair as alt

    t = t.filter(pl.col("total_cost").is_not_null())
    rows = [
        {"run": f"{i} {r['run']}", "tries": name, "usd": r[usd], "risk": 1 - r[k] / r["test_cases"]}
        for i, r in enumerate(t.iter_rows(named=True))
        for name, usd, k in (("one", "usd_1", "pass_num_1"), ("with tests", "usd_2", "pass_num_2"))
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("usd:Q", scale=alt.Scale(type="log"), title="USD an exercise"),
        y=alt.Y("risk:Q", title="left unsolved", axis=alt.Axis(format="%")),
    )
    lines = base.mark_line(opacity=0.35, color="#888888").encode(detail="run:N")
    colors = alt.Scale(domain=["one", "with tests"], range=["#e45756", "#4c78a8"])
    points = base.mark_circle(size=36).encode(
        color=alt.Color("tries:N", scale=colors, title="tries")
    )
    alt.layer(lines, points).properties(width=440, height=280).configure(aria=False).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--chart", type=Path)
    given = parser.parse_args()
    t = runs()
    result = {
        "draws": given.draws,
        "risk left by verifying": left_by_verifying(t, given.draws),
        "cheap and verified": cheap_and_verified(t),
        "break-even stake, USD": break_even(t),
        "buyers": buyers(t, given.draws),
        "one scale for all": one_scale(t),
        "reviewed": reviewed(),
    }
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    if given.chart:
        chart(t, given.chart)
    print(text)


if __name__ == "__main__":
    main()
