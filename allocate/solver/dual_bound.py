"""The dual at any prices, without trust: no allocation is worth more.

A best response is not believed: what concavity says that it may have missed is added
(``profit_bound``). That is dear, so arms that could not be the best even if their tokens
were free are not looked at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from allocate.cores import on_cores
from allocate.models.curves import RequestCurve, Response
from allocate.models.profits import quantity_prices
from allocate.models.program import Program
from allocate.models.stream import Flows, Stream

_FEW = 24  # arms of one technology that are looked at one by one
_TOGETHER = 1 << 15  # members looked at together


class _Doubted(RequestCurve):
    """A request curve whose profit is no less than the best, whatever its response found."""

    def best_response(self, *prices: Any) -> Response:
        response = super().best_response(*prices)
        return response._replace(profit=self.profit_bound(response, *prices))


def dual_bound(
    program: Program, duals: np.ndarray, flows: tuple[Flows, ...] | None = None
) -> float:
    """An upper bound on every feasible welfare, USD per hour, from prices [rows] ≥ 0.

    It holds even where a best response is wrong, and is then large or infinite. A curve that
    is held at a target is let go: what matters is what it could earn. ``flows`` of an
    allocation say where to look first.
    """
    profits = []
    for i, stream in enumerate(program.streams):
        if np.bincount(stream.technology_of, minlength=1).max(initial=0) > _FEW:
            curves = stream.technologies
            doubted = tuple(_Doubted(c.success, c.effort, c.risk, c.caps) for c in curves)
            best = replace(stream, technologies=doubted).best_profits(duals)
            profits.append(best[:, None])
        else:
            profits.append(_best(stream, duals, flows[i] if flows else None)[:, None])
    return program.dual(duals, profits)


def _best(stream: Stream, duals: np.ndarray, flows: Flows | None) -> np.ndarray:
    """[K] no less than the best profit of a request, or than declining; USD."""
    first = np.full(len(stream.rate), -1)
    if flows is not None:
        first[flows.member] = flows.arm
    out = np.empty(len(stream.rate))
    table = stream.price_table(duals)
    order = np.argsort(stream.group, kind="stable")
    parts = [order[i : i + _TOGETHER] for i in range(0, len(order), _TOGETHER)]
    found = on_cores(lambda k: _best_of(stream, table, k, first[k]), parts)
    for part, best in zip(parts, found, strict=True):
        out[part] = best
    return out


def _best_of(stream: Stream, table: np.ndarray, k: np.ndarray, first: np.ndarray) -> np.ndarray:
    opened = stream.menu[stream.group[k]]
    arms = np.flatnonzero(opened.any(axis=0))
    best = -stream.decline_cost[k]
    if not arms.size:
        return best
    price = quantity_prices(stream, table, k, arms)
    easiest = 1.0 if stream.difficulty is None else float(stream.difficulty[k].min())
    hope = np.empty((len(k), len(arms)))
    for a, arm in enumerate(arms):
        i = stream.technology_of[arm]
        hope[:, a] = stream.technologies[i].free_profit(
            -price[:, -1, a], price[:, -2, a], stream.factor_of(i, k), easiest
        )
    hope = np.where(opened[:, arms], hope - price[:, 0], -np.inf)
    hope = np.where(np.isnan(hope), np.inf, hope)
    place = np.searchsorted(arms, np.maximum(first, arms[0]))
    start = np.where(first >= 0, np.minimum(place, len(arms) - 1), hope.argmax(axis=1))
    seen = np.zeros(hope.shape, bool)
    seen[np.arange(len(k)), start] = opened[np.arange(len(k)), arms[start]]
    for _ in range(2):  # where to look first; then all that might be better
        n, a = np.nonzero(seen)
        if n.size:
            bound = _profit(stream, k[n], arms[a], price[n, :, a], best[n])
            first = np.flatnonzero(np.diff(n, prepend=-1))
            best[n[first]] = np.maximum(best[n[first]], np.maximum.reduceat(bound, first))
        seen = (hope > best[:, None]) & ~seen
    return best


def _profit(
    stream: Stream, k: np.ndarray, arm: np.ndarray, price: np.ndarray, enough: np.ndarray
) -> np.ndarray:
    """[n] bound on the profit of pairs at prices [n, J+3]; sharp where above ``enough``."""
    out = np.empty(len(k))
    technology = stream.technology_of[arm]
    for i in np.unique(technology):
        at = np.flatnonzero(technology == i)
        p = price[at]
        curve = replace(stream.technologies[i], target=None)
        factor, difficulty = stream.factor_of(i, k[at]), stream.difficulty_of(k[at])
        asked = -p[:, -1], p[:, 1:-2], p[:, -2], factor, difficulty
        found = curve.best_response(*asked)
        out[at] = curve.profit_bound(found, *asked, enough[at] + p[:, 0]) - p[:, 0]
    return out
