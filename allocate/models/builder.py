"""The vocabulary in which the four layers hand over what they have.

A layer never sees another. It registers rows, resources and activities, names the slots
that its choices occupy, and returns *uses*: so much of a slot per unit of a quantity and
of a feature of the request. ``choices.py`` joins the uses of a router's model, an autonomy
level and a serving way into one arm; the rows' duals do the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from allocate.models.program import Activity, Count, Resource, Row, Term
from allocate.models.stream import Slot

HOUR = 3600.0


class Use(NamedTuple):
    """Use of a slot: ``coefficient`` per unit of ``quantity`` and unit of ``feature``.

    Quantities: "request", "input" and "output" (tokens of that kind), "use:NAME" (tokens
    of one use), "wrong", "success". Features are columns of the stream, "one" the constant.
    """

    quantity: str
    feature: str
    slot: str
    coefficient: float


@dataclass(frozen=True)
class SlotRows:
    """Which row a slot stands for: one for all, or by a key of the member's group."""

    axis: str | None
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Pool:
    """A GPU type by moment: its row, the most there can be, USD per hour that a user pays.

    Where GPUs are bought the pool pays for them, and what a user pays is the row's price.
    """

    rows: tuple[int, ...]
    most: tuple[float, ...]
    pay: tuple[float, ...]


@dataclass
class Builder:
    """Collects what the layers register.

    ``periods`` are the weights of the moments (``moments.py``), which sum to 1; where there is
    one future only they are the periods' shares of the day.
    """

    periods: Sequence[float]
    period_names: Sequence[str]
    rows: list[Row] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    slots: dict[str, tuple[Slot, SlotRows]] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)
    budgets: list[int] = field(default_factory=list)  # rows that all money uses
    accounts: tuple[int, ...] = ()  # by moment, the row that money spent in it uses too

    def bill(self, usd: float, moment: int | None = None) -> list[tuple[int, float]]:
        """What USD spent in a moment, or at every moment, use of the rows of money."""
        out = [(r, usd) for r in self.budgets]
        if moment is not None:
            return out + [(r, usd) for r in self.accounts[moment : moment + 1]]
        weight: dict[int, float] = {}
        for r, w in zip(self.accounts, self.periods, strict=False):
            weight[r] = weight.get(r, 0.0) + w
        return out + [(r, w * usd) for r, w in weight.items()]

    def row(self, name: str, unit: str, capacity: float = 0.0) -> int:
        """Register a row; returns its number."""
        self.rows.append(Row(name, unit, capacity))
        return len(self.rows) - 1

    def period_rows(
        self, name: str, unit: str, capacity: float = 0.0, scale: Sequence[float] | None = None
    ) -> tuple[int, ...]:
        """One row a period, each with the period's share of a capacity, times its ``scale``."""
        scale = scale or (1.0,) * len(self.periods)
        return tuple(
            self.row(f"{name}[{p}]" if len(self.periods) > 1 else name, unit, w * s * capacity)
            for p, w, s in zip(self.period_names, self.periods, scale, strict=True)
        )

    def activity(
        self,
        name: str,
        uses: Iterable[tuple[int, float]],
        cost: float = 0.0,
        account: str = "money",
        upper: float = np.inf,
        loose: bool = True,
        **labels: object,
    ) -> int:
        """Register an activity; returns its number. Zero coefficients are dropped."""
        kept = tuple((r, v) for r, v in uses if v != 0.0)
        self.activities.append(Activity(name, kept, cost, account, upper, loose, labels))
        return len(self.activities) - 1

    def slot(
        self,
        name: str,
        unit: str,
        own_price: float = 0.0,
        account: str | None = None,
        axis: str | None = None,
        rows: Sequence[int] = (),
    ) -> str:
        """Register a slot (a second time only as it is); returns its name.

        ``axis`` None with one row: that row for everybody. "period", "tenant", "sharing":
        by that key of the member. "limit:N": the row for members of class set N.

        Raises:
            ValueError: if the name stands for another slot already.
        """
        new = (Slot(name, unit, own_price, account), SlotRows(axis, tuple(rows)))
        if self.slots.setdefault(name, new) != new:
            raise ValueError(f"the slot {name!r} is registered twice, and differs")
        return name

    def resource(self, resource: Resource) -> None:
        """Register a resource."""
        self.resources.append(resource)
