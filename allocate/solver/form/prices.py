"""Prices of shared resources, rates, and where a later solve may begin."""

from __future__ import annotations

from pydantic import Field

from allocate.solver.form.part import Part


class Price(Part):
    """The shared price of one capacity: what one more unit adds to welfare per hour."""

    resource: str = Field(..., description="dotted config path, as --set takes it")
    value: float | None = Field(..., description="gain in welfare per hour; 0 when slack")
    unit: str
    label: str
    worth: float | None = Field(..., description="what a used unit brings")
    pay: float | None = Field(..., description="what a used unit costs; value = worth − pay")
    used: float | None
    capacity: float | None
    binding: bool
    valid_from: float | None = Field(..., description="capacity down to which the price holds")
    valid_to: float | None = Field(..., description="capacity up to which the price holds")
    sentence: str


class Rates(Part):
    """λ and ρ in the paper's normalisation: over the price of a dollar."""

    usd: float | None = Field(None, description="1 + dual of the budget")
    lambda_usd_per_s: float | None = None
    lambda_of_limits_usd_per_s: dict[str, float | None] | None = None
    rho_usd_per_loss: float | None = None
    rho_irreversible_usd_per_loss: float | None = None


class Start(Part):
    """Where a later solve may begin."""

    prices: dict[str, float | None] = Field(..., description="by row")
    speeds: dict[str, list[float]] = Field(..., description="by family of lanes")
    capability: dict[str, float | None] = Field(..., description="by model")
    worth: dict[str, float | None] = Field(..., description="by model")
