"""The optimality conditions on one face, as equations F(z; program) = 0, and their Jacobian.

With tokens at their best response to the prices, which is smooth on a face, the unknowns are

    z = ( μ of the rows that are full,  x of the pairs in use,  π of the members served in full,
          y of the activities between their bounds )

and the equations, in the same order (so that the Jacobian is symmetric but for sign),

    use of a full row − its capacity              = 0
    profit of a pair − π of its member            = 0      (−what declining costs, where it is not
    Σ x of a member − its rate                    = 0       served in full)
    profit of an activity − slope of its terms    = 0

A program with other numbers and the same structure gives other equations in the same unknowns.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from allocate.models.program import Allocation, Program, Term
from allocate.models.stream import Columns, Flows, Stream
from allocate.solver.studies.sensitivity.face import Face

_NUDGE = 1e-6  # of a price, where a response has no closed derivative


@dataclass(frozen=True)
class Point:
    """Values of everything on a face: ``mu`` [rows], ``x`` and ``pi`` by stream, ``y``."""

    mu: np.ndarray
    x: tuple[np.ndarray, ...]
    pi: tuple[np.ndarray, ...]
    y: np.ndarray


@dataclass(frozen=True)
class System:
    """The equations of a face, for a program with its structure."""

    program: Program
    face: Face
    _last: list = field(default_factory=list, init=False, compare=False, repr=False)

    @cached_property
    def members(self) -> tuple[np.ndarray, ...]:
        """By stream, the members served in full that have a pair in use."""
        return tuple(
            np.unique(p.member[full[p.member]])
            for p, full in zip(self.face.pairs, self.face.served, strict=True)
        )

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of rows, pairs, members and activities."""
        return (
            len(self.face.rows),
            sum(map(len, self.face.pairs)),
            sum(map(len, self.members)),
            len(self.face.active),
        )

    def columns(self, point: Point) -> list[Columns]:
        """Best responses of the pairs in use; those to the last prices asked for are kept."""
        if not self._last or self._last[0] is not point.mu:
            found = [
                s.columns(point.mu, p.member, p.arm)
                for s, p in zip(self.program.streams, self.face.pairs, strict=True)
            ]
            self._last[:] = [point.mu, found]
        return self._last[1]

    def levels(self, point: Point) -> np.ndarray:
        """[activities] with those at a bound where this program has it."""
        y = np.zeros(len(self.program.activities))
        y[self.face.active] = point.y[self.face.active]
        y[self.face.full] = self.program.upper[self.face.full]
        return y

    def surplus(self, point: Point) -> list[np.ndarray]:
        """By stream, [K] what a member earns on a request: π, or minus what declining costs."""
        out = []
        for s, pi, full in zip(self.program.streams, point.pi, self.face.served, strict=True):
            lost = np.where(np.isfinite(s.decline_cost), -s.decline_cost, 0.0)
            out.append(np.where(full, pi, lost))
        return out

    def allocation(self, point: Point) -> Allocation:
        """The primal answer at a point."""
        flows = [
            Flows(c.member, c.arm, x, c.amounts[:, 1:-2])
            for c, x in zip(self.columns(point), point.x, strict=True)
        ]
        return Allocation(tuple(flows), self.levels(point))

    # --- equations -------------------------------------------------------------------------------

    def excess(self, point: Point, columns: list[Columns]) -> np.ndarray:
        """[rows] use less capacity, of every row."""
        n = len(self.program.rows)
        out = np.asarray(self.program.use @ self.levels(point)).ravel() - self.program.capacity
        for s, c, x in zip(self.program.streams, columns, point.x, strict=True):
            out = out + np.asarray(s.row_use(c.member, c.arm, c.amounts, n) @ x).ravel()
        return out

    def gains(self, point: Point) -> np.ndarray:
        """[activities] profit of one more unit, after the slope of convex terms."""
        out = self.program.unit_profit(point.mu)
        levels = self.levels(point)
        for t in self.program.terms:
            out[list(t.activities)] -= slopes(t, levels)[0]
        return out

    def residual(self, point: Point) -> np.ndarray:
        """F at a point, each equation in its own unit."""
        columns, surplus = self.columns(point), self.surplus(point)
        earned = [c.profit - u[c.member] for c, u in zip(columns, surplus, strict=True)]
        unserved = [
            np.bincount(p.member, x, len(s.rate))[k] - s.rate[k]
            for p, x, s, k in zip(
                self.face.pairs, point.x, self.program.streams, self.members, strict=True
            )
        ]
        return np.concatenate(
            [
                self.excess(point, columns)[self.face.rows],
                *earned,
                *unserved,
                self.gains(point)[self.face.active],
            ]
        )

    def jacobian(self, point: Point) -> np.ndarray:
        """∂F/∂z at a point."""
        n_rows, n_pairs, n_members, n_active = self.sizes
        at = np.cumsum([0, n_rows, n_pairs, n_members, n_active])
        r, p, m, a = (slice(i, j) for i, j in zip(at[:-1], at[1:], strict=True))
        out = np.zeros((at[-1], at[-1]))
        rows, first, owner = self.face.rows, at[1], at[2]
        for s, pairs, c, x, full, members in zip(
            self.program.streams,
            self.face.pairs,
            self.columns(point),
            point.x,
            self.face.served,
            self.members,
            strict=True,
        ):
            n = len(pairs)
            by = [
                q[rows].toarray() for q in s.quantity_rows(c.member, c.arm, len(self.program.rows))
            ]
            b = np.stack(by, axis=-1).transpose(1, 0, 2)  # [pairs, rows, quantities]
            use = np.einsum("nrq,nq->nr", b, c.amounts)
            bend = np.einsum(
                "nrq,nqp,nsp,n->rs", b[:, :, 1:], curvatures(s, c), b[:, :, 1:], x, optimize=True
            )
            own = slice(first, first + n)
            out[r, r] -= bend
            out[r, own] = use.T
            out[own, r] = -use
            place = np.full(len(s.rate), -1)
            place[members] = owner + np.arange(len(members))
            held = np.flatnonzero(full[pairs.member])
            out[first + held, place[pairs.member[held]]] = -1.0
            out[place[pairs.member[held]], first + held] = 1.0
            first, owner = first + n, owner + len(members)
        u = self.program.use[rows][:, self.face.active].toarray()
        out[r, a] = u
        out[a, r] = -u.T
        spot = np.full(len(self.program.activities), -1)
        spot[self.face.active] = at[3] + np.arange(n_active)
        levels = self.levels(point)
        for t in self.program.terms:
            where = spot[list(t.activities)]
            inside = np.flatnonzero(where >= 0)
            out[np.ix_(where[inside], where[inside])] -= slopes(t, levels)[1][
                np.ix_(inside, inside)
            ]
        return out

    def moved(self, point: Point, step: np.ndarray, by: float = 1.0) -> Point:
        """The point a multiple of a step away."""
        n_rows, n_pairs, n_members, _ = self.sizes
        d = by * step
        mu, y = point.mu, point.y.copy()
        if np.any(d[:n_rows]):
            mu = mu.copy()
            mu[self.face.rows] += d[:n_rows]
        xs, pis, at, owner = [], [], n_rows, n_rows + n_pairs
        for x, pi, members in zip(point.x, point.pi, self.members, strict=True):
            xs.append(x + d[at : at + len(x)])
            at += len(x)
            other = pi.copy()
            other[members] += d[owner : owner + len(members)]
            pis.append(other)
            owner += len(members)
        y[self.face.active] += d[n_rows + n_pairs + n_members :]
        return replace(point, mu=mu, x=tuple(xs), pi=tuple(pis), y=y)

    # --- welfare ---------------------------------------------------------------------------------

    def lagrangian_change(self, point: Point, other: System) -> float:
        """Lagrangian of another program less that of this one, at the same point, USD per hour.

        To first order that is the change of welfare (envelope theorem); written as a sum of
        differences, so that what does not change cancels exactly.
        """
        out = other.program.offset - self.program.offset
        out += float(point.mu @ (other.program.capacity - self.program.capacity))
        mine, theirs = self.columns(point), other.columns(point)
        for i, (s, o) in enumerate(zip(self.program.streams, other.program.streams, strict=True)):
            full, x = self.face.served[i], point.x[i]
            out += float(x @ (theirs[i].profit - mine[i].profit))
            out += float(point.pi[i][full] @ (o.rate - s.rate)[full])
            lost, taken = s.penalty, np.bincount(mine[i].member, x, len(s.rate))
            left = np.where(full, 0.0, s.rate - taken)
            out -= float(np.where(full, 0.0, o.penalty - lost) @ left)
            out -= float(np.where(full, 0.0, o.penalty * (o.rate - s.rate)).sum())
        before, after = self.levels(point), other.levels(point)
        gain = [p.unit_profit(point.mu) for p in (self.program, other.program)]
        out += float(before @ (gain[1] - gain[0]) + gain[1] @ (after - before))
        for t, u in zip(self.program.terms, other.program.terms, strict=True):
            out -= u.value(after) - t.value(before)
        return out


def slopes(term: Term, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(gradient, Hessian) of a convex term in its own activities."""
    at = term.part(levels)
    n = len(at)
    if at[0] <= 0:
        return np.zeros(n), np.zeros((n, n))
    bend = np.zeros((n, n))
    for i in range(n):
        step = np.zeros(n)
        step[i] = _NUDGE * at[i]
        ends = [term.cost.plane(at + s * step)[0] for s in (1.0, -1.0)]
        bend[:, i] = (ends[0] - ends[1]) / (2.0 * step[i])
    return term.cost.plane(at)[0], 0.5 * (bend + bend.T)


def curvatures(stream: Stream, columns: Columns) -> np.ndarray:
    """[n, J+2, J+2] −∂(tokens, wrong, success)/∂(their prices) of best responses."""
    out = stream.curvatures(columns)
    technology = stream.technology_of[columns.arm]
    held = [i for i, t in enumerate(stream.technologies) if t.target is not None]
    for n in np.flatnonzero(np.isin(technology, held)):
        out[n] = _bent(stream, columns, int(n), int(technology[n]))
    return out


def _bent(stream: Stream, columns: Columns, n: int, technology: int) -> np.ndarray:
    """The same of one pair whose effort is held, by differences."""
    curve, price = stream.technologies[technology], columns.prices[n]
    k = columns.member[n : n + 1]
    out = np.zeros((len(price) - 1,) * 2)
    for q in range(1, len(price)):
        step, ends = _NUDGE * abs(price[q]), []
        if step == 0:
            continue
        for sign in (1.0, -1.0):
            p = price.copy()
            p[q] += sign * step
            r = curve.best_response(
                -p[None, -1],
                p[None, 1:-2],
                p[None, -2],
                stream.factor_of(technology, k),
                stream.difficulty_of(k),
            )
            ends.append(np.concatenate([r.tokens[0], r.wrong, r.success]))
        out[:, q - 1] = -(ends[0] - ends[1]) / (2.0 * step)
    return out
