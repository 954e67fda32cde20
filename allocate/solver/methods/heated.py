"""A straight program by its warm dual alone: the softmax itself is the allocation.

Where no price moves a token, a pair earns gain − use·λ a request. The dual is warmed by a
softmax (τ_k = heat · money at stake), and Newton's method finds the prices of one heat. There
the softmax itself is an allocation: at those prices it fills every row that has a price and
overfills none. Its value falls short by the square of the heat while few members are near a
tie, and by nothing where all of them are at one price, where a linear program would be as large
as the whole. Prices of two heats, drawn on to none, give the bound.

A row that is used far over its capacity falls off exponentially in its price, so there the
step is Newton's for the logarithm of its use. Prices begin where nobody would pay more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows
from allocate.solver.methods.newton import Result
from allocate.solver.methods.straight import Columns

_WARM = 0.03  # the first heat
_COOLING = 0.25
_COLDEST = 1e-7
_DAMPED = (0.0, 0.3, 3.0, 30.0)  # of a curvature, added to it where a step went too far
_FOLDS = 10.0  # by which one step may let the use of a row fall
_STOPS = 5  # times that more prices may stop at 0 within a step
_STEPS = 40  # at one heat
_TIGHTER = 0.03  # of the tolerance, by which rows are taken to be smaller than they are
_MOST_PAIRS = 40_000_000  # pairs of entries of one member that are multiplied one by one


class _Heated:
    """The warm dual of some pairs."""

    def __init__(self, pairs: Columns, capacity: np.ndarray):
        self.pairs, self.capacity, self.passes = pairs, capacity, 0
        self.left, self.right = self._couples()
        self.alone = bool(np.all(np.bincount(pairs.pair, minlength=1) <= 1))

    def _couples(self) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
        """All couples of entries of one member, each once: what its covariance is made of."""
        p = self.pairs
        owner = p.member[p.pair]
        count = np.bincount(owner, minlength=len(p.rate))
        if float((count.astype(float) ** 2).sum()) > 2.0 * _MOST_PAIRS:
            return None, None
        end = np.cumsum(count)[owner]
        here = np.arange(len(owner))
        length = end - here  # itself and those after it
        left = np.repeat(here, length)
        offset = np.arange(len(left)) - np.repeat(np.cumsum(length) - length, length)
        right = left + offset
        self.code = p.row[left] * p.n_rows + p.row[right]
        return left.astype(np.int32), right.astype(np.int32)

    def at(self, duals: np.ndarray, heat: float) -> tuple[float, np.ndarray, np.ndarray]:
        """(value, [rows] use, [P] share of every pair)."""
        self.passes += 1
        p = self.pairs
        tau = heat * p.stake
        profit = p.profit(duals)
        top = np.maximum(np.maximum.reduceat(profit, p.first), 0.0)
        weight = np.exp((profit - top[p.member]) / tau[p.member])
        total = np.add.reduceat(weight, p.first) + np.exp(-top / tau)
        share = weight / total[p.member]
        flow = (share * p.rate[p.member])[p.pair] * p.use
        used = np.bincount(p.row, flow, p.n_rows)
        return float(p.rate @ (top + tau * np.log(total))), used, share

    def hessian(self, share: np.ndarray, heat: float) -> np.ndarray:
        """[rows, rows] of the warm dual."""
        p = self.pairs
        m = p.n_rows
        weight = (p.rate / (heat * p.stake))[p.member]
        single = (np.sqrt(weight) * share)[p.pair] * p.use  # √(w/τ) · x · u
        if self.left is None or self.right is None:
            owner = p.member[p.pair]
            z = sp.csr_matrix((single, (p.row, owner)), shape=(m, len(p.rate)))
            out = -(z @ z.T).toarray()
        else:
            half = np.bincount(self.code, single[self.left] * single[self.right], m * m).reshape(
                m, m
            )
            out = -(half + half.T)
            own = np.bincount(p.row, single * single, m)  # counted twice on the diagonal
            out[np.diag_indices(m)] += own
        # U diag(w x / τ) U': entries of one pair among each other
        if self.alone:
            out[np.diag_indices(m)] += np.bincount(p.row, (weight * share)[p.pair] * p.use**2, m)
        else:
            root = np.sqrt((weight * share)[p.pair]) * p.use
            inner = sp.csr_matrix((root, (p.row, p.pair)), shape=(m, len(p.gain)))
            out += (inner @ inner.T).toarray()
        return out

    def newton(self, duals: np.ndarray, heat: float, enough: float) -> Warm:
        """To where no row is over by a share of ``enough``, nor short of it at a price."""
        b = self.capacity
        here = self._warm(duals, heat)
        for _ in range(_STEPS):
            if max(here.over, here.short) <= enough:
                break
            free = (here.duals > 0) | (here.used > b)
            hessian = self.hessian(here.share, heat)
            with np.errstate(divide="ignore", invalid="ignore"):
                log = here.used * np.log(here.used / np.maximum(b, 1e-300))
                own = _FOLDS * here.used / np.diag(hessian)  # as the use falls by e-folds
            most = np.where(np.isfinite(own) & (own > 0), own, 0.0)
            plain = here.used - b
            for fall, damped in (
                (np.where(here.used > b, log, plain), 0.0),
                *((plain, damped) for damped in _DAMPED),
            ):
                stiff = hessian + damped * np.diag(np.diag(hessian))
                there = self._along(
                    here, np.clip(_step(stiff, fall, here.duals, free), -most, most), heat
                )
                if there is not None:
                    break
            if there is None:
                break
            here = there
        return here

    def _along(self, here: Warm, way: np.ndarray, heat: float) -> Warm | None:
        """A point on the way that is no higher, the whole way if it can be."""
        step = 1.0
        while step > 0.02:
            there = self._warm(np.maximum(here.duals + step * way, 0.0), heat)
            if there.total <= here.total + 1e-13 * abs(here.total):
                return there
            step *= 0.3
        return None

    def _warm(self, duals: np.ndarray, heat: float) -> Warm:
        b = self.capacity
        value, used, share = self.at(duals, heat)
        total = float(b @ duals) + value
        over = float(np.max((used - b) / np.maximum(np.maximum(b, used), 1e-300), initial=0.0))
        short = float(np.abs(b - used) @ duals) / max(abs(total), 1e-300)
        return Warm(duals, share, used, total, over, short)


class Warm(NamedTuple):
    """A point of the warm dual: ``over`` and ``short`` are shares of rows and of the value."""

    duals: np.ndarray
    share: np.ndarray
    used: np.ndarray
    total: float
    over: float
    short: float


def _step(hessian: np.ndarray, fall: np.ndarray, duals: np.ndarray, free: np.ndarray) -> np.ndarray:
    """[rows] the step; prices that would fall below 0 stop there, and the others know it."""
    way, moving = np.zeros(len(duals)), free.copy()
    for _ in range(_STOPS):
        stopped = free & ~moving
        way[stopped] = -duals[stopped]
        known = fall[moving] - hessian[np.ix_(moving, stopped)] @ way[stopped]
        way[moving] = _solved(hessian[np.ix_(moving, moving)], known)
        below = moving & (duals + way < 0)
        if not below.any():
            break
        moving &= ~below
    return way


def _solved(hessian: np.ndarray, fall: np.ndarray) -> np.ndarray:
    """The step: rows in units of their own curvature, with as little ridge as will do."""
    size = np.sqrt(np.maximum(np.diag(hessian), 0.0))  # less than 0 by rounding only
    size = np.maximum(size, max(1e-8 * float(size.max(initial=0.0)), 1e-150))
    scaled = hessian / np.outer(size, size)
    for ridge in (1e-10, 1e-8, 1e-6, 1e-4, 1e-2):
        try:
            factor = sl.cho_factor(scaled + ridge * np.eye(len(size)))
        except sl.LinAlgError:
            continue
        return sl.cho_solve(factor, fall / size) / size
    return fall / size**2


def break_even(pairs: Columns) -> np.ndarray:
    """[rows] the most that any pair that uses a row alone would pay for it."""
    out = np.zeros(pairs.n_rows)
    pays = (pairs.use > 0) & (pairs.gain[pairs.pair] > 0)
    worth = pairs.gain[pairs.pair[pays]] / pairs.use[pays]
    np.maximum.at(out, pairs.row[pays], worth)
    return out


def heated(program: Program, tolerance: float = 1e-6, progress=None) -> Result:
    """Prices and an allocation of a ``straight`` program."""
    pairs = Columns.of(program)
    tight = program.capacity * (1.0 - _TIGHTER * tolerance)
    duals, heat, offset = break_even(pairs), _WARM, _offset(program)
    best, bound = duals, offset + float(program.capacity @ duals) + pairs.dual(duals)
    warm = _Heated(pairs, tight)
    before: tuple[np.ndarray, float] | None = None
    shares, worth = np.zeros(len(pairs.gain)), offset  # nobody is served: always possible
    while True:
        there = warm.newton(duals, heat, _TIGHTER * tolerance)
        duals = there.duals
        value = offset + float((there.share * pairs.rate[pairs.member]) @ pairs.gain)
        if value > worth and there.over <= _TIGHTER * tolerance:
            shares, worth = there.share, value
        trials = [duals]
        if before is not None:
            old, hotter = before
            trials.append(np.maximum(duals + (duals - old) * heat / (hotter - heat), 0.0))
        for trial in trials:
            found = offset + float(program.capacity @ trial) + pairs.dual(trial)
            if found < bound:
                best, bound = trial, found
        gap = (bound - worth) / max(abs(bound), 1e-300)
        if progress is not None:
            progress({"gap": gap, "passes": warm.passes, "heat": heat, "members": len(pairs.rate)})
        if gap <= 0.5 * tolerance or heat <= _COLDEST:
            break
        before, heat = (duals, heat), _COOLING * heat
        duals = np.maximum(best + _COOLING * (duals - best), 0.0)  # prices go straight with heat
    return Result(best, _allocation(program, pairs, shares), bound, warm.passes, warm.passes)


def _offset(program: Program) -> float:
    stream = program.streams[0]
    return program.offset - float(stream.rate @ stream.penalty)


def _allocation(program: Program, pairs: Columns, shares: np.ndarray) -> Allocation:
    stream = program.streams[0]
    used = shares > 1e-15
    requests = (shares * pairs.rate[pairs.member])[used]
    tokens = np.zeros((int(used.sum()), stream.n_uses))
    flows = Flows(pairs.who[pairs.member[used]], pairs.arm[used], requests, tokens)
    return Allocation((flows,), np.zeros(0))
