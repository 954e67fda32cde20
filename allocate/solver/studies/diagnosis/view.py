"""A baseline's requests at the shared prices: what each way of serving them earns.

At the optimal shared prices every request can be judged alone: welfare is what its choices
earn, less than the best they could by their *regret*, and the regrets of all add up to what
the allocation leaves behind (with what stands idle at a price). So a wrong decision is found
by changing it, at those prices, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from allocate.models.program import ACCOUNTS, Allocation
from allocate.models.stream import Flows, Stream
from allocate.solver.studies.ground import Ground
from allocate.solver.studies.terms import regrouped

PARTS = ("value", "cost", "latency", "risk", "oversight")
"""What a request earns (value) and costs, at full shared prices: money, and what it occupies."""
_COST = PARTS.index("cost")
_PART = {account: PARTS.index(account) for account in ACCOUNTS if account in PARTS}
_CHUNK = 2_000_000  # pairs of a request and an arm that are priced at once
_SECTIONS = 48  # of the search for the best verification


@dataclass(frozen=True)
class Pairs:
    """Requests on arms: [n] member, [n] arm, [n, J] tokens, and [n, parts] USD per request."""

    member: np.ndarray
    arm: np.ndarray
    tokens: np.ndarray
    parts: np.ndarray

    @property
    def profit(self) -> np.ndarray:
        """[n] value less costs, USD per request."""
        return self.parts[:, 0] - self.parts[:, 1:].sum(axis=1)

    def at(self, which: np.ndarray) -> Pairs:
        """Some of them."""
        return Pairs(self.member[which], self.arm[which], self.tokens[which], self.parts[which])


@dataclass(frozen=True)
class View:
    """A ground, shared prices of its rows [rows], and an allocation of its program."""

    ground: Ground
    duals: np.ndarray
    allocation: Allocation

    @property
    def stream(self) -> Stream:
        """The requests."""
        return self.ground.stream

    @property
    def flows(self) -> Flows:
        """The allocation's requests by arm."""
        return self.allocation.flows[0]

    @cached_property
    def now(self) -> Pairs:
        """The flows as they are."""
        return self.priced(self.flows.member, self.flows.arm, self.flows.tokens)

    @cached_property
    def slack(self) -> np.ndarray:
        """[rows] what of every capacity is left over."""
        program = self.ground.program
        return np.maximum(program.capacity - program.usage(self.allocation), 0.0)

    @cached_property
    def best(self) -> np.ndarray:
        """[K] the most that a request of each member can bring, declined ones included."""
        everyone = np.arange(len(self.stream.rate))
        return np.maximum(self.most(everyone, self.ground.opened), -self.stream.decline_cost)

    @cached_property
    def stake(self) -> np.ndarray:
        """[flows] money that a request moves: the scale of its rounding."""
        return np.abs(self.now.parts).sum(axis=1) + self.stream.stake[self.flows.member]

    @cached_property
    def shared(self) -> np.ndarray:
        """[A]: reads a resident shared prefix."""
        return np.array([bool(a.labels.get("shared_prefix")) for a in self.stream.arms])

    @cached_property
    def human(self) -> np.ndarray:
        """[A]: the human does the task."""
        return self.ground.by_human[self.ground.level_of]

    @cached_property
    def verifying(self) -> np.ndarray:
        """[A] → token use that cuts the risk there, or -1."""
        uses = [t.risk.use if t.risk.verifiable else None for t in self.stream.technologies]
        of = np.array([-1 if u is None else u for u in uses])
        return of[self.stream.technology_of]

    # --- prices ------------------------------------------------------------------------------

    @cached_property
    def _slot_prices(self) -> np.ndarray:
        return self.stream.slot_prices(self.duals)

    @cached_property
    def _part_of(self) -> np.ndarray:
        """[S]: the account of a slot; a limit's slots go with what it limits, all else is cost."""
        of_rows = self._parts_of_rows
        out = []
        for slot, rows in zip(self.stream.slots, self.stream.rows.T, strict=True):
            if slot.account is not None:
                out.append(_PART.get(slot.account, _COST))
            else:
                out.append(next((of_rows[r] for r in rows.tolist() if r in of_rows), _COST))
        return np.array(out)

    @cached_property
    def _parts_of_rows(self) -> dict[int, int]:
        """Parts of the rows of limits on mean latency and on tail risk."""
        program = self.ground.built.program
        out = {
            r: _PART["latency"]
            for limit in program.resources
            if limit.kind == "latency"
            for _, i, _ in limit.supplies
            for r, _ in program.activities[i].uses
        }
        for a in program.activities:
            if a.account == "risk":  # excess loss of a scenario, and the level that it is over
                out |= {r: _PART["risk"] for r, used in a.uses if used < 0}
        return out

    def priced(self, member: np.ndarray, arm: np.ndarray, tokens: np.ndarray) -> Pairs:
        """Requests with given tokens, at full shared prices."""
        stream, n = self.stream, len(member)
        amounts = stream.amounts(Flows(member, arm, np.ones(n), tokens))
        entry, quantity, slot, value = stream.pair_use(member, arm)
        price = self._slot_prices[stream.group[member[entry]], slot]
        if stream.addition_slot >= 0:
            own = slot == stream.addition_slot
            price = price + np.where(own, stream.addition[member[entry]], 0.0)
        usd = value * amounts[entry, quantity] * price
        at = entry * len(PARTS) + self._part_of[slot]
        parts = np.bincount(at, usd, n * len(PARTS)).reshape(n, len(PARTS))
        parts[:, 0] = -parts[:, 0]  # value enters as a cost below zero
        return Pairs(member, arm, tokens, parts)

    def tokens_of(self, member: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """[n, J]: the best tokens of pairs at the shared prices."""
        bought = self.stream.columns(self.duals, member, arm).amounts[:, 1:-2]
        return np.minimum(bought, self.stream.finite_caps[self.stream.technology_of[arm]])

    def most(
        self, member: np.ndarray, allowed: np.ndarray, stream: Stream | None = None
    ) -> np.ndarray:
        """[n] the most a request of each member brings on its ``allowed`` arms [n, A]."""
        part = (stream or self.stream).part(member)
        return regrouped(part, allowed).profits(self.duals).max(axis=1, initial=-np.inf)

    # --- changes -----------------------------------------------------------------------------

    def carried(self, flow: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """[n, J] tokens when flows move to other arms and their agent keeps its policy.

        A use keeps its multiple of the model's reference; verification keeps its tokens. A
        use that had no meaning before gets what is best at the shared prices.
        """
        stream, technology = self.stream, self.stream.technology_of
        old, new = technology[self.flows.arm[flow]], technology[arm]
        references = np.array([t.effort.references for t in stream.technologies])
        used = np.zeros(references.shape, bool)
        for i, t in enumerate(stream.technologies):
            used[i, list(t.uses_tokens)] = True
        verify = np.array([-1 if t.risk.use is None else t.risk.use for t in stream.technologies])
        scale = references[new] / references[old]
        checks = np.arange(stream.n_uses)[None, :] == verify[new][:, None]
        tokens = self.flows.tokens[flow] * np.where(checks, 1.0, scale)
        fresh = ~used[old] & used[new]
        if fresh.any():
            tokens = np.where(fresh, self.tokens_of(self.flows.member[flow], arm), tokens)
        # what is worth nothing there is not bought there; the way as it is keeps all it has
        same = arm == self.flows.arm[flow]
        tokens = np.where(used[new] | same[:, None], tokens, 0.0)
        return np.minimum(tokens, stream.finite_caps[new])

    def changed(
        self, flow: np.ndarray, allowed: np.ndarray, verify: bool = False
    ) -> tuple[Pairs, np.ndarray]:
        """The best of each flow's ``allowed`` arms [n, A] under the agent's policy as it is.

        ``verify`` frees the tokens that verify. Returns the best pair of each flow, and
        whether there is one [n].
        """
        n, n_a = allowed.shape
        arm, profit = np.full(n, -1), np.full(n, -np.inf)
        tokens = np.zeros((n, self.stream.n_uses))
        for rows in np.array_split(np.arange(n), 1 + n * n_a // _CHUNK):
            at, arms = np.nonzero(allowed[rows])
            if not len(at):
                continue
            i = rows[at]
            carried = self.carried(flow[i], arms)
            if verify:
                carried = self._verified(self.flows.member[flow[i]], arms, carried)
            pairs = self.priced(self.flows.member[flow[i]], arms, carried)
            order = np.lexsort((-pairs.profit, i))
            first = order[np.unique(i[order], return_index=True)[1]]
            arm[i[first]], profit[i[first]] = arms[first], pairs.profit[first]
            tokens[i[first]] = carried[first]
        there = arm >= 0
        member = self.flows.member[flow]
        return self.priced(member, np.where(there, arm, self.flows.arm[flow]), tokens), there

    def _verified(self, member: np.ndarray, arm: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The tokens with the best verification for the others; profit is concave in it."""
        use = self.verifying[arm]
        some = np.flatnonzero(use >= 0)
        if not len(some):
            return tokens
        k, a, j = member[some], arm[some], use[some]
        caps = np.array([t.caps for t in self.stream.technologies])[self.stream.technology_of[a]]
        scale = np.array([t.risk.tokens for t in self.stream.technologies])
        scale = scale[self.stream.technology_of[a]]
        most = np.minimum(caps[np.arange(len(a)), j], 60.0 * scale)  # e⁻⁶⁰ of the risk is left
        most = np.maximum(most, tokens[some, j])

        def worth(amount: np.ndarray) -> np.ndarray:
            trial = tokens[some].copy()
            trial[np.arange(len(a)), j] = amount
            return np.nan_to_num(self.priced(k, a, trial).profit, nan=-np.inf)

        found = _highest(worth, np.zeros(len(a)), most)
        stay = tokens[some, j]
        out = tokens.copy()
        out[some, j] = np.where(worth(found) > worth(stay), found, stay)
        return out


def _highest(
    worth: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Where a concave function of many numbers at once is highest: golden sections."""
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    a, b = low.copy(), high.copy()
    c, d = b - ratio * (b - a), a + ratio * (b - a)
    at_c, at_d = worth(c), worth(d)
    for _ in range(_SECTIONS):
        left = at_c > at_d
        a, b = np.where(left, a, c), np.where(left, d, b)
        fresh = np.where(left, b - ratio * (b - a), a + ratio * (b - a))
        at_fresh = worth(fresh)
        c, d = np.where(left, fresh, d), np.where(left, c, fresh)
        at_c, at_d = np.where(left, at_fresh, at_d), np.where(left, at_c, at_fresh)
    ends = np.stack([low, 0.5 * (a + b), high])
    values = np.stack([worth(x) for x in ends])
    return ends[values.argmax(axis=0), np.arange(ends.shape[1])]
