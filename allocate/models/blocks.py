"""What a ``Program`` is made of beside its streams: rows, activities, terms, capacities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from allocate.models.curves import Cost, Ray, Tangent


@dataclass(frozen=True)
class Row:
    """A shared constraint: use ≤ capacity (time-averaged, in ``unit``)."""

    name: str
    unit: str
    capacity: float = 0.0


@dataclass(frozen=True)
class Activity:
    """A linear decision: cost in USD per hour and unit, use of rows (negative: supply).

    ``loose`` says that ``upper`` binds in no answer (a row does before it); it is there so
    that every price has a finite dual value.
    """

    name: str
    uses: tuple[tuple[int, float], ...]
    cost: float = 0.0
    account: str = "money"
    upper: float = np.inf
    loose: bool = False
    labels: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Term:
    """A convex cost on one activity, or on two of which the second lowers it.

    ``floor`` is a price of the second that no one would notice (USD per hour and unit): at
    price 0 the best level is unlimited and has no slope. In what follows ``unit`` are the
    profits of a unit of *every* activity before the term, ``upper`` and ``levels`` likewise.
    """

    activities: tuple[int, ...]
    cost: Cost
    account: str = "training"
    floor: float = 0.0

    def part(self, numbers: np.ndarray) -> np.ndarray:
        """Of one number an activity, those of the term's own."""
        return np.asarray(numbers, float)[list(self.activities)]

    def n_price(self, unit: np.ndarray) -> float:
        """Price of the second activity, kept off 0."""
        return max(-float(unit[self.activities[1]]), self.floor)

    def value(self, levels: np.ndarray) -> float:
        """Cost in USD per hour."""
        return float(self.cost.value(*self.part(levels)))

    def best(self, unit: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Levels of the term's activities that earn most."""
        return self.cost.best(self.part(unit), self.part(upper), self.floor)

    def profit(self, unit: np.ndarray, upper: np.ndarray) -> float:
        """The most that the term's activities can earn, USD per hour."""
        best = self.best(unit, upper)
        return float(self.part(unit) @ best - self.cost.value(*best))

    def excess(self, unit: np.ndarray) -> float:
        """What may not be positive, or the profit is as large as the bounds allow."""
        return self.cost.excess(self.part(unit))

    def tangent(self, unit: np.ndarray, levels: np.ndarray | None, upper: np.ndarray) -> Tangent:
        """The profit around ``unit``: slope, curvature at ``levels``, cut (see ``Cost``)."""
        amount = 0.0 if levels is None else float(levels[self.activities[0]])
        return self.cost.tangent(self.part(unit), self.part(upper), amount, self.floor)

    def pieces(self, unit: np.ndarray, near: float | None = None) -> list[Ray]:
        """Fixed proportions that stand for the cost in a linear program, or none.

        Where there are none, ``cost.plane`` bounds it from below.
        """
        return self.cost.rays(self.part(unit), near, self.floor)

    def cone(self, variables: Sequence[Any], cost: Any, scale: float = 1.0) -> list:
        """CVXPY constraints for cost · scale ≥ value of the term's own ``variables``."""
        return self.cost.scaled(1.0 / scale).cone(*variables, cost)


@dataclass(frozen=True)
class Resource:
    """A capacity that the user can change: ``path`` is where the config says it.

    Changing it by one unit changes the capacity of ``rows`` by their weight, and what
    activities supply to rows by the weight of ``supplies`` (row, activity, weight).
    ``pay`` is what a used unit costs in the objective (USD per hour).
    """

    path: str
    label: str
    unit: str
    capacity: float | None
    rows: tuple[tuple[int, float], ...] = ()
    supplies: tuple[tuple[int, int, float], ...] = ()
    pay: float = 0.0
    noun: str = "unit"
    kind: str = "capacity"


@dataclass(frozen=True)
class Count:
    """A number of things that must be whole: levels of ``activities`` together, over ``size``.

    ``noun`` is what is counted, ``name`` whose they are. Each of the activities costs and
    uses the same, and supplies what it will.
    """

    name: str
    noun: str
    activities: tuple[int, ...]
    size: float = 1.0
