"""One pass over all members of a stream in JAX: compiled once, sharded over the devices.

Members are sorted by group and packed into chunks of one group each, so that a chunk meets
one table of prices: a small matrix product turns features into the price of every quantity
on every arm, and what the arms use is gathered back through its transpose. Nothing of size
members × arms × rows is made. A slab of chunks is spread over a mesh of devices with
``shard_map``; devices exchange only sums by group. Slabs have one shape whatever the number
of members, so samples of a stream and the whole run the same compiled code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from allocate.cores import available_cores
from allocate.models.curves import RequestCurve
from allocate.models.curves.stacked import form_of, stacked
from allocate.models.stream import Stream
from allocate.solver.methods.choices import Choices, Market
from allocate.solver.methods.crowd import Look, Looker, NumpyLooker

jax.config.update("jax_enable_x64", True)
if getattr(jax.config, "jax_num_cpu_devices", 0) == -1:  # nobody has said: one device a core
    with contextlib.suppress(RuntimeError):  # JAX is already in use: it stays as it is
        jax.config.update("jax_num_cpu_devices", available_cores())

_WORK = 16384  # members × arms in a chunk: what stays in the cache
_SLAB = 1 << 15  # members on the devices at a time, for each of them
_RESIDENT = 1 << 22  # so many members stay on the devices between passes
_SINGLE = 1e-4  # what single precision may miss, as a share of the money at stake


def classes_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """All devices (or those given) along the axis of the classes."""
    return Mesh(np.array(devices or jax.devices()), ("classes",))


def mesh_was_asked_for() -> bool:
    """Whether there are accelerators, other processes, or a number of devices that was set."""
    on_cores = jax.default_backend() == "cpu" and jax.device_count() == available_cores()
    return jax.process_count() > 1 or not on_cores


class Members(NamedTuple):
    """A slab on the devices: C chunks of n members, each of one group."""

    group: Any  # [C]
    features: Any  # [C, n, F']
    rate: Any  # [C, n]; 0 for padding
    decline: Any  # [C, n]
    stake: Any  # [C, n]
    difficulty: Any  # [C, n]
    factors: Any  # [C, n, T']


@dataclass(frozen=True)
class Form:
    """What of a stream the compiled code depends on: arms, curves, and which are scaled."""

    technologies: tuple[RequestCurve, ...]
    technology_of: tuple[int, ...]
    scaled: tuple[int, ...]
    n_features: int

    @classmethod
    def of(cls, stream: Stream) -> Form:
        """The form of a stream."""
        return cls(
            stream.technologies,
            tuple(int(t) for t in stream.technology_of),
            tuple(stream.factor),
            stream.features.shape[1],
        )


class JaxLooker:
    """The pass over one stream; see the module."""

    def __init__(self, market: Market, mesh: Mesh | None = None, screens: bool = True):
        self.market, self.mesh, self.screens = market, mesh or classes_mesh(), screens
        self.stream = stream = market.stream
        self.run = _compiled(Form.of(stream), self.mesh)
        self._kept: dict[tuple, Members] = {}

    # --- layout -----------------------------------------------------------------------------

    @cached_property
    def _length(self) -> int:
        """Members in a chunk."""
        typical = len(self.stream.rate) / max(len(np.unique(self.stream.group)), 1)
        most = max(64, _WORK // max(len(self.stream.arms), 1))
        return int(np.clip(1 << int(np.log2(max(typical, 1))), 64, most))

    @cached_property
    def _chunks(self) -> tuple[np.ndarray, np.ndarray]:
        """([C, n] member or −1, [C] group): chunks of one group each, C a multiple of a slab."""
        stream, n = self.stream, self._length
        order = np.argsort(stream.group, kind="stable")
        sizes = np.bincount(stream.group, minlength=len(stream.rows))
        counts = -(-sizes // n)
        group = np.repeat(np.arange(len(sizes)), counts)
        ends = np.cumsum(sizes)
        within = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
        index = (np.repeat(ends - sizes, counts) + within * n)[:, None] + np.arange(n)
        member = order[np.minimum(index, len(order) - 1)]
        member = np.where(index < np.repeat(ends, counts)[:, None], member, -1)
        short = -len(group) % self._per_slab
        padding = np.full((short, n), -1, member.dtype)
        return np.concatenate([member, padding]), np.pad(group, (0, short))

    @cached_property
    def _per_slab(self) -> int:
        """Chunks in a slab."""
        return self.mesh.size * max(1, _SLAB // self._length)

    @cached_property
    def _added(self) -> np.ndarray:
        """Features through which the members' own addition to a price acts."""
        return np.flatnonzero(np.any(self.stream.own_addition != 0, axis=(0, 2)))

    def _slab(self, start: int, kind: type = np.float64) -> Members:
        """Members of the chunks from ``start``; kept on the devices where all of them fit."""
        if (start, kind) in self._kept:
            return self._kept[start, kind]
        stream = self.stream
        member, group = (x[start : start + self._per_slab] for x in self._chunks)
        real = member >= 0
        k = np.where(real, member, 0)
        features = stream.features[k]
        if len(self._added):
            own = features[:, :, self._added] * stream.addition[k][:, :, None]
            features = np.concatenate([features, own], axis=2)
        factors = [f[k] for f in stream.factor.values()]
        slab = Members(
            group,
            features,
            np.where(real, stream.rate[k], 0.0),
            stream.decline_cost[k],
            self.market.scale[k],
            np.ones(k.shape) if stream.difficulty is None else stream.difficulty[k],
            np.stack(factors, -1) if factors else np.zeros((*k.shape, 0)),
        )
        cast = (x if x.dtype.kind == "i" else x.astype(kind, copy=False) for x in slab)
        slab = Members(*map(self._spread, cast))
        if len(stream.rate) <= _RESIDENT and kind is np.float64:  # a screening comes seldom
            self._kept[start, kind] = slab
        return slab

    def _spread(self, x: np.ndarray) -> jax.Array:
        """An array over the mesh, whichever process its devices belong to."""
        sharding = NamedSharding(self.mesh, P("classes"))
        return jax.make_array_from_callback(x.shape, sharding, lambda part: x[part])

    # --- the pass ---------------------------------------------------------------------------

    def look(self, duals: np.ndarray, heat: float = 0.0) -> Look:
        """See ``Looker``."""
        stream, k = self.stream, len(self.stream.rate)
        table = jnp.asarray(self._table(duals))
        menu = jnp.asarray(stream.menu)
        top, margin = np.full(k, -np.inf), np.full(k, np.inf)
        arm = np.zeros(k, np.int32)
        flow: Any = 0.0
        value = 0.0
        for start in range(0, len(self._chunks[1]), self._per_slab):
            found = self.run(table, menu, heat, self._slab(start))
            member = self._chunks[0][start : start + self._per_slab].ravel()
            real = member >= 0
            for out, got in zip((top, arm, margin), found[:3], strict=True):
                out[member[real]] = _fetched(got).ravel()[real]
            flow = flow + _fetched(found[3])
            value += float(_fetched(found[4]))
        return Look(duals, heat, top, arm, margin, value, self._row_use(flow))

    def choices(self, members: np.ndarray) -> Choices:
        """See ``Looker``."""
        return self.market.everything(members)

    def screened(self, duals: np.ndarray, band: float) -> Looker:
        """See ``Looker``. In single precision: it only says which arms are out of question.

        On a mesh of other devices than the cores every pass is over all arms: there they are
        cheaper than what a core does with few.
        """
        if not self.screens:
            return self
        k = len(self.stream.rate)
        counts, found = np.zeros(k, np.int64), []
        with jax.enable_x64(False), np.errstate(over="ignore", under="ignore"):
            table, menu = jnp.asarray(self._table(duals)), jnp.asarray(self.stream.menu)
            run = _compiled_screening(Form.of(self.stream), self.mesh)
            for start in range(0, len(self._chunks[1]), self._per_slab):
                near = _fetched(run(table, menu, band + _SINGLE, self._slab(start, np.float32)))
                member = self._chunks[0][start : start + self._per_slab].ravel()
                near = near.reshape(len(member), -1)
                real = member >= 0
                counts[member[real]] = np.count_nonzero(near, axis=1)[real]
                at, arm = np.nonzero(near)
                found.append((member[at], arm.astype(np.int32)))
        first = np.append(0, np.cumsum(counts))
        arms = np.empty(first[-1], np.int32)
        for member, arm in found:
            new = np.flatnonzero(np.diff(member, prepend=-1))
            within = np.arange(len(member)) - np.repeat(new, np.diff(np.append(new, len(member))))
            arms[first[member] + within] = arm
        return NumpyLooker(self.market, Choices(self.market, np.arange(k), first, arms))

    def _table(self, duals: np.ndarray) -> np.ndarray:
        """[G, F', J+3, A]: price of each quantity per unit of each feature."""
        base = self.stream.price_table(duals)
        own = self.stream.own_addition[:, self._added]
        own = np.broadcast_to(own, (len(base), *own.shape))
        return np.concatenate([base, own], axis=2).swapaxes(1, 2)

    def _row_use(self, flow: np.ndarray) -> np.ndarray:
        """[rows]: use from the flows by group, feature, quantity and arm [G, F, J+3, A]."""
        stream = self.stream
        by_group = np.moveaxis(flow, 2, 1).reshape(len(stream.rows), -1) @ stream.coefficients
        out = np.zeros(self.market.n_rows + 1)
        np.add.at(out, stream.rows, np.asarray(by_group))  # row −1 is the last, dropped
        return out[:-1]


def _fetched(x: jax.Array) -> np.ndarray:
    """The whole array in this process, also where other processes hold parts of it."""
    if x.is_fully_addressable or x.is_fully_replicated:
        return np.asarray(x)
    from jax.experimental.multihost_utils import process_allgather

    return np.asarray(process_allgather(x, tiled=True))


# --- the compiled code ----------------------------------------------------------------------


@lru_cache(maxsize=8)
def _compiled(form: Form, mesh: Mesh) -> Callable:
    """The pass over one slab: (table, menu, heat, slab) → top, arm, margin, flow, value."""
    split, whole = P("classes"), P()
    body = jax.shard_map(
        partial(_slab_pass, form),
        mesh=mesh,
        in_specs=(whole, whole, whole, split),
        out_specs=(split, split, split, whole, whole),
        check_vma=False,
    )
    return jax.jit(body)


@lru_cache(maxsize=8)
def _compiled_screening(form: Form, mesh: Mesh) -> Callable:
    """The screening of one slab: (table, menu, band, slab) → [C, n, A] which arms are near."""
    split, whole = P("classes"), P()
    body = jax.shard_map(
        partial(_slab_screening, form),
        mesh=mesh,
        in_specs=(whole, whole, whole, split),
        out_specs=split,
        check_vma=False,
    )
    return jax.jit(body)


def _slab_screening(form: Form, table: Any, menu: Any, band: Any, slab: Members) -> Any:
    def chunk(carry: None, part: Members) -> tuple:
        g = part.group
        profit = _profits(form, table[g], part)[0]
        # what is not a number is looked at in full precision
        known = jnp.where(menu[g] & ~jnp.isnan(profit), profit, -jnp.inf)
        top = known.max(axis=1)
        least = jnp.minimum(top, jnp.maximum(top, -part.decline) - band * part.stake)
        return carry, menu[g] & ~(profit < least[:, None]) & (part.rate > 0)[:, None]

    return jax.lax.scan(chunk, None, slab)[1]


def _slab_pass(form: Form, table: Any, menu: Any, heat: Any, slab: Members) -> tuple:
    n_groups, _, n_quantities, n_arms = table.shape

    def chunk(carry: tuple, part: Members) -> tuple:
        flow, total = carry
        g = part.group
        *found, value, used = _chunk_pass(form, table[g], menu[g], heat, part)
        return (flow.at[g].add(used), total + value), tuple(found)

    start = (jnp.zeros((n_groups, form.n_features, n_quantities, n_arms)), 0.0)
    (flow, total), found = jax.lax.scan(chunk, start, slab)
    return (*found, jax.lax.psum(flow, "classes"), jax.lax.psum(total, "classes"))


def _chunk_pass(form: Form, table: Any, menu: Any, heat: Any, part: Members) -> tuple:
    """One group's members [n]: best profit, arm, margin; value and flows of them all."""
    _, n_y, n_a = table.shape
    n = part.rate.shape[0]
    profit, amounts = _profits(form, table, part)
    profit = jnp.where(menu, profit, -jnp.inf)
    arm = jnp.argmax(profit, axis=1)
    top = jnp.max(profit, axis=1)
    best = jnp.maximum(top, -part.decline)
    live = jnp.isfinite(best) & (part.rate > 0)
    safe = jnp.where(live, best, 0.0)
    first = jnp.arange(n_a) == arm[:, None]
    second = jnp.maximum(jnp.max(jnp.where(first, -jnp.inf, profit), axis=1), -part.decline)
    other = jnp.where(top >= -part.decline, second, top)
    margin = jnp.where(live, jnp.abs(best - other) / part.stake, jnp.inf)
    tau = jnp.maximum(heat, 1e-12) * part.stake
    soft = jnp.exp((profit - safe[:, None]) / tau[:, None])
    total = soft.sum(axis=1) + jnp.exp((-part.decline - safe) / tau)
    hard = first & (top >= -part.decline)[:, None]
    share = jnp.where(heat > 0, soft / total[:, None], hard)
    gain = safe + jnp.where(heat > 0, tau * jnp.log(total), 0.0)
    flow = jnp.where(live[:, None], part.rate[:, None] * share, 0.0)
    spent = jnp.where(flow[:, None] > 0, flow[:, None] * amounts, 0.0)
    used = part.features[:, : form.n_features].T @ spent.reshape(n, n_y * n_a)
    value = jnp.sum(jnp.where(live, part.rate * gain, 0.0))
    return top, arm.astype(jnp.int32), margin, value, used.reshape(-1, n_y, n_a)


def _profits(form: Form, table: Any, part: Members) -> tuple:
    """(profit [n, A], amounts [n, J+3, A]) of one group's members, from the group's table."""
    n_all, n_y, n_a = table.shape
    price = part.features @ table.reshape(n_all, n_y * n_a)
    return _respond(form, price.reshape(-1, n_y, n_a), part.difficulty, part.factors)


def _respond(form: Form, price: Any, difficulty: Any, factors: Any) -> tuple:
    """(profit [n, A], amounts [n, J+3, A]) of the best response on every arm."""
    n, _, n_a = price.shape
    technology = np.array(form.technology_of)
    forms: dict[tuple, list[int]] = {}
    for a, t in enumerate(technology):
        scaled = t if t in form.scaled else None
        forms.setdefault((form_of(form.technologies[t]), scaled), []).append(a)
    profit, amounts, order = [], [], []
    for (_, scaled), arms in forms.items():
        p = price[:, :, np.array(arms)]
        curve = stacked([form.technologies[t] for t in technology[arms]])
        factor = jnp.ones((n, 1))
        if scaled is not None:
            factor = factors[:, form.scaled.index(scaled)][:, None]
        tokens_price = jnp.moveaxis(p[:, 1:-2], 1, -1)
        r = curve.best_response(-p[:, -1], tokens_price, p[:, -2], factor, difficulty[:, None])
        one = jnp.ones((n, 1, len(arms)))
        tokens = jnp.moveaxis(r.tokens, -1, 1)
        profit.append(r.profit - p[:, 0])
        amounts.append(jnp.concatenate([one, tokens, r.wrong[:, None], r.success[:, None]], axis=1))
        order += arms
    back = np.argsort(order)
    return jnp.concatenate(profit, 1)[:, back], jnp.concatenate(amounts, 2)[:, :, back]
