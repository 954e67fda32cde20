"""The price wedge of each layer: what it thought that a unit costs, and what it costs.

Taken over the baseline's own decisions. What a layer thought are list prices, and nothing where
a cap stands for a price; what it costs are the shared prices of the joint answer at the same
spend: money at its own price, capacities and limits at theirs, waiting at λ, risk at ρ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allocate.models.program import Program
from allocate.solver.studies.common import duals_of, unit_price
from allocate.solver.studies.ground import list_prices, priced
from allocate.solver.studies.scene import Outcome

_MTOK = 1e6


@dataclass(frozen=True)
class Wedge:
    """Per ``unit``; None where the baseline has none of what the layer decides on."""

    layer: str
    unit: str
    thought: float | None
    cost: float | None
    means: str

    def to_dict(self) -> dict:
        """As in the comparison document."""
        gap = None if self.thought is None or self.cost is None else self.cost - self.thought
        return {**self.__dict__, "wedge": gap}


def wedges(baseline: Outcome, known: Mapping[str, float]) -> list[Wedge]:
    """Compare the layers' own prices with the shared ones, for a baseline's allocation."""
    program = baseline.solution.program
    duals = duals_of(program, known)
    return [
        *_request_wedges(program, baseline, duals),
        _serving(program, baseline, duals),
        _training(program, baseline, duals),
    ]


def _request_wedges(program: Program, baseline: Outcome, duals: np.ndarray) -> list[Wedge]:
    stream, flows = program.streams[0], baseline.solution.allocation.flows[0]
    total = float(flows.requests.sum())
    router = ("router", "USD/request", "list cost of a request; its full cost at shared prices")
    agent = ("autonomy", "USD/Mtok", "a token below the cap is free; its full price")
    if total <= 0:
        return [Wedge(*router[:2], None, None, router[2]), Wedge(*agent[:2], None, None, agent[2])]
    amounts = stream.amounts(flows)
    bills = priced(stream, ("money",)).pair_prices(list_prices(program), flows.member, flows.arm)
    full = stream.pair_prices(duals, flows.member, flows.arm)
    full[:, -1] = 0.0  # the worth of success is no cost

    def per_request(price: np.ndarray) -> float:
        return float(flows.requests @ (price * amounts).sum(axis=1)) / total

    first = Wedge(*router[:2], per_request(bills), per_request(full), router[2])
    tokens = amounts[:, 1:-2] * flows.requests[:, None]
    if tokens.sum() <= 0:
        return [first, Wedge(*agent[:2], None, None, agent[2])]
    mean = float((full[:, 1:-2] * tokens).sum() / tokens.sum())
    return [first, Wedge(*agent[:2], 0.0, mean * _MTOK, agent[2])]


def _serving(program: Program, baseline: Outcome, duals: np.ndarray) -> Wedge:
    """A GPU-hour: the market's price, and with what others would have paid for it."""
    levels = baseline.solution.allocation.levels
    gpu_rows = {r for s in program.resources if s.kind == "gpu" for r, _ in s.rows}
    thought = cost = gpus = 0.0
    for i, a in enumerate(program.activities):
        mine = [(r, v) for r, v in a.uses if r in gpu_rows and v > 0]
        if a.labels.get("layer") != "serving" or not mine or levels[i] <= 0:
            continue
        gpus += levels[i] * sum(v for _, v in mine)
        thought += levels[i] * a.cost
        cost += levels[i] * unit_price(a, duals)
    means = "market price of a GPU-hour; with its scarcity"
    if gpus <= 0:
        return Wedge("serving", "USD/GPU-hour", None, None, means)
    return Wedge("serving", "USD/GPU-hour", thought / gpus, cost / gpus, means)


def _training(program: Program, baseline: Outcome, duals: np.ndarray) -> Wedge:
    """A training token, of all kinds together."""
    levels, at_list = baseline.solution.allocation.levels, list_prices(program)
    thought = cost = tokens = 0.0
    for i, a in enumerate(program.activities):
        if not a.labels.get("input") or levels[i] <= 0:
            continue
        tokens += levels[i]
        thought += levels[i] * unit_price(a, at_list)
        cost += levels[i] * unit_price(a, duals)
    means = "list price of a training token; its price beside production traffic"
    if tokens <= 0:
        return Wedge("training", "USD/Mtok", None, None, means)
    return Wedge("training", "USD/Mtok", _MTOK * thought / tokens, _MTOK * cost / tokens, means)
