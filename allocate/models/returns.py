"""Technologies with constant returns (Σα = 1), whose best response has no scale of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from allocate.models.curves import Linear, RequestCurve, Table
from allocate.models.program import Row
from allocate.models.stream import Stream

UNBOUNDED_EFFORT = 1e30  # effort that nothing limits: an answer there is unbounded
_CONSTANT = 1.0 - 1e-9  # exponents that sum to this have constant returns


def kink_by_kink(curve: RequestCurve) -> list[RequestCurve]:
    """One curve for each kink of a table with constant returns; else the curve itself.

    Between two kinks such a curve is a line in the tokens, so any point of it is a split
    of the requests over bundles at the kinks, and those have a best response.
    """
    table = curve.success
    if not isinstance(table, Table) or curve.effort.total < _CONSTANT:
        return [curve]
    return [
        replace(curve, success=Table((y,), (q,)))
        for y, q in zip(table.efforts, table.scores, strict=True)
    ]


def affordable(stream: Stream, rows: Sequence[Row]) -> Stream:
    """The stream with effort bounded, where its returns are constant without end.

    The bound is what the rows let anyone afford: it is implied by them, so it changes no
    answer; it keeps the best response of one request finite.
    """
    if not any(_endless(t) for t in stream.technologies):
        return stream
    technologies = tuple(
        _bounded(t, i, stream, rows) if _endless(t) else t
        for i, t in enumerate(stream.technologies)
    )
    return replace(stream, technologies=technologies)


def _endless(curve: RequestCurve) -> bool:
    return isinstance(curve.success, Linear) and curve.effort.total >= _CONSTANT


def _bounded(
    curve: RequestCurve, technology: int, stream: Stream, rows: Sequence[Row]
) -> RequestCurve:
    success = curve.success
    assert isinstance(success, Linear)
    most = _most_tokens(np.flatnonzero(stream.technology_of == technology), stream, rows)
    log_y = sum(
        a * np.log(most[:, j] / curve.effort.references[j])
        for j, a in enumerate(curve.effort.exponents)
        if a > 0
    )
    # far more than can be had: the bound never binds, not even with the capacities grown
    bound = 20.0 * float(np.exp(np.max(np.asarray(log_y)[stream.rate > 0], initial=-np.inf)))
    if not np.isfinite(bound) or bound <= 0:
        bound = UNBOUNDED_EFFORT
    return replace(curve, success=Table((bound,), (success.scale * bound,)))


def _most_tokens(arms: np.ndarray, stream: Stream, rows: Sequence[Row]) -> np.ndarray:
    """[K, J]: tokens a request could have if its member had every row to itself."""
    n = len(stream.rate)
    most = np.full((n, stream.n_uses), np.inf)
    capacity = np.array([*(r.capacity for r in rows), 0.0])  # the last: no row
    for a in arms:
        entry, quantity, slot, value = stream.pair_use(np.arange(n), np.full(n, a))
        row = stream.rows[stream.group[entry], slot]
        real = (row >= 0) & (quantity >= 1) & (quantity <= stream.n_uses) & (value > 0)
        real &= (capacity[row] > 0) & (stream.rate[entry] > 0)
        e, q = entry[real], quantity[real] - 1
        np.minimum.at(most, (e, q), capacity[row[real]] / value[real] / stream.rate[e])
    return most
