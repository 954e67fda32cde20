"""The price-directed method: samples of growing size, then all members, by Newton on the dual.

The prices of a sample of the classes are close to those of all. So a small sample is
solved exactly, larger ones correct it at ever lower heat, and the full size needs a few
passes over all of them (``search.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from allocate.models.program import Program
from allocate.solver.methods.alike import alike
from allocate.solver.methods.heated import heated
from allocate.solver.methods.newton import Result, newton
from allocate.solver.methods.recovery import shortcoming
from allocate.solver.methods.search import APART, NARROW, WARMEST, Search
from allocate.solver.methods.start import first_prices, sampled, settled
from allocate.solver.methods.straight import straight

SMALL = 3000  # members that are all held apart
_A_ROW, _APART = 10, 20_000  # … so are those of a program with so few for each row, to a number
_FIRST = 600  # members of the first sample
_GROWTH = 13  # at most, from one sample to the next
_WARM = 0.004  # heat to start from near the answer
_LAST_STEPS = 12  # with all members held apart
_BANDS = (NARROW, 0.15)  # arms so far below the best stay in passes, as prices are known
_WELL = 0.04  # of what a row is used for may be noise: then the prices are known well
_AT_LAST = 1e-5  # of the money at stake may have moved far since the last screening …
_AGAIN = 3  # … or it is made again, so many times
_FREE, _HELD = 1e-6, 1e-2  # ridge of a first step from anywhere, from near the answer
_ENOUGH = 3e-3  # of the tolerance: a promise so small is not worth another try
_MOST_PAIRS = 8_000_000  # pairs of a straight program that are held side by side
_CLOSE = 1e-7  # tolerance of a program near to one that is solved

Progress = Callable[[dict], None]


def solve_prices(
    program: Program,
    duals: np.ndarray,
    tolerance: float = 1e-6,
    seed: int = 0,
    warm: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Prices and an allocation of a program of any size.

    Args:
        program: rows, activities, terms and streams; the first stream may be a crowd.
        duals: [rows] to start from, USD per unit of each row.
        tolerance: what the allocation may fall short by, or exceed a row by, as a share.
        seed: of the samples.
        warm: the prices given are near the answer. Where they are seen not to be, or lead
            nowhere, they are left for those of samples.
        progress: called with gap and passes.

    Returns:
        the lowest dual found and the best allocation, None where there is none; ``stopped``
        if the user stopped it. Nothing in it is proved: that is the judge's work.
    """
    crowd = program.streams[0]
    if len(crowd.rate) <= SMALL:
        return _held_apart(program, _Known(duals, _WARM), tolerance, warm, progress)
    if (few := alike(program, seed)) is not None:
        found = solve_prices(few.program, duals, tolerance, seed, warm, progress)
        if found.allocation is not None:
            found.allocation = few.spread(found.allocation)
        return found
    if straight(program) and _pairs(program) <= _MOST_PAIRS:
        found = heated(program, tolerance, progress)
        if shortcoming(program, found.dual, found.allocation) <= 0.9 * tolerance:
            return found
        duals, warm = found.duals, True
    if warm and _near(program, duals, seed):
        known = _Known(duals, _WARM)
        if _few_a_row(program):
            return _held_apart(program, known, tolerance, True, progress)
        found = _of_crowd(program, known, tolerance, progress)
        if found.stopped or shortcoming(program, found.dual, found.allocation) <= tolerance:
            return found
        duals = found.duals
    elif warm:
        duals = first_prices(program)
    known = _from_samples(program, duals, seed, progress)
    if _few_a_row(program):
        return _held_apart(program, known, tolerance, True, progress)
    return _of_crowd(program, known, tolerance, progress)


def _few_a_row(program: Program) -> bool:
    """Whether so many members are near a tie, some for each row, that all may be held apart."""
    members = len(program.streams[0].rate)
    return members <= min(_A_ROW * len(program.rows), _APART)


def _held_apart(
    program: Program, known: _Known, tolerance: float, near: bool, progress: Progress | None
) -> Result:
    """By Newton's method with every member held apart."""
    enough, ridge = _ENOUGH * tolerance, _HELD if near else _FREE
    found = newton(program, known.duals, ridge=ridge, progress=progress, enough=enough)
    found.iterations += known.iterations
    return found


def _pairs(program: Program) -> int:
    crowd = program.streams[0]
    return int(crowd.menu.sum(axis=1)[crowd.group].sum())


def near_by(program: Program, duals: np.ndarray) -> Result:
    """The same from prices near the answer, for a program a little changed (``ranges``)."""
    return solve_prices(program, duals, _CLOSE, warm=True)


def _near(program: Program, duals: np.ndarray, seed: int) -> bool:
    """Whether prices are any better for a sample than those that one starts with."""
    part = sampled(program, _FIRST, np.random.default_rng(seed))
    given, afresh = (part.dual(settled(part, d)) for d in (duals, first_prices(part)))
    return given <= afresh


def _of_crowd(
    program: Program, known: _Known, tolerance: float, progress: Progress | None
) -> Result:
    """From prices that are known to some noise to those of all members, and the allocation."""
    search = Search(program, known.duals, progress)
    search.iterations = known.iterations
    try:
        return _searched(search, known, tolerance, progress)
    except KeyboardInterrupt:
        return search.stopped(tolerance)


def _searched(search: Search, known: _Known, tolerance: float, progress: Progress | None) -> Result:
    program, few = search.program, len(search.crowd.rate) <= APART
    coldest = float(np.sqrt(0.1 * tolerance))
    search.screen(_BANDS[int(known.noise > _WELL)])
    search.cool(known.heat, coldest, least=0.3 * tolerance)
    if search.strayed(_AT_LAST):
        search.screen(NARROW)
        search.cool(coldest, coldest, least=0.3 * tolerance)
    allocation = None
    if search.rested or not few:
        allocation = search.settle(tolerance)
        for _ in range(_AGAIN):
            if not search.strayed(_AT_LAST):
                break
            search.screen(search.band)  # the last steps went where other arms are wanted
            again = search.settle(tolerance)
            allocation = allocation if again is None else again
    result = search.result()
    result.allocation = allocation
    if search.short > 0.9 * tolerance and few:
        exact = newton(program, result.duals, _LAST_STEPS, progress=progress)
        exact.iterations += result.iterations
        exact.passes += result.passes
        if shortcoming(program, exact.dual, exact.allocation) < search.short:
            return exact
    return result


@dataclass(frozen=True)
class _Known:
    """Prices [rows], the heat to go on from, and the noise that they have of being a sample's.

    ``noise`` is a share of what a row is used for; ``iterations`` were spent on finding them.
    """

    duals: np.ndarray
    heat: float
    noise: float = 1.0
    iterations: int = 0


def _from_samples(
    program: Program, duals: np.ndarray, seed: int, progress: Progress | None
) -> _Known:
    """The prices of samples of growing size, each from those of the one before."""
    rng = np.random.default_rng(seed)
    known = _Known(duals, WARMEST)
    for size in _sizes(len(program.streams[0].rate)):
        part = sampled(program, size, rng)
        if size <= SMALL:
            found = newton(part, known.duals, progress=progress, allocate=False, tolerance=1e-6)
            heat, noise = known.heat, known.noise
        else:
            search = Search(part, known.duals, progress)
            search.screen(NARROW)
            noise = float(np.sqrt((len(program.rows) + 1) / size))
            search.cool(known.heat, 0.1 * noise, rest=3.0)
            found, heat = search.result(), min(WARMEST, 0.3 * noise)
        known = _Known(found.duals, heat, noise, known.iterations + found.iterations)
    return known


def _sizes(k: int) -> list[int]:
    """Sizes of the samples, smallest first."""
    first = min(_FIRST, SMALL)
    steps = max(1, int(np.ceil(np.log(k / first) / np.log(_GROWTH))))
    growth = (k / first) ** (1.0 / steps)
    return [int(first * growth**i) for i in range(steps)]
