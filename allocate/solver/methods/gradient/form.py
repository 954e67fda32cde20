"""A program without bounds: every variable is free, and the objective is plain JAX.

    x_ka = rate_k · softmax over the open arms and declining      (no share below 0, all add up)
    t_kaj = cap_j · sigmoid(s)   or   reference_j · softplus(s) where there is no cap
    y_i  = upper_i · sigmoid(v)  or   unit_i · softplus(v) where the bound is a formality

What is left are the rows. The curves are those of the models, evaluated by JAX.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows

Array = Any
_LEAST = 1e-6  # share of a member that an arm in no use starts with
_FEW = 1e-9  # of a cap or of a bound: what starts at nothing starts there
_FAR = 30.0  # of a logit
_LARGE = 1e11  # a bound from here on is a formality


class Free(NamedTuple):
    """Free variables: logits by pair and by member (declining), of tokens, and of levels."""

    share: Array
    decline: Array
    tokens: Array
    levels: Array


class Made(NamedTuple):
    """What they stand for: requests an hour, tokens of one, levels."""

    requests: Array
    tokens: Array
    levels: Array


@dataclass(frozen=True)
class Form:
    """A program over all its open pairs of member and arm, the streams one after another."""

    program: Program
    stream: np.ndarray  # [n] of every pair
    member: np.ndarray  # [n] in its stream
    arm: np.ndarray  # [n]
    owner: np.ndarray  # [n] member over all streams
    rate: np.ndarray  # [members]
    forced: np.ndarray  # [members] may not be declined
    penalty: np.ndarray  # [members] USD for one declined
    cap: np.ndarray  # [n, J] inf where there is none
    used: np.ndarray  # [n, J] whether tokens can be worth anything
    reference: np.ndarray  # [n, J]
    own: np.ndarray  # [n, J+3] own price of each quantity
    rows: tuple[np.ndarray, ...]  # (pair, quantity, row, use per unit)
    unit: np.ndarray  # [activities]
    bound: np.ndarray  # [activities] inf where a formality
    size: np.ndarray  # [rows] what an excess is measured against
    money: float  # USD per hour

    @classmethod
    def of(cls, program: Program, typical: Allocation, money: float) -> Form:
        """The form of a program; ``typical`` tells sizes of rows and levels."""
        parts, first, width = [], 0, max(s.n_uses for s in program.streams)
        entries: list[tuple[np.ndarray, ...]] = []
        n = 0
        for i, s in enumerate(program.streams):
            k, a = np.nonzero(s.menu[s.group] & (s.rate > 0)[:, None])
            curves = [s.technologies[j] for j in s.technology_of[a]]
            pad = width - s.n_uses
            own = s.pair_prices(np.zeros(len(program.rows)), k, a)
            pair, quantity, slot, value = s.pair_use(k, a)
            row = s.rows[s.group[k[pair]], slot]
            kept = row >= 0
            shifted = np.where(quantity > s.n_uses, quantity + pad, quantity)
            entries.append((pair[kept] + n, shifted[kept], row[kept], value[kept]))
            tokens = [
                np.array([c.caps for c in curves]),
                np.array([[j in c.uses_tokens for j in range(s.n_uses)] for c in curves], float),
                np.array([c.effort.references for c in curves]),
            ]
            tokens = [np.pad(t.reshape(len(k), s.n_uses), ((0, 0), (0, pad))) for t in tokens]
            own = np.insert(own, [1 + s.n_uses] * pad, 0.0, axis=1)
            parts.append((np.full(len(k), i), k, a, k + first, *tokens, own))
            first, n = first + len(s.rate), n + len(k)
        stream, member, arm, owner, cap, used, reference, own = (
            np.concatenate(p) for p in zip(*parts, strict=True)
        )
        from allocate.solver.certificate import row_scales

        gross = row_scales(program, typical)
        levels = np.abs(typical.levels)
        bound = np.where(program.upper < _LARGE, program.upper, np.inf)
        return cls(
            program, stream, member, arm, owner,
            np.concatenate([s.rate for s in program.streams]),
            np.concatenate([~np.isfinite(s.decline_cost) for s in program.streams]),
            np.concatenate([s.penalty for s in program.streams]),
            np.where(used > 0, cap, 0.0), used, np.maximum(reference, 1e-300), own,
            tuple(np.concatenate(e) for e in zip(*entries, strict=True)),
            np.where(levels > 0, levels, np.where(np.isfinite(bound), bound, 1.0)),
            bound, np.where(gross > 0, gross, 1.0), money,
        )  # fmt: skip

    # --- free variables to what they stand for ----------------------------------------------------

    def made(self, free: Free) -> Made:
        """Requests, tokens and levels."""
        import jax
        import jax.numpy as jnp

        n = len(self.rate)
        decline = jnp.where(jnp.asarray(self.forced), -jnp.inf, free.decline)
        top = jnp.maximum(jax.ops.segment_max(free.share, self.owner, n), decline)
        top = jax.lax.stop_gradient(jnp.where(jnp.isfinite(top), top, 0.0))
        weight = jnp.exp(free.share - top[self.owner])
        total = jax.ops.segment_sum(weight, self.owner, n) + jnp.exp(decline - top)
        requests = self.rate[self.owner] * weight / total[self.owner]
        capped = np.isfinite(self.cap)
        cap = np.where(capped, self.cap, 1.0)
        tokens = jnp.where(
            capped,
            cap * jax.nn.sigmoid(free.tokens),
            self.reference * jax.nn.softplus(free.tokens),
        )
        limited = np.isfinite(self.bound)
        upper = np.where(limited, self.bound, 1.0)
        levels = jnp.where(
            limited, upper * jax.nn.sigmoid(free.levels), self.unit * jax.nn.softplus(free.levels)
        )
        return Made(requests, tokens * self.used, levels)

    def free(self, allocation: Allocation) -> Free:
        """Free variables of an allocation; what it does not use starts at next to nothing."""
        x, t = np.zeros(len(self.owner)), np.zeros(self.cap.shape)
        t[:] = np.where(np.isfinite(self.cap), 0.0, self.reference)
        decline = np.zeros(len(self.rate))
        first = 0
        for i, (s, f) in enumerate(zip(self.program.streams, allocation.flows, strict=True)):
            mine = np.flatnonzero(self.stream == i)
            place = np.full((len(s.rate), len(s.arms)), -1)
            place[self.member[mine], self.arm[mine]] = mine
            at = place[f.member, f.arm]
            np.add.at(x, at, f.requests)
            t[at, : s.n_uses] = f.tokens
            served = np.bincount(f.member, f.requests, len(s.rate))
            decline[first : first + len(s.rate)] = np.maximum(s.rate - served, 0.0)
            first += len(s.rate)
        rate = np.maximum(self.rate, 1e-300)
        share = np.log(np.maximum(x / rate[self.owner], _LEAST))
        part = np.where(np.isfinite(self.cap), t / np.maximum(self.cap, 1e-300), t / self.reference)
        bounded = np.isfinite(self.bound)
        level = allocation.levels / np.where(bounded, np.maximum(self.bound, 1e-300), self.unit)
        return Free(
            share,
            np.log(np.maximum(decline / rate, _LEAST)),
            np.where(np.isfinite(self.cap), _logit(part), _inverse(part)),
            np.where(bounded, _logit(level), _inverse(level)),
        )

    # --- objective and rows -----------------------------------------------------------------------

    def amounts(self, made: Made) -> Array:
        """[n, J+3] quantities per request."""
        import jax.numpy as jnp

        width = self.cap.shape[1]
        wrong, success = jnp.zeros(len(self.owner)), jnp.zeros(len(self.owner))
        for i, s in enumerate(self.program.streams):
            mine = np.flatnonzero(self.stream == i)
            kinds = s.technology_of[self.arm[mine]]
            for kind in np.unique(kinds):
                at = mine[kinds == kind]
                who = self.member[at]
                good, bad = s.technologies[kind].outcome(
                    made.tokens[at][:, : s.n_uses], s.factor_of(kind, who), s.difficulty_of(who)
                )
                success, wrong = success.at[at].set(good), wrong.at[at].set(bad)
        one = jnp.ones((len(self.owner), 1))
        return jnp.concatenate([one, made.tokens[:, :width], wrong[:, None], success[:, None]], 1)

    def welfare(self, made: Made, amounts: Array) -> Array:
        """The objective, USD per hour."""
        import jax
        import jax.numpy as jnp

        out = self.program.offset - made.requests @ (amounts * self.own).sum(1)
        served = jax.ops.segment_sum(made.requests, self.owner, len(self.rate))
        out = out - self.penalty @ jnp.maximum(self.rate - served, 0.0)
        if len(self.program.activities):
            out = out - self.program.cost @ made.levels
        for t in self.program.terms:
            out = out - t.cost.value(*(made.levels[i] for i in t.activities))
        return out

    def excess(self, made: Made, amounts: Array) -> Array:
        """[rows] use less capacity, over the row's size."""
        import jax
        import jax.numpy as jnp

        pair, quantity, row, value = self.rows
        n = len(self.program.rows)
        flow = made.requests[pair] * amounts[pair, quantity] * value
        used = jax.ops.segment_sum(flow, row, n) if n else jnp.zeros(0)
        if len(self.program.activities):
            use = self.program.use.tocoo()
            used = used + jax.ops.segment_sum(use.data * made.levels[use.col], use.row, n)
        return (used - self.program.capacity) / self.size

    def allocation(self, made: Made) -> Allocation:
        """The flows and levels, as the program has them."""
        flows: list[Flows] = []
        requests, tokens = np.asarray(made.requests), np.asarray(made.tokens)
        for i, s in enumerate(self.program.streams):
            at = np.flatnonzero((self.stream == i) & (requests > 1e-9 * self.rate[self.owner]))
            flows.append(
                Flows(self.member[at], self.arm[at], requests[at], tokens[at][:, : s.n_uses])
            )
        return Allocation(tuple(flows), np.array(made.levels, float))


def _logit(share: np.ndarray) -> np.ndarray:
    p = np.clip(share, _FEW, 1.0 - _FEW)
    return np.clip(np.log(p / (1.0 - p)), -_FAR, _FAR)


def _inverse(level: np.ndarray) -> np.ndarray:
    """Of softplus."""
    y = np.maximum(level, _FEW)
    return y + np.log(-np.expm1(-y))


def stacked(starts: Sequence[Free]) -> Free:
    """Several starts side by side."""
    return Free(*(np.stack(parts) for parts in zip(*starts, strict=True)))
