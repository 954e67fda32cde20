"""Runs of coding exercises, each solved in one try or in two: counts, costs, and counts anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

DATA = Path(__file__).parent / "data"


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


def kinds(t: pl.DataFrame) -> np.ndarray:
    """[runs, 3] exercises solved by the first try, by the second, and by neither."""
    n, k1, k2 = (t[c].to_numpy() for c in ("test_cases", "pass_num_1", "pass_num_2"))
    return np.array([k1, k2 - k1, n - k2]).T


def again(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many exercises of every run, drawn with replacement."""
    return np.array([rng.multinomial(k.sum(), k / k.sum()) for k in counts])


def solved(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[runs], [runs] shares solved by one try and by two."""
    n = counts.sum(axis=1)
    return counts[:, 0] / n, counts[:, :2].sum(axis=1) / n
