"""Config → Program: the four layers side by side, joined only by rows.

What the program depends on and the answer changes (the menu of speeds, the capability
that routing sees, the worth that training sees) is kept in ``State``; ``advance`` reads
an answer and returns the next state. The solve is repeated until the state stands still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import scipy.sparse as sp

from allocate.models import autonomy, router, serving, training
from allocate.models.builder import HOUR, Builder, Use
from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.curves import Linear, RequestCurve, Reuse, Table
from allocate.models.features import class_features, class_sets
from allocate.models.menus import Choice, menu_of
from allocate.models.program import Allocation, Program
from allocate.models.stream import Arm, Stream

UNBOUNDED_EFFORT = 1e30  # effort that nothing limits: an answer there is unbounded


@dataclass(frozen=True)
class State:
    """What an answer decides about its own program.

    ``grid``: utilisation of every speed tier, by lane family. ``capability``: success
    points that training adds, by model. ``worth``: USD per hour and success point.
    """

    grid: Mapping[str, Sequence[float]] = field(default_factory=dict)
    capability: Mapping[str, float] = field(default_factory=dict)
    worth: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """A program, the config it came from, and what was assumed on the way."""

    program: Program
    config: Config
    classes: Classes
    state: State
    periods: tuple[str, ...]
    shares: tuple[float, ...]
    tiers: tuple[serving.Tier, ...]
    reuse: Mapping[str, Reuse]
    assumed: tuple[str, ...]


def build(config: Config, classes: Classes, state: State | None = None) -> Built:
    """The program of a config at a state (default: first menu of speeds, no training yet)."""
    state = state or State()
    names, shares, demand = _periods(config)
    builder = Builder(shares, names)
    grid = serving.speeds(config, state.grid)
    state = replace(state, grid=grid)

    member, period, rate = _members(config, classes, names, shares, demand)
    sets = class_sets(config, classes)
    features = class_features(config, classes)

    # each layer hands over its slots, rows and ways; the order is of no consequence
    router.money_slots(builder, config)
    router.latency_slots(builder, config)
    limits = config.limits.shares
    arrivals = [float(rate[sets[f"shares.{n}"][member]].sum()) for n in limits]
    share_uses = router.share_limits(builder, config, arrivals)
    autonomy.value_slot(builder)
    autonomy.risk_slots(builder, config)
    autonomy.human_slot(builder, config)
    gpus = serving.gpu_rows(builder, config)
    budget = _row_of(builder, "money")
    traffic = _group_traffic(config, classes, member, period, rate, shares)
    tiers = serving.tiers(builder, config, gpus, grid, traffic, budget)
    reuse = {
        n: Reuse(
            tuple(a for a, _ in p.points),
            tuple(h for _, h in p.points),
            p.drift_per_h / HOUR,
            p.mismatch_per_h / HOUR,
        )
        for n, p in config.caching.reuse.items()
    }
    ways = serving.ways(config, tiers, reuse)
    choices = _choices(config, builder, classes, ways, share_uses, state)
    streams = [_stream(config, classes, builder, choices, features, sets, member, period, rate)]
    tokens = _token_rows(builder, config, tiers)
    invested = training.training_stream(builder, config, gpus, tokens, budget, state.worth)
    if invested is not None:
        streams.append(invested)
    # worth × capability stands in the value of requests and in the worth of training: once
    twice = sum(state.worth.get(m, 0.0) * a for m, a in state.capability.items())
    program = Program(
        rows=tuple(builder.rows),
        streams=tuple(streams),
        activities=tuple(builder.activities),
        terms=tuple(builder.terms),
        resources=tuple(builder.resources),
        offsets=(("training", -twice),) if twice else (),
    )
    return Built(
        program, config, classes, state, names, shares, tuple(tiers), reuse, tuple(builder.assumed)
    )


# --- members ------------------------------------------------------------------------------


def _periods(config: Config) -> tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]:
    if not config.periods:
        return ("all day",), (1.0,), (1.0,)
    hours = np.array([p.hours for p in config.periods.values()])
    demand = tuple(p.demand_scale for p in config.periods.values())
    return tuple(config.periods), tuple(hours / hours.sum()), demand


def _members(
    config: Config,
    classes: Classes,
    names: Sequence[str],
    shares: Sequence[float],
    demand: Sequence[float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class, period and time-averaged requests per hour of every member of the stream."""
    n, n_p = len(classes), len(names)
    opened = np.ones((len(classes.periods.labels) + 1, n_p), bool)
    for i, label in enumerate(classes.periods.labels):
        opened[i] = [p in label for p in names]
    here = opened[classes.periods.codes]  # code -1 → the last row: all periods
    member, period = np.nonzero(here)
    weight = np.asarray(shares) * np.asarray(demand)
    rate = classes.rate_per_s[member] * HOUR * config.demand.scale * weight[period]
    assert len(member) >= n or n_p > 1
    return member, period, rate


def _group_traffic(
    config: Config,
    classes: Classes,
    member: np.ndarray,
    period: np.ndarray,
    rate: np.ndarray,
    shares: Sequence[float],
) -> list[float]:
    """Most requests an hour of each sharing group, over the periods."""
    out = []
    for group in config.caching.sharing:
        labels = classes.sharing.labels
        code = labels.index(group) if group in labels else -2
        inside = classes.sharing.codes[member] == code
        by_period = np.bincount(period[inside], rate[inside], len(shares)) / np.asarray(shares)
        out.append(max(float(by_period.max()), 1e-9))
    return out


# --- arms ---------------------------------------------------------------------------------


def _choices(
    config: Config,
    builder: Builder,
    classes: Classes,
    ways: Sequence[serving.Way],
    share_uses: Mapping[str, list[Use]],
    state: State,
) -> list[Choice]:
    """Every arm: a model, an autonomy level and a way to serve; or a human."""
    actions = tuple(classes.action.labels)
    prefixes = ("prefix:", *(f"prefix:{p}" for p in config.caching.reuse))
    common = autonomy.use_prices(config)
    by_model: dict[str, list[tuple[tuple[Use, ...], dict, float, Any]]] = {}
    for name, model in config.models.items():
        options: list[tuple[tuple[Use, ...], dict, float, Any]] = []
        api = router.api_way(builder, name, model, prefixes)
        if api is not None:
            options.append((api.uses, {"way": "api"}, api.tpot, api.ttft))
        for way in ways:
            if way.model == name:
                options.append((way.uses, {"way": "own", **way.labels}, way.tpot, way))
        if not options:
            options.append(((), {"way": "flat"}, 0.0, 0.0))
        by_model[name] = options
    out: list[Choice] = []
    curves: list[Any] = []
    numbers: dict[str, list[int]] = {}
    for level_name, level in config.autonomy.items():
        uses_of_level = autonomy.level_uses(config, level, actions)
        if level.human_success is not None:
            curves.append(autonomy.human_curve(config, level))
            out.append(
                Choice(
                    None,
                    level_name,
                    len(curves) - 1,
                    curves[-1],
                    {"way": "human"},
                    uses_of_level,
                    0.0,
                    0.0,
                )
            )
            continue
        for name, model in config.models.items():
            if name not in numbers:  # one technology a model, whatever the level
                mine = _kink_by_kink(autonomy.request_curve(config, model))
                numbers[name] = list(range(len(curves), len(curves) + len(mine)))
                curves += mine
            capability = state.capability.get(name, 0.0)
            gained = (Use("request", "trainable_value", "value", capability),) if capability else ()
            of_model = (
                *uses_of_level,
                *router.model_uses(model),
                *common,
                *share_uses.get(name, ()),
                *gained,
            )
            for (uses, labels, tpot, ttft), i in product(by_model[name], numbers[name]):
                out.append(
                    Choice(
                        name,
                        level_name,
                        i,
                        curves[i],
                        labels,
                        (*of_model, *uses),
                        tpot,
                        ttft,
                    )
                )
    return out


def _model_ceiling(config: Config, choice: Choice) -> float:
    model = config.models[choice.model or ""]
    return autonomy.ceiling(autonomy.success_curve(model, sum(autonomy.exponents(config))))


def _kink_by_kink(curve: RequestCurve) -> list[RequestCurve]:
    """One curve for each kink of a table with constant returns; else the curve itself.

    Between two kinks such a curve is a line in the tokens, so any point of it is a split
    of the requests over bundles at the kinks, and those have a best response.
    """
    table = curve.success
    if not isinstance(table, Table) or curve.effort.total < 1.0 - 1e-9:
        return [curve]
    return [
        replace(curve, success=Table((y,), (q,)))
        for y, q in zip(table.efforts, table.scores, strict=True)
    ]


def _stream(
    config: Config,
    classes: Classes,
    builder: Builder,
    choices: Sequence[Choice],
    features: Mapping[str, np.ndarray],
    sets: Mapping[str, np.ndarray],
    member: np.ndarray,
    period: np.ndarray,
    rate: np.ndarray,
) -> Stream:
    menus, menu_id = menu_of(config, classes, choices)
    limit_axes = [
        f"{kind}.{n}" for kind in ("shares", "latency") for n in getattr(config.limits, kind)
    ]
    keys = [period, classes.tenant.codes[member], classes.sharing.codes[member], menu_id[member]]
    keys += [sets[axis][member].astype(np.int64) for axis in limit_axes]
    unique, group = np.unique(np.stack(keys, 1), axis=0, return_inverse=True)

    slot_names = list(builder.slots)
    rows = np.full((len(unique), len(slot_names)), -1)
    n_periods = len(builder.periods)
    tenants = _codes_to(classes.tenant.labels, list(config.tenants))
    groups = _codes_to(classes.sharing.labels, list(config.caching.sharing))
    for s, name in enumerate(slot_names):
        axis, numbers = builder.slots[name][1].axis, np.array([*builder.slots[name][1].rows, -1])
        if len(numbers) == 1:
            continue
        if axis is None:
            rows[:, s] = numbers[0]
        elif axis == "period":
            rows[:, s] = numbers[unique[:, 0]]
        elif axis == "tenant":
            rows[:, s] = numbers[tenants[unique[:, 1]]]
        elif axis == "sharing":
            at = groups[unique[:, 2]]
            rows[:, s] = np.where(at < 0, -1, numbers[at * n_periods + unique[:, 0]])
        else:
            inside = unique[:, 4 + limit_axes.index(axis.removeprefix("limit:"))] == 1
            rows[:, s] = np.where(inside, numbers[0], -1)

    uses = list(config.token_uses) or ["none"]
    kinds = [u.kind for u in config.token_uses.values()] or ["output"]
    used_features = sorted({u.feature for c in choices for u in c.uses} & set(features))
    coefficients = _coefficients(config, choices, used_features, slot_names, uses, kinds)
    # a slot with no price, no row and no addition to it only costs time
    kept = [
        s
        for s, n in enumerate(slot_names)
        if n == "latency" or builder.slots[n][0].own_price != 0 or (rows[:, s] >= 0).any()
    ]
    latency = classes.latency_usd_per_s
    latency = np.where(np.isnan(latency), config.prices.latency_usd_per_s, latency)
    order = sorted({c.technology for c in choices})
    curves = {c.technology: c for c in choices}
    factor = {}
    for i in order:
        override = classes.quality.get(curves[i].model or "")
        if override is not None:
            best = _model_ceiling(config, curves[i])
            f = np.where(np.isnan(override), 1.0, override / best if best > 0 else 1.0)
            factor[i] = f[member]
    technologies = [curves[i].curve for i in order]
    stream = Stream(
        name="requests",
        rate=rate,
        features=np.stack([features[f][member] for f in used_features], 1),
        group=group.ravel(),
        menu=menus[unique[:, 3]],
        rows=rows[:, kept],
        slots=tuple(builder.slots[slot_names[s]][0] for s in kept),
        arms=tuple(
            Arm({"model": c.model, "autonomy": c.level, **c.labels}, c.technology) for c in choices
        ),
        technologies=tuple(technologies),
        coefficients=coefficients[:, kept],
        decline_cost=np.where(classes.decline, classes.decline_cost_usd, np.inf)[member],
        addition_slot=[slot_names[s] for s in kept].index("latency"),
        addition=latency[member],
        factor=factor,
        difficulty=None if np.all(classes.difficulty == 1) else classes.difficulty[member],
        origin=member,
        period=period,
        stake=classes.value_usd[member],
    )
    if any(isinstance(t.success, Linear) and t.effort.total >= 1.0 - 1e-9 for t in technologies):
        stream = replace(
            stream,
            technologies=tuple(
                _affordable(t, i, stream, builder) for i, t in enumerate(technologies)
            ),
        )
    return stream


def _affordable(
    curve: RequestCurve, technology: int, stream: Stream, builder: Builder
) -> RequestCurve:
    """With constant returns, effort is only bounded by what the rows let anyone afford.

    The bound is implied by the rows, so it changes no answer; it keeps the best response
    of one request finite.
    """
    if not (isinstance(curve.success, Linear) and curve.effort.total >= 1.0 - 1e-9):
        return curve
    arms = np.flatnonzero(stream.technology_of == technology)
    n = len(stream.rate)
    most = np.full((n, stream.n_uses), np.inf)
    for a in arms:
        entry, quantity, slot, value = stream.pair_use(np.arange(n), np.full(n, a))
        row = stream.rows[stream.group[entry], slot]
        real = (row >= 0) & (quantity >= 1) & (quantity <= stream.n_uses) & (value > 0)
        for e, q, r, v in zip(entry[real], quantity[real], row[real], value[real], strict=True):
            capacity = builder.rows[r].capacity
            if capacity > 0 and stream.rate[e] > 0:
                most[e, q - 1] = min(most[e, q - 1], capacity / v / stream.rate[e])
    log_y = sum(
        a * np.log(most[:, j] / curve.effort.references[j])
        for j, a in enumerate(curve.effort.exponents)
        if a > 0
    )
    # twice what can be had, so that the bound never binds and earns no rent
    bound = 2.0 * float(np.exp(np.max(np.asarray(log_y)[stream.rate > 0], initial=-np.inf)))
    if not np.isfinite(bound) or bound <= 0:
        bound = UNBOUNDED_EFFORT
    return replace(curve, success=Table((bound,), (curve.success.scale * bound,)))


def _coefficients(
    config: Config,
    choices: Sequence[Choice],
    features: Sequence[str],
    slots: Sequence[str],
    uses: Sequence[str],
    kinds: Sequence[str],
) -> sp.csr_matrix:
    n_f, n_a, n_q = len(features), len(choices), len(uses) + 3
    quantities = {"request": [0], "wrong": [n_q - 2], "success": [n_q - 1]}
    quantities["input"] = [1 + j for j, k in enumerate(kinds) if k == "input"]
    quantities["output"] = [1 + j for j, k in enumerate(kinds) if k == "output"]
    quantities |= {f"use:{name}": [1 + j] for j, name in enumerate(uses)}
    feature_at = {f: i for i, f in enumerate(features)}
    slot_at = {s: i for i, s in enumerate(slots)}
    index: list[int] = []
    column: list[int] = []
    value: list[float] = []

    def put(quantity: str, feature: str, arm: int, slot: str, coefficient: float) -> None:
        if feature not in feature_at:
            return
        for q in quantities[quantity]:
            index.append((q * n_f + feature_at[feature]) * n_a + arm)
            column.append(slot_at[slot])
            value.append(coefficient)

    for a, choice in enumerate(choices):
        for u in choice.uses:
            put(u.quantity, u.feature, a, u.slot, u.coefficient)
            if u.slot == "latency":
                for limit in config.limits.latency:
                    put(u.quantity, u.feature, a, f"latency.{limit}", u.coefficient)
        for limit in config.limits.latency:
            put("request", "one", a, f"served.{limit}", -1.0)
    shape = (n_q * n_f * n_a, len(slots))
    return sp.csr_matrix((value, (index, column)), shape=shape)


def _codes_to(labels: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Codes of a column → positions among ``names``; the last entry serves code -1."""
    return np.array([names.index(x) if x in names else -1 for x in labels] + [-1])


def _row_of(builder: Builder, slot: str) -> int | None:
    rows = builder.slots[slot][1].rows
    return rows[0] if rows else None


def _token_rows(
    builder: Builder, config: Config, tiers: Sequence[serving.Tier]
) -> dict[str, list[list[tuple[int, float]]]]:
    """For every deployment and period: rows used by one decoded token an hour, slowest tier."""
    out: dict[str, list[list[tuple[int, float]]]] = {}
    for name in config.deployments:
        mine = [t for t in tiers if t.deployment == name and not t.draft]
        slowest = max(mine, key=lambda t: t.utilisation)
        per_period = []
        for t in range(len(builder.periods)):
            uses = []
            work = slowest.spec.burst_headroom * slowest.lane.beta / slowest.utilisation / HOUR
            uses.append((builder.slots[slowest.busy][1].rows[t], work))
            if slowest.batch is not None:
                uses.append((builder.slots[slowest.batch][1].rows[t], slowest.tpot / HOUR))
            per_period.append(uses)
        out[name] = per_period
    return out


# --- from an answer to the next program -----------------------------------------------------


def advance(built: Built, allocation: Allocation, refine_speeds: bool = True) -> State:
    """The state that an answer implies: finer speeds where used, capability, its worth."""
    program, config = built.program, built.config
    flows = allocation.flows[0]
    stream = program.streams[0]
    state = built.state
    if refine_speeds and config.deployments:
        used: dict[str, list[float]] = {}
        for i, a in enumerate(program.activities):
            if "utilisation" in a.labels and allocation.levels[i] > 1e-7 * max(1.0, a.upper * 1e-6):
                used.setdefault(a.labels["family"], []).append(a.labels["utilisation"])
        state = replace(state, grid=serving.refined(config, state.grid, used))
    if config.training is None:
        return state
    capability = {a.model: 0.0 for a in config.training.assets.values()}
    for i, a in enumerate(program.activities):
        if a.labels.get("gain"):
            capability[a.labels["model"]] += float(allocation.levels[i])
    worth = dict.fromkeys(capability, 0.0)
    models = np.array([a.labels["model"] or "" for a in stream.arms])
    origin = stream.origin[flows.member]
    per_request = built.classes.value_usd[origin] * built.classes.trainability[origin]
    for m in worth:
        at = models[flows.arm] == m
        worth[m] = float(per_request[at] @ flows.requests[at])
    return replace(state, capability=capability, worth=worth)


def kin(built: Built, before: Built) -> dict[str, str]:
    """Rows of lanes that are new in ``built`` → the like row of the nearest lane in ``before``."""
    out: dict[str, str] = {}
    families: dict[str, list[float]] = {}
    for tier in before.tiers:
        families.setdefault(tier.family, []).append(tier.utilisation)
    old = {row.name for row in before.program.rows}
    for tier in built.tiers:
        near = min(
            families.get(tier.family, [tier.utilisation]), key=lambda u: abs(u - tier.utilisation)
        )
        mine, other = tier.key, f"{tier.family}@{near:.9g}"
        for row in built.program.rows:
            if row.name.startswith(f"{mine} ") and row.name not in old:
                out[row.name] = other + row.name.removeprefix(mine)
    return out
