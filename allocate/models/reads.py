"""Input tokens that a request may buy before its first token comes too late.

Tokens of a use of kind input are prefilled like the prompt, so a hard limit on the first
token is a cap on them, by class and way. Caps belong to technologies, so every way is
offered with a few of them, and a class with a limit has the largest that keeps it: exact
where no more limits than that meet on a way, and on the safe side elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.curves import RequestCurve
from allocate.models.serving import Way

_CAPS = 6  # caps that a way is offered with, besides none
_LEAST = 1e-9  # of a reference: a cap below this lets nothing be read


def prompt_tokens(
    way: Way, features: Mapping[str, np.ndarray], n: int
) -> tuple[np.ndarray, np.ndarray]:
    """[classes] tokens of a request that a way must prefill, and all tokens of its prompt."""
    missed, moved = (
        sum((share * features[f] for f, share in shares.items() if f in features), np.zeros(n))
        for shares in (way.uncached, way.prompt)
    )
    return missed, moved


def reading_uses(config: Config, curve: RequestCurve) -> list[int]:
    """Uses of kind input on which a request may spend tokens."""
    kinds = [u.kind for u in config.token_uses.values()]
    return [j for j in curve.uses_tokens if j < len(kinds) and kinds[j] == "input"]


@dataclass(frozen=True)
class Reads:
    """What hard limits on the first token leave for bought input tokens."""

    config: Config
    classes: Classes
    features: Mapping[str, np.ndarray]

    def room(self, way: Way, curve: RequestCurve) -> np.ndarray:
        """[classes] input tokens a request may buy on a way; infinite where nothing limits them."""
        c = self.classes
        missed, moved = prompt_tokens(way, self.features, len(c))
        spare = (
            c.max_ttft_s * c.calls - way.ttft_per_token * missed - way.transfer_per_token * moved
        )
        per_token = way.ttft_per_token + way.transfer_per_token
        most = sum(curve.caps[j] for j in reading_uses(self.config, curve))
        if per_token == 0:
            return np.full(len(c), np.inf)
        left = spare / per_token
        return np.where(np.isnan(left) | (left >= most), np.inf, left)

    def caps(self, way: Way, curve: RequestCurve) -> list[float]:
        """The caps that a way is offered with, increasing; the last is none at all."""
        c, uses = self.classes, reading_uses(self.config, curve)
        allowed = np.array([*(way.model in labels for labels in c.models.labels), True])
        room = self.room(way, curve)[allowed[c.models.codes]]
        least = _LEAST * min(curve.effort.references[j] for j in uses)
        limits = np.unique(room[np.isfinite(room) & (room > least)])
        if len(limits) > _CAPS:
            limits = limits[np.linspace(0, len(limits) - 1, _CAPS).astype(int)]
        return [*(float(x) for x in limits), np.inf]

    def capped(self, curve: RequestCurve, most: float) -> RequestCurve:
        """The curve with at most so many input tokens, several uses in proportion to exponents."""
        if np.isinf(most):
            return curve
        uses = reading_uses(self.config, curve)
        weight = np.array([curve.effort.exponents[j] for j in uses])
        weight = np.where(weight > 0, weight, weight.max() or 1.0)
        caps = list(curve.caps)
        for j, part in zip(uses, weight / weight.sum(), strict=True):
            caps[j] = min(caps[j], float(most * part))
        return replace(curve, caps=tuple(caps))
