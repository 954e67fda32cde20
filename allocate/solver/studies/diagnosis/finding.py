"""What a rule found: where, both sides of its inequality, what it is worth, and the repair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from allocate.solver.studies.diagnosis.rules import RULES


def usd(amount: float) -> str:
    """An amount in a sentence."""
    size = abs(amount)
    if size >= 1 or size == 0:
        return f"${size:,.2f}"
    return f"${size:.{1 - math.floor(math.log10(size))}f}"


PLACES = ("class", "period", "model", "autonomy", "outcome", "lane", "asset")


@dataclass(frozen=True)
class Finding:
    """One violated condition.

    Attributes:
        code: the rule.
        where: class, period, model, autonomy, lane, asset, as far as they apply; ``outcome``
            is "declined" for requests that are, and then the model is the one to serve them.
        usd_per_hour: what repairing this alone is worth at the shared prices. Of declined
            requests a part may come only when others leave the room.
        left: the larger side of the inequality, USD per ``per``.
        right: the smaller one; (left − right) × ``amount_per_h`` is ``usd_per_hour``.
        per: what the sides are for: a request, or an hour.
        amount_per_h: how many of them there are in an hour.
        sides: what each side is, in words.
        said: what is wrong, in a sentence; ``<left>``, ``<right>``, ``<more>`` (the right
            side as "… more" or "… less"), ``<costs>`` (as "costs …" or "saves …") and
            ``<saves>`` (nothing, where it is below zero) stand for the sides.
        fix: the change of a setting that repairs it.
        terms: the parts of the change, USD per ``per``: what is saved counts positive.
        others: of ``usd_per_hour``, what others gain by the room, or by what stands idle.
        also: codes whose condition is violated too, and that explain the fault as well.
        flows: (decision, flow) that are at fault at the shared prices.
    """

    code: str
    where: Mapping[str, str]
    usd_per_hour: float
    left: float
    right: float
    per: str
    amount_per_h: float
    sides: tuple[str, str]
    said: str
    fix: str
    terms: Mapping[str, float] = field(default_factory=dict)
    others: float = 0.0
    also: tuple[str, ...] = ()
    flows: frozenset[tuple[str, int]] = frozenset()

    @property
    def message(self) -> str:
        """What is wrong, in a sentence."""
        text = self.said.replace("<left>", usd(self.left)).replace("<right>", usd(self.right))
        more = f"{usd(self.right)} {'more' if self.right > 0 else 'less'}"
        costs = f"costs {usd(self.right)}" if self.right > 0 else f"saves {usd(self.right)} as well"
        text = text.replace("<more>", more if self.right else "no more")
        text = text.replace("<saves>", usd(self.right) if self.right > 0 else "nothing")
        return text.replace("<costs>", costs if self.right else "costs nothing")

    def with_more(self, other: Finding) -> Finding:
        """The same fault, found at two prices: both sizes together."""
        amount = max(self.amount_per_h, other.amount_per_h)

        def both(mine: float, theirs: float) -> float:
            return (mine * self.amount_per_h + theirs * other.amount_per_h) / amount

        return replace(
            self if self.usd_per_hour >= other.usd_per_hour else other,
            where=dict(item for item in self.where.items() if item in other.where.items()),
            usd_per_hour=self.usd_per_hour + other.usd_per_hour,
            others=self.others + other.others,
            flows=self.flows | other.flows,
            left=both(self.left, other.left),
            right=both(self.right, other.right),
            amount_per_h=amount,
            terms={k: both(v, other.terms.get(k, 0.0)) for k, v in self.terms.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """The entry of the diagnosis document."""
        rule = RULES[self.code]
        return {
            "code": self.code,
            "also": list(self.also),
            "name": rule.name,
            "layer": rule.layer,
            "message": self.message,
            "where": {p: self.where[p] for p in PLACES if p in self.where},
            "usd_per_hour": self.usd_per_hour,
            "others_usd_per_hour": self.others,
            "left": self.left,
            "right": self.right,
            "sides": {"left": self.sides[0], "right": self.sides[1]},
            "unit": f"USD/{self.per}",
            "amount_per_h": self.amount_per_h,
            "terms": dict(self.terms),
            "fix": self.fix,
            "page": rule.page,
        }
