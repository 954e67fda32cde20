"""Who falls behind by his rule of picking a run, as a failure gets dearer.

A buyer picks a run, and whether to verify, for the most stake × solved − cost; the stake is what
a solved task is worth and an unsolved one loses, together. In the sample he is judged by the very
counts that he picked from, and part of what he picks is luck. So he also picks by one half of the
exercises and is judged by the other, both ways, and the mean over many splits is taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from benchmarks.evidence.intervals import around
from benchmarks.evidence.risk_runs import again, kinds, solved

STAKES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # USD a task
FREE = "free choice verifies"
Lost = dict[tuple[float, str], float]


def buyers(t: pl.DataFrame, draws: int) -> list[dict[str, Any]]:
    """Welfare lost per task against free choice, by stake, of those who do not choose freely."""
    t = t.filter(pl.col("total_cost").is_not_null())
    usd = np.concatenate([t["usd_1"].to_numpy(), t["usd_2"].to_numpy()])
    whole = np.concatenate(solved(kinds(t)))
    sample = lost(whole, whole, usd)
    own, anew = (
        [_both_ways(t, usd, np.random.default_rng((13, i)), drawn) for i in range(draws)]
        for drawn in (False, True)
    )
    return [
        {
            "stake_usd": s,
            "who": who,
            "lost in the sample": sample[s, who],
            "lost on the other half": around(
                float(np.mean([x[s, who] for x in own])), np.array([x[s, who] for x in anew])
            ),
            FREE: float(np.mean([x[s, FREE] for x in own])),
        }
        for s, who in sample
        if who != FREE
    ]


def _both_ways(t: pl.DataFrame, usd: np.ndarray, rng: np.random.Generator, anew: bool) -> Lost:
    one, other = (np.concatenate(solved(half)) for half in halves(t, rng, anew))
    here, there = lost(one, other, usd), lost(other, one, usd)
    return {k: (here[k] + there[k]) / 2 for k in here}


def halves(t: pl.DataFrame, rng: np.random.Generator, anew: bool = False) -> list[np.ndarray]:
    """Counts of two halves of the exercises, [runs, 3] each.

    The data count the exercises and do not name them, so which falls in which half is drawn run
    by run. ``anew``: each half is drawn from itself with replacement, after the split.
    """
    counts = kinds(t)
    first = np.array([rng.multivariate_hypergeometric(k, k.sum() // 2) for k in counts])
    parts = [first, counts - first]
    return [again(half, rng) for half in parts] if anew else parts


def lost(seen: np.ndarray, judged: np.ndarray, usd: np.ndarray) -> Lost:
    """Share of the stake that a buyer loses against free choice, by stake and buyer.

    ``seen``, ``judged`` and ``usd`` are of all runs with one try, then of all with two. At the
    same spend: against free choice among what costs no more than the buyer's own pick.
    """
    n, out = len(usd) // 2, {}
    for s in STAKES:
        told, true = s * seen - usd, s * judged - usd
        free, never = int(told.argmax()), int(told[:n].argmax())
        same = int(np.where(usd <= usd[never], told, -np.inf).argmax())
        pairs = {
            "never verifies": (free, never),
            "verifies, cheapest model": (free, n + int(usd[n:].argmin())),
            "cheapest model, never verifies": (free, int(usd[:n].argmin())),
            "never verifies, at the same spend": (same, never),
        }
        out |= {(s, who): float(true[a] - true[b]) / s for who, (a, b) in pairs.items()}
        out[s, FREE] = float(free >= n)
    return out
