"""Draws baselines by name on a scene; see ``NAMES``.

They are drawn on the menu of speeds that the scene has, under the same limits, and judged by
the same evaluation as the joint answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from allocate.models.config import Config
from allocate.solver.studies.baselines.flat import flat_price
from allocate.solver.studies.baselines.greedy import SOURCES, Decisions, Knobs, decide
from allocate.solver.studies.baselines.observed import Observed, observe
from allocate.solver.studies.baselines.response import best_response
from allocate.solver.studies.baselines.routers import ROUTERS, with_router
from allocate.solver.studies.baselines.tuned import Workshop, tune
from allocate.solver.studies.scene import Outcome, Scene

NAMES = ("greedy", "greedy-tuned", "best-response", "flat-price", *ROUTERS, "observed")
"""Every baseline, in the order in which they are shown."""


@dataclass(frozen=True)
class Bench:
    """Draws baselines on a scene; the tuned knobs are found once and kept.

    ``observed`` is what the user's table says is done today, where there is one.
    """

    scene: Scene
    observed: Observed | None = None
    progress: Callable[[dict], None] | None = None
    known: Knobs | None = None

    @cached_property
    def _shop(self) -> Workshop:
        return Workshop(self.scene, self.progress)

    @cached_property
    def tuned(self) -> Knobs:
        """The strongest local rules."""
        return self.known or tune(self._shop)

    @property
    def speeds(self) -> Mapping[str, list[float]]:
        """Utilisations that the table names, by lane family: the scene has to offer them."""
        return {} if self.observed is None else self.observed.speeds(self.scene.loaded.config)

    def on(self, scene: Scene) -> Bench:
        """The same bench, with what it has found, on another menu of speeds."""
        known = self.tuned if "tuned" in self.__dict__ else self.known
        return Bench(scene, self.observed, self.progress, known)

    def outcome(self, name: str) -> Outcome:
        """Draw a baseline.

        Raises:
            LookupError: its rules break a limit that has to be kept.
        """
        match name:
            case "best-response":
                allocation, invested, about = best_response(
                    self.scene, self.tuned, self._shop.invested(self.tuned)
                )
            case "flat-price":
                allocation, invested, about = flat_price(self.scene)
            case "observed":
                if self.observed is None:
                    raise LookupError("no table of what is done today was given")
                allocation, invested, about = observe(self.scene, self.observed)
            case _:
                knobs = self.knobs(name)
                allocation = self._shop.settled(knobs)
                if allocation is None:
                    raise LookupError("its rules break a limit that has to be kept")
                invested = self._shop.invested(knobs)
                about = {"knobs": _that_matter(knobs, self.scene.loaded.config)}
                if name == "greedy":
                    about["sources"] = dict(SOURCES)
        return self.scene.outcome(name, allocation, invested, about)

    def knobs(self, name: str) -> Knobs:
        """The knobs of a baseline that is a set of local rules."""
        if name == "greedy":
            return Knobs()
        return self.tuned if name == "greedy-tuned" else with_router(name, self.tuned)

    def decisions(self, name: str) -> Decisions | None:
        """What each layer of a baseline decided; None where it is not made of local rules."""
        if name in ("best-response", "flat-price", "observed"):
            return None
        knobs = self.knobs(name)
        ground, _ = self.scene.ground(self._shop.invested(knobs))
        return decide(ground, knobs)


def _that_matter(knobs: Knobs, config: Config) -> dict:
    """The knobs that this config has anything to set by."""
    idle: set[str] = set()
    if knobs.router != "cost":
        idle.add("quality_floor")
    if not any(use.exponent > 0 for use in config.token_uses.values()):
        idle.add("token_cap")
    if not any(use.risk_tokens is not None for use in config.token_uses.values()):
        idle.add("verify")
    if len(config.autonomy) < 2:
        idle.add("approval")
    if not config.deployments:
        idle |= {"utilisation", "retention_s"}
    if not config.caching.reuse:
        idle.add("retention_s")
    if config.training is None:
        idle.add("training_share")
    return {name: value for name, value in knobs.to_dict().items() if name not in idle}


__all__ = ["NAMES", "Bench", "Knobs", "Observed"]
