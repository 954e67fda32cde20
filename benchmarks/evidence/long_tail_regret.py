"""What a cost-minimising router loses on the long tail of high-value requests.

    python -m benchmarks.evidence.long_tail_regret [--draws N] [--out FILE] [--chart FILE.svg]

Outcomes and costs of single queries are measured (`data/`); what a request is worth is not in the
data and is drawn: that is the assumption whose effect the tables show. Both routers know the
same: a predicted gain of the dearer model by subject, fitted on half of the queries. They are
judged on the other half.

- *cost-minimising*: the cheapest split whose predicted quality is at least a share (the floor) of
  what the dearer model adds everywhere. It does not see what a request is worth.
- *at the same spend*: no more than the same money, spent where value × predicted gain is largest
  and as long as that pays; *with all of it spent* also where it does not.
- *at its own spend*: a dearer call where value × predicted gain exceeds its cost.
- *hindsight*: the better of both outcomes, known after the fact.

Regret is welfare (value × score − cost) lost against *at its own spend*. Every draw splits the
queries anew and resamples both halves with replacement; within it values are drawn ten times and
the mean is taken, so that what is uncertain is what the data leave uncertain, and not which
query happens to be worth most. Intervals are the 2.5th and 97.5th percentile of the draws.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm, rankdata

from benchmarks.evidence.long_tail_data import Queries, outcomes, routellm, routerarena

TAIL = 0.1  # of the requests: those that are worth most
ASSIGNMENTS = 10  # of values to queries, of which the mean is taken
FLOORS = (0.5, 0.8, 0.95)  # of what the dearer model adds
MEANS = (3.0, 10.0, 30.0, 100.0)  # mean worth of a success, in costs of a dearer call
SHAPES = ("equal", "lognormal 1", "lognormal 2", "pareto 1.5")
BASE = {"shape": "lognormal 2", "mean": 30.0, "floor": 0.8, "hard": 0.0}


# --- what routers know and do ------------------------------------------------------------------


def predicted(train: Queries, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """[groups] gain of the dearer model and score of the cheaper one, shrunk to the mean.

    Empirical Bayes with one variance within groups and one between them.
    """
    gain = _shrunk(train.dear - train.cheap, train.group, groups)
    return gain, _shrunk(train.cheap, train.group, groups)


def _shrunk(x: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    n = np.bincount(group, minlength=groups)
    mean = np.bincount(group, x, groups) / np.maximum(n, 1)
    within = float(np.mean((x - mean[group]) ** 2))
    between = max(
        float(np.average((mean - x.mean()) ** 2 - within / np.maximum(n, 1), weights=n)), 0.0
    )
    weight = n * between / (n * between + within) if between else np.zeros(groups)
    return x.mean() + weight * (mean - x.mean())


def cost_minimising(gain: np.ndarray, extra: np.ndarray, floor: float) -> np.ndarray:
    """[n] dearer calls: the cheapest that reach a share of the whole predicted gain."""
    worth = np.maximum(gain, 0.0)
    order = np.argsort(-worth / np.maximum(extra, 1e-12))
    reached = np.cumsum(worth[order])
    enough = int(np.searchsorted(reached, floor * reached[-1])) + 1 if reached[-1] > 0 else 0
    out = np.zeros(len(gain), bool)
    out[order[:enough]] = worth[order[:enough]] > 0
    return out


def within(spend: float, bid: np.ndarray, extra: np.ndarray, paying: bool = True) -> np.ndarray:
    """[n] dearer calls, the best bid first, until the money is spent.

    Only those that pay by their bid, unless all the money is to be spent (``paying`` False).
    """
    order = np.argsort(-bid / np.maximum(extra, 1e-12))
    fits = np.cumsum(np.maximum(extra[order], 0.0)) <= spend
    out = np.zeros(len(bid), bool)
    out[order] = fits & (bid[order] > (extra[order] if paying else 0.0))
    return out


def values(shape: str, mean: float, hard: np.ndarray, link: float, rng: Any) -> np.ndarray:
    """[n] worth of a success, in mean costs of a dearer call.

    ``link``: correlation with how hard the query is, in normal scores.
    """
    score = norm.ppf((rankdata(hard + 1e-9 * rng.random(len(hard))) - 0.5) / len(hard))
    z = link * score + np.sqrt(1.0 - link**2) * rng.standard_normal(len(hard))
    kind, _, size = shape.partition(" ")
    match kind:
        case "equal":
            out = np.ones(len(z))
        case "lognormal":
            out = np.exp(float(size) * z)
        case _:
            out = norm.sf(z) ** (-1.0 / float(size))
    return mean * out / out.mean()


# --- one draw -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """The half that is judged on [n]: predicted gain and how hard it looks from the other half."""

    test: Queries
    gain: np.ndarray
    hard: np.ndarray


def halves(q: Queries, rng: np.random.Generator) -> Known:
    """Split the queries, resample both halves, fit on one."""
    everyone = rng.permutation(len(q.group))
    half = len(everyone) // 2
    train, test = (q.at(rng.choice(part, len(part))) for part in (everyone[:half], everyone[half:]))
    gain, cheap = predicted(train, int(q.group.max()) + 1)
    return Known(test, gain[test.group], 1.0 - cheap[test.group])


def drawn(q: Queries, case: dict[str, Any], rng: np.random.Generator) -> dict[str, float]:
    """Figures of one split and resample, the mean over who is worth how much."""
    known = halves(q, rng)
    blind = cost_minimising(known.gain, known.test.extra, case["floor"])
    found = [_judged(known, blind, case, rng) for _ in range(ASSIGNMENTS)]
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
    paid = {name: float(test.extra[c].sum()) for name, c in calls.items()}
    tail = v >= np.quantile(v, 1.0 - TAIL)
    regret = net["own"] - net["blind"]
    return {
        "dearer calls": float(blind.mean()),
        "dearer calls, own spend": float(calls["own"].mean()),
        "gain at the same spend": float((net["same"] - net["blind"]).sum()) / base,
        "value gained at the same spend": worth["same"] - worth["blind"],
        "value gained with all of it spent": worth["all"] - worth["blind"],
        "money used of it": paid["same"] / spend if spend > 0 else 1.0,
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
    """[low, mean, high] of every figure."""
    found = [drawn(q, case, np.random.default_rng((7, i))) for i in range(draws)]
    return {k: _interval(np.array([f[k] for f in found])) for k in found[0]}


def _interval(x: np.ndarray) -> list[float]:
    low, high = np.percentile(x, [2.5, 97.5])
    return [float(low), float(x.mean()), float(high)]


def by_value(q: Queries, draws: int, parts: int = 10) -> list[dict[str, float]]:
    """Regret of every tenth of the requests, by value, in the base case."""
    rows = []
    for i in range(draws):
        rng = np.random.default_rng((7, i))
        rows.append(_tenths(q, rng, parts))
    table = np.array(rows)  # [draws, parts]
    return [
        {"tenth": k + 1, **dict(zip(("low", "mean", "high"), _interval(table[:, k]), strict=True))}
        for k in range(parts)
    ]


def _tenths(q: Queries, rng: np.random.Generator, parts: int) -> np.ndarray:
    known = halves(q, rng)
    test = known.test
    blind = cost_minimising(known.gain, test.extra, BASE["floor"])
    out = np.zeros(parts)
    for _ in range(ASSIGNMENTS):
        v = values(BASE["shape"], BASE["mean"], known.hard, BASE["hard"], rng)
        own = v * known.gain > test.extra
        regret = (own.astype(float) - blind) * (v * (test.dear - test.cheap) - test.extra)
        place = ((rankdata(v, "ordinal") - 1) * parts // len(v)).astype(int)
        out += np.bincount(place, regret, parts) / np.bincount(place, minlength=parts)
    return out / ASSIGNMENTS


def cases() -> Iterator[dict[str, Any]]:
    """The base case, and one assumption changed at a time."""
    yield dict(BASE)
    for name, choices in {
        "shape": SHAPES, "mean": MEANS, "floor": FLOORS, "hard": (-0.5, 0.5),
    }.items():  # fmt: skip
        yield from ({**BASE, name: c} for c in choices if c != BASE[name])


def chart(rows: list[dict[str, float]], path: Path) -> None:
    """Regret by tenth of value, with intervals."""
    import altair as alt

    data = alt.Data(values=rows)
    x = alt.X("tenth:O", title="tenth of the requests by value, the most valuable last")
    bars = alt.Chart(data).mark_bar(color="#4c78a8").encode(
        x=x, y=alt.Y("mean:Q", title="regret of a request (cost of a dearer call = 1)")
    )  # fmt: skip
    rules = alt.Chart(data).mark_rule(strokeWidth=1.5).encode(x=x, y="low:Q", y2="high:Q")
    alt.layer(bars, rules).properties(width=440, height=240).configure(aria=False).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--chart", type=Path)
    given = parser.parse_args()
    q, other = routellm(), routerarena()
    tenths = by_value(q, given.draws)
    result = {
        "draws": given.draws,
        "tail": TAIL,
        "outcomes": {x.name: outcomes(x) for x in (q, other)},
        "cases": [
            {"data": x.name, **case, "figures": figures(x, case, given.draws)}
            for x, some in ((q, cases()), (other, [dict(BASE)]))
            for case in some
        ],
        "answers of 20 and 500 tokens": [
            figures(routellm(tokens), BASE, given.draws) for tokens in (20.0, 500.0)
        ],
        "regret by tenth of value": tenths,
    }
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    if given.chart:
        chart(tenths, given.chart)
    print(text)


if __name__ == "__main__":
    main()
