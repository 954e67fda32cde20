"""Derivatives of welfare, prices and decisions with respect to numbers of the config.

The optimality conditions F(z; θ) = 0 hold at every θ, so that dz = −F_z⁻¹ F_θ dθ. F_θ is the
difference of two programs *compiled* a little to both sides at the same z: no solve, and no
layer's formula stated again. What is told of the answer is then compared at both ends of the
little way along dz. Welfare's derivative is that of the Lagrangian at fixed z (envelope theorem).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from allocate.errors import AllocateError
from allocate.models.narrowing import same_structure
from allocate.models.parameters import Parameter
from allocate.models.reading.decisions import Decision, decisions
from allocate.models.state import Built
from allocate.solver.certificate import row_scales
from allocate.solver.studies.sensitivity.optimum import Optimum
from allocate.solver.studies.sensitivity.others import others
from allocate.solver.studies.sensitivity.system import Point, System

_STEP = 3e-6  # of a parameter, to both sides
_ASIDE = 3e-7  # of a parameter, to one side only
_FROM_ZERO = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)  # of a parameter that is 0, in its unit
_BENT = 1e-2  # of a change: two sides that differ by more are a kink …
_ROUNDING = 1e-12  # … if by more than this share of the welfare
_LOOSE = 1e-7  # relative: an output that moves by more along a free direction is not unique
_SHARE = 1e-3  # of a class, or a token: derivatives are exact to a billionth of it
_SAME = 1e-4  # relative: derivatives to both sides that are one
_ALONG = 1e-5  # of the largest unknown, along a direction
_PARTED = 1e-4  # of a row, for 100 % of a parameter: limits that part by less stay together
_SPEEDS_MOVE = "the speed of a lane has to move: what prices and decisions do then is not known"
_CONFIG_BENDS = "what the config means bends here"


class Side(NamedTuple):
    """Derivatives to one side. What is not unique is ``nan``.

    ``welfare`` USD per hour and unit of the parameter; ``prices`` and ``decisions`` in the order
    of the optimum's.
    """

    welfare: float
    prices: np.ndarray
    decisions: np.ndarray


class Switch(NamedTuple):
    """Where the first other way would be as good, by the slopes: a guess, not a promise.

    ``change`` of the parameter as a share of itself; ``member`` and ``arm`` of the requests.
    """

    change: float
    member: int
    arm: int


@dataclass(frozen=True)
class Slope:
    """Derivatives with respect to one parameter.

    ``both`` where it is smooth; else ``below`` and ``above``, each None where there is none,
    and ``reason``.
    """

    parameter: Parameter
    both: Side | None
    below: Side | None = None
    above: Side | None = None
    reason: str | None = None
    switch: Switch | None = None


class _There(NamedTuple):
    """A program beside the optimum's, with the equations of the same face."""

    built: Built
    system: System


class _Ends(NamedTuple):
    """Programs to both sides of a parameter, and how far each is; None where it may not go."""

    above: _There | None
    below: _There | None
    step: float


@dataclass
class Slopes:
    """Takes derivatives at an optimum."""

    at: Optimum
    _free: dict[frozenset[int], np.ndarray] = field(default_factory=dict, init=False)

    @cached_property
    def told(self) -> list[Decision]:
        """The decisions, at the optimum."""
        return self._decisions(self._home, self.at.point)

    @cached_property
    def resources(self) -> list[str]:
        """Capacities with a price."""
        return [r.path for r in self.at.base.program.resources]

    @cached_property
    def price_values(self) -> np.ndarray:
        """Prices of the resources, at the optimum."""
        return self._told(self._home)[: len(self.resources)]

    def of(self, parameter: Parameter) -> Slope:
        """The derivatives with respect to one parameter."""
        ends = self._ends(parameter)
        if isinstance(ends, str):
            return Slope(parameter, None, reason=ends)
        if ends.above is None or ends.below is None:
            return self._aside(parameter, ends, "it stands at its bound")
        if self._kinked(ends):
            return self._aside(parameter, self._near(parameter, ends), _CONFIG_BENDS)
        up, down = (self._anywhere(ends, s, "_sided") for s in (1.0, -1.0))
        if up is not None and down is not None and self._alike(parameter, up, down):
            if self._parted(parameter, ends):
                unknown = self._unknown(0.5 * (up.welfare + down.welfare))
                return Slope(parameter, unknown, reason=_SPEEDS_MOVE)
            return Slope(parameter, _joint(up, down), switch=self._switch(parameter, ends))
        if up is None and down is None:
            chosen = self._at_best_speeds(ends)
            if chosen is not None:
                return Slope(parameter, chosen, reason=_SPEEDS_MOVE)
        return Slope(parameter, None, down, up, _reason(up, down))

    def _at_best_speeds(self, ends: _Ends) -> Side | None:
        """Welfare's derivative where all that is wrong is that a lane's speed is held.

        Two scarcities of a replica that meet at a speed come apart unless the speed moves. Where
        the equations leave nothing but the split of that replica's price open, the prices are
        those at which the speed is best, so the Lagrangian's derivative is right. What prices
        and decisions do then is not known.
        """
        at = self.at
        null = at.directions.null(frozenset())
        if at.keys or len(at.directions.weak) or not null.shape[1]:
            return None
        names = [at.base.program.rows[r].name for r in at.face.rows]
        moved = np.abs(null / at.directions.sizes[:, None]).max(axis=1) > _LOOSE
        met = frozenset().union(*at.meeting)
        if np.any(moved[len(names) :]):
            return None
        if not {n for n, m in zip(names, moved, strict=False) if m} <= met:
            return None
        assert ends.above is not None
        assert ends.below is not None
        welfare = (self._gain(ends.above) - self._gain(ends.below)) / (2.0 * ends.step)
        return self._unknown(welfare)

    def _parted(self, parameter: Parameter, ends: _Ends) -> bool:
        """Whether limits that meet at a lane's speed would come apart, were the speed held."""
        rows, at = self.at.apart, self.at
        assert ends.above is not None
        assert ends.below is not None
        if not len(rows):
            return False
        found = at.directions.along((self._force(ends.above) - self._force(ends.below)) / 2.0)
        if found is None:
            return False
        size = len(found.dz) - len(at.keys)
        room = []
        for there, sign in ((ends.above, 1.0), (ends.below, -1.0)):
            point = at.system().moved(at.point, found.dz[:size], sign)
            room.append(there.system.excess(point, there.system.columns(point))[rows])
        gross = row_scales(at.base.program, at.system().allocation(at.point))[rows]
        share = ends.step / (abs(parameter.value) or 1.0)
        return bool(np.any(np.abs(room[0] - room[1]) > 2.0 * _PARTED * share * gross))

    def _unknown(self, welfare: float) -> Side:
        """Welfare's derivative alone."""
        n = len(self.resources)
        return Side(welfare, np.full(n, np.nan), np.full(len(self.told), np.nan))

    def _switch(self, parameter: Parameter, ends: _Ends) -> Switch | None:
        """The nearest change at which a way that is not used would be as good."""
        assert ends.above is not None
        assert ends.below is not None
        span = 2.0 * ends.step
        force = (self._force(ends.above) - self._force(ends.below)) / span
        found = self.at.directions.along(force)
        size = len(force) - len(self.at.keys)
        if found is None or not parameter.value:
            return None
        margins = []
        for there, sign in ((ends.above, 1.0), (ends.below, -1.0)):
            point = self.at.system().moved(self.at.point, found.dz[:size], sign * ends.step)
            margins.append(self._margins(there, point))
        slope = (margins[0] - margins[1]) / span * parameter.value
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.where(np.isfinite(slope) & (slope != 0), -self._far / slope, np.inf)
        low, high = (r / abs(parameter.value) for r in parameter.room())
        change = np.where((change > -low) & (change < high), change, np.inf)
        k, a = np.unravel_index(int(np.argmin(np.abs(change))), change.shape)
        nearest = float(change[k, a])
        return Switch(nearest, int(k), int(a)) if np.isfinite(nearest) else None

    @cached_property
    def _far(self) -> np.ndarray:
        """[K, A] what a request would lose on every way that is not used; nan where it is."""
        return self._margins(self._home, self.at.point)

    def _margins(self, there: _There, point: Point) -> np.ndarray:
        stream, pairs = there.built.program.streams[0], self.at.face.pairs[0]
        profits = stream.profits(point.mu)
        surplus = there.system.surplus(point)[0]
        lost = np.where(np.isfinite(profits), surplus[:, None] - profits, np.nan)
        lost[pairs.member, pairs.arm] = np.nan
        lost[stream.rate <= 0] = np.nan
        return lost

    def _alike(self, parameter: Parameter, one: Side, other: Side) -> bool:
        """Whether two sides are the same up to rounding, where both are unique."""
        size = abs(parameter.value) or 1.0
        told = np.abs(self._told(self._home))
        told[len(self.resources) :] = np.maximum(told[len(self.resources) :], _SHARE)
        told[: len(self.resources)] = np.maximum(told[: len(self.resources)], 1e-6)
        told /= size
        money = self.at.base.program.scale(self.at.certified.primal) / size
        for a, b, of in (
            (np.array([one.welfare]), np.array([other.welfare]), np.array([money])),
            (np.concatenate(one[1:]), np.concatenate(other[1:]), told),
        ):
            apart, least = np.abs(a - b), np.maximum(np.abs(a), np.abs(b))
            known = np.isfinite(apart)
            if np.any(apart[known] > np.maximum(_SAME * least, 1e-7 * of)[known]):
                return False
        return True

    def _anywhere(self, ends: _Ends, sign: float, how: str) -> Side | None:
        """The derivative to one side from here, or from another answer that is as good."""
        found = getattr(self, how)(ends, sign)
        if found is not None:
            return found
        for other in self._others:
            beside = _Ends(other._again(ends.above), other._again(ends.below), ends.step)
            side = getattr(other, how)(beside, sign)
            if side is not None:
                return self._of_other(other, side)
        return None

    @cached_property
    def _others(self) -> list[Slopes]:
        return [Slopes(o) for o in others(self.at)]

    def _again(self, there: _There | None) -> _There | None:
        """The same program with the equations of this face."""
        return None if there is None else _There(there.built, self.at.system(there.built.program))

    def _of_other(self, other: Slopes, side: Side) -> Side:
        """Another answer's derivatives in the order of this one's, where both say the same."""
        here, there = self._told(self._home), other._told(other._home)
        n = len(self.resources)
        same = np.abs(there[:n] - here[:n]) <= 1e-6 * np.maximum(np.abs(here[:n]), 1e-9)
        prices = np.where(same, side.prices, np.nan)
        known = {d.name: (d.value, v) for d, v in zip(other.told, side.decisions, strict=True)}
        decisions = np.full(len(self.told), np.nan)
        for i, d in enumerate(self.told):
            value, slope = known.get(d.name, (np.nan, np.nan))
            if abs(value - d.value) <= 1e-6 * max(abs(d.value), 1e-3):
                decisions[i] = slope
        return Side(side.welfare, prices, decisions)

    def _aside(self, parameter: Parameter, ends: _Ends, reason: str) -> Slope:
        """From each side alone."""
        up, down = (self._anywhere(ends, s, "_alone") for s in (1.0, -1.0))
        if up is not None and down is not None and self._alike(parameter, up, down):
            return Slope(parameter, _joint(up, down))  # what bends is not felt
        return Slope(parameter, None, down, up, reason)

    # --- programs to both sides -------------------------------------------------------------------

    @cached_property
    def _home(self) -> _There:
        return _There(self.at.base, self.at.system())

    def _ends(self, parameter: Parameter) -> _Ends | str:
        """Programs to both sides, or why there are none."""
        low, high = parameter.room()
        steps = [_STEP * abs(parameter.value)] if parameter.value else list(_FROM_ZERO)
        ends = _Ends(None, None, 0.0)
        for step in steps:
            above = self._beside(parameter, step) if high > step else None
            below = self._beside(parameter, -step) if low > step else None
            if above is None and below is None:
                return "no config is near it: another number has to move with it"
            ends = _Ends(above, below, step)
            if parameter.value or self._small(ends):
                break
        return ends

    def _near(self, parameter: Parameter, ends: _Ends) -> _Ends:
        """The same ends, nearer."""
        step = _ASIDE * abs(parameter.value) or ends.step
        return _Ends(self._beside(parameter, step), self._beside(parameter, -step), step)

    def _small(self, ends: _Ends) -> bool:
        """Whether a step is small beside the answer."""
        there = [e for e in (ends.above, ends.below) if e is not None]
        return max(np.abs(self._forced(e)).max(initial=0.0) for e in there) <= 1e-6

    def _beside(self, parameter: Parameter, step: float) -> _There | None:
        try:
            built = self.at.built({parameter: parameter.value + step})
        except (ValidationError, ValueError, AllocateError):
            return None
        if not same_structure(self.at.base.program, built.program):
            return None
        return _There(built, self.at.system(built.program)) if self._open(built) else None

    def _open(self, built: Built) -> bool:
        """Whether every way in use is still open."""
        pairs = zip(built.program.streams, self.at.face.pairs, strict=True)
        return all(bool(np.all(s.menu[s.group[p.member], p.arm])) for s, p in pairs)

    def _forced(self, there: _There) -> np.ndarray:
        """What F changes by, each equation as a share of the welfare."""
        return self._force(there) * self.at.directions.units

    def _force(self, there: _There) -> np.ndarray:
        return self.at.residual(there.built, there.system, self.at.point) - self._here

    @cached_property
    def _here(self) -> np.ndarray:
        return self.at.residual(self.at.base, self.at.system(), self.at.point)

    def _kinked(self, ends: _Ends) -> bool:
        """Whether F itself has another slope to each side."""
        assert ends.above is not None
        assert ends.below is not None
        up, down = self._forced(ends.above), self._forced(ends.below)
        size = np.maximum(np.abs(up), np.abs(down))
        return bool(np.any((np.abs(up + down) > _BENT * size) & (size > _ROUNDING)))

    # --- derivatives ------------------------------------------------------------------------------

    def _sided(self, ends: _Ends, sign: float) -> Side | None:
        """The derivative for a change upward or downward where F is smooth."""
        assert ends.above is not None
        assert ends.below is not None
        span = 2.0 * ends.step
        force = (self._force(ends.above) - self._force(ends.below)) / span
        given = (self._given(ends.above) - self._given(ends.below)) / span
        found = self.at.directions.along(sign * force, sign * given)
        if found is None:
            return None
        straight = (self._told(ends.above) - self._told(ends.below)) / span
        welfare = (self._gain(ends.above) - self._gain(ends.below)) / span
        return self._side(welfare, straight + self._led(sign * found.dz), found.kept)

    def _alone(self, ends: _Ends, sign: float) -> Side | None:
        """The derivative to one side, from that side alone."""
        there = ends.above if sign > 0 else ends.below
        if there is None:
            return None
        found = self.at.directions.along(
            self._force(there) / ends.step, self._given(there) / ends.step
        )
        if found is None:
            return None
        straight = sign * (self._told(there) - self._told(self._home)) / ends.step
        welfare = sign * self._gain(there) / ends.step
        return self._side(welfare, straight + self._led(sign * found.dz), found.kept)

    def _side(self, welfare: float, told: np.ndarray, kept: frozenset[int]) -> Side:
        """Derivatives, without what moves along directions that cost nothing."""
        clear = np.where(self._loose(kept), np.nan, told)
        n = len(self.resources)
        return Side(welfare, clear[:n], clear[n:])

    def _given(self, there: _There) -> np.ndarray:
        """What unknowns change by where their weak constraint opens: π of who may be declined."""
        out = np.zeros(len(self._here))
        system = self.at.system()
        n_rows, n_pairs, *_ = system.sizes
        at = n_rows + n_pairs
        streams = zip(self.at.base.program.streams, there.built.program.streams, strict=True)
        for (s, o), members in zip(streams, system.members, strict=True):
            out[at : at + len(members)] = -(o.penalty - s.penalty)[members]
            at += len(members)
        return out

    def _gain(self, there: _There) -> float:
        """Welfare there less that here, to first order, USD per hour."""
        return self.at.system().lagrangian_change(self.at.point, there.system)

    def _led(self, dz: np.ndarray) -> np.ndarray:
        """What prices and decisions change by along dz."""
        size = len(dz) - len(self.at.keys)
        largest = np.abs(dz[:size] / self.at.directions.sizes[:size]).max(initial=0.0)
        out = np.zeros(len(self.resources) + len(self.told))
        if largest > 0:
            step = _ALONG / largest
            ends = [
                self._told(self._home, self.at.system().moved(self.at.point, dz[:size], s * step))
                for s in (1.0, -1.0)
            ]
            out += (ends[0] - ends[1]) / (2.0 * step)
        return out + self._by_state @ dz[size:]

    @cached_property
    def _by_state(self) -> np.ndarray:
        """[told, numbers] what prices and decisions change by with numbers of the state."""
        out = np.zeros((len(self.resources) + len(self.told), len(self.at.keys)))
        for j, (above, below, step) in enumerate(self.at.beside):
            ends = [self._told(_There(b, self.at.system(b.program))) for b in (above, below)]
            out[:, j] = (ends[0] - ends[1]) / (2.0 * step)
        return out

    def _told(self, there: _There, point: Point | None = None) -> np.ndarray:
        """Prices, then decisions, at a point under a program."""
        point = self.at.point if point is None else point
        program, levels = there.built.program, there.system.levels(point)
        prices = [program.value_of(r, point.mu, levels) for r in program.resources]
        return np.array([*prices, *(d.value for d in self._decisions(there, point))])

    def _decisions(self, there: _There, point: Point) -> list[Decision]:
        return decisions(there.built, there.built.program, there.system.allocation(point))

    def _loose(self, kept: frozenset[int]) -> np.ndarray:
        """[told] whether one moves along a direction that costs nothing."""
        if kept not in self._free:
            here = self._told(self._home)
            out = np.zeros(len(here), bool)
            size = len(self._here) - len(self.at.keys)
            sizes = self.at.directions.sizes[:size]
            for way in self.at.directions.null(kept).T:
                step = 1e-4 / max(np.abs(way[:size] / sizes).max(initial=0.0), 1e-300)
                there = self._told(
                    self._home, self.at.system().moved(self.at.point, way[:size], step)
                )
                out |= np.abs(there - here) > _LOOSE * np.maximum(np.abs(here), 1e-9)
            self._free[kept] = out
        return self._free[kept]


def _joint(one: Side, other: Side) -> Side:
    """What both say; nothing where one of them is not unique."""
    return Side(
        0.5 * (one.welfare + other.welfare),
        0.5 * (one.prices + other.prices),
        0.5 * (one.decisions + other.decisions),
    )


def _reason(up: Side | None, down: Side | None) -> str:
    if up is None or down is None:
        return "the answer jumps here, or several answers are best"
    return "the answer bends here: two ways are equally good, or a limit is just reached"
