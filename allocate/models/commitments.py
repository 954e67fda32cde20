"""The sections of a config that say how capacity may be bought, and what is not yet known.

Capacity is reserved before it is known which scenario comes; everything else, buying by the
hour too, is decided in it. ``serving/gpus.py`` and ``moments.py`` say what the numbers do.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from allocate.models.section import Section
from allocate.models.units import Named, Quantity


class Reserved(Section):
    """GPUs reserved once, for all periods and scenarios: paid whether they are used or not."""

    price_usd_per_h: Annotated[float, Quantity("USD/h", ge=0)] = Field(
        description="price of a reserved GPU, every hour"
    )
    committed: Annotated[float, Quantity("GPU", ge=0)] = Field(
        default=0.0, description="reserved already: part of what is available, and paid in any case"
    )
    available: Annotated[float, Quantity("GPU", ge=0)] | None = Field(
        default=None,
        description="GPUs that may be reserved in all; default 1e6 (said under assumed)",
    )


class OnDemand(Section):
    """GPUs bought by the hour, in the period and scenario that needs them."""

    price_usd_per_h: Annotated[float, Quantity("USD/h", ge=0)] = Field(
        description="price of a GPU for an hour"
    )
    available: Annotated[float, Quantity("GPU", ge=0)] | None = Field(
        default=None, description="GPUs that can be had at once; default 1e6 (said under assumed)"
    )


class Spot(OnDemand):
    """GPUs bought by the hour that may be taken away: an interruption costs time and money."""

    interruptions_per_h: Annotated[float, Quantity("1/h", ge=0)] = Field(
        default=0.0, description="interruptions of a GPU, an hour"
    )
    lost_h: Annotated[float, Quantity("h", ge=0)] = Field(
        default=0.0,
        description="time of the GPU that one interruption loses: work done again, and restart",
    )
    interruption_usd: Annotated[float, Quantity("USD", ge=0)] = Field(
        default=0.0, description="what one interruption of a GPU costs besides"
    )

    @property
    def useful(self) -> float:
        """Share of a GPU's time that is not lost."""
        return 1.0 - self.interruptions_per_h * self.lost_h

    @property
    def usd_per_h(self) -> float:
        """What an hour costs with its interruptions."""
        return self.price_usd_per_h + self.interruptions_per_h * self.interruption_usd


class GpuScenario(Section):
    """What differs for a GPU type in one scenario."""

    available_scale: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0, description="multiplies what is available of it, but for reservations"
    )
    price_scale: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0, description="multiplies its prices, but for reservations"
    )


class DemandScenario(Section):
    """One way that demand, GPUs and their prices may turn out."""

    probability: Annotated[float, Quantity("1", gt=0, le=1)]
    demand_scale: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0, description="multiplies every arrival rate"
    )
    classes: dict[str, Annotated[float, Quantity("1", ge=0)]] = Field(
        default_factory=dict, description="class → factor on its arrival rate"
    )
    tenants: dict[str, Annotated[float, Quantity("1", ge=0)]] = Field(
        default_factory=dict, description="tenant → factor on the arrival rates of its classes"
    )
    gpus: Named[GpuScenario] = Field(default_factory=dict)


class CostTail(Section):
    """CVaR of the money spent in an hour, over the scenarios."""

    beta: Annotated[float, Quantity("1", gt=0, lt=1)] = Field(
        default=0.95, description="confidence level"
    )
    max_usd_per_h: Annotated[float, Quantity("USD/h", ge=0)] | None = Field(
        default=None, description="limit on CVaR"
    )
    price_usd: Annotated[float, Quantity("1", ge=0)] = Field(
        default=0.0, description="price of a dollar an hour of CVaR, besides the dollar"
    )


class UnmetTail(Section):
    """CVaR of the requests declined in an hour, over the scenarios."""

    beta: Annotated[float, Quantity("1", gt=0, lt=1)] = Field(
        default=0.95, description="confidence level"
    )
    max_per_h: Annotated[float, Quantity("request/h", ge=0)] | None = Field(
        default=None, description="limit on CVaR"
    )
    price_usd: Annotated[float, Quantity("USD/request", ge=0)] = Field(
        default=0.0, description="price of a request an hour of CVaR"
    )


class Uncertainty(Section):
    """What is not known when capacity is reserved."""

    scenarios: Named[DemandScenario] = Field(min_length=1, max_length=100)
    known: bool = Field(
        default=False,
        description="reserve as if the scenario were known beforehand: what that is worth",
    )
    cost_tail: CostTail | None = None
    unmet_tail: UnmetTail | None = None
