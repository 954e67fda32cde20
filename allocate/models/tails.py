"""Tails over the scenarios: CVaR of what is spent and of what is declined, as rows.

CVaR = min over η of η + Σ_s p_s (X_s − η)⁺/(1 − β) (Rockafellar and Uryasev 2000). Flows are
weighted, so a scenario's row holds p_s X_s − p_s η − ξ_s ≤ 0, with ξ_s ≥ 0 the weighted excess.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from allocate.models.builder import Builder
from allocate.models.config import Config
from allocate.models.limits import NO_BOUND
from allocate.models.moments import Moments
from allocate.models.program import Resource

SPENT, SERVED = "spent", "met"
"""Slots: USD that count as spent in a scenario, and requests that are not declined in it."""


def tail_rows(builder: Builder, config: Config, moments: Moments, rate: np.ndarray) -> None:
    """Register the tails of a config; ``rate`` [moments] is what arrives, requests an hour."""
    if config.uncertainty is None:
        return
    n = len(moments.periods)
    if (tail := config.uncertainty.cost_tail) is not None:
        rows = _tail(
            builder,
            moments,
            "uncertainty.cost_tail.max_usd_per_h",
            ("USD/h", "cost in", "cost tail limit", "dollar an hour of tail cost"),
            (tail.beta, tail.max_usd_per_h, tail.price_usd),
            (0.0,) * len(moments.scenarios),
        )
        builder.accounts = tuple(rows[moments.scenario(m)] for m in range(len(moments)))
        builder.slot(SPENT, "USD", axis="period", rows=builder.accounts)
    if (unmet := config.uncertainty.unmet_tail) is not None:
        arriving = np.asarray(rate).reshape(-1, n).sum(axis=1)
        rows = _tail(
            builder,
            moments,
            "uncertainty.unmet_tail.max_per_h",
            (
                "request/h",
                "declined in",
                "unmet tail limit",
                "declined request an hour in the tail",
            ),
            (unmet.beta, unmet.max_per_h, unmet.price_usd),
            tuple(-float(a) for a in arriving),
        )
        at = tuple(rows[moments.scenario(m)] for m in range(len(moments)))
        builder.slot(SERVED, "request", axis="period", rows=at)


def _tail(
    builder: Builder,
    moments: Moments,
    path: str,
    words: tuple[str, str, str, str],
    terms: tuple[float, float | None, float],
    capacities: Sequence[float],
) -> list[int]:
    """The row of each scenario, with the level and the excesses that price the tail."""
    unit, what, label, noun = words
    beta, most, price = terms
    limit: list[int] = []
    if most is not None:
        limit = [builder.row(path, unit, most)]
        builder.resource(
            Resource(
                path,
                label,
                f"USD per {unit.partition('/')[0]}",
                most,
                rows=((limit[0], 1.0),),
                pay=price,
                noun=noun,
                kind="risk",
            )
        )
    rows = [
        builder.row(f"{what} {name}", unit, capacity)
        for name, capacity in zip(moments.scenarios, capacities, strict=True)
    ]
    level = [(r, -p) for r, p in zip(rows, moments.probabilities, strict=True)]
    level += [(r, 1.0) for r in limit]
    builder.activity(f"{what}: tail level", level, price, "risk", NO_BOUND)
    weight = 1.0 / (1.0 - beta)
    for name, row in zip(moments.scenarios, rows, strict=True):
        uses = [(row, -1.0), *((r, weight) for r in limit)]
        builder.activity(f"{what} {name}: excess", uses, weight * price, "risk", NO_BOUND)
    return rows
