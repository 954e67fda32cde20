"""The shared prices as people read them: what one more unit of a capacity adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from allocate.models.program import Allocation, Program, Resource
from allocate.solver.sentences import Range, is_floor, sentence

_BINDING = 1e-6  # a row used to this share of its capacity binds


@dataclass(frozen=True)
class Price:
    """The shared price of one capacity: what one more unit adds to welfare per hour.

    ``value`` = ``worth`` − ``pay``: what a used unit brings less what it costs in the
    objective. 0 when the capacity is slack. ``valid_from`` and ``valid_to`` bound the
    capacities between which the price stays within 10 % (None: not met).
    """

    resource: str
    label: str
    unit: str
    value: float
    worth: float | None
    pay: float | None
    used: float | None
    capacity: float | None
    binding: bool
    valid_from: float | None
    valid_to: float | None
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """The entry of the result document."""
        return {k: getattr(self, k) for k in self.__dataclass_fields__}


class PriceList:
    """Prices of the resources of one solved program.

    ``fixed``: they hold at the present whole numbers of replicas only.
    """

    def __init__(
        self,
        program: Program,
        allocation: Allocation,
        duals: np.ndarray,
        ranges: dict[str, tuple[float | None, float | None]],
        fixed: bool = False,
    ):
        self.program, self.allocation, self.duals, self.ranges = program, allocation, duals, ranges
        self.usage = program.usage(allocation)
        self.noise = 1e-9 * max(abs(program.welfare(allocation)), 1e-300)
        # numbers of whole replicas are fixed: another capacity of these rows may buy others
        idle = [a for a in program.activities if fixed and "idle" in a.labels]
        self.counted = {i for a in idle for i, _ in a.uses}

    def prices(self) -> list[Price]:
        """All prices, the dearest capacity first."""
        found = [self._price(r) for r in self.program.resources]
        return sorted(found, key=lambda p: -(p.value * (p.capacity or 0.0)))

    def _price(self, r: Resource) -> Price:
        value = self.program.value_of(r, self.duals, self.allocation.levels)
        used, share = self._used(r)
        slack = _slack(r, used)
        if (slack and r.kind != "supply") or abs(value) * (r.capacity or 1.0) <= self.noise:
            value = 0.0
        binding = value != 0.0
        pay = r.pay * share
        known = binding or not slack
        low, high = self.ranges.get(r.path, (None, None))
        if not binding:
            # price 0 down to what is used; a floor's is 0 up to there
            low, high = (0.0, used) if is_floor(r) else (used, None)
        if self._decides_numbers(r):
            low, high = None, None
        return Price(
            r.path,
            r.label,
            r.unit,
            value,
            value + pay if known else None,
            pay if known else None,
            used,
            r.capacity,
            binding,
            low,
            high,
            self._sentence(r, value, pay, slack, (low, high)),
        )

    def _decides_numbers(self, r: Resource) -> bool:
        """Whether another capacity may buy another number of whole replicas."""
        return any(i in self.counted for i, _ in r.rows)

    def _sentence(self, r: Resource, value: float, pay: float, slack: bool, reach: Range) -> str:
        said = sentence(r, value, pay, slack, reach)
        if self._decides_numbers(r):
            return f"With as many whole replicas as now: {said[0].lower()}{said[1:]}"
        if r.capacity == 0 and value > 0 and self._closed > 1:
            return f"{said} That is with the other capacities at 0 opened too, if it needs them."
        return said

    @cached_property
    def _closed(self) -> int:
        """How many capacities of 0 have a price."""
        resources = [r for r in self.program.resources if r.capacity == 0]
        levels = self.allocation.levels
        return sum(self.program.value_of(r, self.duals, levels) > 0 for r in resources)

    def _used(self, r: Resource) -> tuple[float | None, float]:
        """(use in the unit of the capacity, at its fullest; share of time that it is full)."""
        if r.rows:
            uses = [self.usage[i] / w for i, w in r.rows if w]
            if not uses:  # a share of nothing
                return None, 1.0
            if r.kind != "gpu":
                return float(max(uses, key=abs)) if len(uses) > 1 else float(uses[0]), 1.0
            full = sum(
                w
                for i, w in r.rows
                if w
                and self.duals[i] > 0
                and self.usage[i] / w >= (r.capacity or 0) * (1 - _BINDING)
            )
            return float(max(uses)), float(full) or 1.0
        levels = self.allocation.levels
        best = None
        for row, i, _ in r.supplies:
            if levels[i] <= 1e-9:
                continue
            supply = -dict(self.program.activities[i].uses)[row]
            use = (self.usage[row] + supply * levels[i]) / levels[i]
            best = use if best is None else max(best, use)
        return best, 1.0


def _slack(r: Resource, used: float | None) -> bool:
    """Whether some of a capacity is left; a floor has room where more than it is used."""
    if used is None or r.capacity is None:
        return False
    if is_floor(r):  # a floor of 0 holds nothing up
        return r.capacity == 0 or used > r.capacity * (1 + _BINDING)
    return used < r.capacity * (1 - _BINDING)
