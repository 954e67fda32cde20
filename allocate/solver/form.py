"""The form of a result: one class for each part of the document, with what its keys mean.

Numbers are finite; what is not known is ``null``. Parts are open: a later version may add keys, and
every key that this version writes stands here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = "1.0"

Status = Literal["optimal", "feasible", "infeasible", "unbounded", "stopped"]


class Part(BaseModel):
    """Base of every part: open to new keys, closed to NaN and Infinity."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class Objective(Part):
    """Welfare per hour and what it is made of: value less the five costs."""

    unit: Literal["USD/h"] = "USD/h"
    welfare: float | None = Field(..., description="value − money − latency − risk − …")
    value: float | None = Field(..., description="worth of the requests that are solved")
    money: float | None = Field(..., description="spent on APIs and GPUs")
    latency: float | None = Field(..., description="waiting, at its price")
    risk: float | None = Field(..., description="expected loss from wrong actions, at its price")
    oversight: float | None = Field(..., description="pay of the humans' time")
    training: float | None = Field(..., description="spent on training")


class Infeasibility(Part):
    """Why no allocation keeps all limits."""

    least_give: float | None = Field(
        ..., description="by which every allocation exceeds the limits in all, each by its size"
    )
    multipliers: dict[str, float] = Field(..., description="weights of the rows that prove it")


class Certificate(Part):
    """The independent proof: recomputed from the answer alone, without the solver's word."""

    primal: float | None = Field(..., description="welfare of the answer, USD/h")
    dual: float | None = Field(..., description="no answer can exceed this, USD/h")
    relative_gap: float | None = Field(
        ...,
        description="(dual − primal) over the larger of |primal|, |dual| and 1e-9 of the money "
        "moved or at stake",
    )
    max_violation: float | None = Field(..., description="largest excess over a limit, relative")
    max_foc_residual: float | None = Field(
        ..., description="largest failure of marginal value = marginal cost, relative"
    )
    tolerance: float | None
    holds: bool
    max_slackness: float | None = Field(
        None, description="largest price times what is left of its row, relative"
    )
    violated: str | None = Field(None, description="name of the worst violation")
    infeasibility: Infeasibility | None = Field(
        None, description="of an infeasible config: the proof that it is"
    )


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


class Way(Part):
    """One way that a share is served."""

    way: str = Field(..., description="api, own, flat or human")
    lane: str | None = Field(..., description="where it is decoded")
    prefill: str | None = Field(..., description="lane of the prompt, where it is another")
    retention_s: float = Field(..., description="how long its prefix is kept")
    shared_prefix: bool
    requests_per_s: float
    served_in: str | None = Field(None, description="a later period, if it waits for one")
    tokens: dict[str, float | None] = Field(..., description="per request, by token use")


class Nearest(Part):
    """The way that comes nearest to serving what is declined."""

    model: str | None = Field(..., description="null when no way is open, or a human does it")
    autonomy: str | None
    usd: float | None = Field(..., description="what it would bring a request, prices paid")
    value_usd: float | None = Field(None, description="worth of a success")


class RouterLine(Part):
    """A share of a class sent to a model at an autonomy level."""

    class_: str = Field(..., alias="class")
    model: str | None = Field(..., description="null when a human does it or it is declined")
    autonomy: str | None
    share: float = Field(..., description="of the class's arrivals")
    requests_per_s: float
    period: str | None = Field(None, description="part of the day, where there are several")
    scenario: str | None = Field(None, description="where there are scenarios")
    served_by: str | None = Field(
        None, description="api, own, flat, human or mixed; null when declined"
    )
    lanes: list[str] | None = Field(None, description="lanes that decode it")
    retention_s: float | None = Field(None, description="longest retention used")
    ways: list[Way] | None = Field(None, description="every way that it is served")
    best: Nearest | None = Field(None, description="of what is declined")


class Vector(Part):
    """What one request is worth and costs, USD."""

    value_usd: float | None
    cost_usd: float | None = Field(..., description="money, and rows at their prices")
    latency_usd: float | None
    risk_usd: float | None
    oversight_usd: float | None


class AutonomyLine(Part):
    """How much an agent reads, plans, edits and verifies on one request."""

    class_: str = Field(..., alias="class")
    model: str | None
    autonomy: str | None
    tokens: dict[str, float | None] = Field(..., description="per request, by token use")
    success: float | None
    risk_usd: float | None = Field(..., description="expected loss of one request")
    period: str | None = Field(None, description="part of the day, where there are several")
    scenario: str | None = Field(None, description="where there are scenarios")
    wrong_actions: float | None = Field(None, description="expected, of one request")
    latency_s: float | None = Field(None, description="of one request")
    vector: Vector | None = None


class ServingLine(Part):
    """A lane: a deployment run at one speed."""

    lane: str
    model: str
    gpu: str | None
    stage: str
    tier: float | str | None
    replicas: float
    batch: float | None
    utilisation: float | None
    tpot_ms: float | None
    ttft_ms: float | None
    kv_used: float | None = Field(..., description="share of the KV memory in use")
    period: str | None = Field(None, description="part of the day, where there are several")
    scenario: str | None = Field(None, description="where there are scenarios")
    gpus: float | None = Field(None, description="GPUs of all its replicas")
    speed_utilisation: float | None = Field(
        None, description="utilisation that its speed stands for, before head-room"
    )
    draft: bool | None = Field(None, description="whether with a draft model")


class TrainingLine(Part):
    """Tokens invested in one asset of one model."""

    model: str
    asset: str
    rollout_tokens: float | None
    verifier_tokens: float | None
    update_tokens: float | None
    staleness: float | None = Field(..., description="versions behind, mean of the rollouts")
    gain: float | None = Field(..., description="success points kept in steady state")
    kind: str | None = Field(None, description="sft, dpo or rl")
    unit: str | None = Field(None, description="of the tokens")


class Layers(Part):
    """The allocation, by layer."""

    router: list[RouterLine]
    autonomy: list[AutonomyLine]
    serving: list[ServingLine]
    training: list[TrainingLine]


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


class Reused(Part):
    """What an earlier result gave to the search."""

    prices: int
    of: int


class Climbed(Part):
    """What gradient ascent found, start by start."""

    seeds: int
    feasible: int = Field(..., description="starts that ended inside every row")
    improved: bool = Field(..., description="one is better than the answer it began at")
    start_welfare: float
    best_welfare: float | None
    gaps: list[float | None] = Field(..., description="to the convex bound, relative")
    convex_bound: float


class SolverInfo(Part):
    """How the answer was found."""

    method: str | None
    iterations: int | None
    passes: float | None = Field(..., description="sweeps over all classes")
    peak_memory_mb: float | None
    reused: Reused | None = Field(None, description="known prices of all, after --warm-from")
    gradient: Climbed | None = Field(None, description="with --method gradient")


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


class WholeReplicas(Part):
    """What whole numbers of replicas cost."""

    replicas: dict[str, int] | None
    continuous: dict[str, float | None]
    welfare_bound: float | None
    integer_gap: float | None = Field(..., description="to the continuous bound")
    cost_of_rounding_usd_per_hour: float | None
    certified_at_these_numbers: bool


class GoodLine(Part):
    """The capability of one trained model, in the answer and in the convex one."""

    name: str
    amount: float = Field(..., description="success points")
    convex_amount: float = Field(..., description="of the fixed point that the search began at")
    most: float = Field(..., description="the search went from 0 to here")


class LindahlLine(Part):
    """What a class pays of the joint price of a model's capability."""

    model: str
    class_: str = Field(..., alias="class")
    usd_per_h_per_point: float = Field(..., description="what a success point brings it")
    share: float = Field(..., description="of the joint price")


class GlobalOptimum(Part):
    """Training × routing over all capabilities, not only those near the answer."""

    holds: bool = Field(..., description="proved: nothing is better by more than the tolerance")
    welfare: float | None
    bound: float | None = Field(..., description="no capabilities are worth more, USD/h")
    relative_gap: float | None
    tolerance: float
    convex_welfare: float | None = Field(..., description="of the fixed point, USD/h")
    difference_usd_per_hour: float | None
    why: str
    goods: list[GoodLine]
    lindahl: list[LindahlLine]
    points: int = Field(..., description="of the proof: capabilities with prices")
    cells: int = Field(..., description="of the proof: simplices that cover all capabilities")
    solves: int
    seconds: float
    stopped: str | None = Field(None, description="time, nodes or user; null: gap closed")


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


class Derivatives(Part):
    """Change per unit of a parameter; decisions and prices that are not named do not change."""

    d_welfare: float | None = Field(..., description="USD/h; null where there is none")
    d_prices: dict[str, float | None] | None = Field(
        ..., description="by resource; null where the answer does not decide it"
    )
    d_decisions: dict[str, float | None] | None = Field(..., description="by dotted name, likewise")


class OneSided(Part):
    """Derivatives to each side, where they differ."""

    reason: str
    below: Derivatives | None = Field(..., description="for a smaller value; null: none")
    above: Derivatives | None = Field(..., description="for a larger value; null: none")


class SwitchTo(Part):
    """Where the first other way is as good, by the slopes."""

    change: float = Field(..., description="of the parameter, as a share of itself")
    class_: str = Field(..., alias="class")
    model: str | None
    autonomy: str


class Hanging(Derivatives):
    """How the answer hangs on one number of the config."""

    parameter: str
    value: float
    unit: str
    moved_by_1_percent: float = Field(
        ..., description="share of the money at stake whose requests go another way for 1 % of it"
    )
    switch: SwitchTo | None = None
    one_sided: OneSided | None = Field(None, description="where there is no one derivative")


class LeftOutNumber(Part):
    """A number that no derivative is taken with respect to."""

    path: str
    reason: str


class MovedClass(Part):
    """A share of a class that goes another way."""

    class_: str = Field(..., alias="class")
    share: float
    from_: list[str] = Field(..., alias="from", description="model, autonomy")
    to: list[str]


class LargeChange(Part):
    """A large change of one number, solved again."""

    parameter: str
    from_: float = Field(..., alias="from")
    to: float
    status: str
    welfare: float | None
    moves: list[MovedClass]
    sentence: str


class SensitivityAbout(Part):
    """What the derivatives hold for."""

    held: str
    ties: int = Field(..., description="constraints that the answer just touches")
    left_out: list[LeftOutNumber]
    changes: list[LargeChange]
    seconds: float
    stopped: bool


class Result(Part):
    """A result document."""

    format_version: str = FORMAT_VERSION
    allocate_version: str
    created_at: str
    config_sha256: str
    status: Status
    objective: Objective
    certificate: Certificate
    prices: list[Price]
    layers: Layers
    artifacts: Artifacts
    assumed: list[Any] = Field(..., description="defaults and judgements that mattered")
    warnings: list[Any]
    timing: dict[str, float | None]
    solver: SolverInfo
    rates: Rates | None = None
    start: Start | None = Field(None, description="only of a certified answer")
    whole_replicas: WholeReplicas | None = Field(None, description="with integer_replicas")
    global_optimum: GlobalOptimum | None = Field(None, description="with training")
    reservations: list[Reservation] | None = Field(None, description="where GPUs are bought")
    gpu_hours: list[GpuHours] | None = Field(None, description="where GPUs are bought")
    deferred: list[Deferred] | None = Field(None, description="where work may wait")
    scenarios: list[Scenario] | None = Field(None, description="with uncertainty")
    extrapolated: list[Extrapolated] | None = Field(None, description="with calibrated numbers")
    samples: Samples | None = Field(None, description="with --samples")
    sensitivity: list[Hanging] | None = Field(
        None, description="with --sensitivity: by parameter, the most telling first"
    )
    sensitivity_about: SensitivityAbout | None = Field(None, description="with --sensitivity")
    conflicts: list[str] | None = Field(None, description="the limits in conflict, without answer")
    message: str | None = Field(None, description="why there is no answer")
