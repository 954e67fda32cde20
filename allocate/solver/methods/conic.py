"""The reference method: the program as one DCP problem in CVXPY, over the arms that matter.

A plain statement puts nearly every cone at its apex (an arm that nobody uses), where
interior-point solvers fail. So the solver only sees a *restricted master*: the best few
arms of each member at the current prices. All other arms are priced out in closed form,
the best of them enter, those that are never used leave, until the master's prices leave
nothing to enter. Every flow is scaled by its member's rate and best tokens, every row by
what flows through it and the objective by the dual value, so that the cones and duals the
solver sees are near one whatever the units of the config.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import scipy.sparse as sp

from allocate.models.program import Program
from allocate.models.stream import Columns, Stream
from allocate.solver.methods.pricing import Pricing
from allocate.solver.methods.start import settled

_WAY = (0.3, 0.1)  # how far from the best prices so far to the master's, when pricing
SOLVERS = ("CLARABEL", "ECOS", "SCS")  # in the order of the success table; those installed
_OPTIONS = {
    "CLARABEL": {
        "tol_gap_abs": 1e-10,
        "tol_gap_rel": 1e-10,
        "tol_feas": 1e-10,
        "reduced_tol_gap_abs": 1e-5,
        "reduced_tol_gap_rel": 1e-5,
        "reduced_tol_feas": 1e-6,
        "max_iter": 200,
    },
    "ECOS": {"abstol": 1e-9, "reltol": 1e-9, "feastol": 1e-9, "max_iters": 200},
    "SCS": {"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 20_000, "time_limit_secs": 5.0},
}


@dataclass
class Master:
    """Prices from the restricted master, and how they were reached."""

    duals: np.ndarray
    rounds: int = 0
    passes: int = 0


def solve_master(
    program: Program,
    duals: np.ndarray,
    tolerance: float = 1e-6,
    max_rounds: int = 25,
    progress: Callable[[dict], None] | None = None,
) -> Master:
    """Prices of the rows by master and pricing, starting from any prices.

    Returns the prices with the least exact dual value that were met; if every solver fails
    on the first master those are the prices it started from.
    """
    best = Pricing.at(program, settled(program, duals))
    out = Master(best.duals, passes=1)
    if not program.rows or not np.isfinite(best.value):
        return out
    pool = [_entering(s, p, None) for s, p in zip(program.streams, best.profits, strict=True)]
    for round_ in range(1, max_rounds + 1):
        answer = _solve(program, best, pool)
        if answer is None:
            break
        duals = np.where(_unused_rows(program, pool), best.duals, answer.duals)
        grown, best_before = False, best.value
        # price at the master's duals and on the way there: the master alone would swing
        for weight in (1.0, *_WAY):
            there = Pricing.at(
                program, settled(program, weight * duals + (1 - weight) * best.duals)
            )
            out.passes += 1
            for i, stream in enumerate(program.streams):
                fresh = _entering(stream, there.profits[i], pool[i], 1)
                grown |= len(fresh) > len(pool[i])
                pool[i] = fresh
            if there.value < best.value:
                best = there
                if weight < 1.0:
                    break
        out.rounds, out.duals = round_, best.duals
        gap = (best.value - answer.value) / max(abs(best.value), 1e-300)
        if progress is not None:
            progress({"iteration": round_, "gap": gap, "passes": out.passes})
        if gap <= 0.01 * tolerance or not (grown or best.value < best_before):
            break
        pool = [
            _leaving(p, stream, profits)
            for p, stream, profits in zip(pool, program.streams, best.profits, strict=True)
        ]
    return out


def _entering(
    stream: Stream, profits: np.ndarray, pool: np.ndarray | None, most: int = 2
) -> np.ndarray:
    """The pool [n, 2] of (member, arm) with the best arms of every member added."""
    live = np.flatnonzero((stream.rate > 0) & np.isfinite(profits.max(axis=1, initial=-np.inf)))
    new = []
    ranked = np.array(profits[live])
    for _ in range(min(most, profits.shape[1])):
        arm = ranked.argmax(axis=1)
        ok = ranked[np.arange(len(live)), arm] > -np.inf
        new.append(np.stack([live[ok], arm[ok]], 1))
        ranked[np.arange(len(live)), arm] = -np.inf
    if pool is not None:
        new.append(pool)
    return np.unique(np.concatenate(new), axis=0)


def _leaving(pool: np.ndarray, stream: Stream, profits: np.ndarray) -> np.ndarray:
    """Drop arms that are clearly not best once the pool is large."""
    if len(pool) <= 4 * max(1, int((stream.rate > 0).sum())):
        return pool
    value, top = profits[pool[:, 0], pool[:, 1]], profits[pool[:, 0]].max(axis=1)
    near = value >= top - 1e-2 * np.abs(top)
    return pool[near]


def _unused_rows(program: Program, pool: list[np.ndarray]) -> np.ndarray:
    """Rows that nothing in the master uses: the solver's dual says nothing about them."""
    used = np.zeros(len(program.rows), bool)
    for stream, pairs in zip(program.streams, pool, strict=True):
        entry, _, slot, _ = stream.pair_use(pairs[:, 0], pairs[:, 1])
        rows = stream.rows[stream.group[pairs[entry, 0]], slot]
        used[rows[rows >= 0]] = True
    for i, activity in enumerate(program.activities):
        if not program.supplier[i]:
            used[[r for r, _ in activity.uses]] = True
    for i, rows, _ in program.suppliers:
        if used[rows].any():
            used[[r for r, _ in program.activities[i].uses]] = True
    return ~used & (program.capacity == 0.0)


@dataclass
class _Answer:
    duals: np.ndarray
    value: float


def _solve(program: Program, at: Pricing, pool: list[np.ndarray]) -> _Answer | None:
    """State and solve one master; None if no solver comes back with an answer."""
    import cvxpy as cp

    scale = max(abs(at.value), 1e-300)
    n_rows = len(program.rows)
    constraints: list[Any] = []
    objective: list = []
    row_use: list = []
    gross = np.abs(program.capacity)
    for stream, pairs in zip(program.streams, pool, strict=True):
        columns = stream.columns(at.duals, pairs[:, 0], pairs[:, 1])
        # a pair that moves no money is a cone at its apex, and does not matter
        kept = stream.moved(columns) * stream.rate[columns.member] > 1e-9 * scale
        columns = Columns(*(c[kept] for c in columns))
        member, arm = columns.member, columns.arm
        if not len(member):
            continue
        x, quantities = _stream_cones(stream, columns, constraints)
        rate = stream.rate[member]
        rows = stream.quantity_rows(member, arm, n_rows)
        own = stream.pair_prices(np.zeros(n_rows), member, arm)
        decline = np.where(np.isfinite(stream.decline_cost), stream.decline_cost, 0.0)[member]
        own[:, 0] -= decline
        for y, (expression, unit) in enumerate(quantities):
            if expression is None:
                continue
            weight = rate * unit
            objective.append(-(own[:, y] * weight / scale) @ expression)
            if rows[y].nnz:
                row_use.append((rows[y] @ sp.diags(weight), expression))
                gross = gross + np.asarray(abs(rows[y]) @ weight).ravel()
        present, index = np.unique(member, return_inverse=True)
        split = sp.csr_matrix(
            (np.ones(len(member)), (index, np.arange(len(member)))), (len(present), len(member))
        )
        forced = ~np.isfinite(stream.decline_cost[present])
        if forced.any():
            constraints.append(split[forced] @ x == 1.0)
        if not forced.all():
            constraints.append(split[~forced] @ x <= 1.0)
    levels = None
    if program.activities:
        unit = _activity_units(program, gross)
        levels = cp.Variable(len(program.activities), nonneg=True)
        objective.append(-(program.cost * unit / scale) @ levels)
        with np.errstate(over="ignore"):
            most = program.upper / unit
        finite = np.isfinite(most) & (program.upper < 1e11)
        if finite.any():
            constraints.append(levels[np.flatnonzero(finite)] <= most[finite])
        row_use.append((program.use @ sp.diags(unit), levels))
        objective += _terms(program, levels, unit, scale, constraints)
    if not row_use or not objective:
        return None  # nothing is worth doing, so nothing has a price
    gross = np.where(gross > 0, gross, 1.0)
    inverse = sp.diags(1.0 / gross)
    limit: Any = (
        sum((inverse @ sp.csr_matrix(m)) @ e for m, e in row_use) <= program.capacity / gross
    )
    problem = cp.Problem(cp.Maximize(sum(objective)), [*constraints, limit])
    for name in SOLVERS:
        if name not in cp.installed_solvers():
            continue
        try:
            with warnings.catch_warnings(), _silenced():
                warnings.simplefilter("ignore")
                problem.solve(solver=name, **_OPTIONS[name])
        except (cp.SolverError, ValueError, ArithmeticError):
            continue  # ValueError: data that a solver's interface cannot take, such as overflow
        dual = limit.dual_value
        if problem.status not in ("optimal", "optimal_inaccurate") or dual is None:
            continue
        dual = np.asarray(dual, float)
        if not np.all(np.isfinite(dual)):
            continue
        constant = program.offset - sum(
            float(s.rate @ np.where(np.isfinite(s.decline_cost), s.decline_cost, 0.0))
            for s in program.streams
        )
        return _Answer(
            np.maximum(dual, 0.0) * scale / gross,
            float(cast(float, problem.value)) * scale + constant,
        )
    return None


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep what a solver's compiled code prints off standard output, which is the answer's."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # there is no standard output
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)


def _stream_cones(stream: Stream, columns: Columns, constraints: list):
    """Variables of a stream's pairs, in units of their member's rate, and their curves.

    Returns the requests and, for every quantity, (expression, unit per request).
    """
    import cvxpy as cp

    n, n_uses = len(columns.member), stream.n_uses
    x = cp.Variable(n, nonneg=True)
    quantities: list = [(x, np.ones(n))]
    technology = stream.technology_of[columns.arm]
    tokens, units = [], []
    for j in range(n_uses):
        bought = columns.amounts[:, 1 + j]
        possible = np.array(
            [j in stream.technologies[i].uses_tokens for i in range(len(stream.technologies))]
        )[technology]
        reference = np.array([c.effort.references[j] for c in stream.technologies])[technology]
        unit = np.where(np.isfinite(bought) & (bought > 1e-9 * reference), bought, reference)
        if not possible.any():
            tokens.append(None)
            units.append(unit)
            quantities.append((None, unit))
            continue
        variable = cp.Variable(n, nonneg=True)
        if not possible.all():
            constraints.append(variable[np.flatnonzero(~possible)] == 0)
        caps = np.array([c.caps[j] for c in stream.technologies])[technology]
        capped = possible & np.isfinite(caps)
        if capped.any():
            at = np.flatnonzero(capped)
            constraints.append(variable[at] <= cp.multiply((caps / unit)[at], x[at]))
        tokens.append(variable)
        units.append(unit)
        quantities.append((variable, unit))
    wrong, success = cp.Variable(n), cp.Variable(n)
    factor = np.ones(n)
    wrong_unit = np.ones(n)
    for i in np.unique(technology):
        at = np.flatnonzero(technology == i)
        curve = stream.technologies[i]
        factor[at] = stream.factor_of(i, columns.member[at])
        wrong_unit[at] = max(curve.risk.rate, 1e-300)
        mine = [
            cp.multiply(units[j][at], tokens[j][at]) if tokens[j] is not None else None
            for j in range(n_uses)
        ]
        constraints += curve.risk.cone(x[at], mine, wrong[at] * max(curve.risk.rate, 1e-300))
        if curve.success.flat:  # no cone: a level that no effort moves
            constraints.append(success[at] <= float(curve.success.value(np.array(1.0))) * x[at])
            continue
        effort = cp.Variable(len(at), nonneg=True)
        constraints += curve.effort.cone(x[at], mine, effort)
        difficulty = stream.difficulty_of(columns.member[at])
        constraints += curve.success.cone(x[at], cp.multiply(1.0 / difficulty, effort), success[at])
    quantities += [(wrong, wrong_unit), (success, factor)]
    return x, quantities


def _activity_units(program: Program, gross: np.ndarray) -> np.ndarray:
    """A unit of every activity that supplies what its busiest row needs."""
    out = np.ones(len(program.activities))
    for i in range(len(out)):
        column = program.use[:, [i]]
        supply = [gross[r] / -v for r, v in zip(column.indices, column.data, strict=True) if v < 0]
        limits = [
            program.capacity[r] / v
            for r, v in zip(column.indices, column.data, strict=True)
            if v > 0 and program.capacity[r] > 0
        ]
        guess = min([*limits, max(supply, default=1.0)]) if (supply or limits) else 1.0
        out[i] = guess if np.isfinite(guess) and guess > 0 else 1.0
    return out


def _terms(program: Program, levels, unit: np.ndarray, scale: float, constraints: list) -> list:
    import cvxpy as cp

    out = []
    for t in program.terms:
        cost = cp.Variable(1)
        constraints += t.cone([unit[i] * levels[i] for i in t.activities], cost, scale)
        out.append(-cp.sum(cost))
    return out
