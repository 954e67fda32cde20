"""Where all of the loss is: what the rules found, together, and what no rule has a name for.

At optimal prices μ the bound D(μ) less a baseline's welfare is the sum of the regrets of its
requests, of what declined requests would have brought, of what supply costs beyond what it
earns, and of μ × what stands idle. Where training reaches another capability than in the joint
answer, D(μ) itself is another, and the difference is training's. So the lines add up to the
whole loss, within what the joint answer's certificate leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from allocate.solver.studies.diagnosis.repairs import DECISIONS, Repair, Repairs
from allocate.solver.studies.diagnosis.turned import Refused
from allocate.solver.studies.diagnosis.view import View


@dataclass(frozen=True)
class Line:
    """A part of the loss, USD per hour.

    ``named``: a rule speaks of it; ``shown``: in a finding that is shown; ``classes``: the
    request classes with most of it and their shares, where it is of requests and no rule names it.
    """

    what: str
    usd_per_hour: float
    means: str
    named: bool = False
    shown: bool = False
    classes: Mapping[str, float] = field(default_factory=dict)


_REST = {
    "model": ("model", "a better model is full, or hidden by another fault"),
    "level": ("supervision", "asks too much, or too little beside another fault"),
    "lane": ("lanes", "other lanes or speeds than requests would pay for"),
    "kept": ("retention", "prefixes kept too briefly, or too long by another fault"),
    "tokens": ("tokens", "too many or too few tokens"),
}

_FULL = ("turned away", "idle replicas", "idle capacity", "model")  # what crowding shows up in
_FEW = 3  # classes that a line names


@dataclass(frozen=True)
class Ledger:
    """The parts of a loss."""

    lines: tuple[Line, ...]

    @property
    def together(self) -> float:
        """USD per hour that the repairs of all findings bring together, shown or not."""
        return sum(line.usd_per_hour for line in self.lines if line.named)

    @property
    def shown(self) -> float:
        """USD per hour that the repairs of the findings that are shown bring together."""
        return sum(line.usd_per_hour for line in self.lines if line.shown)

    @property
    def total(self) -> float:
        """USD per hour that is lost in all."""
        return sum(line.usd_per_hour for line in self.lines)


@dataclass(frozen=True)
class Named:
    """[flows, decisions] what rules report at shared prices, and [flows] what its repair brings.

    Where several decisions of a flow are at fault they are repaired together; USD per request.
    """

    decided: np.ndarray
    usd: np.ndarray


def named(repairs: Repairs, reported: Mapping[str, Repair]) -> Named:
    """What is named of every flow; ``reported``: by decision, the flows that some rule reports."""
    n = len(repairs.view.flows.member)
    decided, usd = np.zeros((n, len(DECISIONS)), bool), np.zeros(n)
    for d, repair in reported.items():
        decided[repair.flow, DECISIONS.index(d)] = True
        usd[repair.flow] = np.maximum(usd[repair.flow], repair.gain)
    several = np.flatnonzero(decided.sum(axis=1) > 1)
    for combination in np.unique(decided[several], axis=0):
        at = several[np.all(decided[several] == combination, axis=1)]
        free = {DECISIONS[j] for j in np.flatnonzero(combination)}
        usd[at] = np.maximum(repairs.together(at, free), usd[at])
    return Named(decided, usd)


def ledger(
    repairs: Repairs,
    refused: Refused,
    found: Named,
    local: float,
    beside: Mapping[str, float],
    training: float,
    capability: float,
) -> Ledger:
    """All parts of the loss of a view.

    Args:
        repairs: of its flows.
        refused: its declined requests.
        found: what rules report of the flows at shared prices.
        local: USD per hour that was crowded out or stood idle, and that rules explain.
        beside: likewise by decision, where no rule has a name for the fault.
        training: USD per hour that rules report of training.
        capability: USD per hour that is lost by training, its costs included.
    """
    requests = repairs.view.flows.requests
    lines = [
        Line("repairs", float(found.usd @ requests), "findings repaired together", True),
        Line("declined", refused.chosen_usd, "findings: declined though there is room", True),
        Line("crowding", local, "findings: others kept out, capacity left idle", True),
        Line("training", min(training, capability), "findings in training", True),
        *_unnamed(repairs, found),
        _turned_away(refused),
        *_standing(repairs),
    ]
    lines = _less(lines, local + sum(beside.values()), _FULL)
    lines.append(Line("capability", capability - training, "what training should reach, or cost"))
    more = {_REST[d][0]: usd for d, usd in beside.items() if d in _REST}
    lines = [
        replace(
            line, usd_per_hour=line.usd_per_hour + (0 if line.named else more.get(line.what, 0))
        )
        for line in lines
    ]
    return Ledger(tuple(line for line in lines if line.usd_per_hour > 0))


def _unnamed(repairs: Repairs, found: Named) -> Iterator[Line]:
    """What is left of the regrets of requests once the findings are repaired, by decision.

    One decision after the other is set free; what is then still missing is tokens.
    """
    view, decided, wrong = repairs.view, found.decided, repairs.wrong
    left = {name: np.zeros(len(view.flows.member)) for name in _REST}
    for combination in np.unique(decided[wrong], axis=0):
        at = wrong[np.all(decided[wrong] == combination, axis=1)]
        free = {DECISIONS[j] for j in np.flatnonzero(combination)}
        reached = found.usd[at]
        for step in ("model", "level", "lane", "kept"):
            if step in free:
                continue
            free.add(step)
            further = np.maximum(repairs.together(at, free), reached)
            left[step][at] = further - reached
            reached = further
        left["tokens"][at] = np.maximum(repairs.regret[at] - reached, 0.0)
    for name, usd in left.items():
        what, means = _REST[name]
        lost = usd * view.flows.requests
        yield Line(what, float(lost.sum()), means, classes=_most(view, view.flows.member, lost))


def _turned_away(refused: Refused) -> Line:
    """Requests that pay and find no room."""
    usd = refused.crowded_out_usd
    member, _, lost = refused.crowded()
    classes = _most(refused.view, member, lost * refused.requests[member])
    return Line("turned away", usd, "requests that pay, for want of capacity", classes=classes)


def _most(view: View, member: np.ndarray, usd: np.ndarray) -> dict[str, float]:
    """The classes with most of a loss, the largest first, and their shares of it."""
    names = view.ground.built.classes.names
    lost = np.bincount(view.stream.origin[member], usd, len(names))
    whole = float(lost.sum())
    first = np.argsort(-lost, kind="stable")[:_FEW]
    return {str(names[c]): float(lost[c]) / whole for c in first if lost[c] > 0}


def _less(lines: list[Line], explained: float, first: tuple[str, ...]) -> list[Line]:
    """The lines without what has been explained: in proportion, from some of them first."""
    for tier in (first, {line.what for line in lines}):
        at = [i for i, line in enumerate(lines) if line.what in tier and not line.named]
        whole = sum(lines[i].usd_per_hour for i in at)
        taken = min(explained, whole)
        for i in at if whole > 0 else ():
            left = lines[i].usd_per_hour * (1.0 - taken / whole)
            lines[i] = replace(lines[i], usd_per_hour=left)
        explained -= taken
    return lines


def _standing(repairs: Repairs) -> list[Line]:
    """Capacity that is worth something and not used; supply that costs more than it earns."""
    view = repairs.view
    program, allocation, slack = view.ground.program, view.allocation, view.slack
    # what a lane's replicas make and nobody takes is paid for by their own line
    supplied = program.supplied
    idle = float(view.duals[~supplied] @ slack[~supplied])
    replicas = float(view.duals[supplied] @ slack[supplied])
    unit = program.unit_profit(view.duals)
    excess = program.activity_profit(view.duals) - unit * allocation.levels
    unearned = replicas + float(excess.sum())
    return [
        Line("idle capacity", idle, "capacity worth something and left over"),
        Line("idle replicas", unearned, "supply that earns less than it costs"),
    ]
