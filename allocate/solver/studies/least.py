"""The least spending that is worth as much as a baseline.

What is worth most within a spending is a concave curve of it. At a price of spending the best
answer is a point of that curve, and a line through it that bounds the whole curve from above;
between two points lies a chord that can be had by doing either for a part of the time. So the
price is set to the slope of the chord that meets the target, until line and chord agree there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from allocate.solver.answer import nothing
from allocate.solver.studies.caps import IN_ALL, Caps
from allocate.solver.studies.investment import payments, without_training
from allocate.solver.studies.joint import Answer, held
from allocate.solver.studies.scene import Scene

_SOLVES = 10
_CHEAP = (1e-3, 1e-6, 1e-9)  # of its price: what a dollar counts for where worth is wanted
_DEAR = 1e3  # times its price: what it counts for where as little as possible is wanted


class _Point(NamedTuple):
    """Spending, and the worth before spending that it buys; USD per hour."""

    spend: float
    worth: float


def least_spend(
    scene: Scene, caps: Caps, at: Answer, target: float, tolerance: float = 5e-3
) -> tuple[float, float]:
    """(least total spend found, what it cannot fall below) to be worth ``target`` before spending.

    Worth before spending is value less latency, risk and other costs that nobody is paid for.
    What is paid to machines stays limited as in ``caps``. Training stays as ``at`` has it:
    with training free the least spend may be less.

    Raises:
        SolveError: if the program at some price of spending has no answer.
    """
    return _Frontier(scene, caps, at, target).least(tolerance)


class _Frontier:
    """The curve as far as it is known: a point on either side of the target, and a bound."""

    def __init__(self, scene: Scene, caps: Caps, at: Answer, target: float):
        self.scene, self.caps = scene, caps
        # as much to the tolerance: where success saturates, the last digits cost without end
        self.target = target - scene.tolerance * abs(target)
        self.plan, self.prices = at.invested, at.prices
        self.bound = 0.0  # no spending below it is worth the target
        self.below: _Point | None = None
        self.above: _Point | None = None
        self._place(_Point(at.spend, at.welfare + at.spend))
        idle = self._idle()
        if idle is not None:
            self._place(idle)

    def least(self, tolerance: float) -> tuple[float, float]:
        """Close in on the target from both sides."""
        if self.above is None:
            for price in _CHEAP:
                if self.above is None:
                    self._look(price)
            if self.above is None:  # with this training only the baseline itself is worth it
                return self.caps.total, min(self.bound, self.caps.total)
        if self.below is None:
            self._look(_DEAR)
        for _ in range(_SOLVES):
            most = self._most
            if self.below is None or most - self.bound <= tolerance * most:
                break
            slope = self._slope
            if slope <= 0:
                break
            before = (self.below, self.above)
            self._look(slope)
            if (self.below, self.above) == before:
                break
        return self._most, min(self.bound, self._most)

    @property
    def _slope(self) -> float:
        """Of the chord."""
        assert self.below is not None, "below the target"
        assert self.above is not None, "worth the target"
        run = self.above.spend - self.below.spend
        return (self.above.worth - self.below.worth) / run if run > 0 else 0.0

    @property
    def _most(self) -> float:
        """Where the chord meets the target: it can be had for that."""
        assert self.above is not None, "worth the target"
        if self.below is None or self._slope <= 0:
            return min(self.above.spend, self.caps.total)
        met = self.below.spend + (self.target - self.below.worth) / self._slope
        return min(met, self.caps.total)

    def _look(self, price: float) -> None:
        """The best answer where a dollar counts for ``price``."""
        limits = Caps(self.caps.machines)
        answer = held(self.scene, limits, self.prices, self.plan, factor=price)
        self.prices = {k: p for k, p in answer.prices.items() if k != IN_ALL}
        found = _Point(answer.spend, answer.welfare + answer.spend)
        most = found.worth - price * found.spend + answer.error
        self.bound = max(self.bound, (self.target - most) / price)
        self._place(found)

    def _place(self, point: _Point) -> None:
        """Keep a point if it is nearer to the target, or the steeper way there."""
        if point.worth >= self.target:
            if self.above is None or point.spend < self.above.spend:
                self.above = point
        elif self.below is None or point.worth > self.below.worth:
            self.below = point

    def _idle(self) -> _Point | None:
        """Nobody is served; None where that is not allowed."""
        built = self.scene.built(self.plan.capability)
        program, _ = without_training(built.program, self.plan)
        empty = nothing(program)
        forced = any(np.any((s.rate > 0) & ~np.isfinite(s.decline_cost)) for s in program.streams)
        if forced or np.any(program.capacity < 0):
            return None
        worth = program.welfare(empty)
        if not np.isfinite(worth):
            return None
        paid = payments(built.program, self.plan)
        return _Point(paid, worth + paid)
