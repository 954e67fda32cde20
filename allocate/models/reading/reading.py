"""The allocation as people read it: one table a layer, and the artifacts the paper asks for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.reading.answered import Answered
from allocate.models.reading.artifacts import Dashboard, priced_levels, with_yield
from allocate.models.reading.capacity import Capacity
from allocate.models.reading.chances import no_chances
from allocate.models.reading.profits import profits
from allocate.models.reading.rates import rates
from allocate.models.reading.requests import Requests
from allocate.models.reading.seen import Layers, outside
from allocate.models.reading.serving import Serving
from allocate.models.reading.training import assets, capability_prices, warnings
from allocate.models.state import Built

Table = list[dict[str, Any]]


class Reading:
    """What one answer says of each layer.

    Args:
        built: the program as the layers made it.
        program: that program, or one with more rows and activities after its own.
        allocation: of ``program``.
        duals: [rows of ``program``], USD per unit.
    """

    def __init__(self, built: Built, program: Program, allocation: Allocation, duals: np.ndarray):
        self._answer = Answered(built, program, allocation, duals)
        self._requests, self._serving = Requests(self._answer), Serving(self._answer)

    @property
    def router(self) -> Table:
        """Which class goes to which model and autonomy level."""
        return self._requests.router

    @property
    def autonomy(self) -> Table:
        """Tokens by use, success and expected loss per request."""
        return self._requests.autonomy

    @property
    def serving(self) -> Table:
        """Replicas, batch, utilisation and speed of every lane in use."""
        return self._serving.lanes

    @cached_property
    def training(self) -> Table:
        """Tokens an hour, staleness and gain of every asset."""
        return assets(self._answer)

    def to_dict(self) -> dict[str, Table]:
        """``layers`` of the result document."""
        return {
            "router": self.router,
            "autonomy": self.autonomy,
            "serving": self.serving,
            "training": self.training,
        }

    def capability_prices(self) -> Table:
        """The joint price of every trained model's capability, split over the classes."""
        return capability_prices(self._answer)

    def capacity(self) -> dict[str, Table]:
        """What is reserved and bought, what waits, and how the scenarios turn out, if any."""
        built = self._answer.built
        found, out = Capacity(self._answer), {}
        if any(g.bought for g in built.config.gpus.values()):
            out = {"reservations": found.reservations(), "gpu_hours": found.gpu_hours()}
        if any("defer" in arm.labels for arm in self._answer.stream.arms):
            out["deferred"] = found.deferred()
        if built.moments.scenarios:
            out["scenarios"] = found.scenarios()
        return out

    def artifacts(self) -> dict[str, Any]:
        """Tables for other programs: schedules, regret, token prices, caches, training."""
        answer, training = self._answer, self._answer.built.config.training
        board = Dashboard(answer)
        bound = answer.program.dual(answer.duals) - answer.program.welfare(answer.allocation)
        return {
            "autonomy_schedule": priced_levels(self._requests.schedule(), board.autonomy_prices()),
            "router_regret": {
                **self._requests.regret(),
                "bound_usd_per_hour": max(bound, 0.0),
                "classes": board.regret(),
            },
            "token_prices": self._serving.token_prices(),
            "cache": self._requests.cache(),
            "hits_by_value": board.hits_by_value(),
            "training": with_yield(
                self.training, None if training is None else training.depreciation_per_h
            ),
            "vectors": board.vectors(self.autonomy),
        }

    def warnings(self, disagreement: float) -> list[str]:
        """What a reader should know of the successes, and of how the layers were joined.

        ``disagreement`` is how far the layers are from agreeing, 0 where they do.
        """
        return [*no_chances(self._answer), *warnings(self._answer, disagreement)]

    @cached_property
    def extrapolated(self) -> Table:
        """Ranges of calibrated numbers that the answer leaves, ``models.reading.seen``."""
        if not self._answer.built.config.calibrated:
            return []
        cache = self._requests.cache()
        return outside(
            self._answer, Layers(self.router, self.autonomy, self.serving, self.training, cache)
        )

    def rates(self) -> dict[str, Any]:
        """λ and ρ in the paper's normalisation (3)."""
        return rates(self._answer)

    def profits(self) -> dict[str, float]:
        """What each layer earns alone at the shared prices, and the rent of the capacities."""
        return profits(self._answer)
