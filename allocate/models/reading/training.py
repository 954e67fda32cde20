"""What training makes: tokens an hour by kind, their age, and the gain of every asset."""

from __future__ import annotations

from typing import Any

import numpy as np

from allocate.models.reading.answered import LEAST, Answered
from allocate.models.training import INPUTS

_AT_BOUND = 0.01  # nearer to a bound than this share of it is at it
Made = dict[tuple[str, str], list[tuple[float, float]]]  # (asset, input) → (tokens/h, versions)


def assets(answer: Answered) -> list[dict[str, Any]]:
    """Tokens an hour, staleness and gain of every asset."""
    section = answer.built.config.training
    if section is None:
        return []
    made, gains = _levels(answer)
    out = []
    for name, asset in section.assets.items():
        tokens = {kind: sum(n for n, _ in made.get((name, kind), [])) for kind in INPUTS}
        rollouts, total = made.get((name, "rollout"), []), tokens["rollout"]
        stale = sum(n * s for n, s in rollouts) / total if total > LEAST else None
        of_kind = {f"{k}_tokens": n if getattr(asset, k) else None for k, n in tokens.items()}
        out.append(
            {
                "model": asset.model,
                "asset": name,
                "kind": asset.kind,
                **of_kind,
                "unit": "tokens/h",
                "staleness": stale if asset.staleness else None,
                "gain": gains.get(name, 0.0),
            }
        )
    return out


def _levels(answer: Answered) -> tuple[Made, dict[str, float]]:
    """What is made of every input, and the gain of every asset in success points."""
    made: Made = {}
    gains: dict[str, float] = {}
    for a, level in zip(answer.program.activities, answer.allocation.levels, strict=True):
        if a.labels.get("gain"):
            gains[a.labels["asset"]] = float(level)
        elif a.labels.get("layer") == "training":
            key = (a.labels["asset"], a.labels["input"])
            made.setdefault(key, []).append((float(level), a.labels["staleness"]))
    return made, gains


def capability_prices(answer: Answered) -> list[dict[str, Any]]:
    """By trained model and class, what one more success point brings an hour (Lindahl's price).

    A capability serves all classes at once: its price is the sum of what each would pay.
    """
    section = answer.built.config.training
    if section is None:
        return []
    stream, flows, classes = answer.stream, answer.flows, answer.built.classes
    answering = np.array([a.labels["model"] or "" for a in stream.arms])[flows.arm]
    origin = stream.origin[flows.member]
    each = (classes.value_usd * classes.trainability)[origin] * flows.requests
    out = []
    for model in dict.fromkeys(a.model for a in section.assets.values()):
        own = np.bincount(origin, np.where(answering == model, each, 0.0), len(classes))
        total = float(own.sum())
        out += [
            {
                "model": model,
                "class": classes.names[k],
                "usd_per_h_per_point": float(own[k]),
                "share": float(own[k]) / total,
            }
            for k in map(int, np.flatnonzero(own > LEAST * total))
        ]
    return out


def warnings(answer: Answered, disagreement: float) -> list[str]:
    """What is at a bound, free without end, or not settled between training and routing.

    ``disagreement`` is a share of what capability is worth, 0 where it was reached.
    """
    out = []
    out += [*_full(answer), *_free(answer)]
    if disagreement > 0:
        out.append(
            f"routing and training still disagree by {100 * disagreement:.2g} % on what "
            "capability is worth: welfare and prices are those of the last round"
        )
    return out


def _full(answer: Answered) -> list[str]:
    """A sentence on every model that training makes as capable as a success can be."""
    room: dict[str, float] = {}
    found: dict[str, float] = {}
    for a, level in zip(answer.program.activities, answer.allocation.levels, strict=True):
        if a.labels.get("gain"):
            model = a.labels["model"]
            room[model] = a.labels["room"]
            found[model] = found.get(model, 0.0) + float(level)
    return [
        f"training would make `{m}` better than certain: what it adds stands at its bound of "
        f"{room[m]:.3g} success points; lower the scale or ceiling of the gains"
        for m, gain in found.items()
        if gain >= room[m] * (1.0 - _AT_BOUND)
    ]


def _free(answer: Answered) -> list[str]:
    """A sentence on every input that costs nothing, has no end, and is used to the bound."""
    found = {
        (a.labels["asset"], a.labels["input"]): float(level)
        for a, level in zip(answer.program.activities, answer.allocation.levels, strict=True)
        if a.labels.get("free") and level >= a.upper * (1.0 - _AT_BOUND)
    }
    return [
        f"`{asset}` takes as many {kind} tokens as the program lets it have, {n:.3g} an hour, "
        "because they cost nothing; give their price, or max_tokens_per_s"
        for (asset, kind), n in found.items()
    ]
