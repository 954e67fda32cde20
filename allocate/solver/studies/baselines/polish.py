"""The last steps of a search for knobs: numbers between and beyond what a grid has."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from allocate.solver.studies.baselines.greedy import Knobs

_TRIALS = 120
_GAIN = 1e-5  # of the welfare: a step that gains less does not help
_TINY = 1e-3  # of verification: what none counts as
_MOST = 1e12  # reference bundles: what no cap counts as


@dataclass(frozen=True)
class _Scale:
    """In what a knob is stepped: ``to`` there and ``back``, its first and its least step."""

    to: Callable[[float], float]
    back: Callable[[float], float]
    first: float
    least: float

    def moved(self, value: float, step: float) -> float:
        """The knob a step away."""
        return self.back(self.to(value) + step)


def _share(x: float) -> float:
    return min(max(x, 0.0), 1.0)


def _cap(x: float) -> float:
    return math.exp(min(x, math.log(_MOST)))


def _verified(x: float) -> float:
    return _cap(x) if x > math.log(_TINY) else 0.0


_SCALES = {
    "quality_floor": _Scale(float, _share, 0.025, 0.004),
    "token_cap": _Scale(lambda v: math.log(min(v, _MOST)), _cap, 0.2, 0.02),
    "verify": _Scale(lambda v: math.log(max(v, _TINY)), _verified, 0.3, 0.03),
    "training_share": _Scale(float, _share, 0.05, 0.004),
}


def polished(welfare: Callable[[Knobs], float], names: Collection[str], start: Knobs) -> Knobs:
    """The best knobs found by steps of one number at a time (Hooke and Jeeves 1961).

    Steps double where they help and halve where they do not.

    Args:
        welfare: of knobs, USD per hour.
        names: of the knobs that may be stepped.
        start: where to begin; what comes back is worth no less.
    """
    best, most, left = start, welfare(start), _TRIALS
    steps = {name: _SCALES[name].first for name in _SCALES if name in names}
    while left > 0 and steps:
        for name in list(steps):
            helped = False
            for way in (1.0, -1.0):
                moved = _SCALES[name].moved(getattr(best, name), way * steps[name])
                trial = replace(best, **{name: moved})
                value, left = welfare(trial), left - 1
                if value > most + _GAIN * abs(most):
                    best, most, helped = trial, value, True
                    break
            steps[name] *= 2.0 if helped else 0.5
            if steps[name] < _SCALES[name].least:
                del steps[name]
    return best
