"""The allocation, line by line: router, autonomy, serving and training."""

from __future__ import annotations

from pydantic import Field

from allocate.solver.form.part import Part


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
