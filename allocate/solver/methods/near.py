"""Pairs near the best of their member, side by side over all streams, and those members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from allocate.models.program import Program
from allocate.solver.methods.curvature import add_curvature
from allocate.solver.methods.pricing import Pool, Pricing
from allocate.solver.methods.tangents import Tangents


@dataclass
class Pairs:
    """Near-best pairs of all streams side by side, with tangents at the current prices.

    ``member`` numbers the members that occur, over all streams; ``place`` is the pair's
    number in its stream's pool: several tangents may be of one pair.
    """

    stream: np.ndarray
    place: np.ndarray
    member: np.ndarray
    who: np.ndarray
    profit: np.ndarray
    rate: np.ndarray
    use: sp.csc_matrix
    moved: np.ndarray


def gather(
    program: Program,
    at: Pricing,
    pool: Pool,
    hessian: np.ndarray,
    others: Sequence[list[Tangents]],
) -> Pairs:
    """The pool's pairs; adds the curvature of those in use to the Hessian."""
    parts: list[tuple] = []
    for i, stream in enumerate(program.streams):
        who, arm = pool.pairs(program, i)
        columns = stream.columns(at.duals, who, arm)
        if len(who):
            best = at.profits[i].max(axis=1)[who]
            is_best = columns.profit >= best - 1e-12 * np.abs(best)
            alone = (is_best & (best > -stream.decline_cost[who])).astype(float)
            known = np.bincount(who, pool.shares[i], len(stream.rate))[who] > 1e-6
            held = np.where(known, pool.shares[i], alone)
            add_curvature(hessian, stream, columns, held * stream.rate[who])
        parts.append((i, np.arange(len(who)), columns, columns.profit, None))
    for tangents in others:
        for i, t in enumerate(tangents):
            place = np.searchsorted(pool.codes[i], t.codes)
            parts.append((i, place, t.columns, t.profit - t.use.T @ at.duals, t.use))
    return _side_by_side(program, parts)


def _side_by_side(program: Program, parts: list[tuple]) -> Pairs:
    """From (stream, places in the pool, columns, profits at the current prices, use if known)."""
    members, arrays = [], []
    for i, place, c, profit, use in parts:
        stream = program.streams[i]
        if use is None:
            use = stream.row_use(c.member, c.arm, c.amounts, len(program.rows))
        members.append((np.full(len(place), i), place, c.member))
        arrays.append((profit, stream.rate[c.member], use, stream.moved(c)))
    streams, place, who = (np.concatenate(x) for x in zip(*members, strict=True))
    profit, rate, use, moved = zip(*arrays, strict=True)
    width = max(len(s.rate) for s in program.streams) or 1
    _, member = np.unique(streams * width + who, return_inverse=True)
    return Pairs(
        streams,
        place,
        member.astype(int),
        who,
        np.concatenate(profit),
        np.concatenate(rate),
        sp.csc_matrix(sp.hstack(use)),
        np.concatenate(moved),
    )


@dataclass
class Members:
    """The members of the pairs: what declining brings, the best of all, who is tied."""

    decline: np.ndarray
    rate: np.ndarray
    top: np.ndarray
    tied: np.ndarray


def members_of(program: Program, pairs: Pairs) -> Members:
    """The members that have a pair in ``pairs``, with what each may decline to and its rate."""
    n = int(pairs.member.max(initial=-1)) + 1
    decline, rate = np.full(n, -np.inf), np.zeros(n)
    for i, stream in enumerate(program.streams):
        mine = pairs.stream == i
        decline[pairs.member[mine]] = -stream.decline_cost[pairs.who[mine]]
        rate[pairs.member[mine]] = stream.rate[pairs.who[mine]]
    top, moved = decline.copy(), np.zeros(n)
    np.maximum.at(top, pairs.member, pairs.profit)
    np.maximum.at(moved, pairs.member, pairs.moved)
    several = np.bincount(pairs.member, minlength=n) > 1
    # one arm, and a surplus that no step of a sane size takes away: a straight line
    tied = several | (np.isfinite(decline) & (top - decline <= 0.5 * moved))
    return Members(decline, rate, top, tied)


def flow_through(pairs: Pairs, at: Pricing) -> np.ndarray:
    """[rows] what would flow through each if every pair served all of its member."""
    flow = np.asarray(abs(pairs.use) @ pairs.rate).ravel()
    return flow if at.bulk is None else flow + np.abs(at.bulk.use)
