"""Gradient ascent from several starts at once, with multipliers for the rows.

The augmented Lagrangian (Hestenes 1969; Powell 1969): L-BFGS (optax) climbs

    welfare − Σ_r (ρ/2) · max(0, excess_r + μ_r/ρ)²          excess relative to the row's size

then μ ← max(0, μ + ρ · excess), and ρ grows where excess does not shrink. All starts climb side
by side (``vmap``). At the end the multipliers are the prices, a linear program over the tokens
found puts flows inside every row, and the judge of the product compares what came out. The start
is given back where nothing better was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.stream import Columns, Flows
from allocate.solver.certificate import Certificate, certify
from allocate.solver.methods.gradient.form import Form, Free, stacked
from allocate.solver.methods.recovery import Splitting

_OUTER, _INNER, _MEMORY = 30, 60, 20
_PENALTY, _GROWTH, _SHRINK, _HEAVIEST = 10.0, 3.0, 0.5, 1e7
_SPREAD = 0.5  # of a logit: how far starts stand from the first
_USED = 1e-7  # of a member: flows that come along
_MOST = 60_000  # pairs of member and arm
Array = Any


class Seed(NamedTuple):
    """What came of one start: judged welfare and prices; -inf without a feasible answer."""

    welfare: float
    violation: float
    allocation: Allocation
    duals: np.ndarray


@dataclass(frozen=True)
class Climb:
    """The best of all starts, and each of them.

    ``allocation`` and ``duals`` are those of the start where ``improved`` is false.
    """

    allocation: Allocation
    duals: np.ndarray
    certificate: Certificate
    improved: bool
    start: float
    bound: float
    seeds: tuple[Seed, ...]

    def to_dict(self) -> dict[str, Any]:
        """``solver.gradient`` of the result document."""
        known = [s.welfare for s in self.seeds if np.isfinite(s.welfare)]
        scale = max(abs(self.bound), 1e-300)
        return {
            "seeds": len(self.seeds),
            "feasible": len(known),
            "improved": self.improved,
            "start_welfare": self.start,
            "best_welfare": max(known, default=None),
            "gaps": [
                (self.bound - s.welfare) / scale if np.isfinite(s.welfare) else None
                for s in self.seeds
            ],
            "convex_bound": self.bound,
        }


def climb(
    program: Program,
    start: Allocation,
    duals: np.ndarray,
    bound: float,
    seeds: int = 4,
    seed: int = 0,
    tolerance: float = 1e-6,
    cold: bool = False,
) -> Climb:
    """Climb from a start and from others around it.

    Args:
        program: what is climbed.
        start: a feasible allocation: the answer is never worse.
        duals: [rows] prices to begin with, USD per unit.
        bound: USD per hour that no answer exceeds.
        seeds: how many starts.
        seed: of the random ones.
        tolerance: of the judge.
        cold: begin all starts at random shares and prices of 0 instead.
    """
    first = certify(program, start, duals, tolerance)
    form = Form.of(program, start, program.scale(first.primal))
    if len(form.owner) > _MOST:
        return Climb(start, duals, first, False, first.primal, bound, ())
    base, draw = form.free(start), np.random.default_rng(seed)
    starts = [base] if not cold else []
    while len(starts) < seeds:
        starts.append(_random(form, draw) if cold else _beside(base, draw))
    price = np.zeros_like(duals) if cold else duals * form.size / form.money
    made, prices = _climbed(form, stacked(starts), np.tile(price, (seeds, 1)))
    found = []
    for i in range(seeds):
        own = form.allocation(type(made)(*(np.asarray(part)[i] for part in made)))
        mu = np.asarray(prices)[i] * form.money / form.size
        found.append(_judged(program, own, mu, tolerance))
    best = max(found, key=lambda s: s.welfare, default=None)
    if best is None or not best.welfare > first.primal:
        return Climb(start, duals, first, False, first.primal, bound, tuple(found))
    both = [(certify(program, best.allocation, mu, tolerance), mu) for mu in (best.duals, duals)]
    judged, prices = min(both, key=lambda pair: pair[0].dual)
    return Climb(best.allocation, prices, judged, True, first.primal, bound, tuple(found))


def _beside(base: Free, draw: np.random.Generator) -> Free:
    return Free(*(part + _SPREAD * draw.standard_normal(part.shape) for part in base))


def _random(form: Form, draw: np.random.Generator) -> Free:
    """Random shares; tokens near their references, levels about a half of their size."""
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(np.isfinite(form.cap), form.reference / form.cap, 0.5)
    part = np.clip(np.nan_to_num(part, nan=0.5, posinf=0.5), 1e-6, 1.0 - 1e-6)
    tokens = np.log(part / (1.0 - part))
    noise = draw.standard_normal
    return Free(
        noise(len(form.owner)),
        noise(len(form.rate)),
        tokens + _SPREAD * noise(tokens.shape),
        noise(len(form.unit)) - np.where(np.isfinite(form.bound), 2.0, 0.0),
    )


def _climbed(form: Form, starts: Free, prices: np.ndarray) -> tuple[Any, Array]:
    """(what is made, prices) of every start after all rounds, in float64."""
    import jax
    import jax.numpy as jnp
    import optax

    cuts = np.cumsum([np.prod(part.shape[1:], dtype=int) for part in starts])[:-1]
    shapes = [part.shape[1:] for part in starts]
    optimiser = optax.lbfgs(memory_size=_MEMORY)

    def of(flat: Array) -> Free:
        parts = jnp.split(flat, cuts)
        return Free(*(p.reshape(shape) for p, shape in zip(parts, shapes, strict=True)))

    def loss(flat: Array, price: Array, weight: Array) -> Array:
        made = form.made(of(flat))
        amounts = form.amounts(made)
        held = jnp.maximum(form.excess(made, amounts) + price / weight, 0.0)
        return -form.welfare(made, amounts) / form.money + 0.5 * weight * jnp.sum(held**2)

    def climbing(flat: Array, price: Array, weight: Array) -> tuple[Array, Array]:
        def value(flat: Array) -> Array:
            return loss(flat, price, weight)

        both = optax.value_and_grad_from_state(value)

        def step(carry: tuple, _: None) -> tuple[tuple, None]:
            flat, state = carry
            now, slope = both(flat, state=state)
            change, state = optimiser.update(
                slope, state, flat, value=now, grad=slope, value_fn=value
            )
            moved = flat + change
            return (jnp.where(value(moved) <= now, moved, flat), state), None  # not if nan

        (flat, _), _ = jax.lax.scan(step, (flat, optimiser.init(flat)), None, length=_INNER)
        made = form.made(of(flat))
        return flat, form.excess(made, form.amounts(made))

    with jax.enable_x64(True):
        flat = jnp.concatenate([jnp.reshape(p, (len(p), -1)) for p in starts], 1)
        flat, price = flat.astype(jnp.float64), jnp.asarray(prices, jnp.float64)
        weight, before = jnp.full(len(flat), _PENALTY), jnp.full(len(flat), jnp.inf)
        round_ = jax.jit(jax.vmap(climbing))
        for _ in range(_OUTER):
            flat, over = round_(flat, price, weight)
            price = jnp.maximum(price + weight[:, None] * over, 0.0)
            worst = jnp.max(jnp.maximum(over, 0.0), axis=1, initial=0.0)
            grown = jnp.where(worst > _SHRINK * before, _GROWTH * weight, weight)
            weight, before = jnp.minimum(grown, _HEAVIEST), worst
        return jax.tree.map(np.asarray, jax.vmap(lambda f: form.made(of(f)))(flat)), price


def _judged(program: Program, own: Allocation, duals: np.ndarray, tolerance: float) -> Seed:
    """Put inside the rows, at the tokens found, and judged; flows that are next to none go."""
    columns = [_columns(s, f) for s, f in zip(program.streams, own.flows, strict=True)]
    inside = None
    if all(np.all(np.isfinite(c.amounts)) for c in columns):
        inside = Splitting(program, duals, columns).solve(own.levels)
    allocation = own if inside is None else inside.allocation
    judged = certify(program, allocation, duals, tolerance)
    welfare = judged.primal if judged.feasible else -np.inf
    return Seed(welfare, judged.max_violation, allocation, duals)


def _columns(stream: Any, flows: Flows) -> Columns:
    kept = flows.requests > _USED * stream.rate[flows.member]
    f = Flows(*(part[kept] for part in flows))
    n = len(f.arm)
    empty = np.zeros((n, stream.n_quantities))
    return Columns(f.member, f.arm, empty, stream.amounts(f), np.zeros(n), np.zeros(n))
