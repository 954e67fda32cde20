"""What each decision of each request costs: it is changed alone, and held while all else is free.

A decision is at fault where both hold: changing it alone, with the others as they are, earns
more; and with it held, not even the best of all the others reaches the best. The first is what
the repair brings; the second keeps a layer from being blamed for what another one did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allocate.models.curves import RequestCurve
from allocate.solver.studies.diagnosis.direction import for_value
from allocate.solver.studies.diagnosis.reach import Reach
from allocate.solver.studies.diagnosis.view import Pairs, View
from allocate.solver.studies.diagnosis.walls import Walls

DECISIONS = ("model", "level", "lane", "kept", "verify")
"""Model, level of autonomy, speed of the lane, retention of prefixes, tokens that verify."""
_LIGHTEST = ("lane", "kept", "verify", "level", "model")  # what moves a request least comes first
ROUNDING = 1e-9  # of the money that a request moves
_BLAME = 0.002  # of what a repair brings, that must be lost for good while the decision stands
_AMOUNTS = 256  # different amounts of verification that are told apart


@dataclass(frozen=True)
class Repair:
    """One decision changed alone: [n] flows, as they are and as they would be.

    ``gain`` [n] is USD per request; ``dearer`` [n] says of a change of model that it is for
    value, not for money, ``unclear`` [n] that it may as well be the other. Where ``then.arm``
    is -1 the request is declined. ``known`` [n, 2, parts]: parts now and then of the same fault
    that another finding has; then ``gain`` is what comes on top.
    """

    decision: str
    flow: np.ndarray
    requests: np.ndarray
    now: Pairs
    then: Pairs
    gain: np.ndarray
    dearer: np.ndarray
    unclear: np.ndarray
    known: np.ndarray | None = None

    def at(self, which: np.ndarray) -> Repair:
        """Some of the flows."""
        return Repair(
            self.decision,
            self.flow[which],
            self.requests[which],
            self.now.at(which),
            self.then.at(which),
            self.gain[which],
            self.dearer[which],
            self.unclear[which],
            None if self.known is None else self.known[which],
        )

    def beyond(self) -> Repair:
        """Its parts without what is known of them, so that both add up."""
        if self.known is None:
            return self
        pairs = (self.now, self.then)
        now, then = (replace(p, parts=p.parts - self.known[:, i]) for i, p in enumerate(pairs))
        return replace(self, now=now, then=then, known=None)


@dataclass(frozen=True)
class Repairs:
    """All repairs of a view's flows; ``within``: by decision, [flows, A] where they may go."""

    view: View
    within: Mapping[str, np.ndarray] | None = None

    @cached_property
    def reach(self) -> Reach:
        """Where flows may go."""
        return Reach(self.view)

    @cached_property
    def regret(self) -> np.ndarray:
        """[flows] best less actual profit, USD per request."""
        view = self.view
        return np.maximum(view.best[view.flows.member] - view.now.profit, 0.0)

    @cached_property
    def wrong(self) -> np.ndarray:
        """Flows that lose more than a rounding."""
        return np.flatnonzero(self.regret > ROUNDING * self.view.stake)

    def of(self, decision: str) -> Repair:
        """Flows at which a decision is at fault."""
        return self._all[decision]

    @cached_property
    def _all(self) -> dict[str, Repair]:
        alone = {d: self.alone(d) for d in DECISIONS}
        faults = {d: self._faults(repair) for d, repair in alone.items()}
        if self.within is not None:
            return faults
        at_fault = np.zeros(len(self.view.flows.member), bool)
        for repair in faults.values():
            at_fault[repair.flow] = True
        for d in _LIGHTEST:
            lone = self._enough(alone[d], at_fault)
            at_fault[lone] = True
            faults[d] = alone[d].at(np.isin(alone[d].flow, np.append(faults[d].flow, lone)))
        return faults

    def _enough(self, repair: Repair, at_fault: np.ndarray) -> np.ndarray:
        """Flows for which nothing is at fault yet, and which this repair alone brings to the best.

        Where the joint answer is indifferent between two ways, each of two repairs may do that:
        then neither decision keeps a request from the best, and yet one of them has to change.
        """
        enough = repair.gain >= (1.0 - _BLAME) * self.regret[repair.flow]
        if repair.decision == "model":
            enough &= Walls(self.view).open_to(repair.then, repair.now)
        return repair.flow[enough & ~at_fault[repair.flow]]

    def alone(self, decision: str) -> Repair:
        """What changing one decision brings, all others as they are; flows that gain by it."""
        view, flow = self.view, self.wrong
        allowed = self.reach.opened(flow, {decision})
        if self.within is not None:
            allowed &= self.within[decision][flow]
        then, there = view.changed(flow, allowed, decision == "verify")
        now = view.now.at(flow)
        profit = np.where(there, np.nan_to_num(then.profit, nan=-np.inf), -np.inf)
        if decision in ("model", "level"):
            now, then, profit = self._like_for_like(allowed, now, then, profit)
        if decision == "model" and self.within is None:
            then, profit = self._or_declined(now, then, profit)
        gain = np.minimum(profit - now.profit, self.regret[flow])
        some = np.flatnonzero(gain > ROUNDING * view.stake[flow])
        requests = view.flows.requests[flow]
        no = np.zeros(len(flow), bool)
        found = Repair(decision, flow, requests, now, then, gain, no, no).at(some)
        return self._judged(found) if decision == "model" else found

    def _judged(self, repair: Repair) -> Repair:
        """A change of model, and whether it is for value."""
        allowed = self.reach.opened(repair.flow, {"model"})
        dearer, unclear = for_value(self.view, repair.now, repair.then, allowed)
        return replace(repair, dearer=dearer, unclear=unclear)

    def _like_for_like(
        self, allowed: np.ndarray, now: Pairs, then: Pairs, profit: np.ndarray
    ) -> tuple[Pairs, Pairs, np.ndarray]:
        """Both ways with the tokens that are best on them, where that tells them apart better.

        Tokens do not carry over to every model or level; what right ones would bring on the
        way as it is does not count.
        """
        view, member = self.view, now.member
        here = view.priced(member, now.arm, view.tokens_of(member, now.arm))
        profits = np.where(allowed, view.stream.profits(view.duals, member), -np.inf)
        arm = profits.argmax(axis=1)
        there = view.priced(member, arm, view.tokens_of(member, arm))
        better = np.isfinite(profits.max(axis=1)) & (
            there.profit - np.maximum(here.profit, now.profit) > np.maximum(profit - now.profit, 0)
        )
        base = here.profit > now.profit
        now = _where(better & base, here, now)
        return now, _where(better, there, then), np.where(better, there.profit, profit)

    def _or_declined(self, now: Pairs, then: Pairs, profit: np.ndarray) -> tuple[Pairs, np.ndarray]:
        """Not serving is the cheapest model, for requests that nothing serves at a profit."""
        declining = -self.view.stream.decline_cost[now.member]
        better = (declining > profit) & self._hopeless[now.member]
        if not better.any():
            return then, profit
        parts = np.where(better[:, None], 0.0, then.parts)
        parts[:, 0] = np.where(better, declining, parts[:, 0])
        arm = np.where(better, -1, then.arm)
        return replace(then, arm=arm, parts=parts), np.maximum(profit, declining)

    def _faults(self, repair: Repair) -> Repair:
        """Those flows at which the decision itself is what keeps them from the best."""
        if not len(repair.flow):
            return repair
        best = self.view.best[repair.now.member]
        lost = best - np.maximum(self._held(repair), repair.now.profit)
        floor = np.maximum(_BLAME * repair.gain, ROUNDING * self.view.stake[repair.flow])
        # towards what the joint answer decides, that it decides so is proof enough
        fault = (lost > floor) | (self.within is not None)
        if repair.decision == "model":  # where the better one is full, others are in the way
            fault &= Walls(self.view).open_to(repair.then, repair.now)
        return repair.at(np.flatnonzero(fault))

    def _held(self, repair: Repair) -> np.ndarray:
        """[n] the most that flows bring with one decision as it is and all others free."""
        view, flow, ground = self.view, repair.flow, self.view.ground
        member, arm = view.flows.member[flow], view.flows.arm[flow]
        opened = ground.opened[member]
        family = ground.family[None, :] == ground.family[arm][:, None]
        match repair.decision:
            case "model":
                kept = ground.model_of[None, :] == ground.model_of[arm][:, None]
            case "level":
                kept = ground.level_of[None, :] == ground.level_of[arm][:, None]
            case "lane":
                kept = ~family | self.reach.near_lane(flow)
            case "kept":
                kept = ~ground.own[None, :] | self.reach.near_kept(flow)
            case _:
                return self._held_verifying(flow, opened)
        most = view.most(member, opened & kept)
        return most if repair.decision == "model" else self._or_hopeless(most, member)

    def _or_hopeless(self, most: np.ndarray, member: np.ndarray) -> np.ndarray:
        """[n] ``most``, or what declining brings where nothing serves a request at a profit.

        Elsewhere declining is no way out: that a request is hardly worth serving does not make
        it right to serve it badly.
        """
        declining = -self.view.stream.decline_cost[member]
        return np.where(self._hopeless[member], np.maximum(most, declining), most)

    @cached_property
    def _hopeless(self) -> np.ndarray:
        """[K] nothing serves a member at a profit; of members that break even some are served."""
        view, stream = self.view, self.view.stream
        everyone = np.arange(len(stream.rate))
        served = view.most(everyone, view.ground.opened)
        return served < -stream.decline_cost - ROUNDING * stream.stake

    def _held_verifying(self, flow: np.ndarray, opened: np.ndarray) -> np.ndarray:
        """As ``_held`` with no more verification than there is."""
        view, stream = self.view, self.view.stream
        member, arm = view.flows.member[flow], view.flows.arm[flow]
        use = view.verifying[arm]
        amount = view.flows.tokens[flow, np.maximum(use, 0)]
        levels = np.unique(amount)
        if len(levels) > _AMOUNTS:  # rounded up: no one is blamed for the rounding
            levels = np.unique(np.quantile(amount, np.linspace(0, 1, _AMOUNTS), method="higher"))
        of = np.searchsorted(levels, amount)
        out = np.empty(len(flow))
        for i in np.unique(of):
            at = np.flatnonzero(of == i)
            capped = tuple(_capped(t, float(levels[i])) for t in stream.technologies)
            limited = replace(stream, technologies=capped)
            out[at] = view.most(member[at], opened[at], limited)
        return self._or_hopeless(out, member)

    # --- several decisions together --------------------------------------------------------------

    def together(self, flow: np.ndarray, free: Iterable[str]) -> np.ndarray:
        """[n] what changing some decisions of flows together brings, USD per request."""
        free, view = frozenset(free), self.view
        now = view.now.profit[flow]
        then, there = view.changed(flow, self.reach.opened(flow, free), "verify" in free)
        profit = np.where(there, np.nan_to_num(then.profit, nan=-np.inf), -np.inf)
        if "model" in free:
            declining = -view.stream.decline_cost[then.member]
            profit = np.where(self._hopeless[then.member], np.maximum(profit, declining), profit)
        return np.clip(profit - now, 0.0, self.regret[flow])


def _where(which: np.ndarray, one: Pairs, other: Pairs) -> Pairs:
    """Pairs of one kind or another."""
    return Pairs(
        one.member,
        np.where(which, one.arm, other.arm),
        np.where(which[:, None], one.tokens, other.tokens),
        np.where(which[:, None], one.parts, other.parts),
    )


def _capped(curve: RequestCurve, amount: float) -> RequestCurve:
    """The curve with no more verification than an amount."""
    use = curve.risk.use
    if not curve.risk.verifiable or use is None:
        return curve
    least = max(amount, 1e-9 * curve.risk.tokens)
    caps = tuple(min(c, least) if j == use else c for j, c in enumerate(curve.caps))
    return replace(curve, caps=caps)
