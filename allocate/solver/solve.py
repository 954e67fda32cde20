"""Config in, certified answer out: builds the program, picks a method, lets the judge decide.

A program depends on its answer in two places (the speed menu, the worth of training), so
the solve is repeated, warm, until the answer and its program agree.
"""

from __future__ import annotations

import resource as process
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from allocate.errors import SolveError
from allocate.models.loader import Loaded
from allocate.models.program import Allocation, Program
from allocate.models.stack import Built, State, advance, build, kin
from allocate.solver.certificate import Certificate, certify
from allocate.solver.feasibility import conflicts
from allocate.solver.methods.narrow import narrowed
from allocate.solver.methods.newton import first_prices, newton
from allocate.solver.ranges import price_ranges
from allocate.solver.solution import Solution
from allocate.solver.wholes import whole_replicas

Progress = Callable[[dict], None]
METHODS = ("auto", "prices", "conic")
_REFINEMENTS = 10
_FIXED_POINT = 30
_MANY_ARMS = 1000  # from so many on, a pass over all arms is worth avoiding
_QUIET = 2  # rounds that gain nothing before the speed menu is left alone
_AGREED = 1e-4  # routing and training agree on capability and its worth to this share


@dataclass
class Answer:
    """A program with prices, an allocation and the judge's word."""

    program: Program
    duals: np.ndarray
    allocation: Allocation
    certificate: Certificate
    method: str
    iterations: int = 0
    passes: int = 0


def solve(
    loaded: Loaded,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
    progress: Progress | None = None,
    ranges: bool = True,
) -> Solution:
    """Find the joint optimum of a loaded config.

    Args:
        loaded: config and classes, from ``allocate.load``.
        method: ``prices`` (Newton on the exact dual), ``conic`` (CVXPY master, then
            Newton), or ``auto``: prices, and conic where that is not certified.
        tolerance: largest relative gap and violation that may be called optimal.
        seed: of every random draw (no method of this release draws any).
        progress: called with iteration, gap and passes as the solve goes on.
        ranges: also find, by re-solving, how far each price holds.

    Raises:
        SolveError: infeasible (with the conflicting limits) or unbounded.
    """
    if method not in METHODS:
        raise SolveError("stopped", f"there is no method {method!r}; use one of {METHODS}")
    del seed
    clock = time.perf_counter()
    stopped = False
    history: list[Answer] = []
    built = build(loaded.config, loaded.classes)
    try:
        built, answer = _agree(loaded, built, method, tolerance, progress, history)
    except KeyboardInterrupt:
        if not history:
            raise
        stopped, answer = True, history[-1]
    whole = whole_replicas(built, answer, lambda p, d: _answer(p, d, "prices", tolerance, None))
    timing = {"solve_s": time.perf_counter() - clock}
    final = answer if whole is None else whole.answer
    spans = {}
    if ranges and final.certificate.holds and not stopped:
        clock = time.perf_counter()
        try:
            spans = price_ranges(final.program, final.duals, final.allocation)
        except KeyboardInterrupt:
            spans = {}
        timing["ranges_s"] = time.perf_counter() - clock
    peak = process.getrusage(process.RUSAGE_SELF).ru_maxrss / 1024.0
    return Solution(
        loaded=loaded,
        built=built,
        program=final.program,
        allocation=final.allocation,
        duals=final.duals,
        certificate=final.certificate,
        ranges=spans,
        stopped=stopped,
        timing=timing,
        solver={
            "method": final.method,
            "iterations": sum(a.iterations for a in history),
            "passes": float(sum(a.passes for a in history)),
            "peak_memory_mb": peak,
        },
        whole=None if whole is None else whole.report,
        disagreement=_moved(built.state, advance(built, answer.allocation, refine_speeds=False)),
    )


def _agree(
    loaded: Loaded,
    built: Built,
    method: str,
    tolerance: float,
    progress: Progress | None,
    history: list[Answer],
) -> tuple[Built, Answer]:
    """Solve, advance the state by the answer, and again, until nothing moves.

    Speeds are refined first, every round also refreshing training; then training alone
    until it agrees with the routing.
    """
    answer = _answer(built.program, first_prices(built.program), method, tolerance, progress)
    _refuse(built, answer, tolerance)
    history.append(answer)
    quiet = 0
    path = [built.state]
    for round_ in range(_REFINEMENTS + _FIXED_POINT):
        refine = round_ < _REFINEMENTS and quiet < _QUIET
        state = advance(built, answer.allocation, refine_speeds=refine)
        moved = _moved(built.state, state)
        if moved <= _AGREED and state.grid == built.state.grid:
            break
        path.append(state)
        if round_ % 3 == 2:
            state = _extrapolated(path[-3:])
        following_built = build(loaded.config, loaded.classes, state)
        following = _again(following_built, built, answer, tolerance, progress)
        if not following.certificate.feasible:
            break
        gain = following.certificate.primal - answer.certificate.primal
        small = abs(gain) <= 0.1 * tolerance * abs(following.certificate.primal)
        if refine:
            quiet = quiet + 1 if small else 0
        if not refine and not following.certificate.holds:
            break
        built, answer = following_built, following
        history.append(answer)
        if loaded.config.training is None and quiet >= _QUIET:
            break
    return built, answer


def _moved(before: State, after: State) -> float:
    """How far capability and its worth are from agreeing, relative to themselves."""
    pairs = [(before.worth, after.worth), (before.capability, after.capability)]
    return max(
        (
            abs(new[m] - old.get(m, 0.0)) / max(abs(new[m]), abs(old.get(m, 0.0)), 1e-12)
            for old, new in pairs
            for m in new
        ),
        default=0.0,
    )


def _extrapolated(path: list[State]) -> State:
    """The limit that three states in a row point to (Aitken), where they contract."""
    if len(path) < 3:
        return path[-1]
    a, b, c = path

    def limit(x: Mapping[str, float], y: Mapping[str, float], z: Mapping[str, float]) -> dict:
        out = {}
        for m, last in z.items():
            first, second = x.get(m, 0.0), y.get(m, 0.0)
            bend = last - 2.0 * second + first
            guess = last - (last - second) ** 2 / bend if abs(bend) > 1e-300 else last
            contracts = abs(last - second) < 0.9 * abs(second - first)
            out[m] = guess if contracts and 0.5 * last <= guess <= 2.0 * last else last
        return out

    return State(
        c.grid,
        limit(a.capability, b.capability, c.capability),
        limit(a.worth, b.worth, c.worth),
    )


def _again(
    built: Built, before: Built, answer: Answer, tolerance: float, progress: Progress | None
) -> Answer:
    """Solve a neighbouring program from the prices of the last one, matched by row name."""
    known = {row.name: d for row, d in zip(before.program.rows, answer.duals, strict=True)}
    nearest = kin(built, before)
    duals = np.array(
        [known.get(nearest.get(row.name, row.name), 0.0) for row in built.program.rows]
    )
    return _answer(built.program, duals, "prices", tolerance, progress)


def _answer(
    program: Program, duals: np.ndarray, method: str, tolerance: float, progress: Progress | None
) -> Answer:
    """One program solved and judged."""
    found: list[Answer] = []
    if method in ("auto", "prices"):
        found.append(_finish(program, duals, "prices", tolerance, progress))
        if found[0].certificate.holds or method == "prices":
            return found[0]
    from allocate.solver.methods.conic import solve_master  # CVXPY takes seconds to import

    master = solve_master(program, duals, tolerance, progress=progress)
    answer = _finish(program, master.duals, "conic", tolerance, progress)
    answer.iterations += master.rounds
    answer.passes += master.passes
    found.append(answer)
    return min(found, key=lambda a: (not a.certificate.holds, abs(a.certificate.relative_gap)))


def _finish(
    program: Program, duals: np.ndarray, method: str, tolerance: float, progress: Progress | None
) -> Answer:
    iterations = passes = 0
    if max((len(s.arms) for s in program.streams), default=0) > _MANY_ARMS:
        # most of the way on the arms that come near; the whole program has the last word
        for _ in range(2):
            near = newton(narrowed(program, duals), duals, progress=progress, allocate=False)
            duals, iterations = near.duals, iterations + near.iterations
            passes += 1
    result = newton(program, duals, progress=progress)
    allocation = result.allocation or _nothing(program)
    certificate = certify(program, allocation, result.duals, tolerance)
    return Answer(
        program,
        result.duals,
        allocation,
        certificate,
        method,
        iterations + result.iterations,
        passes + result.passes,
    )


def _nothing(program: Program) -> Allocation:
    """Everything declined: what is left when no allocation was found."""
    from allocate.models.stream import Flows

    none = np.zeros(0, int)
    flows = tuple(Flows(none, none, np.zeros(0), np.zeros((0, s.n_uses))) for s in program.streams)
    return Allocation(flows, np.zeros(len(program.activities)))


def _refuse(built: Built, answer: Answer, tolerance: float) -> None:
    """Raise if there is no answer to give: limits in conflict, or no end to the welfare."""
    if answer.certificate.holds:
        endless = _endless(built.program, answer.allocation)
        if endless is None:
            return
        raise SolveError("unbounded", endless)
    found = conflicts(built.program, tolerance)
    if found:
        raise SolveError("infeasible", "the limits contradict each other", conflicts=found)
    if not np.isfinite(answer.certificate.dual) or abs(answer.certificate.dual) > 1e25:
        raise SolveError("unbounded", _endless(built.program, answer.allocation) or _NO_END)


_NO_END = (
    "welfare has no bound: some tokens cost nothing and have no cap, or pay for themselves "
    "for ever; give token_uses.*.max_tokens, a price, or budgets.money_usd"
)


def _endless(program: Program, allocation: Allocation) -> str | None:
    for flows in allocation.flows:
        if not np.all(np.isfinite(flows.tokens)) or np.any(flows.tokens > 1e20):
            return _NO_END
    return None
