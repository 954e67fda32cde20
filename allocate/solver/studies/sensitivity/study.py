"""How the answer hangs on every number of its config, the most telling ones first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from allocate.models.loader import Loaded
from allocate.models.parameters import LeftOut, Parameter, parameters
from allocate.models.reading.decisions import Decision
from allocate.solver.solution import Solution
from allocate.solver.studies.sensitivity.changes import Change, largest, tried
from allocate.solver.studies.sensitivity.optimum import Optimum, Unsettled, optimum_of
from allocate.solver.studies.sensitivity.slopes import Side, Slope, Slopes

Progress = Callable[[dict], None]
_NOISE = 1e-9  # a derivative that changes an output by less of itself, when doubled, is 0
_MOST = 1000  # members: with more the equations are too many to be solved at once
_CHECKED = 3  # numbers whose large change is solved again
_ONE_PERCENT = 0.01
_NEAR = 2.0  # a switch after a larger change than this share of a number is far


@dataclass(frozen=True)
class Ask:
    """What is wanted: ``only`` parameters whose path begins so, ``checked`` large changes."""

    only: tuple[str, ...] = ()
    checked: int = _CHECKED
    method: str = "auto"
    tolerance: float = 1e-6
    seed: int = 0
    progress: Progress | None = None

    def tell(self, done: int, of: int) -> None:
        """Say how far it is."""
        if self.progress is not None:
            self.progress({"phase": "derivatives", "done": done, "of": of})


@dataclass
class Sensitivity:
    """Derivatives by parameter, in the order of how much the decisions hang on them."""

    slopes: list[Slope]
    resources: list[str]
    decisions: list[Decision]
    prices: np.ndarray
    weights: dict[str, float]
    ways: list[tuple[str | None, str]]
    owners: list[str]
    left_out: list[LeftOut]
    changes: list[Change] = field(default_factory=list)
    weak: int = 0
    seconds: float = 0.0
    stopped: bool = False

    def ranked(self) -> list[Slope]:
        """The most telling first."""
        return sorted(self.slopes, key=self._rank)

    def _rank(self, slope: Slope) -> tuple[float, float, float]:
        """What moves requests at once, then what is nearest to moving them, then welfare."""
        nearest = np.inf if slope.switch is None else abs(slope.switch.change)
        sides = [s for s in (slope.both, slope.below, slope.above) if s is not None]
        gain = max((abs(s.welfare * slope.parameter.value) for s in sides), default=0.0)
        return -self.moved(slope), nearest if nearest <= _NEAR else np.inf, -gain

    def moved(self, slope: Slope) -> float:
        """Share of the money at stake whose requests go another way for a change of 1 %."""
        sides = [s for s in (slope.both, slope.below, slope.above) if s is not None]
        return max((self._moved(slope.parameter, s) for s in sides), default=0.0)

    def _moved(self, parameter: Parameter, side: Side) -> float:
        change = np.abs(side.decisions) * (abs(parameter.value) or 1.0) * _ONE_PERCENT
        out = 0.0
        for d, c in zip(self.decisions, change, strict=True):
            if d.name[0] == "router" and np.isfinite(c):
                out += 0.5 * c * self.weights.get(d.of, 0.0)
        return float(out) if out > _NOISE else 0.0

    def to_dict(self) -> dict[str, Any]:
        """``sensitivity`` and ``sensitivity_about`` of the result document."""
        return {
            "sensitivity": [self._entry(slope) for slope in self.ranked()],
            "sensitivity_about": {
                "held": "speeds of lanes that the answer does not use are not taken up, and those "
                "it uses stay as they are, but for the ones that the config lists",
                "ties": self.weak,
                "left_out": [{"path": x.path, "reason": x.reason} for x in self.left_out],
                "changes": [c.to_dict() for c in self.changes],
                "seconds": self.seconds,
                "stopped": self.stopped,
            },
        }

    def _entry(self, slope: Slope) -> dict[str, Any]:
        parameter = slope.parameter
        out: dict[str, Any] = {
            "parameter": parameter.path,
            "value": parameter.value,
            "unit": parameter.unit,
            "moved_by_1_percent": self.moved(slope),
            **self._derivatives(parameter, slope.both),
        }
        if slope.switch is not None:
            model, autonomy = self.ways[slope.switch.arm]
            out["switch"] = {
                "change": slope.switch.change,
                "class": self.owners[slope.switch.member],
                "model": model,
                "autonomy": autonomy,
            }
        if slope.both is None or slope.reason is not None:
            out["one_sided"] = {
                "reason": slope.reason,
                "below": None if slope.below is None else self._derivatives(parameter, slope.below),
                "above": None if slope.above is None else self._derivatives(parameter, slope.above),
            }
        return out

    def _derivatives(self, parameter: Parameter, side: Side | None) -> dict[str, Any]:
        if side is None:
            return {"d_welfare": None, "d_prices": None, "d_decisions": None}
        size = abs(parameter.value) or 1.0
        return {
            "d_welfare": side.welfare,
            "d_prices": _named(self.resources, side.prices, self.prices, size),
            "d_decisions": _named(
                [d.dotted for d in self.decisions],
                side.decisions,
                np.array([d.value for d in self.decisions]),
                size,
            ),
        }


def sensitivity(solution: Solution, ask: Ask | None = None) -> Sensitivity:
    """Take the derivatives of an answer.

    Args:
        solution: a certified answer.
        ask: what is wanted.

    Raises:
        Unsettled: there are none, and why.
    """
    ask = ask or Ask()
    clock = time.perf_counter()
    optimum = exact(solution)
    found, left = parameters(solution.loaded)
    wanted = [p for p in found if not ask.only or p.path.startswith(ask.only)]
    slopes = Slopes(optimum)
    done: list[Slope] = []
    stopped = False
    try:
        for i, parameter in enumerate(wanted):
            ask.tell(i, len(wanted))
            done.append(slopes.of(parameter))
    except KeyboardInterrupt:
        stopped = True
    stream = optimum.base.program.streams[0]
    out = Sensitivity(
        done,
        slopes.resources,
        slopes.told,
        slopes.price_values,
        _weights(solution.loaded),
        [(a.labels["model"], a.labels["autonomy"]) for a in stream.arms],
        [str(solution.loaded.classes.names[i]) for i in stream.origin],
        left,
        weak=optimum.face.weak,
        stopped=stopped,
    )
    if not stopped and ask.checked:
        out.changes = _checked(solution, out, ask)
    out.seconds = time.perf_counter() - clock
    return out


def exact(solution: Solution) -> Optimum:
    """The optimum that derivatives are taken at.

    Raises:
        Unsettled: there is none, and why.
    """
    if solution.whole is not None:
        raise Unsettled("whole replicas jump: leave integer_replicas away to see slopes")
    if solution.stopped or not solution.certificate.holds:
        raise Unsettled("the answer is not certified")
    members = sum(len(s.rate) for s in solution.program.streams)
    if members > _MOST:
        raise Unsettled(f"{members:,} classes and periods are more than {_MOST:,}")
    return optimum_of(solution)


def _checked(solution: Solution, out: Sensitivity, ask: Ask) -> list[Change]:
    """Large changes of the most telling numbers, solved again."""
    changes: list[Change] = []
    earlier = solution.to_dict()
    try:
        for slope in out.ranked():
            if len(changes) >= ask.checked:
                break
            to = largest(slope.parameter, slope.switch.change if slope.switch else None)
            if to is None:
                continue
            if ask.progress is not None:
                ask.progress({"phase": "checking changes", "done": len(changes), "of": ask.checked})
            how = (ask.method, ask.tolerance, ask.seed)
            changes.append(tried(solution, earlier, slope.parameter, to, *how))
    except KeyboardInterrupt:
        out.stopped = True
    return changes


def _weights(loaded: Loaded) -> dict[str, float]:
    """By class, its share of what all requests could be worth."""
    classes = loaded.classes
    stake = classes.rate_per_s * np.maximum(classes.value_usd, 1e-300)
    total = float(stake.sum()) or 1.0
    return {str(n): float(v) / total for n, v in zip(classes.names, stake, strict=True)}


def _named(
    names: Sequence[str], slopes: np.ndarray, values: np.ndarray, size: float
) -> dict[str, float | None]:
    """Derivatives by name: null where there is none; what is left out is 0."""
    out: dict[str, float | None] = {}
    for name, slope, value in zip(names, slopes, values, strict=True):
        if not np.isfinite(slope):
            out[name] = None
        elif abs(slope) * size > _NOISE * (abs(value) or 1.0):
            out[name] = float(slope)
    return out
