"""What is bought for which hours, what waits for them, and how scenarios turn out."""

from __future__ import annotations

from pydantic import Field

from allocate.solver.form.part import Part
from allocate.solver.form.proof import Objective


class Reservation(Part):
    """GPUs of one type that are reserved once, for all periods and scenarios."""

    gpu: str
    label: str
    scenario: str | None = Field(None, description="only where it is known beforehand")
    gpus: float | None = Field(..., description="reserved in all")
    committed: float | None = Field(..., description="of them, reserved already")
    available: float | None = Field(..., description="that may be reserved; null: no limit given")
    price_usd_per_h: float | None
    usd_per_h: float | None = Field(..., description="of all that are reserved")
    worth_usd_per_h: float | None = Field(..., description="what the next one would bring")
    busy: float | None = Field(..., description="share of their time in use, if others idle first")


class GpuHours(Part):
    """Where the GPUs of one type come from in one period."""

    gpu: str
    scenario: str | None = None
    period: str | None = None
    share: float | None = Field(..., description="of the day, times the scenario's probability")
    used: float | None
    reserved: float | None
    own: float | None = Field(..., description="of what is available without being bought")
    on_demand: float | None
    spot: float | None = Field(..., description="paid; what interruptions lose is not used")
    price_usd_per_h: float | None = Field(..., description="of one more GPU for that hour")


class Deferred(Part):
    """Requests of one class that are served in a later period than they arrive in."""

    class_: str = Field(..., alias="class")
    scenario: str | None = None
    period: str | None = Field(None, description="they arrive in")
    served_in: str
    requests_per_s: float | None
    share: float | None = Field(..., description="of those that arrive in the period")
    wait_h: float | None = Field(..., description="on average")
    usd_per_request: float | None = Field(..., description="price of the waiting")


class Scenario(Objective):
    """How the answer turns out if one scenario comes; ``risk`` has the price of all tails in it."""

    scenario: str
    probability: float | None
    requests_per_s: float | None
    declined_per_s: float | None
