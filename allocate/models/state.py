"""What an answer decides about its own program, and how one program leads to the next.

The menu of speeds, the capability that routing sees and the worth that training sees are
kept in ``State``; ``advance`` reads an answer and returns the next state. The solve is
repeated until the state stands still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from allocate.models.builder import Pool
from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.curves import Reuse
from allocate.models.lanes import FASTEST, SLOWEST, lane_key, listed, refined, speeds
from allocate.models.moments import Moments
from allocate.models.program import Allocation, Program
from allocate.models.serving import Tier
from allocate.models.splits import splits
from allocate.models.stream import Flows, Stream
from allocate.models.vertices import vertices

_IN_USE = 1e-7  # share of a deployment's replicas below which a tier is not in use


@dataclass(frozen=True)
class State:
    """What an answer decides about its own program.

    ``grid``: utilisation of every speed tier, by lane family. ``capability``: success
    points that training adds, by model. ``worth``: USD per hour and success point.
    """

    grid: Mapping[str, Sequence[float]] = field(default_factory=dict)
    capability: Mapping[str, float] = field(default_factory=dict)
    worth: Mapping[str, float] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[tuple[str, str], float]:
        """Everything but the menu, by kind and name: what an answer must agree with."""
        kinds = {"capability": self.capability, "worth": self.worth}
        return {(kind, m): v for kind, of in kinds.items() for m, v in of.items()}

    def at(self, numbers: Mapping[tuple[str, str], float]) -> State:
        """The same menu with other ``numbers``."""

        def of(kind: str) -> dict[str, float]:
            return {m: v for (k, m), v in numbers.items() if k == kind}

        return State(self.grid, of("capability"), of("worth"))

    def within(self, config: Config) -> State:
        """The part of the state that a config still has.

        The state comes from an earlier answer, perhaps to another config, or from a file that
        anybody may have written: speeds that the config lists stay those and no others, its
        first menu stays whole, and what is no speed is left out.
        """
        fixed = listed(config)
        grid = {
            f: own if f in fixed else sorted({*own, *_possible(self.grid.get(f, ()))})
            for f, own in speeds(config, {}).items()
        }
        models = {a.model for a in config.training.assets.values()} if config.training else set()
        return State(
            grid,
            {m: v for m, v in self.capability.items() if m in models and np.isfinite(v)},
            {m: v for m, v in self.worth.items() if m in models and np.isfinite(v)},
        )

    def to_dict(self) -> dict[str, Any]:
        """As a result file keeps it."""
        return {
            "speeds": {f: [float(u) for u in grid] for f, grid in self.grid.items()},
            "capability": dict(self.capability),
            "worth": dict(self.worth),
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> State:
        """The state in a result file; KeyError, TypeError, ValueError if it is none."""
        return cls(
            {k: tuple(map(float, v)) for k, v in kept["speeds"].items()},
            {k: float(v) for k, v in kept["capability"].items()},
            {k: float(v) for k, v in kept["worth"].items()},
        )


def _possible(utilisations: Sequence[float]) -> list[float]:
    return [u for u in utilisations if FASTEST <= u <= SLOWEST]


@dataclass(frozen=True)
class Built:
    """A program, the config it came from, and what was assumed on the way.

    ``periods`` and ``shares`` are names and weights of the ``moments``.
    """

    program: Program
    config: Config
    classes: Classes
    state: State
    periods: tuple[str, ...]
    shares: tuple[float, ...]
    tiers: tuple[Tier, ...]
    reuse: Mapping[str, Reuse]
    assumed: tuple[str, ...]
    needed: Mapping[str, Sequence[float]]  # speeds, by lane family
    moments: Moments
    pools: Mapping[str, Pool]  # GPUs, by type

    def splits(
        self, program: Program, allocation: Allocation, duals: np.ndarray, tight: float
    ) -> list[Mapping[int, float]]:
        """Row → dual at which the speed of a lane is best, for every lane where that is free.

        ``program`` is this one, or one made of its members, arms and lanes.
        """
        return splits(program, self.tiers, allocation, duals, tight)


def advance(
    built: Built, allocation: Allocation, duals: np.ndarray | None = None, worth: float = 1e-10
) -> State:
    """The state that an answer implies: capability, its worth, and with prices finer speeds.

    A speed joins the menu where it is expected to gain the share ``worth`` of the welfare.
    """
    state = built.state
    if duals is not None and built.config.deployments:
        used = speeds_in_use(built.program, allocation)
        better = vertices(built.program, built.tiers, allocation, duals, worth)
        grid = refined(built.config, state.grid, used, built.needed, better)
        state = replace(state, grid=grid)
    if built.config.training is None:
        return state
    stream = built.program.streams[0]
    capability = {a.model: 0.0 for a in built.config.training.assets.values()}
    for i, a in enumerate(built.program.activities):
        if a.labels.get("gain"):
            capability[a.labels["model"]] += float(allocation.levels[i])
    return replace(state, capability=capability, worth=worth_of(built, stream, allocation.flows[0]))


def speeds_in_use(program: Program, allocation: Allocation) -> dict[str, list[float]]:
    """By lane family, utilisations of tiers with replicas, for requests or for training."""
    running = [(a, n) for a, n in zip(program.activities, allocation.levels, strict=True) if n > 0]
    running = [(a, float(n)) for a, n in running if "utilisation" in a.labels]
    total: dict[str, float] = {}
    for a, n in running:
        total[a.labels["deployment"]] = total.get(a.labels["deployment"], 0.0) + n
    used: dict[str, list[float]] = {}
    for a, n in running:
        if n > _IN_USE * total[a.labels["deployment"]]:
            used.setdefault(a.labels["family"], []).append(a.labels["utilisation"])
    return used


def worth_of(built: Built, stream: Stream, flows: Flows) -> dict[str, float]:
    """By trained model, USD per hour that a success point brings to the requests it answers.

    ``flows`` are of ``stream``: the program's own, or one made of its members and arms.
    """
    section = built.config.training
    models = {a.model: None for a in section.assets.values()} if section is not None else {}
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
    new = [row.name for row in built.program.rows if row.name not in old]
    for tier in built.tiers:
        near = min(
            families.get(tier.family, [tier.utilisation]), key=lambda u: abs(u - tier.utilisation)
        )
        own, other = f"{tier.key} ", f"{lane_key(tier.family, near)} "
        out |= {name: other + name.removeprefix(own) for name in new if name.startswith(own)}
    return out
