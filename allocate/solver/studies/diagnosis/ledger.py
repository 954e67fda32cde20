"""Where all of the loss is: what the rules found, together, and what no rule has a name for.

At optimal prices μ the bound D(μ) less a baseline's welfare is the sum of the regrets of its
requests, of what declined requests would have brought, of what supply costs beyond what it
earns, and of μ × what stands idle. So the lines add up to the whole loss, to the last cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allocate.solver.studies.diagnosis.repairs import DECISIONS, Repair, Repairs
from allocate.solver.studies.diagnosis.turned import Refused


@dataclass(frozen=True)
class Line:
    """A part of the loss, USD per hour; ``named``: a rule speaks of it."""

    what: str
    usd_per_hour: float
    means: str
    named: bool = False


_REST = {
    "model": ("model", "other models, where a full capacity or another fault stands in the way"),
    "level": ("supervision", "asks where acting alone would do, or where only more is changed too"),
    "lane": ("lanes", "lanes faster than their requests would pay for, or of another kind"),
    "kept": ("retention", "prefixes that should be kept longer"),
    "tokens": ("tokens", "too many or too few tokens of the uses, verification not counted above"),
}


@dataclass(frozen=True)
class Ledger:
    """The parts of a loss."""

    lines: tuple[Line, ...]

    @property
    def together(self) -> float:
        """USD per hour that the repairs of all findings bring together."""
        return sum(line.usd_per_hour for line in self.lines if line.named)

    @property
    def total(self) -> float:
        """USD per hour that is lost in all."""
        return sum(line.usd_per_hour for line in self.lines)


def ledger(
    repairs: Repairs,
    refused: Refused,
    reported: Mapping[str, Repair],
    hoarded: float,
    training: float,
) -> Ledger:
    """All parts of the loss of a view.

    Args:
        repairs: of its flows.
        refused: its declined requests.
        reported: by decision, the flows that some rule reports.
        hoarded: USD per hour of idle replicas that rules lay to prefixes kept too long.
        training: USD per hour that rules report of training.
    """
    view = repairs.view
    n = len(view.flows.member)
    decided = np.zeros((n, len(DECISIONS)), bool)
    for d, repair in reported.items():
        decided[repair.flow, DECISIONS.index(d)] = True
    named = np.zeros(n)
    rest = {name: 0.0 for name in _REST}
    for combination in np.unique(decided[repairs.wrong], axis=0):
        at = repairs.wrong[np.all(decided[repairs.wrong] == combination, axis=1)]
        free = {DECISIONS[j] for j in np.flatnonzero(combination)}
        reached = repairs.together(at, free) if free else np.zeros(len(at))
        named[at] = reached
        for step in ("model", "level", "lane", "kept"):
            if step in free:
                continue
            free.add(step)
            further = np.maximum(repairs.together(at, free), reached)
            rest[step] += float((further - reached) @ view.flows.requests[at])
            reached = further
        left = np.maximum(repairs.regret[at] - reached, 0.0)
        rest["tokens"] += float(left @ view.flows.requests[at])
    lines = [
        Line("findings", float(named @ view.flows.requests), "requests, repaired together", True),
        Line("findings", refused.chosen_usd, "requests declined though there is room", True),
        Line("findings", hoarded, "replicas that only memory needs", True),
        Line("findings", training, "training", True),
        *(Line(_REST[k][0], usd, _REST[k][1]) for k, usd in rest.items()),
        Line("turned away", refused.crowded_out_usd, "requests that pay, for want of capacity"),
        *_standing(repairs, hoarded),
    ]
    return Ledger(tuple(line for line in lines if line.usd_per_hour > 0 or line.named))


def _standing(repairs: Repairs, hoarded: float) -> list[Line]:
    """Capacity that is worth something and not used; supply that costs more than it earns."""
    view = repairs.view
    program, allocation = view.ground.program, view.allocation
    slack = np.maximum(program.capacity - program.usage(allocation), 0.0)
    # what a lane's replicas make and nobody takes is paid for by their own line
    supplied = np.zeros(len(program.rows), bool)
    for _, rows, _ in program.suppliers:
        supplied[rows] = True
    idle = float(view.duals[~supplied] @ slack[~supplied])
    replicas = float(view.duals[supplied] @ slack[supplied])
    unit = program.unit_profit(view.duals)
    excess = program.activity_profit(view.duals) - unit * allocation.levels
    unearned = replicas + float(excess.sum()) - hoarded
    return [
        Line("idle capacity", idle, "capacity, budget or limits worth something and left over"),
        Line("idle replicas", unearned, "supply that earns less than it costs"),
    ]
