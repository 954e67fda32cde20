"""A program that is a linear one, as matrices; HiGHS and OR-tools PDLP on it.

Linear are curves whose tokens no price moves: flat ones, and those held at a target with
one token use (a straight piece of a success curve has only its ends as best responses).
Then every open pair of class and arm is a column, every class that may choose a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows, Stream


class NotLinear(ValueError):
    """The program has a curve or a term that bends."""


@dataclass
class Linear:
    """max gain·x  s.t.  use·x ≤ limit,  x ≥ 0,  x ≤ most; the first rows are the program's."""

    program: Program
    gain: np.ndarray
    use: sp.csr_matrix
    limit: np.ndarray
    least: np.ndarray
    most: np.ndarray
    pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray]]  # member, arm, tokens by stream

    @staticmethod
    def of(program: Program) -> Linear:
        """State it, or raise ``NotLinear``."""
        if program.terms or not all(_straight(s) for s in program.streams):
            raise NotLinear("a curve or a convex term of it bends")
        n_rows, start = len(program.rows), np.zeros(len(program.rows))
        gain, use, split, pairs, limit, least = [], [], [], [], [program.capacity], []
        for stream in program.streams:
            live = np.flatnonzero(stream.rate > 0)
            at, arm = np.nonzero(stream.menu[stream.group[live]])
            member = live[at]
            columns = stream.columns(start, member, arm)
            own = (columns.prices * columns.amounts).sum(axis=1)
            rate = stream.rate[member]
            gain.append((stream.penalty[member] - own) * rate)
            use.append(stream.row_use(member, arm, columns.amounts, n_rows) @ sp.diags(rate))
            ones = (np.ones(len(at)), (at, np.arange(len(at))))
            split.append(sp.csr_matrix(ones, shape=(len(live), len(at))))
            pairs.append((member, arm, columns.amounts[:, 1:-2]))
            limit.append(np.ones(len(live)))
            least.append(np.where(np.isfinite(stream.decline_cost[live]), -np.inf, 1.0))
        count = sum(len(m) for m, _, _ in pairs)
        shares = sp.hstack(
            [sp.block_diag(split), sp.csr_matrix((sum(map(len, least)), len(program.cost)))]
        )
        return Linear(
            program,
            np.concatenate([*gain, -program.cost]),
            sp.vstack([sp.hstack([*use, program.use]), shares]).tocsr(),
            np.concatenate(limit),
            np.concatenate([np.full(n_rows, -np.inf), *least]),
            np.concatenate([np.ones(count), program.upper]),
            pairs,
        )

    def answer(self, x: np.ndarray, duals: np.ndarray) -> tuple[Allocation, np.ndarray]:
        """The allocation and the program's prices; nothing is mended but prices below 0."""
        flows, at = [], 0
        for stream, (member, arm, tokens) in zip(self.program.streams, self.pairs, strict=True):
            share = x[at : at + len(member)]
            at += len(member)
            used = np.abs(share) > 1e-14
            requests = share[used] * stream.rate[member[used]]
            flows.append(Flows(member[used], arm[used], requests, tokens[used]))
        prices = np.maximum(duals[: len(self.program.rows)], 0.0)
        return Allocation(tuple(flows), x[at:].copy()), prices


def _straight(stream: Stream) -> bool:
    return all(
        not t.risk.verifiable
        and (t.success.flat or (t.target is not None and len(t.uses_tokens) <= 1))
        for t in stream.technologies
    )


def by_highs(problem: Linear, how: str, tolerance: float, limit_s: float, threads: int) -> Any:
    """(status, x, duals, iterations) of HiGHS, ``how`` "simplex" or "ipm"."""
    import highspy

    highspy.Highs.resetGlobalScheduler(True)  # an earlier solve may have had other threads
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("solver", how)
    model.setOptionValue("threads", threads)
    model.setOptionValue("time_limit", limit_s)
    for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
        model.setOptionValue(name, max(0.1 * tolerance, 1e-10))
    if how == "ipm":
        model.setOptionValue("ipm_optimality_tolerance", max(0.1 * tolerance, 1e-12))
    lp = highspy.HighsLp()
    use = problem.use.tocsc()
    lp.num_col_, lp.num_row_ = use.shape[1], use.shape[0]
    lp.col_cost_ = -problem.gain
    lp.col_lower_, lp.col_upper_ = np.zeros(use.shape[1]), problem.most
    lp.row_lower_, lp.row_upper_ = problem.least, problem.limit
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = use.indptr, use.indices
    lp.a_matrix_.value_ = use.data
    model.passModel(lp)
    model.run()
    solution, info = model.getSolution(), model.getInfo()
    status = model.modelStatusToString(model.getModelStatus()).lower()
    if not solution.value_valid:
        return status, None, None, 0
    iterations = max(info.simplex_iteration_count, info.ipm_iteration_count, 0)
    return status, np.array(solution.col_value), -np.array(solution.row_dual), iterations


def by_pdlp(problem: Linear, tolerance: float, limit_s: float, threads: int) -> Any:
    """(status, x, duals, iterations) of OR-tools PDLP at a tolerance on its own measures."""
    from ortools.pdlp import solve_log_pb2, solvers_pb2
    from ortools.pdlp.python import pdlp

    program = pdlp.QuadraticProgram()
    program.objective_vector = -problem.gain
    program.constraint_matrix = problem.use.tocsc()
    program.constraint_lower_bounds = problem.least
    program.constraint_upper_bounds = problem.limit
    program.variable_lower_bounds = np.zeros(len(problem.gain))
    program.variable_upper_bounds = problem.most
    how = solvers_pb2.PrimalDualHybridGradientParams()
    ends = how.termination_criteria
    ends.simple_optimality_criteria.eps_optimal_relative = tolerance
    ends.simple_optimality_criteria.eps_optimal_absolute = tolerance
    ends.time_sec_limit = limit_s
    how.num_threads = threads
    found = pdlp.primal_dual_hybrid_gradient(program, how)
    reason = solve_log_pb2.TerminationReason.Name(found.solve_log.termination_reason)
    status = reason.removeprefix("TERMINATION_REASON_").lower()
    return status, found.primal_solution, -found.dual_solution, found.solve_log.iteration_count
