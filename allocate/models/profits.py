"""What a request of every member brings on every arm at given prices, per request.

Many arms are ways to serve that differ in prices alone: of those, only the ones that come
near the best are answered exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from allocate.cores import on_cores
from allocate.models.curves import Response

if TYPE_CHECKING:
    from allocate.models.stream import Stream

_FEW, _BUCKETS = 24, 12  # ways of one technology: more than few are bounded in buckets
_SPARSE = 32  # members of each group, from which their prices are a product of matrices
_TOGETHER = 4_000_000  # pairs of member and arm whose profits are held at once
_NEAR = 0.01  # arms within this share of the money a request moves are priced exactly


def profits(stream: Stream, duals: np.ndarray, members: np.ndarray | None = None) -> np.ndarray:
    """[K, A]: profit per request of the best response on every arm; -inf where closed."""
    members = np.arange(len(stream.rate)) if members is None else members
    out = np.full((len(members), len(stream.arms)), -np.inf)
    table = stream.price_table(duals)
    for part in _batches(stream, members):
        k = members[part]
        opened = stream.menu[stream.group[k]]
        arms = np.flatnonzero(opened.any(axis=0))
        if not arms.size:
            continue
        profit = _profit(stream, k, arms, quantity_prices(stream, table, k, arms), opened[:, arms])
        out[part[:, None], arms] = np.where(opened[:, arms], profit, -np.inf)
    return out


def best_profits(stream: Stream, duals: np.ndarray) -> np.ndarray:
    """[K]: the best of ``profits`` of every member, never holding those of all arms of many."""
    k = len(stream.rate)
    parts = np.array_split(np.arange(k), 1 + k * len(stream.arms) // _TOGETHER)

    def best(part: np.ndarray) -> np.ndarray:
        return profits(stream, duals, part).max(axis=1, initial=-np.inf)

    return best(parts[0]) if len(parts) == 1 else np.concatenate(on_cores(best, parts))


def _batches(stream: Stream, members: np.ndarray) -> list[np.ndarray]:
    """Places in ``members`` to be priced together: of few groups, and not too many."""
    each = len(stream.arms) * stream.n_quantities
    size = 1 + len(members) * each // 4_000_000
    order = np.argsort(stream.group[members], kind="stable") if size > 1 else None
    places = np.arange(len(members)) if order is None else order
    return [part for part in np.array_split(places, size) if len(part)]


def quantity_prices(
    stream: Stream, table: np.ndarray, k: np.ndarray, arms: np.ndarray
) -> np.ndarray:
    """[n, J+3, arms]: price of every quantity to members k, from a ``price_table``."""
    out = np.empty((stream.n_quantities, len(k), len(arms)))  # each quantity in one piece
    own = stream.own_addition[:, :, arms]
    priced = [y for y in range(stream.n_quantities) if own[y].any()]
    groups = stream.group[k]
    present = np.unique(groups)
    if len(k) < _SPARSE * len(present):  # too few of each for a product of matrices
        features = stream.features[k]
        np.einsum("kf,kyfa->yka", features, table[:, :, :, arms][groups], out=out)
        for y in priced:
            out[y] += (features * stream.addition[k, None]) @ own[y]
        return np.moveaxis(out, 0, 1)
    for g in present:
        at = np.flatnonzero(groups == g)
        every = len(at) == len(k)
        features = stream.features[k if every else k[at]]
        here = table[g][:, :, arms]
        extra = features * stream.addition[k[at], None] if priced else features
        for y in range(stream.n_quantities):
            price = features @ here[y]
            if y in priced:
                price += extra @ own[y]
            if every:
                out[y] = price
            else:
                out[y, at] = price
    return np.moveaxis(out, 0, 1)


def _profit(
    stream: Stream, k: np.ndarray, arms: np.ndarray, price: np.ndarray, opened: np.ndarray
) -> np.ndarray:
    out = np.empty((len(k), len(arms)))
    technology = stream.technology_of[arms]
    for i in np.unique(technology):
        a = np.flatnonzero(technology == i)
        p = price[:, :, a]
        if len(a) <= _FEW:
            out[:, a] = _respond(stream, i, k, p).profit - p[:, 0]
            continue
        bound, hope = _bounds(stream, i, k, p, opened[:, a])
        out[:, a] = bound
        close = opened[:, a] & (bound >= hope[:, None])
        for at in np.array_split(np.flatnonzero(close.any(axis=0)), 1 + close.sum() // 400_000):
            full = _respond(stream, i, k, p[:, :, at]).profit - p[:, 0][:, at]
            out[:, a[at]] = np.where(close[:, at], full, bound[:, at])
    return out


def _respond(stream: Stream, technology: int, k: np.ndarray, p: np.ndarray) -> Response:
    """Best responses of members k [n] to prices p [n, J+3, arms]."""
    return stream.technologies[technology].best_response(
        -p[:, -1],
        np.moveaxis(p[:, 1:-2], 1, -1),
        p[:, -2],
        stream.factor_of(technology, k)[:, None],
        stream.difficulty_of(k)[:, None],
    )


def _bounds(
    stream: Stream, i: int, k: np.ndarray, p: np.ndarray, opened: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """([n, arms] upper bounds on profits, [n] a profit that some arm is sure to reach).

    Ways to serve differ only in prices. Arms are put into buckets of like token price;
    the response to the least prices of a bucket bounds all of it from above, and its
    tokens, bought at an arm's own prices, bound that arm from below. Arms that cannot
    come near the best keep their upper bound.
    """
    cheapest = p[:, 1:-1].min(axis=2, keepdims=True)
    first = _respond(
        stream,
        i,
        k,
        np.concatenate([p[:, :1, :1], cheapest, p[:, -1:].min(axis=2, keepdims=True)], axis=1),
    )
    tokens = first.tokens[:, 0]
    dearness = np.einsum("kja,kj->ka", p[:, 1:-2], np.where(np.isfinite(tokens), tokens, 0.0))
    order = np.argsort(dearness.mean(axis=0), kind="stable")
    bound = np.empty((len(k), p.shape[2]))
    hope = np.full(len(k), -np.inf)
    margin = np.zeros(len(k))
    buckets = [b for b in np.array_split(order, _BUCKETS) if len(b)]
    least = np.stack(
        [
            np.concatenate(
                [p[:, 1:-1][:, :, b].min(axis=2), p[:, -1:][:, :, b].min(axis=2)], axis=1
            )
            for b in buckets
        ],
        axis=2,
    )
    best = _respond(stream, i, k, np.concatenate([np.zeros_like(least[:, :1]), least], axis=1))
    for at, b in enumerate(buckets):
        bound[:, b] = best.profit[:, [at]] - p[:, 0][:, b]
        t = best.tokens[:, at]
        with np.errstate(invalid="ignore"):
            extra = p[:, 1:-1][:, :, b] - least[:, :-1, [at]]
            amounts = np.concatenate([t, best.wrong[:, [at]]], axis=1)
            more = np.einsum("kja,kj->ka", extra, amounts)
            dear = (least[:, -1, [at]] - p[:, -1][:, b]) * best.success[:, [at]]
        reached = bound[:, b] - np.where(np.isfinite(more), more, np.inf) + np.minimum(dear, 0.0)
        hope = np.maximum(hope, np.where(opened[:, b], reached, -np.inf).max(axis=1))
        spent = np.abs(least[:, :-1, at] * amounts).sum(axis=1)
        margin = np.maximum(margin, np.where(np.isfinite(spent), spent, 0.0))
    margin += np.abs(p[:, -1].min(axis=1) * best.success.max(axis=1))
    return bound, hope - _NEAR * margin
