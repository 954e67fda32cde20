"""What requests choose at some prices of rows, and the average prices that come of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocate.models.program import Allocation
from allocate.models.stream import Flows, Stream
from allocate.solver.studies.baselines.settle import Candidates
from allocate.solver.studies.ground import Ground
from allocate.solver.studies.terms import SPENDING

CHOICES = 6  # where a request that is turned away may go, its first choice included


def marked_up(stream: Stream, markup: float, dear: tuple[str, ...] = SPENDING) -> Stream:
    """The stream with bills to some accounts a factor dearer."""
    slots = tuple(
        replace(s, own_price=s.own_price * markup) if s.account in dear else s for s in stream.slots
    )
    return replace(stream, slots=slots)


def best_responses(
    ground: Ground,
    prices: np.ndarray,
    markup: float = 1.0,
    dear: tuple[str, ...] = SPENDING,
    allowed: np.ndarray | None = None,
    choices: int = CHOICES,
) -> Candidates:
    """Every member's best arms at some prices of rows, one for each model, level and owner."""
    stream = marked_up(ground.stream, markup, dear)
    duals = prices * markup
    profits = stream.profits(duals)
    if allowed is not None:
        profits = np.where(allowed, profits, -np.inf)
    must = ~np.isfinite(stream.decline_cost)
    kind = np.stack([ground.model_of, ground.level_of, ground.own], axis=1)
    kinds, of = np.unique(kind, axis=0, return_inverse=True)
    best = np.full((len(stream.rate), len(kinds)), -np.inf)
    arm = np.zeros(best.shape, int)
    for i in range(len(kinds)):
        arms = np.flatnonzero(of.ravel() == i)
        at = profits[:, arms].argmax(axis=1)
        best[:, i], arm[:, i] = profits[np.arange(len(at)), arms[at]], arms[at]
    order = np.argsort(-best, axis=1, kind="stable")
    worth = np.take_along_axis(best, order, axis=1)
    floor = np.where(must, -np.inf, -stream.decline_cost)
    taken = np.isfinite(worth) & (worth > floor[:, None]) & (stream.rate > 0)[:, None]
    taken &= (np.arange(worth.shape[1]) < choices) | must[:, None]
    member, rank = np.nonzero(taken)
    chosen = arm[member, order[member, rank]]
    tokens = stream.columns(duals, member, chosen).amounts[:, 1:-2]
    caps = stream.finite_caps[stream.technology_of[chosen]]
    return Candidates(member, chosen, rank, np.minimum(tokens, caps))


def average_prices(ground: Ground, allocation: Allocation) -> np.ndarray:
    """[rows]: what a lane costs over the work that it does; the list price where it does none."""
    program, stream = ground.program, ground.stream
    flows: Flows = allocation.flows[0]
    use = stream.row_use(flows.member, flows.arm, stream.amounts(flows), len(program.rows))
    worked = np.asarray(use @ flows.requests).ravel()
    out = ground.prices.copy()
    for i, rows, amounts in program.suppliers:
        level, work = allocation.levels[i], worked[rows[0]]
        if program.cost[i] > 0 and level > 1e-9 and work > 1e-6 * amounts[0] * level:
            out[rows[0]] = program.cost[i] * level / work
    return out
