"""What the answer is worth, and the proofs: of the program, whole numbers, all capabilities."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from allocate.solver.form.part import Part


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
