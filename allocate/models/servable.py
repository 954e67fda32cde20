"""Whether anything may serve a class: the models and levels that its restrictions leave."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocate.models.classes import Classes
from allocate.models.config import Config, RequestClass
from allocate.models.lanes import CLOSEST, floor_ms


@dataclass(frozen=True)
class Servable:
    """The fastest token of each model, and what each level of autonomy is for."""

    fastest_ms: dict[str, float]
    actions: dict[str, frozenset[str] | None]
    human: frozenset[str]

    def fastest(
        self, models: Sequence[str] | None, levels: Sequence[str] | None, action: str
    ) -> float | str:
        """Time per token of the fastest way to serve a class, or why there is none."""
        allowed = [
            level
            for level in (self.actions if levels is None else levels)
            if (wanted := self.actions.get(level)) is None or action in wanted
        ]
        if not allowed:
            return f"no level of autonomy that it may use is for the action `{action}`"
        if not self.human.isdisjoint(allowed):
            return 0.0
        usable = list(self.fastest_ms) if models is None else models
        if not usable:
            return "it may use no model"
        return min(self.fastest_ms.get(model, 0.0) for model in usable)

    def reason(self, item: RequestClass) -> str | None:
        """Say why nothing may serve a class, or None if something may."""
        fastest = self.fastest(item.models, item.autonomy, item.action)
        if isinstance(fastest, str):
            return fastest
        if item.max_tpot_ms is not None and item.max_tpot_ms < fastest:
            return _too_slow(fastest)
        return None

    def rows(self, classes: Classes) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Find the classes that nothing may serve, by reason."""
        columns = (classes.models, classes.autonomy, classes.action)
        kind = np.zeros(len(classes), dtype=np.int64)
        for column in columns:
            kind = kind * (len(column.labels) + 1) + column.codes + 1
        _, first, kind = np.unique(kind, return_index=True, return_inverse=True)
        for index, example in enumerate(first):
            models, levels, action = (column[example] for column in columns)
            fastest = self.fastest(models, levels, action)  # pyright: ignore[reportArgumentType]
            there = kind == index
            if isinstance(fastest, str):
                yield fastest, there
            elif (slow := there & (classes.max_tpot_ms < fastest)).any():
                yield _too_slow(fastest), slow


def _too_slow(fastest: float) -> str:
    return f"its `max_tpot_ms` is below the fastest token that it may use, {fastest:.7g} ms"


def servable(config: Config) -> Servable:
    """Collect what decides whether a class can be served."""
    deployed: dict[str, float] = {}
    for name, item in config.deployments.items():
        if item.stage != "prefill":
            # an empty batch decodes nothing: a speed of its own must be a little above its floor
            floor = floor_ms(name, item) / (1.0 - CLOSEST)
            fastest = min(item.tpot_ms) if item.tpot_ms else floor
            deployed[item.model] = min(fastest, deployed.get(item.model, math.inf))
    fastest_ms: dict[str, float] = {}
    for name, model in config.models.items():
        ways = [deployed[name]] if name in deployed else []
        ways += [model.api.tpot_ms] if model.api else []
        fastest_ms[name] = min(ways, default=0.0)
    levels = config.autonomy.items()
    return Servable(
        fastest_ms,
        {
            name: None if level.actions is None else frozenset(level.actions)
            for name, level in levels
        },
        frozenset(name for name, level in levels if level.human_success is not None),
    )
