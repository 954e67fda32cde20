"""Figures of many splits of the queries, and what other queries would have changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.evidence.intervals import centred
from benchmarks.evidence.long_tail_data import Queries
from benchmarks.evidence.long_tail_routers import cost_minimising, predicted, within
from benchmarks.evidence.long_tail_worth import BASE, values

TAIL = 0.1  # of the requests: those that are worth most
ASSIGNMENTS = 10  # of values to queries, of which the mean is taken


@dataclass(frozen=True)
class Known:
    """The half that is judged on [n]: predicted gain and how hard it looks from the other half."""

    test: Queries
    gain: np.ndarray
    hard: np.ndarray


def halves(q: Queries, rng: np.random.Generator, anew: bool) -> list[Known]:
    """Split the queries, fit on one half and judge on the other, both ways.

    ``anew``: each half is drawn from itself with replacement, after the split, so that no query
    is in both.
    """
    everyone = rng.permutation(len(q.group))
    half = len(everyone) // 2
    parts = [q.at(rng.choice(p, len(p)) if anew else p) for p in np.split(everyone, [half])]
    groups = int(q.group.max()) + 1
    out = []
    for train, test in (parts, parts[::-1]):
        gain, cheap = predicted(train, groups)
        out.append(Known(test, gain[test.group], 1.0 - cheap[test.group]))
    return out


def drawn(
    q: Queries, case: dict[str, Any], rng: np.random.Generator, anew: bool = False
) -> dict[str, float]:
    """Figures of one split, the mean of both ways and over who is worth how much."""
    found = []
    for known in halves(q, rng, anew):
        blind = cost_minimising(known.gain, known.test.extra, case["floor"])
        found += [_judged(known, blind, case, rng) for _ in range(ASSIGNMENTS)]
    return {k: float(np.mean([f[k] for f in found])) for k in found[0]}


def _judged(
    known: Known, blind: np.ndarray, case: dict[str, Any], rng: np.random.Generator
) -> dict[str, float]:
    test, gain = known.test, known.gain
    v = values(case["shape"], case["mean"], known.hard, case["hard"], rng)
    spend = float(np.maximum(test.extra[blind], 0.0).sum())
    true = test.dear - test.cheap
    calls = {
        "blind": blind,
        "same": within(spend, v * gain, test.extra),
        "all": within(spend, v * gain, test.extra, paying=False),
        "own": v * gain > test.extra,
        "hindsight": v * true > test.extra,
    }
    # welfare beyond that of the cheaper model everywhere, by request
    net = {name: np.where(c, v * true - test.extra, 0.0) for name, c in calls.items()}
    base = float(v @ test.cheap)
    worth = {name: float((v * true)[c].sum()) / base for name, c in calls.items()}
    used = {k: float(test.extra[c].sum()) / spend if spend > 0 else 1.0 for k, c in calls.items()}
    tail = v >= np.quantile(v, 1.0 - TAIL)
    regret = net["own"] - net["blind"]
    gained = float((net["same"] - net["blind"]).sum()) / base
    value = worth["same"] - worth["blind"]
    return {
        "dearer calls": float(blind.mean()),
        "dearer calls, own spend": float(calls["own"].mean()),
        "gain within the same spend": gained,
        "of it value": value,
        "of it money left over": gained - value,
        "money used of the same spend": used["same"],
        "value gained with all of it spent": worth["all"] - worth["blind"],
        "money used with all of it spent": used["all"],
        "gain at its own spend": float(regret.sum()) / base,
        "gain of hindsight": float((net["hindsight"] - net["blind"]).sum()) / base,
        "tail's share of value": float(v[tail].sum() / v.sum()),
        **(_of_tail(regret, v, tail, calls) if not tail.all() else {}),
    }


def _of_tail(
    regret: np.ndarray, v: np.ndarray, tail: np.ndarray, calls: dict[str, np.ndarray]
) -> dict[str, float]:
    """Where the regret is: with the requests that are worth most, and with the others."""
    missed, vain = calls["own"] & ~calls["blind"], calls["blind"] & ~calls["own"]
    return {
        "regret, tail": float(regret[tail].mean()),
        "regret, others": float(regret[~tail].mean()),
        "regret by value, tail": float(regret[tail].sum() / v[tail].sum()),
        "regret by value, others": float(regret[~tail].sum() / v[~tail].sum()),
        "tail not sent": float(missed[tail].mean()),
        "others sent in vain": float(vain[~tail].mean()),
    }


def figures(q: Queries, case: dict[str, Any], draws: int) -> dict[str, list[float]]:
    """[low, figure, high] of every figure; the figure is of the queries as they are."""
    own, anew = (
        [drawn(q, case, np.random.default_rng((7, i)), again) for i in range(draws)]
        for again in (False, True)
    )
    return {
        k: centred(float(np.mean([f[k] for f in own])), np.array([f[k] for f in anew]))
        for k in own[0]
    }


def by_value(q: Queries, draws: int, parts: int = 10) -> list[dict[str, float]]:
    """Regret of every tenth of the requests, by value, in the base case."""
    own, anew = (
        np.array([_tenths(q, np.random.default_rng((7, i)), parts, again) for i in range(draws)])
        for again in (False, True)
    )  # [draws, parts]
    return [
        {
            "tenth": k + 1,
            **dict(
                zip(
                    ("low", "mean", "high"),
                    centred(float(own[:, k].mean()), anew[:, k]),
                    strict=True,
                )
            ),
        }
        for k in range(parts)
    ]


def _tenths(q: Queries, rng: np.random.Generator, parts: int, anew: bool) -> np.ndarray:
    out = []
    for known in halves(q, rng, anew):
        test = known.test
        blind = cost_minimising(known.gain, test.extra, BASE["floor"])
        for _ in range(ASSIGNMENTS):
            v = values(BASE["shape"], BASE["mean"], known.hard, BASE["hard"], rng)
            own = v * known.gain > test.extra
            regret = (own.astype(float) - blind) * (v * (test.dear - test.cheap) - test.extra)
            place = ((rankdata(v, "ordinal") - 1) * parts // len(v)).astype(int)
            out.append(np.bincount(place, regret, parts) / np.bincount(place, minlength=parts))
    return np.mean(out, axis=0)
