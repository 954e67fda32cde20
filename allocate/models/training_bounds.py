"""How much training no answer can have: bounds that bind nowhere, and are free of units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allocate.models import config as cfg

INPUTS = ("rollout", "verifier", "update")
SLACK = 2.0  # bounds that no answer reaches, as a multiple of what no answer exceeds
_FREE = 1e6  # inputs that cost nothing and have no end: so many times what saturates the gain


@dataclass(frozen=True)
class Bounds:
    """What no answer exceeds: use of every row, money an hour, and tokens that are free."""

    supply: np.ndarray  # [rows registered before training]
    money: float
    free: float = np.inf

    def level(self, uses: Sequence[tuple[int, float]], pay: float) -> tuple[float, bool]:
        """(upper bound of an activity, whether nothing but its being free bounds it)."""
        known = [self.supply[r] / v for r, v in uses if v > 0 and r < len(self.supply)]
        most = min([*known, self.money / pay if pay > 0 else np.inf])
        return (SLACK * most, False) if np.isfinite(most) else (self.free, True)


def free_tokens(
    asset: cfg.TrainingAsset, spec: cfg.TrainingInput, config: cfg.Config, room: float
) -> float:
    """Tokens an hour far beyond those at which the gain stops growing, or fills its room."""
    match asset.gain:
        case cfg.GainSaturating():
            effort = asset.gain.scale
        case cfg.GainCobbDouglas():
            effort = room / asset.gain.scale
        case _:
            effort = asset.gain.c / asset.gain.samples
    made = [getattr(asset, kind) for kind in INPUTS]
    total = sum(i.exponent for i in made if i is not None)
    multiple = max(1.0, effort) ** (1.0 / total) if total > 0 else 1.0
    return _FREE * multiple * reference_rate(spec, config)


def reference_rate(spec: cfg.TrainingInput, config: cfg.Config) -> float:
    """Tokens an hour that keep an index of 1: those of a window, over the window."""
    assert config.training is not None  # an input stands in no other section
    return spec.reference_tokens * config.training.depreciation_per_h
