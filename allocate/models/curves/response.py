"""The best response of one request to prices: how many tokens each use gets.

    max over t ≥ 0   V·f·q(Y(t)/d) − w·e(t) − Σ_j p_j t_j,      t_j ≤ cap_j            (1)

with success q (``success.py``), effort Y (``effort.py``), wrong actions e (``risk.py``),
V the price of a success, w of a wrong action, p_j of a token; f and d are the class's
factor and difficulty. The objective is jointly concave, so the first-order conditions (2)
are enough. With m = V f q'(y) y (y = Y/d), the money that one more per cent of effort
brings, they read

    p_j t_j = α_j m                                     (uses that do not verify)
    p_v t_v = α_v m + w·rate·s·e^{−s},  s = t_v/τ       (the use that verifies)

so the tokens follow from ℓ = log m and s alone; ``meeting.py`` finds those.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from allocate.models.curves.meeting import Facing, Meeting
from allocate.models.curves.namespace import namespace
from allocate.models.limits import TINY

Array = Any
_ENDLESS = 1e250  # tokens, where they cost nothing and have no cap
_BLOCK = 8192  # requests answered at once: what is in hand then stays in the cache


class Response(NamedTuple):
    """Tokens [..., J] and what they bring, per request; ``log_revenue`` is ℓ = log m."""

    tokens: Array
    success: Array
    wrong: Array
    profit: Array
    log_revenue: Array


def respond(
    meeting: Meeting,
    value: Array,
    prices: Array,
    wrong_price: Array,
    factor: Array,
    difficulty: Array,
) -> Response:
    """Solve (1); see ``RequestCurve.best_response``."""
    if namespace(value, prices, wrong_price, factor, difficulty) is not np:
        return _respond(meeting, value, prices, wrong_price, factor, difficulty)
    value, prices, wrong_price = map(np.asarray, (value, prices, wrong_price))
    plain = (value, wrong_price, np.asarray(factor), np.asarray(difficulty))
    shape = np.broadcast_shapes(*(a.shape for a in plain), prices.shape[:-1])
    size = int(np.prod(shape))
    with np.errstate(all="ignore"):
        if size <= _BLOCK:
            return _respond(meeting, value, prices, *plain[1:])
        out = Response(np.empty((*shape, prices.shape[-1])), *(np.empty(shape) for _ in range(4)))
        length = max(1, _BLOCK * shape[0] // size)
        for first in range(0, shape[0], length):
            part = slice(first, first + length)
            v, w, f, d = (_rows(a, len(shape), part) for a in plain)
            p = _rows(prices, len(shape) + 1, part)
            for whole, piece in zip(out, _respond(meeting, v, p, w, f, d), strict=True):
                whole[part] = piece
    return out


def _rows(a: np.ndarray, dimensions: int, part: slice) -> np.ndarray:
    """Some rows of an array that may still be broadcast along them."""
    return a[part] if a.ndim == dimensions and a.shape[0] > 1 else a


def _respond(
    meeting: Meeting,
    value: Array,
    prices: Array,
    wrong_price: Array,
    factor: Array,
    difficulty: Array,
) -> Response:
    xp = namespace(value, prices, wrong_price, factor, difficulty)
    worth, v = value * factor, meeting.verify
    shapes = map(np.shape, (worth, wrong_price, difficulty))
    shape = np.broadcast_shapes(*shapes, prices.shape[:-1])
    price = [prices[..., j] + xp.zeros(shape) for j in range(prices.shape[-1])]
    log_p = {j: xp.log(xp.clip(price[j], TINY, 1.0 / TINY)) for j in meeting.priced}
    floor, log_a = xp.zeros(shape), xp.zeros(shape)
    if v is not None:
        averted = wrong_price * meeting.risk.relief(xp.zeros(())) / xp.maximum(price[v], TINY)
        log_a = xp.log(xp.clip(averted, TINY, 1.0 / TINY)) + xp.zeros(shape)
        floor = xp.maximum(log_a, 0.0)
    m, s, ell, y = xp.zeros(shape), floor, xp.full(shape, -np.inf), xp.ones(shape) / difficulty
    if meeting.earns:
        facing = _facing(meeting, xp, worth, difficulty, log_p, floor, log_a)
        ell, log_s, z = meeting.solve(facing)
        paid = worth > 0
        ell = xp.where(paid, xp.clip(ell, -1e3, 1e3), -np.inf)
        m = xp.exp(ell)
        y = xp.where(m > 0, xp.exp(z), 0.0)
        s = xp.where(paid, xp.exp(log_s), floor) if meeting.alpha > 0 else floor
    tokens = []
    for j, cap in enumerate(meeting.caps):
        t = xp.zeros(shape)
        if j == v:
            t = meeting.risk.tokens * s
        elif j in meeting.others:
            t = meeting.effort.exponents[j] * m / xp.maximum(price[j], TINY)
        tokens.append(xp.minimum(t, min(cap, _ENDLESS)))
    success = factor * meeting.success.value(y)
    wrong = meeting.risk.rate + xp.zeros(shape)
    if v is not None:
        wrong = meeting.risk.remaining(tokens[v])
    profit = xp.where(worth > 0, value * success, 0.0) - wrong_price * wrong
    for p, t in zip(price, tokens, strict=True):
        profit = profit - p * t
    return Response(xp.stack(tokens, -1), success, wrong, profit, ell)


def _facing(
    meeting: Meeting,
    xp: Any,
    worth: Array,
    difficulty: Array,
    log_p: dict[int, Array],
    floor: Array,
    log_a: Array,
) -> Facing:
    """The logarithms that ``meeting`` works with, all of one shape."""
    zero, effort = xp.zeros(floor.shape), meeting.effort
    shift = {j: np.log(effort.exponents[j]) - log_p[j] for j in meeting.others}
    level = zero - xp.log(difficulty)
    for j in meeting.others:
        level = level + effort.exponents[j] * (shift[j] - np.log(effort.references[j]))
    price = zero
    if meeting.verify is not None and meeting.alpha > 0:
        price = log_p[meeting.verify] + np.log(meeting.risk.tokens / meeting.alpha)
    return Facing(
        xp.log(xp.maximum(worth, TINY)) + zero,
        level,
        price,
        floor,
        log_a - floor,
        tuple(np.log(meeting.caps[j]) - shift[j] for j in meeting.capped),
    )
