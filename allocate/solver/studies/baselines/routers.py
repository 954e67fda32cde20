"""The usual one-line routers; everything else is as in ``greedy-tuned``.

frontier     always the model with the best predicted score
cheapest     always the least list cost
per-dollar   the most predicted score per dollar
"""

from __future__ import annotations

from dataclasses import replace

from allocate.solver.studies.baselines.greedy import Knobs

ROUTERS = {"frontier": "best", "cheapest": "cheapest", "per-dollar": "per-dollar"}


def with_router(name: str, tuned: Knobs) -> Knobs:
    """The tuned knobs with another router."""
    return replace(tuned, router=ROUTERS[name])
