"""Config in, certified answer out: builds the program, picks a method, lets the judge decide."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace

import numpy as np

from allocate.errors import SolveError
from allocate.models.loader import Loaded
from allocate.models.program import Allocation, Program
from allocate.models.stack import advance, build
from allocate.solver.agreement import Round, at_best_speeds, moved, rounds, widened
from allocate.solver.answer import METHODS, Answer, Progress, Request, answer_to
from allocate.solver.barred import lowered
from allocate.solver.exact.globally import Global, TooMany, globally
from allocate.solver.exact.second_start import second_start
from allocate.solver.feasibility import conflicts
from allocate.solver.methods.prices import SMALL
from allocate.solver.methods.start import first_prices
from allocate.solver.ranges import Range, price_ranges
from allocate.solver.solution import Solution
from allocate.solver.warm import Warm
from allocate.solver.wholes import Whole, whole_numbers

GRADIENT = "gradient"
_LOOKED = 10_000  # members looked at together
_WITHOUT_END = 1e20  # tokens of one request


def solve(
    loaded: Loaded,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
    progress: Progress | None = None,
    ranges: bool = True,
    warm_from: dict | None = None,
    search_s: float = 0.0,
) -> Solution:
    """Find the joint optimum of a loaded config.

    Args:
        loaded: config and classes, from ``allocate.load``.
        method: ``prices`` (Newton on the exact dual), ``conic`` (CVXPY master, then
            Newton), ``auto``: prices, and conic where that is not certified, or ``gradient``:
            ascent from the answer of ``auto``, which is kept where nothing better is found.
        tolerance: largest relative gap and violation that may be called optimal.
        seed: of the samples of classes that a large program is begun with.
        progress: called with phase, round, gap and passes as the solve goes on.
        ranges: also find, by re-solving, how far each price holds.
        warm_from: the result document of an earlier solve, of this config or another: the
            prices that still have their row are where the search begins.
        search_s: with training, look for better capabilities than those at which routing and
            training agree, for so many seconds, and bound them all; the answer is then called
            optimal only with that proof.

    Raises:
        SolveError: infeasible (with the conflicting limits) or unbounded.
    """
    known = (*METHODS, GRADIENT)
    if method not in known:
        raise SolveError("stopped", f"there is no method {method!r}; use one of {known}")
    warm = None if warm_from is None else Warm.read(warm_from)
    by = "auto" if method == GRADIENT else method  # it climbs from what the others find
    work = _Work(loaded, Request(by, tolerance, seed, progress), warm, method == GRADIENT, search_s)
    try:
        work.run(ranges)
    except KeyboardInterrupt:
        if work.latest is None:
            raise
        work.stopped = True
    return work.solution()


@dataclass
class _Work:
    """A solve under way: the best certified answer so far is kept at every moment."""

    loaded: Loaded
    request: Request
    warm: Warm | None = None
    climbs: bool = False
    search_s: float = 0.0
    latest: Round | None = None
    whole: Whole | None = None
    everywhere: Global | None = None
    spans: dict = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    iterations: int = 0
    passes: int = 0
    stopped: bool = False
    unranged: bool = False
    unsearched: bool = False
    reused: dict | None = None
    climbed: dict | None = None

    def run(self, ranges: bool) -> None:
        """All steps in order."""
        clock = time.perf_counter()
        try:
            self._solve()
        finally:
            self.timing["solve_s"] = time.perf_counter() - clock
        if self.climbs and self.whole is None:
            clock = time.perf_counter()
            self._climb()
            self.timing["gradient_s"] = time.perf_counter() - clock
        final = self.final
        if ranges and final.certificate.holds:
            clock = time.perf_counter()
            try:
                self.spans = self._spans()
            except KeyboardInterrupt:
                self.unranged = True  # the answer stands; how far its prices hold is not known
            finally:
                self.timing["ranges_s"] = time.perf_counter() - clock

    def _spans(self) -> dict[str, Range]:
        """How far each price holds, with speeds to choose from for other capacities too."""
        at, built, tell = self.final, self._found.built, self.request.progress
        if self.whole is None and built.tiers:
            wider = widened(self.loaded, self._found, self.request)
            if wider is not None:
                at, built = wider.answer, wider.built
        splits = built.splits if built.tiers else None
        return price_ranges(at.program, at.duals, at.allocation, progress=tell, splits=splits)

    def _solve(self) -> None:
        config, classes = self.loaded.config, self.loaded.classes
        warm = self.warm
        built = build(config, classes, None if warm is None else warm.state_for(config))
        crowd = len(built.program.streams[0].rate) > SMALL  # there, a proof takes longer than …
        if not crowd:
            _refuse_conflicts(built.program, self.request.tolerance)
        if warm is None:
            start, known = first_prices(built.program), 0
        else:
            start, known = warm.prices_for(built.program)
            self.reused = {"prices": known, "of": len(built.program.rows)}
        said = {"phase": "solve", "round": 0}
        near = 2 * known > len(built.program.rows)
        first = answer_to(built.program, start, self.request, warm=near, said=said)
        if crowd and not first.certificate.feasible:  # … an answer that keeps every limit
            _refuse_conflicts(built.program, self.request.tolerance)
        _refuse_endless(first)
        self._keep(Round(built, first))
        if first.stopped:
            raise KeyboardInterrupt
        for latest in rounds(self.loaded, Round(built, first), self.request):
            self._keep(latest)
        if config.training is not None and self._found.answer.certificate.holds:
            other = second_start(self.loaded, self._found, self.request)
            if other is not None:
                self._keep(other)
        self._look_everywhere()
        if self._found.built.tiers and self._found.answer.certificate.holds:
            self.latest = at_best_speeds(self._found, self.request)
        quiet = Request("prices", self.request.tolerance, self.request.seed)
        self.whole = whole_numbers(
            self._found.answer, lambda p, d: answer_to(p, d, quiet, warm=True)
        )

    def _climb(self) -> None:
        """What gradient ascent makes of the answer, if that is better."""
        from allocate.solver.methods.gradient.climb import climb  # JAX and optax

        if self.request.progress is not None:
            self.request.progress({"phase": "gradient"})
        built, answer = self._found
        how = {"seed": self.request.seed, "tolerance": self.request.tolerance}
        bound = answer.certificate.dual
        found = climb(answer.program, answer.allocation, answer.duals, bound, **how)
        self.climbed = found.to_dict()
        better = replace(
            answer,
            allocation=found.allocation,
            duals=found.duals,
            certificate=found.certificate,
            method=GRADIENT,
        )
        self.latest = Round(built, better)

    def _look_everywhere(self) -> None:
        """Leave a point that is only locally the best, and prove how good the answer is."""
        if self.search_s <= 0 or self.loaded.config.training is None:
            return
        self.unsearched = True
        if not self._found.answer.certificate.holds:
            return
        clock = time.perf_counter()
        try:
            found = globally(self.loaded, self._found, self.request, self.search_s)
        except TooMany:
            return
        better, self.everywhere = found
        self.unsearched = False
        for latest in better:
            self._keep(latest)
        if self.everywhere is not None:
            self.stopped = self.everywhere.stopped == "user"
            self.timing["global_s"] = time.perf_counter() - clock

    def _keep(self, latest: Round) -> None:
        self.latest = latest
        self.iterations += latest.answer.iterations
        self.passes += latest.answer.passes

    @property
    def _found(self) -> Round:
        """The last certified answer, and its program."""
        assert self.latest is not None, "asked for before there is an answer"
        return self.latest

    @property
    def final(self) -> Answer:
        """The answer to show."""
        return self._found.answer if self.whole is None else self.whole.answer

    def solution(self) -> Solution:
        """What was found, for the reader."""
        final = self.final
        built, answer = self._found
        after = advance(built, answer.allocation)
        return Solution(
            loaded=self.loaded,
            built=built,
            program=final.program,
            allocation=final.allocation,
            duals=lowered(final.program, final.duals),
            certificate=final.certificate,
            ranges=self.spans,
            stopped=self.stopped,
            unranged=self.unranged,
            timing=self.timing,
            solver={
                "method": final.method,
                "iterations": self.iterations,
                "passes": float(self.passes),
                "peak_memory_mb": peak_memory_mb(),
                **({} if self.reused is None else {"reused": self.reused}),
                **({} if self.climbed is None else {"gradient": self.climbed}),
            },
            whole=None if self.whole is None else self.whole.report,
            everywhere=self.everywhere,
            unsearched=self.unsearched,
            disagreement=moved(built.state, after),
        )


def peak_memory_mb() -> float:
    """Most memory that this process has held, in MB; not a number where it cannot be asked."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)


# --- answers that are none ----------------------------------------------------------------


def _refuse_conflicts(program: Program, tolerance: float) -> None:
    found = conflicts(program, tolerance)
    if found is not None:
        message = "the limits contradict each other"
        raise SolveError("infeasible", message, found.sentences, found.to_dict())


def _refuse_endless(answer: Answer) -> None:
    """Raise if there is no end to the welfare."""
    if _endless(answer.allocation) or _endless_response(answer):
        raise SolveError("unbounded", _NO_END)


_NO_END = (
    "welfare has no bound: some tokens cost nothing and have no cap, or pay for themselves "
    "for ever; give token_uses.*.max_tokens, a price, or budgets.money_usd"
)


def _endless_response(answer: Answer) -> bool:
    """Whether some member would buy tokens without end at the prices found.

    An infinite dual alone does not say so: a best response may not have been bounded.
    """
    if answer.certificate.holds:
        return False
    for stream in answer.program.streams:
        for start in range(0, len(stream.rate), _LOOKED):
            some = np.arange(start, min(start + _LOOKED, len(stream.rate)))
            profits = stream.profits(answer.duals, some)
            if not profits.size:
                continue
            columns = stream.columns(answer.duals, some, profits.argmax(axis=1))
            if bool(np.any(columns.amounts > _WITHOUT_END)):
                return True
    return False


def _endless(allocation: Allocation) -> bool:
    return any(
        not np.all(np.isfinite(f.tokens)) or bool(np.any(f.tokens > _WITHOUT_END))
        for f in allocation.flows
    )
