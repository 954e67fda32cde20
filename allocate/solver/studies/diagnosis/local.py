"""Prices as they are where a baseline stands: what it fills is dearer, what it leaves is cheap.

At the shared prices of the joint answer a class is often indifferent between two ways, and only
how many of its requests go each way keeps a capacity just used up. A baseline that sends too
many then loses nothing at those prices; the loss is with others, who find the capacity full,
or with what stands idle. So these requests are judged once more: what others would have paid
for a full capacity is added to its price, what stands idle costs half, and a lane's memory or
batch places pay for its replicas where they are full first. Only what exceeds the joint answer's
own share of a class is blamed, and in all no more than what was crowded out or stood idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allocate.models.program import Activity
from allocate.models.stream import Flows, Stream
from allocate.solver.studies.common import unit_price
from allocate.solver.studies.diagnosis.direction import for_value
from allocate.solver.studies.diagnosis.repairs import DECISIONS, ROUNDING, Repair, Repairs
from allocate.solver.studies.diagnosis.turned import Refused
from allocate.solver.studies.diagnosis.view import PARTS, View
from allocate.solver.studies.diagnosis.walls import Walls

Shares = Mapping[tuple[int, str], float]
"""What share of a member's requests is decided in a way, by member and that way."""
_IDLE = 1e-6  # of a capacity: less is left of one that is used up
_MORE = 0.02  # of a class's requests: so many more than in the joint answer are too many


@dataclass(frozen=True)
class Local:
    """A view at its own prices.

    ``usual`` is the joint answer's share of (member, what is decided), by decision.
    """

    repairs: Repairs
    refused: Refused
    usual: Mapping[str, Shares]

    @property
    def view(self) -> View:
        """The view at shared prices."""
        return self.repairs.view

    # --- what there is to regain ---------------------------------------------------------------

    @cached_property
    def _blocked(self) -> Repair:
        """Flows with a better model that is full."""
        alone = self.repairs.alone("model")
        return alone.at(np.flatnonzero(~Walls(self.view).open_to(alone.then, alone.now)))

    def budget(self, named: np.ndarray) -> float:
        """USD per hour that was crowded out or stood idle, and is not ``named`` [flows] yet.

        ``named`` is what rules report of flows at shared prices, USD per request.
        """
        stuck, regret = self._blocked, self.repairs.regret
        left = np.minimum(stuck.gain, np.maximum(regret - named, 0.0)[stuck.flow])
        return self.refused.crowded_out_usd + float(left @ stuck.requests) + self.idle

    @cached_property
    def idle(self) -> float:
        """USD per hour of capacity and replicas left over, at shared prices."""
        return float(self.view.duals @ self.view.slack)

    @cached_property
    def view_here(self) -> View:
        """The view at local prices."""
        view, program = self.view, self.view.ground.program
        duals = view.duals + self._dearer()
        idle = ~program.supplied & (self.view.slack > _IDLE * np.maximum(program.capacity, 1e-300))
        duals[idle] *= 0.5
        for i, rows, made in program.suppliers:
            cost = unit_price(program.activities[i], duals)
            full = self._full_first.get(_family(program.activities[i]))
            if full is None:
                worth = float(made @ duals[rows])
                duals[rows] *= cost / worth if worth > 0 else 1.0
            else:
                duals[rows] = np.where(full, cost / (made * full.sum()), 0.0)
        return replace(view, duals=duals)

    @cached_property
    def _full_first(self) -> dict[tuple, np.ndarray]:
        """By deployment and period: [its rows] memory or batch places that are full before time.

        They pay for the replicas, at speeds that nobody uses too: what is full there now would
        be full at another speed.
        """
        program, levels = self.view.ground.program, self.view.allocation.levels
        most: dict[tuple, float] = {}
        out: dict[tuple, np.ndarray] = {}
        for i, rows, made in program.suppliers:
            family, level = _family(program.activities[i]), float(levels[i])
            if level <= most.get(family, 0.0):
                continue
            most[family] = level
            full = self.view.slack[rows] <= _IDLE * made * level
            out.pop(family, None)
            if full.any() and not full[0]:  # the first row is busy time
                out[family] = full
        return out

    def _dearer(self) -> np.ndarray:
        """[rows] what those who found a capacity full would have paid beyond its price, USD."""
        walls = Walls(self.view)
        out = np.zeros(len(self.view.duals))
        full = np.flatnonzero(walls.full)
        paid, needed = np.zeros(len(full)), np.zeros(len(full))
        member, pairs, lost = self.refused.crowded()
        kept_out = ((pairs, lost, self.refused.requests[member], None),)
        blocked = self._blocked
        kept_out += ((blocked.then, blocked.gain, blocked.requests, blocked.now),)
        for then, gain, requests, now in kept_out:
            need = walls.needs(then) - (0.0 if now is None else walls.needs(now))
            need = np.maximum(need, 0.0)
            rows = np.maximum((need > 0).sum(axis=0), 1)
            paid += (need > 0) @ (gain * requests / rows)
            needed += need @ requests
        some = needed > 0
        out[full[some]] = paid[some] / needed[some]
        return out

    # --- who is at fault -----------------------------------------------------------------------

    @cached_property
    def _here(self) -> Repairs:
        """Towards what the joint answer decides more often, at local prices."""
        members = self.view.flows.member
        within = {}
        for d in DECISIONS:
            names, have = decided(self.view, d), shares(self.view, d)
            more = {key for key, s in self.usual[d].items() if s > have.get(key, 0.0) + _MORE}
            fits = {int(k): [(int(k), n) in more for n in names] for k in np.unique(members)}
            within[d] = np.array([fits[int(k)] for k in members], bool).reshape(-1, len(names))
        within["verify"][:] = True
        return Repairs(self.view_here, within)

    def repairs_of(self, known: dict[str, Repair], named: np.ndarray) -> dict[str, Repair]:
        """By decision, repairs at local prices of flows not accused of another at shared ones.

        ``named`` [flows] is what rules report of flows at shared prices, USD per request.
        """
        budget = self.budget(named)
        if budget <= 0:
            return {}
        found = {}
        for d in DECISIONS:
            others = [r.flow for other, r in known.items() if other != d]
            excess = self._excess(self._here.of(d), np.concatenate(others))
            found[d] = _beyond(excess, known[d])
        # a request is moved once: by the decision that brings most
        best: dict[int, float] = {}
        for repair in found.values():
            for i, usd in zip(repair.flow, repair.gain * repair.requests, strict=True):
                best[int(i)] = max(best.get(int(i), 0.0), float(usd))
        for d, repair in found.items():
            usd = repair.gain * repair.requests
            top = [best[int(i)] <= float(u) for i, u in zip(repair.flow, usd, strict=True)]
            found[d] = repair.at(np.flatnonzero(top))
        whole = sum(float(r.gain @ r.requests) for r in found.values())
        scale = min(1.0, budget / whole) if whole > 0 else 1.0
        return {d: _shrunk(r, scale) for d, r in found.items() if len(r.flow)}

    def _excess(self, repair: Repair, accused: np.ndarray) -> Repair:
        """The part of flows beyond the joint answer's share of their class."""
        if repair.decision == "verify":  # its amount has no share to compare
            return repair.at(np.zeros(0, int))
        names = decided(self.view, repair.decision)[repair.now.arm]
        keys = [(int(k), str(n)) for k, n in zip(repair.now.member, names, strict=True)]
        table = shares(self.view, repair.decision)
        have = np.array([table[key] for key in keys])
        usual = np.array([self.usual[repair.decision].get(key, 0.0) for key in keys])
        over = have - usual
        some = np.flatnonzero((over > _MORE) & ~np.isin(repair.flow, accused))
        part = over[some] / have[some]
        moved = replace(repair.at(some), requests=repair.requests[some] * part)
        return self._judged(moved) if repair.decision == "model" else moved

    def _judged(self, repair: Repair) -> Repair:
        """Whether it is for value, at the shared prices: those that the router should have seen."""
        now, then = (self.view.priced(p.member, p.arm, p.tokens) for p in (repair.now, repair.then))
        allowed = self.repairs.reach.opened(repair.flow, {"model"})
        dearer, unclear = for_value(self.view, now, then, allowed)
        return replace(repair, dearer=dearer, unclear=unclear)


def shares(view: View, decision: str) -> dict[tuple[int, str], float]:
    """The shares of a view's own requests."""
    return shares_of(view.stream, view.flows, decision)


def shares_of(stream: Stream, flows: Flows, decision: str) -> dict[tuple[int, str], float]:
    """By member and what is decided, the share of the member's requests."""
    out: dict[tuple[int, str], float] = {}
    for k, a, x in zip(flows.member, flows.arm, flows.requests, strict=True):
        key = int(k), decision_of(stream.arms[a].labels, decision)
        out[key] = out.get(key, 0.0) + float(x / max(stream.rate[k], 1e-300))
    return out


def decided(view: View, decision: str) -> np.ndarray:
    """[A] what each arm decides, as a text."""
    return np.array([decision_of(a.labels, decision) for a in view.stream.arms])


_KEYS = {
    "model": ("model",),
    "level": ("autonomy",),
    "lane": ("tier", "prefill"),
    "kept": ("retention_s", "shared_prefix"),
    "verify": (),
}


def decision_of(labels: dict, decision: str) -> str:
    """What the labels of an arm say of a decision, as a text."""
    return repr([labels.get(k) for k in _KEYS[decision]])


def _beyond(repair: Repair, shared: Repair) -> Repair:
    """What a repair at local prices brings beyond that of the same flows at shared ones."""
    place = {int(i): n for n, i in enumerate(shared.flow)}
    at = np.array([place.get(int(i), -1) for i in repair.flow], int)
    gain, known = repair.gain.copy(), np.zeros((len(at), 2, len(PARTS)))
    old = at >= 0
    gain[old] -= shared.gain[at[old]]
    known[old, 0] = shared.now.parts[at[old]]
    known[old, 1] = shared.then.parts[at[old]]
    some = np.flatnonzero(gain > ROUNDING * repair.gain)
    return replace(repair, gain=gain, known=known).at(some)


def _shrunk(repair: Repair, scale: float) -> Repair:
    """Both sides of a repair in proportion: what the first requests bring, the last do not."""
    now, then = (replace(p, parts=p.parts * scale) for p in (repair.now, repair.then))
    known = None if repair.known is None else repair.known * scale
    return replace(repair, gain=repair.gain * scale, now=now, then=then, known=known)


def _family(activity: Activity) -> tuple:
    """What lanes of one deployment in one period have in common."""
    return activity.labels.get("family", activity.name), activity.labels.get("period")
