"""An upper bound on what a best response may bring, whoever found the tokens.

The payoff φ(t) of (1) in ``response.py`` is concave, so with any supergradient g at any t

    max φ ≤ φ(t) + Σ_j (g_j − p_j)⁺ (cap_j − t_j) + (p_j − g_j)⁺ t_j

where p is the price and g the worth of a token. At the optimum the sum is zero up to
rounding; tokens that are wrong, or a root finder that stopped early, make it large. At a
kink of the success curve one slope must serve all uses: the one that the response names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from allocate.models.limits import TINY

if TYPE_CHECKING:
    from allocate.models.curves.request import RequestCurve

Array = Any
_NEAR = 1e-13  # slopes are taken this far to both sides: a kink is never met exactly
_ROUNDING = 1e-13  # of the money that a request moves
_NUDGES = (1e-12, 1e-9)  # relative: where rounding times a large cap is more than that
_EQUAL = 1e-12  # worth and price of an unlimited use: apart, they would be worth infinitely much
_SPECK = 1e-30  # of the value: where nothing is bought, so little has a finite slope


class _Ask(NamedTuple):
    """What a request faces; arrays of shape [n] and prices [n, J]."""

    value: np.ndarray
    prices: np.ndarray
    wrong: np.ndarray
    factor: np.ndarray
    difficulty: np.ndarray


def profit_bound(
    curve: RequestCurve,
    tokens: Array,
    log_revenue: Array,
    value: Array,
    prices: Array,
    wrong_price: Array,
    factor: Array = 1.0,
    difficulty: Array = 1.0,
    enough: Array = -np.inf,
) -> np.ndarray:
    """At least the best profit in USD per request, and equal to it at the best tokens.

    Args:
        curve: whose profit is asked for.
        tokens: t, shape S + (J,), any tokens.
        log_revenue: ℓ, shape S; matters only at a kink, where any is right and the best
            response's is best.
        value: V, USD per success, shape S.
        prices: p, USD per token, shape S + (J,).
        wrong_price: w, USD per wrong action, shape S.
        factor: f, shape S.
        difficulty: d, shape S.
        enough: a bound that is no higher than this need not be any sharper, shape S.
    """
    tokens = np.asarray(tokens, float)
    shape = tokens.shape[:-1]
    ask = _Ask(
        *(
            np.broadcast_to(a, s).reshape(-1, *s[len(shape) :])
            for a, s in zip(
                (value, prices, wrong_price, factor, difficulty),
                (shape, tokens.shape, shape, shape, shape),
                strict=True,
            )
        )
    )
    t = tokens.reshape(-1, tokens.shape[-1])
    with np.errstate(all="ignore"):
        m = np.exp(np.broadcast_to(log_revenue, shape).reshape(-1))
        out, moved = _bound(curve, t, m, ask, 0.0)
        profit = moved[0]
        loose = ~(out - profit <= _ROUNDING * moved[1])
        again = np.flatnonzero(loose & ~(out <= np.broadcast_to(enough, shape).reshape(-1)))
        if again.size:
            part = _Ask(*(a[again] for a in ask))
            good = profit[again] + _ROUNDING * moved[1][again]
            out[again] = np.minimum(out[again], _nudged(curve, t[again], m[again], part, good))
    return out.reshape(shape)


def _nudged(
    curve: RequestCurve, t: np.ndarray, m: np.ndarray, ask: _Ask, good: np.ndarray
) -> np.ndarray:
    """The least of the bounds from points close by, each a bound in its own right.

    They are tried in turn, on those requests only whose bound is still above ``good``.
    """
    caps, alphas = np.asarray(curve.caps), np.asarray(curve.effort.exponents)
    first = alphas * (_SPECK * ask.value * ask.factor)[:, None] / np.maximum(ask.prices, TINY)
    speck = np.maximum(t, np.minimum(caps, np.where(first > 0, first, 0.0)))
    verifying = np.arange(len(caps)) == (curve.risk.use if curve.risk.verifiable else -1)
    best, left = np.full(len(t), np.inf), np.arange(len(t))
    for nudge in (0.0, *_NUDGES):
        for start, which, lower in (
            (t, 0.0 * alphas, nudge),  # at a kink another slope will do as well
            (t, nudge * verifying, nudge),
            (t, nudge * np.ones(len(caps)), 0.0),
            (speck, nudge * np.ones(len(caps)), 0.0),
        ):
            point = np.minimum(start[left] * (1.0 + which), caps)
            part = _Ask(*(a[left] for a in ask))
            best[left] = np.minimum(best[left], _bound(curve, point, m[left], part, lower)[0])
            left = left[~(best[left] <= good[left])]
            if not left.size:
                return best
    return best


def _bound(
    curve: RequestCurve, t: np.ndarray, m: np.ndarray, ask: _Ask, lower: float
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """(bound, (profit at t, money that it moves)); the revenue is taken ``lower`` than m."""
    alphas, caps, p = curve.effort.exponents, curve.caps, ask.prices
    y = curve.effort.value(t) / ask.difficulty
    worth = np.where(ask.value * ask.factor > 0, ask.value * ask.factor, 0.0)
    brought = np.where(worth > 0, worth * curve.success.value(y), 0.0)
    spent = np.where(p > 0, p * t, 0.0)
    lost = ask.wrong * curve.risk.value(t)
    profit = brought - lost - spent.sum(-1)
    revenue = np.zeros(len(t))
    if not curve.success.flat:
        right = worth * curve.success.slope(y * (1.0 + _NEAR)) * y
        left = worth * curve.success.slope(y * (1.0 - _NEAR), "left") * y
        revenue = np.clip(m * (1.0 - lower), right, left)
        revenue = np.where((worth > 0) & (y < np.inf), revenue, 0.0)
    more = np.zeros(len(t))
    for j, (alpha, cap) in enumerate(zip(alphas, caps, strict=True)):
        use = t[:, j]
        gain = np.zeros(len(t))
        if alpha > 0 and not curve.success.flat:
            gain = np.where(use > 0, alpha * revenue / use, np.where(worth > 0, np.inf, 0.0))
        if curve.risk.verifiable and j == curve.risk.use:
            gain = gain + ask.wrong * curve.risk.relief(use)
        room = cap - use
        if not np.isfinite(cap):  # no more than rounding apart is not apart
            room = np.where(gain <= p[:, j] * (1.0 + _EQUAL), 0.0, room)
        short = np.where(room > 0, (gain - p[:, j]) * room, 0.0)
        long = np.where(gain < p[:, j], (p[:, j] - gain) * use, 0.0)
        more = more + np.where(gain > p[:, j], short, long)
    out = profit + more
    moved = np.abs(brought) + np.abs(lost) + np.abs(spent).sum(-1)
    return np.where(np.isnan(out), np.inf, out), (profit, moved)
