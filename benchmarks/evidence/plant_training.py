"""What comes of training when the trainer sees the price of age as zero, or as infinite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from allocate.models.blocks import Activity
from allocate.models.program import Program
from allocate.solver.studies.common import unit_price
from allocate.solver.studies.diagnosis.stage import Stage
from allocate.solver.studies.investment import Investment, investment

Of = Callable[[Activity], float]
"""A number of one way of making a training token."""


def stale(on: Stage) -> Investment:
    """As many rollouts as in the joint answer, of the age that is cheapest to make.

    The trainer believes that a token is worth the same at every age; what is left of the gain
    is what the older ones are worth.
    """
    duals = on.duals(on.whole(on.plan.capability))
    return _aged(on, lambda a: unit_price(a, duals), lambda a: 1.0)


def fresh(on: Stage) -> Investment:
    """Rollouts worth as much as in the joint answer, of the age that teaches most, at any cost."""
    return _aged(on, lambda a: -_efficiency(a), _efficiency)


def _efficiency(a: Activity) -> float:
    return a.labels["efficiency"]


def _aged(on: Stage, least: Of, like: Of) -> Investment:
    """Rollouts of the age at which something is ``least``, to the same sum of ``like``."""
    program = on.whole(on.plan.capability)
    levels, makers = dict(on.plan.levels), program.activities
    for asset in {a.labels.get("asset") for a in makers} - {None}:
        mine = [
            a
            for a in makers
            if a.labels.get("asset") == asset and a.labels.get("input") == "rollout"
        ]
        made = sum(like(a) * levels.get(a.name, 0.0) for a in mine)
        if not mine or made <= 0:
            continue
        for a in mine:
            levels.pop(a.name, None)
        kept = min(mine, key=least)
        levels[kept.name] = made / like(kept)
    return _reached(program, replace(on.plan, levels=levels))


def _reached(program: Program, plan: Investment) -> Investment:
    """The gain that a plan's tokens make, asset by asset."""
    if plan.flows is None or not len(plan.flows.member):
        return plan
    stream, flows = program.streams[1], plan.flows
    tokens, levels = flows.tokens.copy(), dict(plan.levels)
    for n, arm in enumerate(flows.arm):
        asset = stream.arms[arm].labels["asset"]
        made = sum(
            levels.get(a.name, 0.0) * a.labels["efficiency"]
            for a in program.activities
            if a.labels.get("asset") == asset and a.labels.get("input") == "rollout"
        )
        if made > 0:
            tokens[n, 0] = made / flows.requests[n]
    flows = flows._replace(tokens=tokens)
    gains = stream.amounts(flows)[:, -1] * flows.requests
    for gain, arm in zip(gains, flows.arm, strict=True):
        asset = stream.arms[arm].labels["asset"]
        for a in program.activities:
            if a.labels.get("gain") and a.labels["asset"] == asset:
                levels[a.name] = float(gain)
    named = np.array([levels.get(a.name, 0.0) for a in program.activities])
    return investment(program, named, flows)
