"""The form of a result: one class for each part of the document, with what its keys mean.

Numbers are finite; what is not known is ``null``. Parts are open: a later version may add keys, and
every key that this version writes stands here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from allocate.solver.form.artifacts import Artifacts
from allocate.solver.form.layers import Layers
from allocate.solver.form.part import Part
from allocate.solver.form.prices import Price, Rates, Start
from allocate.solver.form.proof import Certificate, GlobalOptimum, Objective, WholeReplicas
from allocate.solver.form.run import SolverInfo
from allocate.solver.form.samples import Extrapolated, Samples
from allocate.solver.form.sensitivity import Hanging, SensitivityAbout
from allocate.solver.form.times import Deferred, GpuHours, Reservation, Scenario

FORMAT_VERSION = "1.0"
Status = Literal["optimal", "feasible", "infeasible", "unbounded", "stopped"]


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
