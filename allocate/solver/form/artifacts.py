"""Tables that other programs poll: schedules, token prices, retention, investment."""

from __future__ import annotations

from pydantic import Field

from allocate.solver.form.layers import TrainingLine, Vector
from allocate.solver.form.part import Part


class OneMore(Part):
    """Price of one more request acted on at a level."""

    reversible_usd: float | None
    irreversible_usd: float | None


class AutonomySchedule(Part):
    """Levels of autonomy of one action class."""

    action: str
    levels: dict[str, float] = Field(..., description="share of its served requests")
    one_more: dict[str, OneMore] | None = Field(None, description="by level in use")


class RegretLine(Part):
    """What a class leaves behind, and what knowing more could bring."""

    class_: str = Field(..., alias="class")
    period: str | None = Field(None, description="part of the day, where there are several")
    scenario: str | None = Field(None, description="where there are scenarios")
    models: list[str] = Field(..., description="in use; human where one does it")
    best_model: str
    next_model: str | None
    margin_usd: float | None = Field(..., description="best over next, a request")
    regret_usd: float | None = Field(..., description="left against the best model, a request")
    hindsight_usd: float | None = Field(
        ...,
        description="bound on what knowing who succeeds could bring a request, tokens as they are",
    )
    requests_per_h: float


class RouterRegret(Part):
    """What the split leaves against every class's best way at the shared prices."""

    usd_per_hour: float | None
    bound_usd_per_hour: float | None = Field(None, description="the dual less the welfare")
    classes: list[RegretLine] | None = None


class TokenPrice(Part):
    """Price of a million tokens in parts."""

    cost: float | None = Field(..., description="the GPU at market price")
    congestion: float | None = Field(..., description="keeping others fast")
    scarcity: float | None = Field(..., description="the GPU above its market price")
    total: float | None
    seat: float | None = Field(None, description="decode: place in a limited batch")


class TokenPrices(Part):
    """What a lane's tokens and memory cost."""

    lane: str
    period: str | None = Field(None, description="part of the day, where there are several")
    scenario: str | None = Field(None, description="where there are scenarios")
    prefill_usd_per_mtok: TokenPrice
    decode_usd_per_mtok: TokenPrice = Field(..., description="at context 0")
    kv_usd_per_gb_hour: float | None
    kv_parts_usd_per_gb_hour: dict[str, float | None] | None = None


class CacheLine(Part):
    """Prefixes of one reuse profile that are kept for a time."""

    profile: str
    retention_s: float
    requests_per_h: float
    hit: float | None = Field(..., description="share of prefix tokens found")
    prefix_tokens_held_s: float | None = Field(..., description="mean time that a token is held")
    value_usd_per_request: float | None
    depreciation_per_h: float | None


class HitsLine(Part):
    """Share of prefix tokens found, in a band of value."""

    value_from_usd: float | None
    value_to_usd: float | None
    requests_per_h: float
    hit: float | None


class VectorLine(Vector):
    """What requests of a class bring on one model and level, beside their best way."""

    class_: str = Field(..., alias="class")
    period: str | None = Field(None, description="part of the day, where there are several")
    scenario: str | None = Field(None, description="where there are scenarios")
    model: str | None
    autonomy: str | None
    gap_usd: float | None = Field(..., description="left against the best model, a request")


class Invested(TrainingLine):
    """One asset, with what keeps it up."""

    depreciation_per_h: float | None = None
    points_per_mtok_per_h: float | None = Field(
        None, description="success points, in hundredths, kept up by a million tokens an hour"
    )


class Artifacts(Part):
    """Tables that other programs poll: schedules, token prices, retention, investment."""

    autonomy_schedule: list[AutonomySchedule] | None = None
    router_regret: RouterRegret | None = None
    token_prices: list[TokenPrices] | None = None
    cache: list[CacheLine] | None = None
    hits_by_value: list[HitsLine] | None = None
    training: list[Invested] | None = None
    vectors: list[VectorLine] | None = None
