"""The result file: what ``--format json`` prints and what a reader may rely on.

One class per part of the document. Numbers are finite; what is not known is ``null``. Keys may be
added in a minor version and a reader ignores those it does not know; a change of the major
``format_version`` is refused with both versions named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from allocate.errors import AllocateError

FORMAT_VERSION = "1.0"

Status = Literal["optimal", "feasible", "infeasible", "unbounded", "stopped"]


class ResultError(AllocateError):
    """A file is not a result that this version can read."""


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


class RouterLine(Part):
    """A share of a class sent to a model at an autonomy level."""

    class_: str = Field(..., alias="class")
    model: str | None = Field(..., description="null when a human does it or it is declined")
    autonomy: str | None
    share: float = Field(..., description="of the class's arrivals")
    requests_per_s: float


class AutonomyLine(Part):
    """How much an agent reads, plans, edits and verifies on one request."""

    class_: str = Field(..., alias="class")
    model: str | None
    autonomy: str | None
    tokens: dict[str, float | None] = Field(..., description="per request, by token use")
    success: float | None
    risk_usd: float | None = Field(..., description="expected loss of one request")


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


class TrainingLine(Part):
    """Tokens invested in one asset of one model."""

    model: str
    asset: str
    rollout_tokens: float | None
    verifier_tokens: float | None
    update_tokens: float | None
    staleness: float | None = Field(..., description="versions behind, mean of the rollouts")
    gain: float | None = Field(..., description="success points kept in steady state")


class Layers(Part):
    """The allocation, by layer."""

    router: list[RouterLine]
    autonomy: list[AutonomyLine]
    serving: list[ServingLine]
    training: list[TrainingLine]


class Artifacts(Part):
    """Tables that other programs poll: schedules, token prices, retention, investment."""

    autonomy_schedule: Any = None
    router_regret: Any = None
    token_prices: Any = None
    cache: Any = None
    training: Any = None


class SolverInfo(Part):
    """How the answer was found."""

    method: str | None
    iterations: int | None
    passes: float | None = Field(..., description="sweeps over all classes")
    peak_memory_mb: float | None


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


def result_schema() -> dict[str, Any]:
    """JSON Schema of a result; committed as ``allocate/schema/result.schema.json``."""
    schema = Result.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def check_result(document: Mapping[str, Any], name: str = "result") -> dict[str, Any]:
    """Return the document if this version can read it.

    Raises:
        ResultError: another major format, or parts that are missing or not finite.
    """
    found = str(document.get("format_version", "none"))
    if found.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise ResultError(
            f"{name} has format_version {found}; this allocate reads {FORMAT_VERSION}. "
            "Solve the config again, or read it with the allocate that wrote it."
        )
    try:
        Result.model_validate(document)
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors()[:5]
        )
        raise ResultError(
            f"{name} is not a result: {places}. Write one with --format json."
        ) from error
    return dict(document)


def read_result(path: str | Path) -> dict[str, Any]:
    """Read a result file, refusing what is not one."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise ResultError(f"{path} is not JSON: {error}. Write one with --format json.") from error
    if not isinstance(document, dict):
        raise ResultError(f"{path} is not a result: it holds no JSON object.")
    return check_result(document, str(path))


def without_answer(
    status: Status,
    *,
    version: str,
    config_sha256: str,
    tolerance: float,
    conflicts: list[Any] | None = None,
    infeasibility: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Build the document of a config that has no answer: every number ``null``, conflicts named.

    ``infeasibility`` is the proof that there is none: the least total excess over the limits,
    and the weights of the rows that show it.
    """
    parts = ("welfare", "value", "money", "latency", "risk", "oversight", "training")
    proof = ("primal", "dual", "relative_gap", "max_violation", "max_foc_residual")
    certificate = {**dict.fromkeys(proof), "tolerance": tolerance, "holds": False}
    if infeasibility is not None:
        certificate["infeasibility"] = dict(infeasibility)
    return {
        "format_version": FORMAT_VERSION,
        "allocate_version": version,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "config_sha256": config_sha256,
        "status": status,
        "objective": {"unit": "USD/h", **dict.fromkeys(parts)},
        "certificate": certificate,
        "prices": [],
        "layers": {"router": [], "autonomy": [], "serving": [], "training": []},
        "artifacts": dict.fromkeys(Artifacts.model_fields),
        "assumed": [],
        "warnings": [],
        "timing": {},
        "solver": {"method": None, "iterations": None, "passes": None, "peak_memory_mb": None},
        "conflicts": [str(c) for c in conflicts or []],
    }
