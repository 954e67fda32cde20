"""The schema of ``config.yaml``: one class per section, a unit in every field.

Only *what a user may write* stands here. Reading files, positions and messages are in
``loader.py``; what the numbers mean together is in ``stack.py`` and the four layers.
Every section but ``models`` and ``classes`` (or ``class_table``) is optional.

Named sections (models, classes, gpus, …) may be written as a mapping or as a list of
items with a ``name``; dotted paths (``--set models.cheap.quality=0.8``) work for both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from allocate.models.calibrated import Calibrated
from allocate.models.commitments import OnDemand, Reserved, Spot, Uncertainty
from allocate.models.section import Section as Section
from allocate.models.units import Named, Quantity

# --- demand -----------------------------------------------------------------------------


class Demand(Section):
    """All arrivals together."""

    scale: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0, description="multiplies every arrival rate"
    )


class Period(Section):
    """A part of the day: demand varies between periods, capacity is shared by them."""

    hours: Annotated[float, Quantity("h", gt=0)] = Field(description="length of the period")
    demand_scale: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0, description="multiplies the arrival rates in this period"
    )
    gpu_price_scale: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0,
        description="multiplies the prices of GPUs in this period, but for reservations",
    )


class RequestClass(Section):
    """One kind of request: a task type of one tenant at one difficulty."""

    rate_per_s: Annotated[float, Quantity("request/s", ge=0)] = Field(description="arrival rate")
    value_usd: Annotated[float, Quantity("USD", ge=0)] = Field(
        description="V: what one solved request is worth"
    )
    latency_usd_per_s: Annotated[float, Quantity("USD/s", ge=0)] | None = Field(
        default=None,
        description="λ: price of a second of waiting; default prices.latency_usd_per_s",
    )
    loss: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0, description="reversible loss of one wrong action, in units of prices.risk_usd"
    )
    irreversible_loss: Annotated[float, Quantity("1", ge=0)] = Field(
        default=0.0, description="irreversible loss of one wrong action, likewise"
    )
    action: str = Field(
        default="act", description="action class, such as read, draft, commit, deploy"
    )
    tenant: str | None = Field(default=None, description="who pays: a name under tenants")
    periods: list[str] | None = Field(
        default=None, min_length=1, description="periods it arrives in; default all"
    )
    prompt_tokens: Annotated[float, Quantity("token", ge=0)] = Field(
        default=0.0, description="fresh input tokens of one request"
    )
    prefix_tokens: Annotated[float, Quantity("token", ge=0)] = Field(
        default=0.0, description="input tokens of one request that an earlier one may have cached"
    )
    output_tokens: Annotated[float, Quantity("token", ge=0)] = Field(
        default=0.0, description="output tokens of one request besides the token uses"
    )
    context_tokens: Annotated[float, Quantity("token", ge=0)] | None = Field(
        default=None,
        description="mean context while decoding; default prompt + prefix/calls + output/2 "
        "+ the shared prefix of its group",
    )
    calls: Annotated[float, Quantity("1", gt=0)] = Field(
        default=1.0, description="model calls in one request; each waits for a first token"
    )
    reuse: str | None = Field(default=None, description="reuse profile: a name under caching.reuse")
    sharing: str | None = Field(
        default=None, description="sharing group of its shared prefix: a name under caching.sharing"
    )
    difficulty: Annotated[float, Quantity("1", gt=0)] = Field(
        default=1.0, description="multiplies the effort that a success level needs"
    )
    quality: dict[str, Annotated[float, Quantity("1", ge=0, le=1)]] = Field(
        default_factory=dict, description="by model: success ceiling for this class"
    )
    models: list[str] | None = Field(default=None, description="models it may use; default all")
    autonomy: list[str] | None = Field(default=None, description="levels it may use; default all")
    max_tpot_ms: Annotated[float, Quantity("ms", gt=0)] | None = Field(
        default=None, description="hard limit, per token"
    )
    max_ttft_s: Annotated[float, Quantity("s", gt=0)] | None = Field(
        default=None, description="hard limit, per call, with what is read before it"
    )
    decline: bool = Field(default=True, description="may be declined when serving it does not pay")
    decline_cost_usd: Annotated[float, Quantity("USD", ge=0)] = Field(
        default=0.0, description="loss when declined"
    )
    max_defer_h: Annotated[float, Quantity("h", ge=0)] | None = Field(
        default=None,
        description="it may be served in a later period, if it then waits no longer than this; "
        "default: served when it arrives",
    )
    defer_usd_per_h: Annotated[float, Quantity("USD/h", ge=0)] = Field(
        default=0.0, description="price of an hour of that waiting"
    )
    trainability: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0, description="θ: success gained per unit of a model's capability gain"
    )


class ClassTable(Section):
    """Request classes in a CSV or Parquet file: one row a class, one column a field."""

    path: str = Field(description="file, relative to the config")
    columns: dict[str, str] = Field(
        default_factory=dict, description="field of a class → column name in the file"
    )
    defaults: dict[str, Any] = Field(
        default_factory=dict, description="field of a class → value where there is no column"
    )


class Tenant(Section):
    """Who sends requests; its spend may be limited."""

    money_usd: Annotated[float, Quantity("USD/h", ge=0)] | None = Field(
        default=None,
        description="most that its requests may spend (API bills, busy GPU time at market)",
    )


# --- prices and limits --------------------------------------------------------------------


class Prices(Section):
    """λ and ρ where they are given as prices. Where a limit is set, its dual is added."""

    latency_usd_per_s: Annotated[float, Quantity("USD/s", ge=0)] = Field(
        default=0.0, description="λ of a request"
    )
    risk_usd: Annotated[float, Quantity("USD", ge=0)] = Field(
        default=0.0, description="ρ: USD per unit of expected reversible loss"
    )
    irreversible_risk_usd: Annotated[float, Quantity("USD", ge=0)] | None = Field(
        default=None, description="ρ of irreversible loss; default risk_usd"
    )


class Budgets(Section):
    """Limits on money."""

    money_usd: Annotated[float, Quantity("USD/h", ge=0)] | None = Field(
        default=None, description="most to spend on APIs, GPUs and training (not on human time)"
    )


class LatencyLimit(Section):
    """A limit on the mean latency of some classes' served requests."""

    mean_s: Annotated[float, Quantity("s", gt=0)] = Field(
        description="mean latency of a served request"
    )
    classes: list[str] | None = Field(default=None, description="which classes; default all")
    tenants: list[str] | None = Field(default=None, description="or all classes of these tenants")


class ShareLimit(Section):
    """A limit on the share of requests that certain models serve."""

    models: list[str] = Field(min_length=1, description="models that count")
    classes: list[str] | None = Field(default=None, description="of which classes; default all")
    max_share: Annotated[float, Quantity("1", ge=0, le=1)] | None = Field(
        default=None, description="at most, of arrivals"
    )
    min_share: Annotated[float, Quantity("1", ge=0, le=1)] | None = Field(
        default=None, description="at least, of arrivals"
    )


class LossScenario(Section):
    """One state of the world: every loss of an action class is multiplied by its factor."""

    probability: Annotated[float, Quantity("1", gt=0, le=1)]
    factors: dict[str, Annotated[float, Quantity("1", ge=0)]] = Field(
        default_factory=dict, description="action class → factor on its losses"
    )
    factor: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0, description="factor on all other losses"
    )


class TailRisk(Section):
    """CVaR of the hourly loss over scenarios (Rockafellar and Uryasev 2000)."""

    beta: Annotated[float, Quantity("1", gt=0, lt=1)] = Field(
        default=0.95, description="confidence level"
    )
    max_loss_per_h: Annotated[float, Quantity("1/h", ge=0)] | None = Field(
        default=None, description="limit on CVaR"
    )
    price_usd: Annotated[float, Quantity("USD", ge=0)] = Field(
        default=0.0, description="price of a unit of CVaR"
    )
    scenarios: Named[LossScenario] = Field(min_length=1)


class Limits(Section):
    """Envelopes whose duals are prices."""

    risk_per_h: Annotated[float, Quantity("1/h", ge=0)] | None = Field(
        default=None, description="most expected reversible loss"
    )
    irreversible_risk_per_h: Annotated[float, Quantity("1/h", ge=0)] | None = Field(
        default=None, description="most expected irreversible loss"
    )
    latency: Named[LatencyLimit] = Field(default_factory=dict)
    shares: Named[ShareLimit] = Field(default_factory=dict)
    tail_risk: TailRisk | None = None


# --- router -------------------------------------------------------------------------------


class Api(Section):
    """A model bought per token."""

    input_usd_per_mtok: Annotated[float, Quantity("USD/Mtok", ge=0)] = 0.0
    cached_input_usd_per_mtok: Annotated[float, Quantity("USD/Mtok", ge=0)] | None = Field(
        default=None, description="price of a cached prefix token; default the input price"
    )
    output_usd_per_mtok: Annotated[float, Quantity("USD/Mtok", ge=0)] = 0.0
    cache_hit: Annotated[float, Quantity("1", ge=0, le=1)] = Field(
        default=0.0, description="share of prefix tokens that the provider's cache serves"
    )
    tpot_ms: Annotated[float, Quantity("ms/token", ge=0)] = Field(
        default=0.0, description="time per output token"
    )
    ttft_s: Annotated[float, Quantity("s", ge=0)] = Field(
        default=0.0, description="time to first token, per call"
    )
    requests_per_minute: Annotated[float, Quantity("request/min", ge=0)] | None = Field(
        default=None, description="rate cap on calls"
    )
    tokens_per_minute: Annotated[float, Quantity("token/min", ge=0)] | None = Field(
        default=None, description="rate cap on input and output tokens"
    )


class Saturating(Section):
    """q = ceiling · (1 − exp(−Y/scale)), Y the effort index of the token uses."""

    form: Literal["saturating"] = "saturating"
    ceiling: Annotated[float, Quantity("1", gt=0, le=1)] = Field(
        description="success at endless effort"
    )
    scale: Annotated[float, Quantity("1", gt=0)] = Field(
        default=1.0, description="effort at which 63 % is reached"
    )


class PowerLaw(Section):
    """q = ceiling − coefficient · Y^(−exponent)."""

    form: Literal["power"] = "power"
    ceiling: Annotated[float, Quantity("1", gt=0, le=1)] = Field(
        description="success at endless effort"
    )
    coefficient: Annotated[float, Quantity("1", gt=0)] = Field(description="shortfall at effort 1")
    exponent: Annotated[float, Quantity("1", gt=0)]


class Table(Section):
    """Measured points; straight lines between them, flat after the last.

    Each point is ``[multiple, score]``: the bundle as a multiple of ``reference_tokens``
    (effort = multiple^Σα) and the success there. Joined to the origin.
    """

    form: Literal["table"] = "table"
    points: list[
        tuple[Annotated[float, Quantity("1", gt=0)], Annotated[float, Quantity("1", ge=0, le=1)]]
    ] = Field(min_length=1)
    hull: bool = Field(
        default=False, description="take the concave hull where points are not concave"
    )


class CobbDouglas(Section):
    """q = scale · Π tokens^exponent: the paper's (8), unbounded."""

    form: Literal["cobb_douglas"] = "cobb_douglas"
    scale: Annotated[float, Quantity("1", gt=0)] = 1.0


Success = Annotated[Saturating | PowerLaw | Table | CobbDouglas, Field(discriminator="form")]


class Model(Section):
    """A model that can answer: through an API, on own deployments, or both."""

    quality: Annotated[float, Quantity("1", ge=0, le=1)] | None = Field(
        default=None, description="success without token uses (a constant curve)"
    )
    success: Success | None = Field(default=None, description="success curve over the token uses")
    cost_per_task_usd: Annotated[float, Quantity("USD/request", ge=0)] = Field(
        default=0.0, description="money per request besides tokens"
    )
    latency_per_task_s: Annotated[float, Quantity("s", ge=0)] = Field(
        default=0.0, description="latency per request besides tokens (tools, tests)"
    )
    wrong_action_rate: Annotated[float, Quantity("1", ge=0, le=1)] = Field(
        default=0.0, description="chance of a wrong action in a request that nobody verified"
    )
    reference_tokens: dict[str, Annotated[float, Quantity("token", gt=0)]] = Field(
        default_factory=dict, description="by use: this model's tokens at effort 1"
    )
    api: Api | None = None
    label: str | None = None


# --- autonomy -----------------------------------------------------------------------------


class TokenUse(Section):
    """One thing that an agent spends tokens on: reading, planning, editing, verifying."""

    kind: Literal["input", "output"] = Field(
        default="output", description="read by the model (prefill) or written by it (decode)"
    )
    exponent: Annotated[float, Quantity("1", ge=0, le=1)] = Field(
        default=0.0, description="α in effort Y = Π (tokens/reference)^α; all α sum to at most 1"
    )
    reference_tokens: Annotated[float, Quantity("token", gt=0)] = Field(
        default=1.0, description="tokens at effort 1"
    )
    price_usd: Annotated[float, Quantity("USD/token", ge=0)] = Field(
        default=0.0, description="money per token besides the model's own price (tools, sandboxes)"
    )
    risk_tokens: Annotated[float, Quantity("token", gt=0)] | None = Field(
        default=None, description="τ: tokens of this use that cut the residual risk to 37 %"
    )
    max_tokens: Annotated[float, Quantity("token", gt=0)] | None = Field(
        default=None,
        description="most per request; default 1000 × reference_tokens, none for cobb_douglas",
    )


class AutonomyLevel(Section):
    """How much the agent does alone."""

    human_minutes: Annotated[float, Quantity("min", ge=0)] = Field(
        default=0.0, description="human time per request"
    )
    wait_s: Annotated[float, Quantity("s", ge=0)] = Field(
        default=0.0, description="time waiting for the human"
    )
    risk_factor: Annotated[float, Quantity("1", ge=0)] = Field(
        default=1.0, description="share of wrong actions whose reversible loss remains"
    )
    irreversible_factor: Annotated[float, Quantity("1", ge=0)] | None = Field(
        default=None, description="the same for irreversible loss; default risk_factor"
    )
    human_success: Annotated[float, Quantity("1", ge=0, le=1)] | None = Field(
        default=None, description="given: the human does the task, with this success and no model"
    )
    human_wrong_action_rate: Annotated[float, Quantity("1", ge=0, le=1)] = Field(
        default=0.0, description="wrong actions when the human does the task"
    )
    actions: list[str] | None = Field(default=None, description="action classes it may be used for")


class Humans(Section):
    """Reviewers."""

    minutes_per_h: Annotated[float, Quantity("min/h", ge=0)] | None = Field(
        default=None, description="time there is"
    )
    cost_usd_per_h: Annotated[float, Quantity("USD/h", ge=0)] = Field(
        default=0.0, description="pay of an hour of work"
    )


# --- serving ------------------------------------------------------------------------------


class Gpu(Section):
    """A GPU type."""

    available: Annotated[float, Quantity("GPU", ge=0)] | None = Field(
        default=None,
        description="GPUs that can be had at once; default 1e6 (said under assumed), none where "
        "they are bought",
    )
    price_usd_per_h: Annotated[float, Quantity("USD/h", ge=0)] = Field(
        default=0.0, description="what a used GPU costs per hour; 0 if already paid"
    )
    reserved: Reserved | None = None
    on_demand: OnDemand | None = None
    spot: Spot | None = None
    label: str | None = None

    @property
    def bought(self) -> bool:
        """Whether it says how more are bought."""
        return not (self.reserved is None and self.on_demand is None and self.spot is None)

    @property
    def market_usd_per_h(self) -> float:
        """What a GPU-hour is charged to those who use it: its price by the hour, where sold so."""
        if not self.bought:
            return self.price_usd_per_h
        for offer in (self.on_demand, self.reserved, self.spot):
            if offer is not None:
                return offer.price_usd_per_h
        raise AssertionError("it is bought in one of these ways")


class Draft(Section):
    """Speculative decoding: a draft model proposes tokens, one step of the model checks them."""

    alpha_ms: Annotated[float, Quantity("ms", ge=0)] = Field(description="draft step: fixed time")
    beta_ms: Annotated[float, Quantity("ms", ge=0)] = Field(
        default=0.0, description="draft step: time per sequence"
    )
    tokens: Annotated[int, Field(ge=1, le=32, strict=True)] = Field(
        default=4, description="tokens proposed a step"
    )
    acceptance: Annotated[float, Quantity("1", ge=0, lt=1)] = Field(
        description="chance that one is accepted"
    )
    verify_overhead: Annotated[float, Quantity("1", ge=0)] = Field(
        default=0.0,
        description="extra per-sequence work of checking one proposed token, as a share of beta",
    )


class Deployment(Section):
    """A model on one GPU type and parallelism. Step time = alpha + batch·(beta + gamma·context)."""

    model: str
    gpu: str
    gpus_per_replica: Annotated[float, Quantity("GPU", gt=0)] = 1.0
    stage: Literal["mixed", "prefill", "decode"] = "mixed"
    alpha_ms: Annotated[float, Quantity("ms", ge=0)] = Field(
        default=0.0, description="step time of an empty batch; above 0 where it decodes"
    )
    beta_ms: Annotated[float, Quantity("ms", ge=0)] = Field(
        default=0.0, description="step time per sequence"
    )
    gamma_ms_per_ktok: Annotated[float, Quantity("ms/ktok", ge=0)] = Field(
        default=0.0, description="step time per sequence and 1000 tokens of context"
    )
    delta_ms_per_ktok: Annotated[float, Quantity("ms/ktok", ge=0)] = Field(
        default=0.0, description="prefill time of 1000 uncached prompt tokens"
    )
    max_batch: Annotated[float, Quantity("1", gt=0)] | None = Field(
        default=None, description="sequences per replica"
    )
    kv_memory_gb: Annotated[float, Quantity("GB", gt=0)] | None = Field(
        default=None, description="memory per replica for KV (after weights); 1 GB = 1e9 bytes"
    )
    kv_bytes_per_token: Annotated[float, Quantity("byte/token", ge=0)] = 0.0
    kv_transfer_ms_per_ktok: Annotated[float, Quantity("ms/ktok", ge=0)] = Field(
        default=0.0, description="decode stage only: moving 1000 prompt tokens of KV to it"
    )
    burst_headroom: Annotated[float, Quantity("1", ge=1)] = Field(
        default=1.0, description="φ: replicas kept for bursts, as a multiple of the mean need"
    )
    tpot_ms: list[Annotated[float, Quantity("ms/token", gt=0)]] | None = Field(
        default=None,
        min_length=1,
        description="speed tiers; default a grid even in the logit of utilisation, then refined",
    )
    utilisations: list[Annotated[float, Quantity("1", gt=0, lt=1)]] | None = Field(
        default=None, min_length=1, description="prefill stage only: tiers as busy share"
    )
    draft: Draft | None = Field(
        default=None, description="offer this deployment with a draft model too"
    )
    integer_replicas: bool = Field(
        default=False, description="whole replicas, with the gap reported"
    )
    label: str | None = None


class ReuseProfile(Section):
    """How soon a prefix is used again: hit ratio against time kept."""

    points: list[
        tuple[Annotated[float, Quantity("s", gt=0)], Annotated[float, Quantity("1", ge=0, le=1)]]
    ] = Field(min_length=1, description="[seconds kept, hit ratio], concave from (0, 0)")
    drift_per_h: Annotated[float, Quantity("1/h", ge=0)] = Field(
        default=0.0, description="δ_S: rate at which cached state goes out of date"
    )
    mismatch_per_h: Annotated[float, Quantity("1/h", ge=0)] = Field(
        default=0.0, description="chance per hour of age that a reused prefix misleads the request"
    )


class SharingGroup(Section):
    """A prefix that several classes use; it is written once."""

    tokens: Annotated[float, Quantity("token", gt=0)]
    hit: Annotated[float, Quantity("1", ge=0, le=1)] = Field(
        default=1.0, description="share of its tokens found when it is resident"
    )
    mismatch: Annotated[float, Quantity("1", ge=0, le=1)] = Field(
        default=0.0, description="chance that a hit misleads; costs the spread of V in the group"
    )


class Caching(Section):
    """Prefix caches on own deployments."""

    retention_s: list[Annotated[float, Quantity("s", ge=0)]] = Field(
        default=[0.0, 60.0, 300.0, 3600.0], min_length=1, description="retention tiers; 0 = none"
    )
    reuse: Named[ReuseProfile] = Field(default_factory=dict)
    sharing: Named[SharingGroup] = Field(default_factory=dict)


# --- training -----------------------------------------------------------------------------


class TrainingInput(Section):
    """One kind of training token and where it is made."""

    exponent: Annotated[float, Quantity("1", ge=0, le=1)] = Field(
        description="α of this input in the index"
    )
    reference_tokens: Annotated[float, Quantity("token", gt=0)] = Field(
        description="tokens per depreciation window at index 1"
    )
    deployment: str | None = Field(
        default=None,
        description="decoded on this deployment, beside production, at any of its speeds",
    )
    context_tokens: Annotated[float, Quantity("token", ge=0)] | None = Field(
        default=None,
        description="with deployment: mean context while decoding; default that of the requests "
        "that may use the model",
    )
    gpu: str | None = Field(default=None, description="or made on these GPUs (updates)")
    tokens_per_gpu_s: Annotated[float, Quantity("token/s", gt=0)] | None = Field(
        default=None, description="with gpu: tokens per second of one GPU"
    )
    price_usd_per_mtok: Annotated[float, Quantity("USD/Mtok", ge=0)] = Field(
        default=0.0, description="money besides"
    )
    max_tokens_per_s: Annotated[float, Quantity("token/s", ge=0)] | None = Field(
        default=None, description="supply limit"
    )


class StalenessLevel(Section):
    """How old the policy behind a rollout may be."""

    versions: Annotated[float, Quantity("1", ge=0)] = Field(description="model versions behind")
    efficiency: Annotated[float, Quantity("1", gt=0)] = Field(
        description="e: worth of a rollout token"
    )
    cost: Annotated[float, Quantity("1", gt=0)] = Field(
        default=1.0, description="κ: cost of making one"
    )


class GainSaturating(Section):
    """gain = ceiling · (1 − exp(−Y/scale))."""

    form: Literal["saturating"] = "saturating"
    ceiling: Annotated[float, Quantity("1", gt=0)]
    scale: Annotated[float, Quantity("1", gt=0)] = 1.0


class GainCobbDouglas(Section):
    """gain = scale · Y."""

    form: Literal["cobb_douglas"] = "cobb_douglas"
    scale: Annotated[float, Quantity("1", gt=0)]


class GainScalingLaw(Section):
    """error(E) = (floor + b/(E + c))^power, gain = error(0) − error(E), E = samples · Y."""

    form: Literal["scaling_law"] = "scaling_law"
    floor: Annotated[float, Quantity("1", ge=0)] = Field(description="(N0/N)^β of the fit")
    b: Annotated[float, Quantity("1", gt=0)]
    c: Annotated[float, Quantity("1", gt=0)]
    power: Annotated[float, Quantity("1", gt=0, le=1)] = Field(description="α of the fit")
    samples: Annotated[float, Quantity("1", gt=0)] = Field(
        default=1.0, description="samples at index 1"
    )


Gain = Annotated[GainSaturating | GainCobbDouglas | GainScalingLaw, Field(discriminator="form")]


class TrainingAsset(Section):
    """One way to invest tokens in a model: SFT, DPO or online RL."""

    model: str
    kind: Literal["sft", "dpo", "rl"] = "rl"
    gain: Gain = Field(description="capability kept in steady state, in success points")
    rollout: TrainingInput | None = None
    verifier: TrainingInput | None = None
    update: TrainingInput | None = None
    staleness: list[StalenessLevel] = Field(
        default_factory=list, description="menu of staleness for the rollouts"
    )
    gain_std: Annotated[float, Quantity("1", ge=0)] = Field(
        default=0.0, description="standard deviation of the gain, per unit of gain"
    )
    verifier_noise: Annotated[float, Quantity("1", ge=0)] = Field(
        default=0.0,
        description="variance per unit gain², at reference verifier tokens; falls as 1/tokens",
    )


class Training(Section):
    """Training as capital: tokens spent now keep a stock of capability up."""

    depreciation_per_h: Annotated[float, Quantity("1/h", gt=0)] = Field(
        description="δ: rate at which a gain goes out of date; window = 1/δ"
    )
    assets: Named[TrainingAsset] = Field(min_length=1)
    risk_aversion: Annotated[float, Quantity("1", ge=0)] = Field(
        default=0.0,
        description="κ: half of it is USD per hour for a variance of 1 in success points",
    )
    correlation: dict[str, dict[str, Annotated[float, Quantity("1", ge=-1, le=1)]]] = Field(
        default_factory=dict, description="asset → asset → correlation of their gains"
    )


# --- diagnosis ----------------------------------------------------------------------------


class Accepted(Section):
    """Findings of `allocate diagnose` that are known and wanted as they are."""

    code: str = Field(pattern="^AL[0-9]{0,3}$", description="a rule, or how its code begins: AL2")
    reason: str = Field(min_length=1, description="why; it is shown with the finding")
    classes: list[str] | None = Field(default=None, description="only these; default all")
    models: list[str] | None = Field(default=None, description="only these; default all")
    assets: list[str] | None = Field(default=None, description="only these; default all")


class Diagnose(Section):
    """What `allocate diagnose` does not complain about."""

    accept: list[Accepted] = Field(default_factory=list, max_length=1000)


# --- the whole ----------------------------------------------------------------------------


class Config(Section):
    """A config file."""

    version: Literal[1]
    include: list[str] = Field(
        default_factory=list,
        max_length=50,
        description="files with pieces of this config, such as those of `allocate calibrate`; "
        "what stands here goes before them",
    )
    name: str = ""
    description: str = ""
    demand: Demand = Field(default_factory=Demand)
    periods: Named[Period] = Field(default_factory=dict)
    prices: Prices = Field(default_factory=Prices)
    budgets: Budgets = Field(default_factory=Budgets)
    limits: Limits = Field(default_factory=Limits)
    token_uses: Named[TokenUse] = Field(default_factory=dict, max_length=8)
    models: Named[Model] = Field(min_length=1, max_length=50)
    autonomy: Named[AutonomyLevel] = Field(
        default_factory=lambda: {"free": AutonomyLevel()}, min_length=1, max_length=6
    )
    humans: Humans = Field(default_factory=Humans)
    gpus: Named[Gpu] = Field(default_factory=dict)
    deployments: Named[Deployment] = Field(default_factory=dict, max_length=50)
    caching: Caching = Field(default_factory=Caching)
    tenants: Named[Tenant] = Field(default_factory=dict)
    classes: Named[RequestClass] = Field(default_factory=dict)
    class_table: ClassTable | None = None
    training: Training | None = None
    uncertainty: Uncertainty | None = None
    diagnose: Diagnose = Field(default_factory=Diagnose)
    scenarios: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="name → {dotted path: value}"
    )
    assumed: dict[str, str] = Field(
        default_factory=dict, description="dotted path → why this judgement was made"
    )
    calibrated: dict[str, Calibrated] = Field(
        default_factory=dict,
        description="dotted path → interval and range of a measured number, as `calibrate` writes",
    )
