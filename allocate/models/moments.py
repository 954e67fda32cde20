"""Moments: every period of every scenario. What is "by period" in a program is by moment.

A moment's weight is its scenario's probability × its period's share of the day, so that flows,
averaged over moments, are expected ones, and a row of a moment has its weight of a capacity.
What is decided before the scenario is known is a level that stands in the rows of all moments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from allocate.models.classes import Classes
from allocate.models.commitments import DemandScenario, GpuScenario
from allocate.models.config import Config

_ORDINARY = GpuScenario()


@dataclass(frozen=True)
class Moments:
    """Moments in the order scenario by scenario, each with all of its periods.

    ``scenarios`` is empty where there is one future only.
    """

    periods: tuple[str, ...]
    shares: tuple[float, ...]  # of the day, by period
    hours: tuple[float, ...]
    demand_scales: tuple[float, ...]
    price_scales: tuple[float, ...]
    scenarios: Mapping[str, DemandScenario]
    known: bool = False

    @classmethod
    def of(cls, config: Config) -> Moments:
        """The moments of a config."""
        scenarios = {} if config.uncertainty is None else dict(config.uncertainty.scenarios)
        known = config.uncertainty is not None and config.uncertainty.known
        if not config.periods:
            return cls(("all day",), (1.0,), (24.0,), (1.0,), (1.0,), scenarios, known)
        parts = config.periods.values()
        hours = np.array([p.hours for p in parts])
        return cls(
            tuple(config.periods),
            tuple(hours / hours.sum()),
            tuple(float(h) for h in hours),
            tuple(p.demand_scale for p in parts),
            tuple(p.gpu_price_scale for p in parts),
            scenarios,
            known,
        )

    def __len__(self) -> int:
        return max(len(self.scenarios), 1) * len(self.periods)

    @cached_property
    def probabilities(self) -> tuple[float, ...]:
        """Of the scenarios; 1 where there is one future only."""
        return tuple(s.probability for s in self.scenarios.values()) or (1.0,)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the moments: the period's, after its scenario's."""
        if not self.scenarios:
            return self.periods
        if len(self.periods) == 1:
            return tuple(self.scenarios)
        return tuple(f"{s}: {p}" for s in self.scenarios for p in self.periods)

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """Of the moments; they sum to 1."""
        return tuple(p * w for p in self.probabilities for w in self.shares)

    def period(self, moment: int) -> int:
        """Number of a moment's period."""
        return moment % len(self.periods)

    def scenario(self, moment: int) -> int:
        """Number of a moment's scenario."""
        return moment // len(self.periods)

    def when(self, moment: int) -> dict[str, str]:
        """The columns of a table that say when: none where there is one moment.

        ``period`` is the moment's name, so that it alone tells all lines apart.
        """
        out = {}
        if self.scenarios:
            out["scenario"] = list(self.scenarios)[self.scenario(moment)]
        if len(self) > 1:
            out["period"] = self.names[moment]
        return out

    @cached_property
    def decisions(self) -> tuple[tuple[str, float, range], ...]:
        """What is reserved at once: (name, probability, moments). One, for all moments.

        Where the scenario is known beforehand, one for each.
        """
        n = len(self.periods)
        if not (self.known and self.scenarios):
            return (("", 1.0, range(len(self))),)
        several = zip(self.scenarios, self.probabilities, strict=True)
        return tuple((s, p, range(i * n, (i + 1) * n)) for i, (s, p) in enumerate(several))

    # --- what differs ------------------------------------------------------------------------

    @cached_property
    def demand_scale(self) -> tuple[float, ...]:
        """By moment: factor on every arrival rate."""
        if not self.scenarios:
            return self.demand_scales
        scales = [s.demand_scale for s in self.scenarios.values()]
        return tuple(a * b for a in scales for b in self.demand_scales)

    def rate_factor(self, classes: Classes) -> np.ndarray | None:
        """[scenarios, classes] factor on the arrival rate of each; None where all are 1."""
        if not any(s.classes or s.tenants for s in self.scenarios.values()):
            return None
        out = np.ones((len(self.scenarios), len(classes)))
        at = {str(n): k for k, n in enumerate(classes.names)}
        for i, s in enumerate(self.scenarios.values()):
            scale = np.array([*(s.tenants.get(t, 1.0) for t in classes.tenant.labels), 1.0])
            out[i] *= scale[classes.tenant.codes]
            for name, factor in s.classes.items():
                out[i, at[name]] *= factor
        return out

    def available_scale(self, gpu: str) -> tuple[float, ...]:
        """By moment: factor on what is available of a GPU type, but for reservations."""
        of = self._gpu(gpu)
        return tuple(s.available_scale for s in of for _ in self.periods)

    def price_scale(self, gpu: str) -> tuple[float, ...]:
        """By moment: factor on the prices of a GPU type, but for reservations."""
        return tuple(s.price_scale * p for s in self._gpu(gpu) for p in self.price_scales)

    def _gpu(self, gpu: str) -> list[GpuScenario]:
        return [s.gpus.get(gpu, _ORDINARY) for s in self.scenarios.values()] or [_ORDINARY]

    # --- later ---------------------------------------------------------------------------------

    def later(self, moment: int, steps: int) -> int:
        """The moment so many periods later, of the same scenario; a day follows a day."""
        n = len(self.periods)
        return moment - self.period(moment) + (self.period(moment) + steps) % n

    def waits(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """([periods] mean, [periods] longest) hours until so many periods later.

        First come, first served: who arrives at a fraction of a period is served at the same
        fraction of the later one.
        """
        hours = np.array(self.hours)
        begin = np.concatenate([[0.0], np.cumsum(hours)])
        total, n = begin[-1], len(hours)
        at = np.arange(n)
        there = (at + steps) % n
        until = (begin[there] - begin[at]) % total
        grown = hours[there] - hours[at]  # who comes last waits so much longer than who comes first
        return until + 0.5 * grown, np.maximum(until, until + grown)
