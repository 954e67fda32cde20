"""Which way an optimum moves: the linearised optimality conditions, with weak constraints.

On the strong part of a face the conditions are equations. A weak constraint is decided anew in
every direction: it either stays tight, with a multiplier that may not fall below zero, or it
opens, with a multiplier that stays zero. That is a linear complementarity problem (Robinson
1980); few constraints are weak, so the choices are tried in order of how wrong the last one was.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from allocate.models.program import Program
from allocate.solver.certificate import row_scales
from allocate.solver.studies.sensitivity.system import Point, System

_RANK = 1e-10  # singular values below this share of the largest are none
_CONSISTENT = 1e-6  # of the right-hand side that is left over: more and there is no way
_SIGN = 1e-9  # of the largest part of a step: a sign that is only rounding
_TRIED = 60  # choices that are tried one after the other
_EVERY = 12  # weak constraints up to which all choices are tried


class Step(NamedTuple):
    """Change of the unknowns per unit of what was moved, and which weak constraints hold."""

    dz: np.ndarray
    kept: frozenset[int]


@dataclass
class _Solver:
    """The equations of one choice, in units in which everything is a share of the welfare."""

    inverse: np.ndarray
    matrix: np.ndarray
    null: np.ndarray
    rows: np.ndarray


@dataclass
class Directions:
    """Solves for directions, given the Jacobian of all equations.

    Args:
        jacobian: [n, n] ∂F/∂z, weak equations too.
        sizes: [n] a typical size of every unknown.
        units: [n] what makes a share of the welfare, or of itself, of every equation.
        weak: numbers of the unknowns (and equations, they pair up) that are weak.
    """

    jacobian: np.ndarray
    sizes: np.ndarray
    units: np.ndarray
    weak: np.ndarray
    _kept: dict[frozenset[int], _Solver] = field(default_factory=dict, init=False)

    @cached_property
    def strong(self) -> np.ndarray:
        """Numbers of the equations that hold whatever the direction."""
        return np.setdiff1d(np.arange(len(self.jacobian)), self.weak)

    def along(self, forced: np.ndarray, given: np.ndarray | None = None) -> Step | None:
        """The direction in which the optimum moves when the equations are forced by so much.

        Args:
            forced: [equations] what F changes by at fixed z.
            given: [unknowns] what weak unknowns change by where their constraint opens.

        Returns:
            the step, or None where there is none: the answer jumps, or is not unique.
        """
        out = np.zeros(len(forced)) if given is None else given
        choice: frozenset[int] = frozenset()
        tried: set[frozenset[int]] = set()
        for _ in range(_TRIED):
            if choice in tried:
                break
            tried.add(choice)
            dz, wrong = self._at(choice, forced, out)
            if dz is not None and not wrong:
                return Step(dz, choice)
            flip = wrong[:1] if wrong else [int(w) for w in self.weak if w not in choice][:1]
            choice = choice.symmetric_difference(flip)
        if len(self.weak) > _EVERY:
            return None
        for n in range(len(self.weak) + 1):
            for some in itertools.combinations(self.weak.tolist(), n):
                if frozenset(some) in tried:
                    continue
                dz, wrong = self._at(frozenset(some), forced, out)
                if dz is not None and not wrong:
                    return Step(dz, frozenset(some))
        return None

    def newton(self, residual: np.ndarray) -> np.ndarray:
        """The step that takes strong equations to zero, as far as they hang together."""
        solver = self._solver(frozenset())
        rows = solver.rows
        out = np.zeros(len(residual))
        out[rows] = solver.inverse @ (-residual[rows] * self.units[rows]) * self.sizes[rows]
        return out

    def null(self, kept: frozenset[int]) -> np.ndarray:
        """[unknowns, n] directions in which the answer may move at no loss."""
        solver = self._solver(kept)
        out = np.zeros((len(self.jacobian), solver.null.shape[1]))
        out[solver.rows] = solver.null
        return out

    def _at(
        self, choice: frozenset[int], forced: np.ndarray, given: np.ndarray
    ) -> tuple[np.ndarray | None, list[int]]:
        """(step, weak constraints that are wrong with it, the worst first)."""
        solver = self._solver(choice)
        dz = np.where(np.isin(np.arange(len(forced)), solver.rows), 0.0, given)
        unit = self.units
        total = forced + self.jacobian @ dz
        right = -total[solver.rows] * unit[solver.rows]
        small = solver.inverse @ right
        left = np.abs(solver.matrix @ small - right).max(initial=0.0)
        if left > _CONSISTENT * max(np.abs(right).max(initial=0.0), 1e-300):
            return None, []
        dz[solver.rows] += small * self.sizes[solver.rows]
        moved = (forced + self.jacobian @ dz) * unit  # what opens may only open
        change = dz / self.sizes
        size = max(np.abs(change).max(initial=0.0), np.abs(right).max(initial=0.0), 1e-300)
        wrong = []
        for w in self.weak:
            if w in choice:
                amount = -(change[w] - given[w] / self.sizes[w])
            else:
                amount = moved[w]
            if amount > _SIGN * size:
                wrong.append((-float(amount), int(w)))
        return dz, [w for _, w in sorted(wrong)]

    def _solver(self, choice: frozenset[int]) -> _Solver:
        if choice not in self._kept:
            rows = np.union1d(self.strong, np.array(sorted(choice), int)).astype(int)
            scale = self.sizes[rows]
            matrix = self.jacobian[np.ix_(rows, rows)] * self.units[rows][:, None] * scale
            u, s, vt = np.linalg.svd(matrix)
            real = s > _RANK * max(s.max(initial=0.0), 1e-300)
            inverse = (vt[real].T / s[real]) @ u[:, real].T
            null = vt[~real].T * scale[:, None]
            self._kept[choice] = _Solver(inverse, matrix, null, rows)
        return self._kept[choice]


def sizes(system: System, point: Point) -> np.ndarray:
    """[unknowns] how large each is, such that times its equation it is money."""
    program, face = system.program, system.face
    allocation = system.allocation(point)
    money = program.scale(program.welfare(allocation))
    gross = np.maximum(row_scales(program, allocation), 1e-300)
    mu = np.maximum(np.abs(point.mu), 1e-6 * money / gross)[face.rows]
    xs = [
        np.maximum(np.abs(x), 1e-3 * s.rate[p.member])
        for x, s, p in zip(point.x, program.streams, face.pairs, strict=True)
    ]
    pis = [
        np.maximum(np.abs(pi[k]), 1e-6 * money / np.maximum(s.rate[k], 1e-300))
        for pi, s, k in zip(point.pi, program.streams, system.members, strict=True)
    ]
    y = np.abs(system.levels(point))[face.active]
    typical = _typical(program, gross)[face.active]
    first = np.concatenate([mu, *xs, *pis, np.maximum(y, 1e-3 * typical)])
    return first * _balance(system.jacobian(point) * first[:, None] * first / money)


def _typical(program: Program, gross: np.ndarray) -> np.ndarray:
    """[activities] the level at which one would fill the first of its rows."""
    use = abs(program.use).tocsc()
    out = np.ones(len(program.activities))
    for i in range(len(out)):
        rows, amounts = use[:, [i]].indices, use[:, [i]].data
        if len(rows):
            out[i] = float(np.min(gross[rows] / np.maximum(amounts, 1e-300)))
    return out


def _balance(matrix: np.ndarray) -> np.ndarray:
    """Factors that make the largest entry of every row of a symmetric matrix about one."""
    out = np.ones(len(matrix))
    for _ in range(20):
        largest = np.abs(matrix * out[:, None] * out).max(axis=1, initial=0.0)
        out /= np.sqrt(np.where(largest > 0, largest, 1.0))
    return out
