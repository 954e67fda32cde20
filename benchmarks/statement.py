"""The whole program as one problem in CVXPY, for any conic solver: every open arm at once.

The curves state their own cones, as for the conic method; what that method adds (few arms at
a time, priced in) is left out. Scaled as well as we know how without knowing the answer: flows
by their class's rate, tokens by what is best at first prices, rows by what flows through them,
the objective by all that is at stake; pairs that move no money are left out.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from allocate.models.program import Allocation, Program
from allocate.models.stream import Columns, Flows, Stream
from allocate.solver.methods import conic
from allocate.solver.methods.start import first_prices

_TINY = 1e-9  # of all that is at stake: a pair that moves less is left out


def options(solver: str, tolerance: float, limit_s: float) -> dict[str, Any]:
    """What to ask of a solver for a gap of ``tolerance``: a tenth of it, on its own measures."""
    eps = 0.1 * tolerance
    if solver == "CLARABEL":
        names = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
        limits = {"max_iter": 500, "time_limit": limit_s}
        return dict.fromkeys(names, eps) | limits | {"accept_unknown": True}  # we judge it
    if solver == "ECOS":
        return dict.fromkeys(("abstol", "reltol", "feastol"), eps) | {"max_iters": 500}
    if solver == "SCS":
        limits = {"max_iters": 10_000_000, "time_limit_secs": limit_s}
        return {"eps_abs": eps, "eps_rel": eps, **limits}
    inner = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), eps)
    limits = {"max_iter": 1000, "time_limit": limit_s, "accept_unknown": True}
    return {"device": "cpu", "ipm_settings": inner, **limits}


@dataclass
class Found:
    """What a solver came back with; ``allocation`` as it stands, not mended."""

    status: str
    allocation: Allocation | None = None
    duals: np.ndarray | None = None
    seconds: float = 0.0
    compile_seconds: float = 0.0
    iterations: int = 0


@dataclass
class Statement:
    """A CVXPY problem and what its variables stand for."""

    program: Program
    problem: Any = None
    rows: Any = None
    levels: Any = None
    unit: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gross: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scale: float = 1.0
    parts: list[tuple[Columns, Any, list] | None] = field(default_factory=list)  # by stream

    @staticmethod
    def of(program: Program) -> Statement:
        """State the program; the objective is in shares of all that is at stake."""
        import cvxpy as cp

        start = first_prices(program)
        out = Statement(program, scale=max(program.at_stake, abs(program.dual(start)), 1e-300))
        constraints: list[Any] = []
        objective: list[Any] = []
        use: list[tuple[Any, Any]] = []
        gross = np.abs(program.capacity)
        for stream in program.streams:
            gross = gross + out._stream(stream, start, constraints, objective, use)
        if program.activities:
            out.unit = conic._activity_units(program, gross)
            out.levels = cp.Variable(len(program.activities), nonneg=True)
            objective.append(-(program.cost * out.unit / out.scale) @ out.levels)
            finite = np.flatnonzero(np.isfinite(program.upper) & (program.upper < 1e11))
            if len(finite):
                constraints.append(out.levels[finite] <= (program.upper / out.unit)[finite])
            use.append((program.use @ sp.diags(out.unit), out.levels))
            objective += conic._terms(program, out.levels, out.unit, out.scale, constraints)
        out.gross = np.where(gross > 0, gross, 1.0)
        inverse = sp.diags(1.0 / out.gross)
        total: Any = sum((inverse @ sp.csr_matrix(m)) @ e for m, e in use)
        out.rows = total <= program.capacity / out.gross
        out.problem = cp.Problem(cp.Maximize(sum(objective)), [*constraints, out.rows])
        return out

    def _stream(
        self, stream: Stream, start: np.ndarray, constraints: list, objective: list, use: list
    ) -> np.ndarray:
        """Add a stream; returns [rows] what could flow through each."""
        live = np.flatnonzero(stream.rate > 0)
        at, arm = np.nonzero(stream.menu[stream.group[live]])
        columns = stream.columns(start, live[at], arm)
        kept = stream.moved(columns) * stream.rate[columns.member] > _TINY * self.scale
        columns = Columns(*(c[kept] for c in columns))
        member, arm, n_rows = columns.member, columns.arm, len(self.program.rows)
        gross = np.zeros(n_rows)
        if not len(member):
            self.parts.append(None)
            return gross
        x, quantities = conic._stream_cones(stream, columns, constraints)
        self.parts.append((columns, x, quantities))
        rate = stream.rate[member]
        own = stream.pair_prices(np.zeros(n_rows), member, arm)
        own[:, 0] -= stream.penalty[member]
        rows = stream.quantity_rows(member, arm, n_rows)
        for y, (expression, unit) in enumerate(quantities):
            if expression is None:
                continue
            weight = rate * unit
            objective.append(-(own[:, y] * weight / self.scale) @ expression)
            if rows[y].nnz:
                use.append((rows[y] @ sp.diags(weight), expression))
                gross = gross + np.asarray(abs(rows[y]) @ weight).ravel()
        present, index = np.unique(member, return_inverse=True)
        ones = (np.ones(len(member)), (index, np.arange(len(member))))
        split = sp.csr_matrix(ones, (len(present), len(member)))
        forced = ~np.isfinite(stream.decline_cost[present])
        if forced.any():
            constraints.append(split[forced] @ x == 1.0)
        if not forced.all():
            constraints.append(split[~forced] @ x <= 1.0)
        return gross

    def solve(self, solver: str, tolerance: float, limit_s: float) -> Found:
        """Hand it to a solver; CVXPY's own compiling is timed apart."""
        import cvxpy as cp

        clock = time.perf_counter()
        status = "failed"
        try:
            with warnings.catch_warnings(), conic._silenced():
                warnings.simplefilter("ignore")
                self.problem.solve(solver=solver, **options(solver, tolerance, limit_s))
            status = str(self.problem.status)
        except (cp.SolverError, ValueError, ArithmeticError, TypeError) as error:
            status = "takes no such cones" if "cannot solve" in str(error) else "failed"
        spent = time.perf_counter() - clock
        compiling = float(self.problem.compilation_time or 0.0)
        out = Found(status, seconds=spent - compiling, compile_seconds=compiling)
        if self.problem.solver_stats is not None:
            out.iterations = int(self.problem.solver_stats.num_iters or 0)
        if self.rows.dual_value is not None and all(
            p is None or p[1].value is not None for p in self.parts
        ):
            out.allocation = self._allocation()
            prices = np.asarray(self.rows.dual_value, float) * self.scale / self.gross
            out.duals = np.maximum(np.nan_to_num(prices), 0.0)
        return out

    def _allocation(self) -> Allocation:
        """As the solver says; tokens per request are its tokens over its requests, within caps.

        Where a solver leaves a trace of requests, their ratio means nothing.
        """
        flows = []
        for stream, part in zip(self.program.streams, self.parts, strict=True):
            if part is None:
                flows.append(Flows.empty(stream.n_uses))
                continue
            columns, x, quantities = part
            share = np.asarray(x.value, float)
            used = share > 1e-12
            tokens = np.zeros((len(share), stream.n_uses))
            caps = stream.finite_caps[stream.technology_of[columns.arm]]
            for j in range(stream.n_uses):
                expression, unit = quantities[1 + j]
                if expression is not None:
                    bought = np.maximum(np.asarray(expression.value, float), 0.0) * unit
                    per = np.where(used, bought / np.where(used, share, 1.0), 0.0)
                    tokens[:, j] = np.minimum(per, caps[:, j])
            requests = share * stream.rate[columns.member]
            flows.append(
                Flows(columns.member[used], columns.arm[used], requests[used], tokens[used])
            )
        levels = np.zeros(0)
        if self.levels is not None:
            levels = np.asarray(self.levels.value, float) * self.unit
        return Allocation(tuple(flows), levels)
