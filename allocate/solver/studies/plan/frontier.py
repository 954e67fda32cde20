"""The trade-off between two parts of the objective, along a price or a limit of the config.

Waiting and risk have prices in the config. Multiplying such a price by a factor and solving
again gives a point at which that part cannot be lower without the rest being worth less: a point
of the frontier. Money and reviewers' time have limits instead, which are lowered from what is
spent without them. Either way it is fields of the config that are swept, and the answer says which.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from allocate.models.loader import Loaded
from allocate.solver.solution import Solution
from allocate.solver.studies.plan.case import PlanError, rounded
from allocate.solver.studies.terms import MACHINES, spending

NAMES = ("money", "latency", "risk", "oversight")
POINTS = 9
_FACTORS = (1.0 / 8.0, 8.0)  # times its price, where a price is swept
_LEAST = 0.1  # of what is spent, where a limit is swept
_MANY = 2_000  # classes whose own prices are changed one by one

Point = dict[str, Any]


@dataclass(frozen=True)
class Frontier:
    """Two parts, what is swept for them, and the values to set at each point.

    ``factors``: by point, what the price of ``scaled`` is multiplied by; 1 for a limit.
    """

    parts: tuple[str, str]
    swept: tuple[str, ...]
    kind: str
    scaled: str | None
    changes: tuple[dict[str, float], ...]
    factors: tuple[float, ...]

    def lines(self, points: Iterable[Point | None]) -> list[Point]:
        """Entries of ``frontier.points[]``: parts at the config's own prices."""
        out = []
        for factor, point in zip(self.factors, points, strict=True):
            if point is None:
                continue
            true = dict(point["objective"])
            if self.scaled is not None and true.get(self.scaled) is not None:
                told = true[self.scaled]
                true[self.scaled] = told / factor
                true["welfare"] += told - true[self.scaled]
            kept = {k: v for k, v in point.items() if k not in ("start", "objective", "welfare")}
            out.append({**kept, "factor": factor, "welfare": true["welfare"], "objective": true})
        return out

    def to_dict(self, points: Iterable[Point | None]) -> dict[str, Any]:
        """``frontier`` of the plan document."""
        return {
            "parts": list(self.parts),
            "swept": list(self.swept),
            "kind": self.kind,
            "points": self.lines(points),
        }


def frontier(text: str, loaded: Loaded, base: Solution, points: int = POINTS) -> Frontier:
    """The points to solve for a frontier written ``money,latency``.

    Args:
        text: two parts of the objective.
        loaded: the config.
        base: its answer.
        points: how many points.

    Raises:
        PlanError: a part is not known, or nothing in the config moves it.
    """
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    known = ", ".join(NAMES)
    if len(parts) != 2 or parts[0] == parts[1]:
        raise PlanError(
            f"--frontier takes two parts of the objective, such as money,latency, not `{text}`; "
            f"there are {known}"
        )
    for part in parts:
        if part not in NAMES:
            raise PlanError(f"--frontier: there is no part `{part}`; there are {known}")
    if points < 2:
        raise PlanError(f"--points must be at least 2, not {points}")
    one, other = parts
    for part in (other, one):
        if prices := _prices(part, loaded):
            return _scaled((one, other), part, prices, points)
    for part in (one, other):
        if limit := _limit(part, base):
            return _limited((one, other), *limit, points)
    raise PlanError(
        f"--frontier {text}: nothing in this config moves these parts; give a price "
        "(prices.latency_usd_per_s, prices.risk_usd) or sweep a limit with --sweep"
    )


def _scaled(parts: tuple[str, str], part: str, prices: dict[str, float], points: int) -> Frontier:
    factors = tuple(rounded(float(f), 6) for f in np.geomspace(*_FACTORS, points))
    changes = tuple({path: rounded(p * f, 9) for path, p in prices.items()} for f in factors)
    return Frontier(parts, tuple(prices), "price", part, changes, factors)


def _limited(parts: tuple[str, str], path: str, most: float, points: int) -> Frontier:
    values = np.linspace(_LEAST * most, most, points)
    changes = tuple({path: rounded(float(v), 6)} for v in values)
    return Frontier(parts, (path,), "limit", None, changes, (1.0,) * points)


def _prices(part: str, loaded: Loaded) -> dict[str, float]:
    """Every price of a part that the config sets, by path; empty if it has none."""
    config = loaded.config
    if part == "risk":
        prices = {
            "prices.risk_usd": config.prices.risk_usd,
            "prices.irreversible_risk_usd": config.prices.irreversible_risk_usd or 0.0,
        }
        return {path: float(p) for path, p in prices.items() if p > 0}
    if part != "latency" or len(config.classes) > _MANY:
        return {}
    of_table = loaded.classes.latency_usd_per_s[len(config.classes) :]
    if np.any(of_table != config.prices.latency_usd_per_s):
        return {}  # a table's own prices are not to be set by a path
    found = {
        f"classes.{name}.latency_usd_per_s": c.latency_usd_per_s
        for name, c in config.classes.items()
        if c.latency_usd_per_s is not None
    }
    found["prices.latency_usd_per_s"] = config.prices.latency_usd_per_s
    return {path: float(p) for path, p in found.items() if p and p > 0}


def _limit(part: str, base: Solution) -> tuple[str, float] | None:
    """(a field that limits a part, the most of its useful range); None if there is none."""
    if part == "money":
        spent = spending(base.program, base.allocation, MACHINES)
        return ("budgets.money_usd", spent) if spent > 0 else None
    if part == "oversight":
        used = max(_minutes(base), default=0.0)
        return ("humans.minutes_per_h", used) if used > 0 else None
    return None


def _minutes(base: Solution) -> list[float]:
    """Reviewer-minutes an hour in use, where the config limits them."""
    return [p.used or 0.0 for p in base.prices if p.resource == "humans.minutes_per_h"]
