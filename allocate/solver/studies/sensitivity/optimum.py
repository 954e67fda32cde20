"""An optimum to the last digit, with everything that it decides about its own program.

A certified answer is near its optimum; Newton's method on the equations of its face takes it
there. A program also hangs on numbers that its own answer decides (capability, and what it is
worth): they are unknowns as well, with the equations that say that program and answer agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allocate.models.lanes import listed
from allocate.models.loader import Loaded
from allocate.models.narrowing import Narrow, carried, narrowed
from allocate.models.parameters import Parameter, moved
from allocate.models.program import Program
from allocate.models.state import Built, advance
from allocate.solver.answer import Request, answer_to
from allocate.solver.certificate import Certificate, certify, row_scales
from allocate.solver.methods.start import settled
from allocate.solver.solution import Solution
from allocate.solver.studies.sensitivity.directions import Directions, sizes
from allocate.solver.studies.sensitivity.face import Face, Pairs, face_of
from allocate.solver.studies.sensitivity.system import Point, System

_STEPS = 12  # of Newton
_EXACT = 1e-13  # relative change of the last step
_PROVED = 1e-9  # gap at which a polished point is an optimum
_CLOSE = 1e-7  # gap from which Newton's method starts
_MET = 1e-6  # of the scarcest: what is needed as much as that is scarce too
_HAIR = 1e-6  # of a row: so near full it is one that meets another at a lane's speed
_NUDGE = 1e-6  # relative, of a number of the state
Key = tuple[str, str]


class Unsettled(Exception):
    """The answer is no point at which derivatives can be taken; the message says why."""


@dataclass
class Optimum:
    """A polished optimum on its face.

    ``face`` with its weak constraints; ``numbers`` are those of the state, by kind and model;
    ``meeting`` the rows of lanes, by name, that run where scarcities of a replica meet.
    """

    loaded: Loaded
    narrow: Narrow
    face: Face
    point: Point
    numbers: dict[Key, float]
    meeting: tuple[frozenset[str], ...] = ()

    # --- programs ----------------------------------------------------------------------------

    def built(
        self,
        change: Mapping[Parameter, float] | None = None,
        numbers: Mapping[Key, float] | None = None,
    ) -> Built:
        """The program with some parameters, or some numbers of the state, at other values."""
        config, classes = self.loaded.config, self.loaded.classes
        if change:
            config, classes = moved(self.loaded, change)
        return self.narrow.at(config, classes, {**self.numbers, **(numbers or {})})

    @cached_property
    def base(self) -> Built:
        """The program itself."""
        return self.built()

    def system(self, program: Program | None = None) -> System:
        """The equations of the face, of this program or of one with its structure."""
        return self._own if program is None else System(program, self.face)

    @cached_property
    def _own(self) -> System:
        return System(self.base.program, self.face)

    # --- equations ---------------------------------------------------------------------------

    @cached_property
    def keys(self) -> list[Key]:
        """The numbers of the state that the program hangs on."""
        return list(self.numbers)

    def residual(self, built: Built, system: System, point: Point) -> np.ndarray:
        """Of the face, and of the agreement of the state with the answer."""
        first = system.residual(point)
        if not self.keys:
            return first
        return np.concatenate([first, self._disagreement(built, system, point)])

    def _disagreement(self, built: Built, system: System, point: Point) -> np.ndarray:
        """Numbers of the state less what the answer makes of them."""
        implied = advance(built, system.allocation(point)).numbers
        return np.array([built.state.numbers[k] - implied[k] for k in self.keys])

    @cached_property
    def jacobian(self) -> np.ndarray:
        """∂(residual)/∂(unknowns of the face, numbers of the state)."""
        system, n = self.system(), len(self.keys)
        first = system.jacobian(self.point)
        if not n:
            return first
        size = len(first)
        out = np.zeros((size + n, size + n))
        out[:size, :size] = first
        for j, (above, below, step) in enumerate(self.beside):
            ends = [self.residual(b, self.system(b.program), self.point) for b in (above, below)]
            out[:, size + j] = (ends[0] - ends[1]) / (2.0 * step)
        scale = sizes(system, self.point)
        n_rows, n_pairs, n_members, _ = system.sizes
        n_prices = n_rows, n_rows + n_pairs, n_rows + n_pairs + n_members
        for i in range(size):
            if i < n_prices[0] or n_prices[1] <= i < n_prices[2]:
                continue  # the state is made of flows and levels
            step = np.zeros(size)
            step[i] = _NUDGE * scale[i]
            ends = [
                self._disagreement(self.base, system, system.moved(self.point, step, s))
                for s in (1.0, -1.0)
            ]
            out[size:, i] = (ends[0] - ends[1]) / (2.0 * step[i])
        return out

    @cached_property
    def beside(self) -> list[tuple[Built, Built, float]]:
        """For every number of the state, programs with it a little higher and lower."""
        out = []
        for key in self.keys:
            step = _NUDGE * max(abs(self.numbers[key]), 1e-12)
            ends = (self.built(numbers={key: self.numbers[key] + s * step}) for s in (1.0, -1.0))
            out.append((*ends, step))
        return out

    @cached_property
    def directions(self) -> Directions:
        """Solves for the directions in which the optimum moves."""
        system = self.system()
        scale = sizes(system, self.point)
        money = system.program.scale(system.program.welfare(system.allocation(self.point)))
        own = np.array([max(abs(self.numbers[k]), 1e-12) for k in self.keys])
        return Directions(
            self.jacobian,
            np.concatenate([scale, own]),
            np.concatenate([scale / money, 1.0 / own]),
            weak_unknowns(system),
        )

    def moved(self, dz: np.ndarray, by: float) -> tuple[Point, dict[Key, float]]:
        """The point and the numbers of the state a multiple of a step away."""
        size = len(dz) - len(self.keys)
        numbers = {
            k: v + by * float(d) for (k, v), d in zip(self.numbers.items(), dz[size:], strict=True)
        }
        return self.system().moved(self.point, dz[:size], by), numbers

    def elsewhere(self, parameter: Parameter, value: float) -> Optimum:
        """The same face with a parameter at another value; not solved there."""
        config, classes = moved(self.loaded, {parameter: value})
        there = replace(self.loaded, config=config, classes=classes)
        return Optimum(there, self.narrow, self.face, self.point, self.numbers)

    @cached_property
    def apart(self) -> np.ndarray:
        """Rows with a price and a hair of room: the lane's speed is not quite where limits meet."""
        names, program = frozenset().union(*self.meeting), self.base.program
        allocation = self.system().allocation(self.point)
        gross = row_scales(program, allocation)
        money = program.scale(program.welfare(allocation))
        near = np.abs(program.capacity - program.usage(allocation)) <= _HAIR * gross
        near &= self.point.mu * gross > _MET * _HAIR * money
        off = np.setdiff1d(np.flatnonzero(near), self.face.rows)
        return np.array([r for r in off if program.rows[r].name in names], int)

    @cached_property
    def certified(self) -> Certificate:
        """What the judge says of it."""
        system = self.system()
        duals = settled(system.program, np.maximum(self.point.mu, 0.0))
        return certify(system.program, system.allocation(self.point), duals, _PROVED)


def optimum_of(solution: Solution) -> Optimum:
    """The optimum that a certified answer is near.

    Raises:
        Unsettled: Newton's method does not end at an optimum of that face.
    """
    built, program = solution.built, solution.program
    whole = face_of(program, solution.allocation, solution.duals)
    narrow = narrowed(built, program, solution.allocation, _tied(program, whole))
    numbers = built.state.numbers
    small = narrow.at(solution.loaded.config, solution.loaded.classes, numbers)
    allocation, duals = carried(built, program, solution.allocation, solution.duals, small)
    if certify(small.program, allocation, duals, _CLOSE).holds is False:
        again = answer_to(small.program, duals, Request(tolerance=_CLOSE), warm=True)
        if not again.certificate.holds:
            raise Unsettled("with the speeds held as they are no certified answer was found")
        allocation, duals = again.allocation, again.duals
    face = face_of(small.program, allocation, duals)
    point = _point(small.program, face, allocation, duals)
    meeting = _meeting(solution)
    found = polished(Optimum(solution.loaded, narrow, face, point, dict(numbers), meeting))
    if not _proved(found):
        raise Unsettled("no exact optimum was found near the answer")
    return found


def _proved(found: Optimum) -> bool:
    """Whether the judge finds nothing better, but for a speed a hair off where limits meet.

    Where a speed is told to a ten-millionth, one of two limits that meet there has that much
    room and yet its price: what it costs to the dual is no gap of the answer's.
    """
    judged, program = found.certified, found.base.program
    rows = found.apart
    room = program.capacity - program.usage(found.system().allocation(found.point))
    hair = float(found.point.mu[rows] @ np.maximum(room[rows], 0.0))
    gap = judged.relative_gap - hair / program.scale(judged.primal)
    return judged.max_violation <= _PROVED and gap <= _PROVED


def _meeting(solution: Solution) -> tuple[frozenset[str], ...]:
    """Rows of every lane that may run at any speed, and runs where two of them are full."""
    program, built = solution.program, solution.built
    found = built.splits(program, solution.allocation, solution.duals, _MET)
    names = [frozenset(program.rows[r].name for r in split) for split in found]
    fixed = tuple(f"{family}@" for family in listed(built.config))
    return tuple(n for n in names if not any(x.startswith(fixed) for x in n if fixed))


def polished(near: Optimum) -> Optimum:
    """Newton's method on the strong part of the face.

    Raises:
        Unsettled: it does not converge, or what it finds is not feasible.
    """
    now = near
    for _ in range(_STEPS):
        d = now.directions
        strong = d.strong
        wrong = now.residual(now.base, now.system(), now.point)
        step = d.newton(wrong)
        point, numbers = now.moved(step, 1.0)
        now = replace(now, point=point, numbers=numbers)
        if np.abs(step / d.sizes).max(initial=0.0) < _EXACT:
            break
        if np.abs(wrong * d.units)[strong].max(initial=0.0) < 1e-15:
            break
    return now


def weak_unknowns(system: System) -> np.ndarray:
    """Numbers of the unknowns whose constraint is weak, in the order of the unknowns."""
    face = system.face
    flags = [np.isin(face.rows, face.weak_rows)]
    flags += [p.weak for p in face.pairs]
    flags += [e[k] for e, k in zip(face.edge, system.members, strict=True)]
    flags.append(np.isin(face.active, face.weak_active))
    return np.flatnonzero(np.concatenate(flags))


def _tied(program: Program, face: Face) -> set[str]:
    """Lanes of pairs that are weak."""
    arms = program.streams[0].arms
    pairs: Pairs = face.pairs[0]
    return {
        arms[a].labels[n]
        for a in pairs.arm[pairs.weak]
        for n in ("tier", "prefill")
        if arms[a].labels.get(n)
    }


def _point(program: Program, face: Face, allocation, duals: np.ndarray) -> Point:  # noqa: ANN001
    xs, pis = [], []
    for stream, pairs, flows in zip(program.streams, face.pairs, allocation.flows, strict=True):
        x = np.zeros((len(stream.rate), len(stream.arms)))
        np.add.at(x, (flows.member, flows.arm), flows.requests)
        columns = stream.columns(duals, pairs.member, pairs.arm)
        pi = np.where(np.isfinite(stream.decline_cost), -stream.decline_cost, -np.inf)
        np.maximum.at(pi, pairs.member, columns.profit)
        xs.append(x[pairs.member, pairs.arm])
        pis.append(np.where(np.isfinite(pi), pi, 0.0))
    return Point(duals.copy(), tuple(xs), tuple(pis), allocation.levels.copy())
