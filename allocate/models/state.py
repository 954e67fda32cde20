"""What an answer decides about its own program, and how one program leads to the next.

The menu of speeds, the capability that routing sees and the worth that training sees are
kept in ``State``; ``advance`` reads an answer and returns the next state. The solve is
repeated until the state stands still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.curves import Reuse
from allocate.models.lanes import lane_key, refined
from allocate.models.program import Allocation, Program
from allocate.models.serving import Tier


@dataclass(frozen=True)
class State:
    """What an answer decides about its own program.

    ``grid``: utilisation of every speed tier, by lane family. ``capability``: success
    points that training adds, by model. ``worth``: USD per hour and success point.
    """

    grid: Mapping[str, Sequence[float]] = field(default_factory=dict)
    capability: Mapping[str, float] = field(default_factory=dict)
    worth: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """A program, the config it came from, and what was assumed on the way."""

    program: Program
    config: Config
    classes: Classes
    state: State
    periods: tuple[str, ...]
    shares: tuple[float, ...]
    tiers: tuple[Tier, ...]
    reuse: Mapping[str, Reuse]
    assumed: tuple[str, ...]


def advance(built: Built, allocation: Allocation, refine_speeds: bool = True) -> State:
    """The state that an answer implies: finer speeds where used, capability, its worth."""
    state = built.state
    if refine_speeds and built.config.deployments:
        grid = refined(built.config, state.grid, _speeds_in_use(built.program, allocation))
        state = replace(state, grid=grid)
    if built.config.training is None:
        return state
    capability = {a.model: 0.0 for a in built.config.training.assets.values()}
    for i, a in enumerate(built.program.activities):
        if a.labels.get("gain"):
            capability[a.labels["model"]] += float(allocation.levels[i])
    return replace(state, capability=capability, worth=_worth(built, allocation, capability))


def _speeds_in_use(program: Program, allocation: Allocation) -> dict[str, list[float]]:
    """By lane family, utilisations of tiers with replicas, for requests or for training."""
    used: dict[str, list[float]] = {}
    for i, a in enumerate(program.activities):
        if "utilisation" in a.labels and allocation.levels[i] > 1e-7 * max(1.0, a.upper * 1e-6):
            used.setdefault(a.labels["family"], []).append(a.labels["utilisation"])
    return used


def _worth(built: Built, allocation: Allocation, models: Mapping[str, float]) -> dict[str, float]:
    """By model, USD per hour that a success point brings to the requests it answers."""
    flows, stream = allocation.flows[0], built.program.streams[0]
    answering = np.array([a.labels["model"] or "" for a in stream.arms])[flows.arm]
    origin = stream.origin[flows.member]
    per_request = built.classes.value_usd[origin] * built.classes.trainability[origin]
    return {m: float(per_request[answering == m] @ flows.requests[answering == m]) for m in models}


def kin(built: Built, before: Built) -> dict[str, str]:
    """Rows of lanes that are new in ``built`` → the like row of the nearest lane in ``before``."""
    out: dict[str, str] = {}
    families: dict[str, list[float]] = {}
    for tier in before.tiers:
        families.setdefault(tier.family, []).append(tier.utilisation)
    old = {row.name for row in before.program.rows}
    new: dict[str, list[str]] = {}  # by lane, what its new rows count
    for row in built.program.rows:
        if row.name not in old:
            lane, _, what = row.name.partition(" ")
            new.setdefault(lane, []).append(what)
    for tier in built.tiers:
        near = min(
            families.get(tier.family, [tier.utilisation]), key=lambda u: abs(u - tier.utilisation)
        )
        other = lane_key(tier.family, near)
        out |= {f"{tier.key} {what}": f"{other} {what}" for what in new.get(tier.key, ())}
    return out
