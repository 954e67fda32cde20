"""Tokens that training decodes beside production: at any speed of a lane, at its price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from allocate.models.builder import Builder
from allocate.models.limits import NO_BOUND
from allocate.models.serving.tiers import Tier


def decoders(
    builder: Builder, lane_tiers: Sequence[Tier], wanted: Iterable[tuple[str, float]]
) -> dict[tuple[str, float], tuple[int, ...]]:
    """Rows of the training tokens of a deployment at a mean context, one a period.

    Every tier of the deployment, with its draft too, supplies them from the busy time, the
    batch places and the KV memory of its own replicas. Nobody waits for these tokens, so
    each price of a replica's parts has a tier that is best, seldom the slowest: slow tiers
    hold many sequences, and places and memory run out.

    Args:
        builder: takes the rows and activities.
        lane_tiers: all tiers.
        wanted: pairs of a deployment and a context in tokens; each is made once.
    """
    most = {
        row: -v * a.upper
        for a in builder.activities
        if a.labels.get("layer") == "serving"
        for row, v in a.uses
        if v < 0
    }
    return {
        (name, context): _supply(
            builder, [t for t in lane_tiers if t.deployment == name], name, context, most
        )
        for name, context in dict.fromkeys(wanted)
    }


def _supply(
    builder: Builder,
    tiers: Sequence[Tier],
    name: str,
    context: float,
    most: Mapping[int, float],
) -> tuple[int, ...]:
    """``most``: what the replicas that a lane may have could make of each of its rows."""
    what = f"training tokens of {name} at {context:.9g} tokens of context"
    made = builder.period_rows(what, "token/h")
    for tier in tiers:
        for t, row in enumerate(made):
            taken = [
                (builder.slots[u.slot][1].rows[t], u.flat + u.per_context * context)
                for u in tier.decoding
            ]
            builder.activity(
                f"{what} @ {tier.name}[{builder.period_names[t]}]",
                [(row, -1.0), *taken],
                0.0,
                "training",
                # the rows bind, not this
                min((most[r] / v for r, v in taken if v > 0), default=NO_BOUND),
                layer="decoding",
                lane=tier.key,
                period=t,
                context=context,
            )
    return made
