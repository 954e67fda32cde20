"""The way of prices down the dual of a program with many members, from warm to exact.

Passes over all members are warm until only a few for every row are near a tie; then they are exact,
with those held apart. The last pass gives each member its tokens; a linear program splits the
members near a tie and sets the activities inside every row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from allocate.models.merging import merged
from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows, Stream
from allocate.solver.methods.crowd import (
    Look,
    Settled,
    bands,
    looker_of,
    settled_flows,
    without,
)
from allocate.solver.methods.newton import Result, newton
from allocate.solver.methods.recovery import excess, recover

WARMEST = 0.05  # heat to start from
APART = 20_000  # so many members may all be held apart
NARROW = 0.04  # arms so far below the best stay in passes
_COOLING = 0.2
_PER_ROW = 4.0  # members near a tie for every row, below which they are held apart
_BAND = 1.0  # … those within so many times the last heat
_MOST = 3000  # members held apart
_PASSES, _TRIES = 40, (4, 8)  # in all; at one heat, where all may be held apart and where not
_TRUST = 4.0  # times what is least worth a pass
_HOPELESS = 10.0  # times the tolerance
_WIDER = 4.0  # times the band in which arms were missed
_STRAYED = 1e-2  # of the money at stake may have moved far between screenings

Progress = Callable[[dict], None]


class Search:
    """Prices on their way down the dual of a program whose first stream is a crowd."""

    def __init__(self, program: Program, duals: np.ndarray, progress: Progress | None):
        self.program, self.progress = program, progress
        self.crowd: Stream = program.streams[0]
        self.others = replace(program, streams=program.streams[1:])
        self.everything = self.looker = looker_of(self.crowd, len(program.rows))
        self.passes = self.iterations = 0
        self.levels: np.ndarray | None = None
        self.duals = duals
        self.look: Look | None = None
        self.screening: Look | None = None  # the first look after the last screening
        self.value = np.inf
        self.rested = True  # the last cooling came to its end
        self.heavy = self.everything.market.heavy
        self.short = np.inf  # what the allocation falls short by, or exceeds a row by; a share
        self.heat = 0.0  # of the last warm pass

    def screen(self, band: float) -> None:
        """Price every arm once; passes then price only those within a band of the best."""
        self.passes += 1
        self.looker, self.band = self.everything.screened(self.duals, band), band
        self.screening = None

    def strayed(self, much: float) -> bool:
        """Whether other arms may be wanted by now than at the screening.

        That is if the prices moved half a band for more than so ``much`` of all money at stake.
        """
        if self.screening is None:
            return False
        scale = self.everything.market.scale
        with np.errstate(invalid="ignore"):
            moved = np.abs(self.current.top - self.screening.top) > 0.5 * self.band * scale
        weight = self.crowd.rate * scale
        return float(weight[moved].sum()) > much * float(weight.sum())

    def cool(self, start: float, end: float, rest: float = 0.1, least: float = 0.0) -> None:
        """Follow the warm dual from one heat down to another: a step at each, then to rest.

        It ends where fewer than a few members for every row are near a tie: they are too few
        to be one smooth function of the prices. At rest is where a step promises less than
        ``rest`` · heat², what the warmth costs, or less than ``least``. The last step, of a few
        times that, is taken on trust: an exact pass follows, and goes on where it was too long.
        Where many members turn at one price it comes to nothing, and is given up.
        The pass that judges a step is made at the next heat already: the warm dual falls
        with the heat, so a step that is worth its promise there is good.
        """
        self._pass(self.duals, max(start, end), accept=True)
        stiff, tries, self.rested = np.ones(len(self.duals)), 0, True
        most = _TRIES[len(self.crowd.rate) > APART]
        while self.passes < _PASSES and tries < most:
            look = self.current
            end = max(end, self._coldest(look))
            little = max(rest * end**2, least)
            bulk = Settled.around(self.looker, look, self.heavy).stiffened(stiff)
            step = self._newton(self.heavy, bulk, 1e-9)
            promised = self._share(self.value - step.dual)
            self._tell(promised, 0)
            if look.heat <= end and promised <= 0.1 * little:
                return
            if look.heat <= end and promised <= _TRUST * least:
                self.duals = step.duals
                return
            heat = max(end, _COOLING * look.heat)
            gained = self._pass(step.duals, heat)
            tries = tries + 1 if self.current.heat == look.heat else 0
            if gained >= 0.3 * promised:
                stiff = np.ones(len(stiff)) if gained >= 0.7 * promised else np.sqrt(stiff)
                if look.heat <= end and promised <= little:
                    return  # the next step would gain next to nothing
            else:  # the use of some rows turned further than the curvature said
                stiff = stiff * self._stiffer(look, bulk)
        self.rested = False

    def _coldest(self, look: Look) -> float:
        """Heat within which just enough members are near a tie."""
        few = int(_PER_ROW * (len(self.program.rows) + 1))
        near = look.margin[np.isfinite(look.margin)]
        return min(WARMEST, float(np.partition(near, few)[few])) if len(near) > few else WARMEST

    def settle(self, tolerance: float) -> Allocation | None:
        """The allocation at the prices reached; from better ones where these fall short."""
        self.freeze()
        allocation = self.allocation(tolerance)
        if allocation is None:
            self.finish(tolerance)
            allocation = self.allocation(tolerance, best=True)
        return allocation

    def freeze(self) -> None:
        """An exact pass at the prices reached."""
        self.heat = self.current.heat
        self._pass(self.duals, 0.0, accept=True)

    def finish(self, tolerance: float) -> None:
        """Exact passes, with the members near a tie held apart."""
        band = np.full(len(self.crowd.rate), _BAND * self.heat)
        extra = np.zeros(0, int)
        while True:
            look = self.current
            near = np.flatnonzero(look.margin < band)
            if len(near) > _MOST:
                near = near[np.argpartition(look.margin[near], _MOST)[:_MOST]]
            near = np.union1d(near, extra)
            step = self._newton(near, Settled.around(self.looker, look, near), 1e-6)
            promised = self._share(self.value - step.dual)
            self._tell(promised, len(near))
            if promised <= 0.03 * tolerance or self.passes >= _PASSES:
                return
            gained = self._pass(step.duals, 0.0)
            there = self._last
            if gained >= 0.1 * promised:
                band = bands(self.crowd, look, there)
                extra = np.zeros(0, int)
            else:  # some settled members were not: they are held apart from now on
                turned = (there.arm != look.arm) | (
                    (there.top > -self.crowd.decline_cost) != (look.top > -self.crowd.decline_cost)
                )
                extra = np.union1d(near, np.flatnonzero(turned)[:_MOST])

    def stopped(self, tolerance: float) -> Result:
        """What there is when the user stops: an allocation at the best prices so far."""
        if self.look is None:
            raise KeyboardInterrupt
        self.freeze()
        out = self.result()
        out.allocation, out.stopped = self.allocation(tolerance, best=True), True
        return out

    def result(self) -> Result:
        """Prices so far."""
        return Result(self.duals, None, self.value, self.iterations, self.passes, self.levels)

    def allocation(self, tolerance: float, best: bool = False) -> Allocation | None:
        """Every settled member on its best arm; the others and the activities by recovery.

        None if that falls short of the dual, or exceeds a row, by more than the tolerance,
        unless the ``best`` found is wanted all the same.
        """
        look, crowd = self.current, self.crowd
        found: tuple[float, np.ndarray, Allocation] | None = None
        live = np.flatnonzero(np.isfinite(look.margin))
        order = live[np.argsort(look.margin[live], kind="stable")]
        few = 20 * len(self.program.rows) + 100
        inside = int(np.searchsorted(look.margin[order], 2.0 * self.heat))
        counts = [max(few, min(inside, 4 * few)), 4 * few, 16 * few]
        if best:  # a mass tie: many members turn at one price
            counts.append(APART)
        for count in dict.fromkeys(counts):
            near = np.sort(order[:count])
            settled = without(self.looker, look, near)[1]
            rows = tuple(
                replace(r, capacity=r.capacity - float(u))
                for r, u in zip(self.program.rows, settled, strict=True)
            )
            apart = replace(
                self.program, rows=rows, streams=(crowd.part(near), *self.program.streams[1:])
            )
            profits = [s.profits(look.duals) for s in apart.streams]
            window = 3.0 * float(look.margin[near].max(initial=0.0)) + 1e-9
            part = recover(apart, look.duals, profits, self.levels, window=window)
            if part is None:
                continue
            allocation = part.allocation
            short = self._share(apart.dual(look.duals, profits) - apart.welfare(allocation))
            short = max(abs(short), excess(apart, allocation, settled))
            if found is None or short < found[0]:
                found = (short, near, allocation)
            if short <= 0.5 * tolerance or count >= len(order):
                break
            if not best and count > few and found[0] > _HOPELESS * tolerance:
                break  # it is the prices that are not good enough
        self.short = np.inf if found is None else found[0]
        if found is None or (self.short > 0.9 * tolerance and not best):
            return None
        return self._joined(found[1], found[2])

    def _joined(self, near: np.ndarray, found: Allocation) -> Allocation:
        first, *others = found.flows
        rest = settled_flows(self.looker, self.current, near)
        joined = Flows(
            np.concatenate([rest.member, near[first.member]]),
            np.concatenate([rest.arm, first.arm]),
            np.concatenate([rest.requests, first.requests]),
            np.concatenate([rest.tokens, first.tokens]),
        )
        return Allocation((merged(self.crowd, joined), *others), found.levels)

    # --- steps ------------------------------------------------------------------------------

    @property
    def current(self) -> Look:
        """The look at the best prices so far."""
        assert self.look is not None, "a pass comes first"
        return self.look

    def _newton(self, apart: np.ndarray, bulk: Settled, ridge: float) -> Result:
        program = replace(self.program, streams=(self.crowd.part(apart), *self.program.streams[1:]))
        step = newton(
            program,
            self.duals,
            40,
            allocate=False,
            bulk=bulk,
            ridge=ridge,
            least_ridge=ridge,
        )
        self.iterations += step.iterations
        self.levels = step.levels
        return step

    def _pass(self, duals: np.ndarray, heat: float, accept: bool = False) -> float:
        """Look at some prices and go there if that lowers the dual; the gain, as a share."""
        there = self.looker.look(duals, heat)
        self.passes += 1
        self._last = there
        self.screening = self.screening or there
        others = self.others.dual(duals)
        value = there.value + others
        if len(self.heavy):  # they are exact whatever the heat
            crowd, top = self.crowd, there.top[self.heavy]
            best = np.maximum(top, -crowd.decline_cost[self.heavy])
            exact = float(best @ crowd.rate[self.heavy])
            value = without(self.looker, there, self.heavy)[0] + exact + others
        gained = 0.0 if accept else self._share(self.value - value)
        if accept or gained > 0:
            before = self.duals, self.value, self.look
            self.look, self.value, self.duals = there, value, duals
            if self.strayed(_STRAYED):
                self.screen(self.band)
                self._pass(duals, heat, accept=True)
                if not accept and self.value >= before[1]:
                    # with the arms that were left out the step is none: back, and look wider
                    self.duals, heat = before[0], 0.0 if before[2] is None else before[2].heat
                    self.screen(_WIDER * self.band)
                    self._pass(self.duals, heat, accept=True)
                    return min(gained, 0.0)
        return gained

    def _stiffer(self, before: Look, bulk: Settled) -> np.ndarray:
        """[rows] how much more the use of each row changed than its curvature said; at least 1."""
        after = self._last
        meant = bulk.hessian @ (after.duals - before.duals)
        came = bulk.use - without(self.looker, after, self.heavy)[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(np.abs(meant) > 1e-9 * np.abs(bulk.use), came / meant, 1.0)
        return np.clip(np.nan_to_num(ratio, nan=1.0), 1.2, 30.0)

    def _share(self, amount: float) -> float:
        return amount / max(abs(self.value), 1e-300)

    def _tell(self, promised: float, apart: int) -> None:
        if self.progress is not None:
            self.progress(
                {
                    "phase": "solve",
                    "iteration": self.iterations,
                    "gap": promised,
                    "passes": self.passes,
                    "apart": apart,
                    "heat": self.current.heat,
                    "members": len(self.crowd.rate),
                }
            )
