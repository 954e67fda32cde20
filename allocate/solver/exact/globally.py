"""Training × routing, globally: from an answer that agrees with itself to the best of all.

The rounds of ``agreement`` end at a point that no small change improves. The search over
amounts bounds every other; where it finds a better one, the rounds go on from there, and the search
follows on the menu that they end with.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allocate.models.goods import Shared
from allocate.models.investing import shared as shared_of
from allocate.models.loader import Loaded
from allocate.models.program import Allocation, Program
from allocate.models.stack import build
from allocate.solver.agreement import Round, rounds
from allocate.solver.answer import Answer, Request, answer_to, nothing
from allocate.solver.certificate import certify
from allocate.solver.exact.amounts import Amounts, Point
from allocate.solver.exact.branching import Limits, Search, search
from allocate.solver.global_certificate import GlobalCertificate, Proof, certify_globally
from allocate.solver.methods.newton import Result, newton
from allocate.solver.methods.start import first_prices

GAP = 1e-4  # relative; the tolerance of a global claim unless a larger one is asked for
_GOODS = 5  # with more the corners of the box alone are too many
_TURNS = 4  # searches, each on the menu that the one before led to
_PRICES = 1e-7  # what a point's prices may still promise, relative
_FEW = 2000  # members × arms: an allocation is quick even where prices have not settled
_AIM = 0.5  # of the tolerance: where the search ends, so that the judge agrees


class TooMany(Exception):  # noqa: N818
    """More public goods than can be searched."""


@dataclass(frozen=True)
class Global:
    """A self-consistent answer beside all others: the judge's word, and what the search saw."""

    certificate: GlobalCertificate
    shared: Shared
    proof: Proof
    local: float  # welfare of the answer before the search, USD per hour
    amounts: np.ndarray
    local_amounts: np.ndarray
    solves: int
    seconds: float
    stopped: str | None

    def to_dict(self) -> dict:
        """As a result keeps it."""
        c, gain = self.certificate, self.certificate.welfare - self.local
        return {
            "holds": c.holds,
            "welfare": c.welfare,
            "bound": c.bound,
            "relative_gap": c.relative_gap,
            "tolerance": c.tolerance,
            "convex_welfare": self.local,
            "difference_usd_per_hour": gain,
            "why": self._why(gain),
            "goods": [
                {"name": g.name, "amount": float(a), "convex_amount": float(b), "most": g.most}
                for g, a, b in zip(self.shared.goods, self.amounts, self.local_amounts, strict=True)
            ],
            "points": c.points,
            "cells": c.cells,
            "solves": self.solves,
            "seconds": self.seconds,
            "stopped": self.stopped,
        }

    def _why(self, gain: float) -> str:
        if not np.isfinite(gain):
            return "the fixed point could not be compared"
        if gain <= self.certificate.tolerance * abs(self.certificate.welfare):
            if self.certificate.holds:
                return "no other amounts of capability are worth more, within the gap"
            return "nothing better was found; the bound leaves room for it"
        moved = [
            f"{g.name} {100 * b:.3g} → {100 * a:.3g} points"
            for g, a, b in zip(self.shared.goods, self.amounts, self.local_amounts, strict=True)
            if abs(a - b) > 1e-6 * g.most
        ]
        return (
            "routing and training that agree with each other settle at a worse pair: the more "
            "capable a model is, the more it is used, and the more its capability is worth ("
            + "; ".join(moved)
            + ")"
        )


def globally(
    loaded: Loaded, found: Round, request: Request, seconds: float = np.inf
) -> tuple[Sequence[Round], Global | None]:
    """Better rounds than ``found``, if there are any, and the proof; None where all is convex.

    Raises:
        TooMany: there are more goods than the corners of a box can be looked at for.
    """
    began, kept, solves, local = time.perf_counter(), [found], 0, None
    while True:
        latest = kept[-1]
        goods = goods_at(loaded, latest)
        if goods is None:
            return kept[1:], None
        if len(goods.goods) > _GOODS:
            raise TooMany
        amounts, allocation, value = own_value(goods, latest, request)
        local = (value, amounts) if local is None else local
        tolerance = max(GAP, request.tolerance)
        left = seconds - (time.perf_counter() - began)
        problem, ended = _searched(goods, latest, request, value, tolerance, left)
        solves += len(problem.points)
        better = bool(problem.points) and problem.leader.value - value > _AIM * tolerance * abs(
            value
        )
        following = None
        if better and len(kept) <= _TURNS and ended.stopped != "user":
            begun = restarted(loaded, latest, goods, problem.leader, request)
            following = next(iter(deque(begun, maxlen=1)), None)
        if (
            following is not None
            and own_value(goods_of(loaded, following), following, request)[2] > value
        ):
            kept.append(following)
            continue
        certificate = certify_globally(goods, problem.proof, amounts, allocation, tolerance)
        return kept[1:], Global(
            certificate,
            goods,
            problem.proof,
            local[0],
            amounts,
            local[1],
            solves,
            time.perf_counter() - began,
            ended.stopped,
        )


def goods_at(loaded: Loaded, at: Round) -> Shared | None:
    """The program with its public goods on the menu of a round; None without any."""
    return shared_of(loaded.config, loaded.classes, at.built.state)


def goods_of(loaded: Loaded, at: Round) -> Shared:
    """The program with its public goods on the menu of a round; there must be some."""
    goods = goods_at(loaded, at)
    assert goods is not None, "no public goods"
    return goods


def own_value(goods: Shared, at: Round, request: Request) -> tuple[np.ndarray, Allocation, float]:
    """What an answer makes of the goods, itself in the shared program, and its true welfare."""
    placed = goods.placed(at.answer.program, at.answer.allocation)
    amounts = np.minimum(goods.made(placed), goods.most)
    program = goods.at(amounts)
    own = certify(program, placed, np.zeros(len(program.rows)), request.tolerance)
    return amounts, placed, own.primal if own.feasible else -np.inf


def _searched(
    goods: Shared, at: Round, request: Request, known: float, tolerance: float, seconds: float
) -> tuple[Amounts, Search]:
    placed = goods.placed(at.answer.program, at.answer.allocation)
    start = goods.prices(at.answer.program, at.answer.duals, goods.worth(placed))
    quiet = Request("prices", request.tolerance, request.seed)

    def told(points: int, best: float) -> None:
        if request.progress is not None:
            request.progress({"phase": "global", "round": points, "passes": 0})

    problem: Amounts
    few = sum(len(s.rate) * len(s.arms) for s in goods.program.streams) <= _FEW

    def starts(program: Program, near: np.ndarray) -> Iterator[np.ndarray]:
        """Prices to begin with; those from nothing take long, where it is large."""
        yield near
        if few:
            yield first_prices(program)
        yield start
        if not few:
            yield first_prices(program)

    def solved(program: Program, prices: np.ndarray) -> Answer:
        """Prices first, which are cheap; an allocation only where it could be the best."""
        found = priced(program, starts(program, prices))
        rough = bounded(program, found.duals, quiet)
        enough = problem.best + 0.1 * tolerance * abs(problem.best) if problem.points else known
        if rough.certificate.dual <= enough or not (found.converged or few):
            return rough
        return answer_to(program, found.duals, quiet, warm=True)

    problem = Amounts(goods, solved, start, known, told)
    limits = Limits(lambda best: _AIM * tolerance * abs(best), seconds)
    return problem, search(problem, limits)


def priced(program: Program, starts: Iterable[np.ndarray]) -> Result:
    """Prices from the first start at which Newton's method does not stall; else the best of all.

    Prices of a point beside it are near, but may stand at a kink that the method cannot leave.
    """
    best: Result | None = None
    for start in starts:
        found = newton(program, start, tolerance=_PRICES, allocate=False)
        if best is None or found.dual < best.dual:
            best = found
        if found.converged:
            break
    assert best is not None, "there must be a start"
    return best


def bounded(program: Program, duals: np.ndarray, request: Request) -> Answer:
    """Prices without an allocation: what they prove, and nothing that is reached."""
    nothing_done = nothing(program)
    certificate = certify(program, nothing_done, duals, request.tolerance)
    unreached = replace(certificate, max_violation=np.inf)
    return Answer(program, duals, nothing_done, unreached, "prices")


def restarted(
    loaded: Loaded, at: Round, goods: Shared, leader: Point, request: Request
) -> Iterator[Round]:
    """Certified rounds that begin at a point of the search; none if the first is not."""
    made = np.minimum(goods.made(leader.allocation), goods.most)
    names = [g.name for g in goods.goods]
    state = replace(
        at.built.state,
        capability=dict(zip(names, map(float, made), strict=True)),
        worth=dict(zip(names, map(float, goods.worth(leader.allocation)), strict=True)),
    )
    built = build(loaded.config, loaded.classes, state)
    known = {r.name: d for r, d in zip(goods.program.rows, leader.prices, strict=True)}
    start = np.array([known.get(r.name, 0.0) for r in built.program.rows])
    answer = answer_to(built.program, start, request, warm=True, said={"phase": "training"})
    if answer.certificate.holds:
        yield Round(built, answer)
        yield from rounds(loaded, Round(built, answer), request)
