"""Bundles at constant returns: their requests all together, or some of them, are worth the same."""

from __future__ import annotations

import numpy as np

from allocate.models.stream import Flows, Stream


def merged(stream: Stream, flows: Flows) -> Flows:
    """Flows with bundles at constant returns spread over all requests.

    A few requests with the whole bundle and many with nothing are worth no more than
    every request with its share, where serving a request costs nothing by itself.
    """
    held = [t.target is not None and t.risk.rate == 0 for t in stream.technologies]
    if not any(held):
        return flows
    nothing = np.array([t.target == 0 for t in stream.technologies])[
        stream.technology_of[flows.arm]
    ]
    spread = np.array(held, bool)[stream.technology_of[flows.arm]] & ~nothing
    entry, quantity, _, value = stream.pair_use(flows.member, flows.arm)
    spread[entry[(quantity == 0) & (value != 0)]] = False
    n = len(stream.rate)
    spread &= np.bincount(flows.member[~nothing], minlength=n)[flows.member] == 1
    if not spread.any():
        return flows
    joins = _idle_beside(stream, flows, nothing, spread)
    served = np.bincount(flows.member[~joins], flows.requests[~joins], n)
    left = np.maximum(stream.rate - served, 0.0)[flows.member]
    requests = flows.requests + np.where(spread, left, 0.0)
    tokens = flows.tokens * (flows.requests / requests)[:, None]
    return Flows(flows.member[~joins], flows.arm[~joins], requests[~joins], tokens[~joins])


def _idle_beside(
    stream: Stream, flows: Flows, nothing: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Flows without tokens on the arm over which their member's bundle can be spread."""
    at = {int(flows.member[i]): stream.arms[flows.arm[i]].labels for i in np.flatnonzero(spread)}
    out = np.zeros(len(flows.arm), bool)
    for i in np.flatnonzero(nothing):
        out[i] = at.get(int(flows.member[i])) == stream.arms[flows.arm[i]].labels
    return out
