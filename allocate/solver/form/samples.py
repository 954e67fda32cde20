"""How the answer hangs on calibrated numbers: outside what was seen, and over draws of them."""

from __future__ import annotations

from pydantic import Field

from allocate.solver.form.part import Part


class Extrapolated(Part):
    """Calibrated numbers that the answer uses outside the range they were seen in."""

    parameters: list[str] = Field(..., description="dotted paths; all share the range")
    of: str = Field(..., description="the quantity that the range is about")
    unit: str
    seen: list[float] = Field(..., description="least and most in the data")
    answer: float = Field(..., description="in the answer, the value farthest outside")
    at: str | None = Field(..., description="where the first of the numbers stands")


class Spread(Part):
    """How one number of the answer is spread over the certified draws."""

    value: float | None = Field(..., description="in the answer itself; null where not there")
    p05: float | None = Field(..., description="5 % of the draws are below")
    median: float | None
    p95: float | None = Field(..., description="5 % of the draws are above")


class SpreadPrice(Spread):
    """Spread of a price, USD an hour per unit."""

    resource: str
    label: str
    unit: str
    binding_share: float = Field(..., description="share of the draws in which it binds")


class SpreadShare(Spread):
    """Spread of the share of a class that goes to a model and level of autonomy."""

    class_: str | None = Field(..., alias="class", description="null: all requests together")
    model: str | None
    autonomy: str | None
    period: str | None = None
    scenario: str | None = None


class DrawnNumber(Part):
    """A calibrated number that is drawn, and what was drawn."""

    path: str
    unit: str
    value: float | list[float]
    low: float | list[float]
    high: float | list[float]
    distribution: str
    correlated_with: list[str]


class KeptNumber(Part):
    """A calibrated number that is not drawn."""

    path: str
    reason: str


class Drawing(Part):
    """One draw: what became of it."""

    draw: int
    status: str = Field(..., description="as of a result, or refused: no valid config")
    welfare: float | None = Field(..., description="USD/h; null without an answer")
    relative_gap: float | None
    holds: bool = Field(..., description="certified: it counts for the spreads")
    message: str | None


class Samples(Part):
    """The answer's spread over draws from the intervals of its calibrated numbers."""

    asked: int
    finished: int
    certified: int = Field(..., description="draws that the spreads are over")
    seed: int
    stopped: bool = Field(..., description="by the user, before all were solved")
    statuses: dict[str, int] = Field(..., description="how many draws ended how")
    welfare: Spread
    prices: list[SpreadPrice]
    decisions: list[SpreadShare]
    drawn: list[DrawnNumber]
    kept: list[KeptNumber]
    draws: list[Drawing]
    seconds: float
    draws_per_s: float | None
