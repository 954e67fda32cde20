"""``greedy-tuned``: the same local rules with every knob set where TRUE welfare is largest.

Knob after knob is tried over a grid, with the others as they are, until a round changes
nothing (or for a few rounds); approval is tuned for each action class. Starts are the
defaults and the best of a coarse grid. From the best end every knob that is a number, not a
choice from a menu of lanes, goes on in steps, beyond the ends of its grid too. These are the
strongest local rules of their kind: they were tuned on the very welfare that they are judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

from allocate.models.program import Allocation
from allocate.solver.studies.baselines.greedy import Knobs, decide
from allocate.solver.studies.baselines.polish import polished
from allocate.solver.studies.baselines.settle import settle
from allocate.solver.studies.baselines.trainer import best_score
from allocate.solver.studies.investment import Investment
from allocate.solver.studies.scene import Scene
from allocate.solver.studies.terms import MACHINES, spending

FLOORS = (0.0, *(round(0.3 + 0.05 * i, 2) for i in range(15)))
CAPS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 12.0, 48.0)
VERIFY = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)
UTILISATIONS = (0.05, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 0.97, 0.9999)
SHARES = (0.0, 0.05, 0.1, 0.172, 0.35)
_ROUNDS = 4
_STARTS = 3  # of the coarse grid


class Workshop:
    """Tries knobs on a scene; nothing is tried twice."""

    def __init__(self, scene: Scene, progress: Callable[[dict], None] | None = None):
        self.scene, self.progress = scene, progress
        self.config = scene.loaded.config
        self.tried: dict[str, float] = {}
        self.grounds: dict[float, tuple] = {}
        self._spent: float | None = None

    def training(self, share: float) -> Investment:
        """What a share of the machines buys; the share is of what serving spends at first."""
        if self.config.training is None or share <= 0:
            return Investment()
        if self._spent is None:
            allocation = self.settled(Knobs(training_share=0.0))
            ground, _ = self._ground(0.0)
            self._spent = 0.0
            if allocation is not None:
                self._spent = spending(ground.program, allocation, MACHINES)
        return best_score(self.scene.built().program, share, self._spent)

    def invested(self, knobs: Knobs) -> Investment:
        """The training that goes with the knobs."""
        return self._ground(knobs.training_share)[1]

    def _ground(self, share: float) -> tuple:
        share = share if self.config.training is not None else 0.0
        if share not in self.grounds:
            invested = self.training(share)
            self.grounds[share] = (self.scene.ground(invested)[0], invested)
        return self.grounds[share]

    def settled(self, knobs: Knobs) -> Allocation | None:
        """What comes of the knobs; None where the limits cannot be kept."""
        ground, _ = self._ground(knobs.training_share)
        return settle(ground.program, decide(ground, knobs).candidates)

    def welfare(self, knobs: Knobs) -> float:
        """True welfare of the knobs, USD per hour; −∞ where the limits cannot be kept."""
        key = _key(knobs)
        if key not in self.tried:
            ground, _ = self._ground(knobs.training_share)
            allocation = self.settled(knobs)
            value = -float("inf") if allocation is None else ground.program.welfare(allocation)
            self.tried[key] = value
            if self.progress is not None:
                self.progress({"phase": "tuning", "round": len(self.tried)})
        return self.tried[key]

    def tuned(self, start: Knobs) -> Knobs:
        """The best knobs found from a start by changing one at a time."""
        best, most = start, self.welfare(start)
        for _ in range(_ROUNDS):
            before = most
            for ranges in self._ranges():
                for trial in ranges(best):
                    value = self.welfare(trial)
                    if value > most + 1e-9 * abs(most):
                        best, most = trial, value
            if most <= before + 1e-6 * abs(before):
                break
        return best

    @property
    def numbers(self) -> frozenset[str]:
        """Knobs that are numbers, and that this config has anything to set by."""
        config, out = self.config, set()
        if len(config.models) > 1:
            out.add("quality_floor")
        if any(u.exponent > 0 for u in config.token_uses.values()):
            out.add("token_cap")
        if any(u.risk_tokens is not None for u in config.token_uses.values()):
            out.add("verify")
        if config.deployments:
            out.add("utilisation")
        if config.training is not None:
            out.add("training_share")
        return frozenset(out)

    def _ranges(self) -> Iterator[Callable[[Knobs], list[Knobs]]]:
        def over(name: str, values: tuple) -> Callable[[Knobs], list[Knobs]]:
            return lambda knobs: [replace(knobs, **{name: v}) for v in values]

        config, numbers = self.config, self.numbers
        if "quality_floor" in numbers:
            yield over("quality_floor", FLOORS)
        if len(config.autonomy) > 1:
            for action in self.scene.loaded.classes.action.labels:
                yield lambda knobs, action=action: [
                    replace(knobs, approval={**knobs.approval, action: level})
                    for level in config.autonomy
                ]
        for name, values in (
            ("token_cap", CAPS),
            ("verify", VERIFY),
            ("utilisation", UTILISATIONS),
        ):
            if name in numbers:
                yield over(name, values)
        if config.caching.reuse and config.deployments:
            yield over("retention_s", tuple(config.caching.retention_s))
        if "training_share" in numbers:
            yield over("training_share", SHARES)


def tune(workshop: Workshop) -> Knobs:
    """The strongest local rules that were found.

    Searches begin at the defaults, and where a coarse grid over all knobs together says.
    """
    starts = sorted({_key(k): k for k in _coarse(workshop)}.items())
    best = sorted((k for _, k in starts), key=workshop.welfare, reverse=True)[:_STARTS]
    ends = [workshop.tuned(knobs) for knobs in [Knobs(), *best]]
    best = max(ends, key=workshop.welfare)
    return polished(workshop.welfare, workshop.numbers, best)


def _coarse(workshop: Workshop) -> Iterator[Knobs]:
    start = Knobs()
    config = workshop.config
    actions = workshop.scene.loaded.classes.action.labels
    alone = min(config.autonomy, key=lambda n: config.autonomy[n].human_minutes)
    risky = any(u.risk_tokens is not None for u in config.token_uses.values())
    ranges = {
        "quality_floor": (0.0, 0.8, 0.95) if len(config.models) > 1 else (start.quality_floor,),
        "token_cap": (0.3, 1.0, 2.0) if config.token_uses else (1.0,),
        "verify": (0.0, 1.0, 3.0) if risky else (0.0,),
        "approval": ({}, dict.fromkeys(actions, alone)) if len(config.autonomy) > 1 else ({},),
        "utilisation": (0.3, 0.7) if config.deployments else (0.7,),
        "training_share": (0.0,),
    }
    for values in product(*ranges.values()):
        yield replace(start, **dict(zip(ranges, values, strict=True)))


def _key(knobs: Knobs) -> str:
    return repr(sorted(knobs.to_dict().items(), key=lambda item: item[0]))
