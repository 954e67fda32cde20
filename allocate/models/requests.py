"""The stream of requests: members, their groups and rows, and what every arm uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from allocate.models import autonomy
from allocate.models.builder import HOUR, Builder, SlotRows, Use
from allocate.models.choices import Choice
from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.curves import Constant, RequestCurve
from allocate.models.deferral import Deferral
from allocate.models.features import class_features, class_sets
from allocate.models.keys import distinct
from allocate.models.menus import menu_of
from allocate.models.moments import Moments
from allocate.models.returns import affordable
from allocate.models.stream import Arm, Stream
from allocate.models.tails import SERVED, SPENT


@dataclass(frozen=True)
class Demand:
    """Classes and their members, one for each moment in which a class is there.

    Arrays: K members. ``rate`` is requests per hour, averaged over the day and the scenarios.
    """

    classes: Classes
    features: Mapping[str, np.ndarray]  # by class
    sets: Mapping[str, np.ndarray]  # by class
    origin: np.ndarray  # [K] → class
    period: np.ndarray  # [K] moment
    rate: np.ndarray  # [K]
    one_each: bool  # member k is class k: columns of classes need no copy
    deferral: Deferral | None = None
    own: Mapping[str, np.ndarray] = field(default_factory=dict)  # features by member

    def of(self, column: np.ndarray) -> np.ndarray:
        """[K] what a column of the classes says of every member."""
        return column if self.one_each else column[self.origin]


def demand(
    config: Config,
    classes: Classes,
    moments: Moments,
) -> Demand:
    """The members of a config's classes, one for each moment in which a class is there."""
    opened = np.ones((len(classes.periods.labels) + 1, len(moments)), bool)
    for i, label in enumerate(classes.periods.labels):
        opened[i] = [moments.periods[moments.period(m)] in label for m in range(len(moments))]
    # code -1 → the last row: all periods
    origin, period = np.nonzero(opened[classes.periods.codes])
    weight = HOUR * config.demand.scale * np.asarray(moments.weights)
    weight = weight * np.asarray(moments.demand_scale)
    rate = classes.rate_per_s[origin] * weight[period]
    factor = moments.rate_factor(classes)
    if factor is not None:
        rate = rate * factor[period // len(moments.periods), origin]
    features, sets = class_features(config, classes), class_sets(config, classes)
    one_each = np.array_equal(origin, np.arange(len(classes)))
    of = Demand(classes, features, sets, origin, period, rate, one_each)
    deferral = Deferral.of(classes, moments)
    if deferral is None:
        return of
    own = deferral.features(classes, origin, period % len(moments.periods))
    return replace(of, deferral=deferral, own=own)


def group_traffic(config: Config, of: Demand, shares: Sequence[float]) -> list[float]:
    """Most requests an hour of each sharing group, over the periods."""
    out = []
    labels, codes = of.classes.sharing.labels, of.of(of.classes.sharing.codes)
    for group in config.caching.sharing:
        inside = codes == (labels.index(group) if group in labels else -2)
        by_period = np.bincount(of.period[inside], of.rate[inside], len(shares))
        if of.deferral is not None:
            by_period = _together(of, inside, by_period)
        out.append(max(float((by_period / np.asarray(shares)).max()), 1e-9))
    return out


def _together(of: Demand, inside: np.ndarray, by_moment: np.ndarray) -> np.ndarray:
    """[moments] requests an hour if all of a scenario that may wait come together."""
    assert of.deferral is not None
    n = of.deferral.may.shape[1]
    waits = inside & of.deferral.may[of.origin, of.period % n, 1:].any(axis=1)
    mine = np.bincount(of.period[waits], of.rate[waits], len(by_moment))
    return by_moment - mine + np.repeat(mine.reshape(-1, n).sum(axis=1), n)


def arrivals(of: Demand, limit: str) -> float:
    """Requests an hour of the classes under a limit on shares."""
    return float(of.rate[of.of(of.sets[f"shares.{limit}"])].sum())


def mean_contexts(config: Config, of: Demand) -> dict[str, float]:
    """By model, tokens of context of a mean request of the classes that may use it."""
    c = of.classes
    rate = np.bincount(of.origin, of.rate, len(c))
    context = of.features.get("context", np.zeros(len(c)))
    out = {}
    for model in config.models:
        allowed = np.array([*(model in labels for labels in c.models.labels), True])
        weight = np.where(allowed[c.models.codes], rate, 0.0)
        total = weight.sum()
        out[model] = float(weight @ context / total) if total > 0 else 0.0
    return out


def headroom(config: Config, of: Demand) -> dict[str, float]:
    """By model, success points that training could add before no request has any to gain.

    A success is a chance: beyond this every class that may use the model would be solved with
    more than certainty, at the least success that its curve can have.
    """
    c, total = of.classes, sum(autonomy.exponents(config))
    there = np.bincount(of.origin, of.rate, len(c)) > 0
    out = {}
    for name, model in config.models.items():
        allowed = np.array([*(name in labels for labels in c.models.labels), True])
        able = allowed[c.models.codes] & there & (c.trainability > 0)
        curve = autonomy.success_curve(model, total)
        own = curve.ceiling if curve.flat else 0.0  # an effort curve may begin at nothing
        quality = c.quality.get(name, np.full(len(c), np.nan))
        least = np.where(np.isnan(quality), own, quality) if curve.flat else np.zeros(len(c))
        left = (1.0 - least[able]) / c.trainability[able]
        out[name] = float(np.clip(left.max(initial=0.0), 0.0, 1.0))
    return out


def request_stream(
    config: Config, builder: Builder, of: Demand, choices: Sequence[Choice]
) -> Stream:
    """All members over all choices; call it when every slot and row is registered."""
    menus, menu = menu_of(config, of.classes, choices, of.features)
    rows, group, menus = _groups(config, builder, of, choices, menus, menu)
    names = list(builder.slots)
    # a slot with no price, no row and no addition to it only costs time
    kept = [
        s
        for s, n in enumerate(names)
        if n == "latency" or builder.slots[n][0].own_price != 0 or (rows[:, s] >= 0).any()
    ]
    known = {*of.features, *of.own}
    parts = {id(part): part for c in choices for part in c.parts}.values()
    used = sorted({u.feature for part in parts for u in part} & known)
    features = np.empty((len(of.rate), len(used)))
    for i, f in enumerate(used):
        features[:, i] = of.own[f] if f in of.own else of.of(of.features[f])
    c = of.classes
    waiting = c.latency_usd_per_s
    waiting = np.where(np.isnan(waiting), config.prices.latency_usd_per_s, waiting)
    curves, factor = _curves(config, of, choices)
    stream = Stream(
        name="requests",
        rate=of.rate,
        features=features,
        group=group,
        menu=menus,
        rows=rows[:, kept],
        slots=tuple(builder.slots[names[s]][0] for s in kept),
        arms=tuple(
            Arm({"model": x.model, "autonomy": x.level, **x.labels}, x.technology) for x in choices
        ),
        technologies=tuple(curves[i] for i in sorted(curves)),
        coefficients=_coefficients(config, choices, used, [names[s] for s in kept]),
        decline_cost=of.of(np.where(c.decline, c.decline_cost_usd, np.inf)),
        addition_slot=[names[s] for s in kept].index("latency"),
        addition=of.of(waiting),
        factor=factor,
        difficulty=None if np.all(c.difficulty == 1) else of.of(c.difficulty),
        origin=of.origin,
        period=of.period,
        stake=of.of(c.value_usd),
    )
    return affordable(stream, builder.rows, builder.activities)


def _curves(
    config: Config, of: Demand, choices: Sequence[Choice]
) -> tuple[dict[int, RequestCurve], dict[int, np.ndarray]]:
    """(technology → curve, technology → [K] factor on it where classes say their quality).

    The factor is the class's quality over the model's own ceiling. Where that is 0 there is
    no curve to scale: a class's quality is then a constant success.
    """
    curves = {x.technology: x.curve for x in choices}
    factors = {}
    for i, model in {x.technology: x.model for x in choices}.items():
        quality = of.classes.quality.get(model or "")
        if model is None or quality is None:
            continue
        total = sum(autonomy.exponents(config))
        own = best = autonomy.success_curve(config.models[model], total).ceiling
        if best <= 0:
            curves[i], best = replace(curves[i], success=Constant(1.0)), 1.0
        factors[i] = of.of(np.where(np.isnan(quality), own, quality) / best)
    return curves, factors


# --- groups -------------------------------------------------------------------------------


def _groups(
    config: Config,
    builder: Builder,
    of: Demand,
    choices: Sequence[Choice],
    menus: np.ndarray,
    menu: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Members with the same rows and menu: ([G, slots] rows, [K] → G, [G, arms] open arms)."""
    c = of.classes
    keys = {
        "period": of.period,
        "tenant": of.of(c.tenant.codes),
        "sharing": of.of(c.sharing.codes),
        "menu": of.of(menu),
        **{f"limit:{name}": of.of(inside) for name, inside in of.sets.items()},
    }
    later = None
    if of.deferral is not None:
        period = of.period % of.deferral.may.shape[1]
        later, keys["later"] = of.deferral.menus(of.origin, period, choices)
    first, group = distinct(list(keys.values()))
    key = {axis: column[first] for axis, column in keys.items()}
    # codes of the columns → positions in the config
    key["tenant"] = _positions(c.tenant.labels, list(config.tenants))[key["tenant"]]
    key["sharing"] = _positions(c.sharing.labels, list(config.caching.sharing))[key["sharing"]]
    rows = np.full((len(first), len(builder.slots)), -1)
    for s, (_, where) in enumerate(builder.slots.values()):
        rows[:, s] = _rows_of(where, key, len(builder.periods))
    opened = menus[key["menu"]]
    return rows, group, opened if later is None else opened & later[key["later"]]


def _rows_of(where: SlotRows, key: Mapping[str, np.ndarray], n_periods: int) -> np.ndarray | int:
    """[G] row that a slot stands for in each group, or -1."""
    if not where.rows:
        return -1
    numbers = np.array([*where.rows, -1])
    match where.axis:
        case None:
            return numbers[0]
        case "sharing":  # by group of classes, then by period
            at = key["sharing"]
            return np.where(at < 0, -1, numbers[at * n_periods + key["period"]])
        case "period" | "tenant":
            return numbers[key[where.axis]]
        case _:
            return np.where(key[where.axis], numbers[0], -1)


def _positions(labels: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Codes of a column → positions among ``names``; the last entry serves code -1."""
    return np.array([names.index(x) if x in names else -1 for x in labels] + [-1])


# --- uses ---------------------------------------------------------------------------------


def _coefficients(
    config: Config, choices: Sequence[Choice], features: Sequence[str], slots: Sequence[str]
) -> sp.csr_matrix:
    """[(J+3)·F·A, S]: what the uses of all choices come to, see ``stream.py``."""
    quantities = _quantities(config)
    n_f, n_a, n_q = len(features), len(choices), quantities["success"][0] + 1
    feature_at = {f: i for i, f in enumerate(features)}
    counted = {s: [i] for i, s in enumerate(slots)}  # slot → it, and all that count the same
    same = [("money", SPENT), *(("latency", f"latency.{n}") for n in config.limits.latency)]
    for slot, other in same:
        counted[slot] += counted.get(other, [])

    def places(part: Sequence[Use]) -> tuple[list[int], list[int], list[float]]:
        """(row for arm 0, column, coefficient) of uses that many arms share."""
        row, column, value = [], [], []
        for quantity, feature, slot, coefficient in part:
            f = feature_at.get(feature)
            if f is None:
                continue
            for s in counted.get(slot, ()):
                for q in quantities[quantity]:
                    row.append((q * n_f + f) * n_a)
                    column.append(s)
                    value.append(coefficient)
        return row, column, value

    served = (*(f"served.{limit}" for limit in config.limits.latency), SERVED)
    everyone = [Use("request", "one", s, -1.0) for s in served]
    shared = {id(part): places(part) for x in choices for part in x.parts}
    shared[id(everyone)] = places(everyone)
    index: list[np.ndarray] = []
    column: list[int] = []
    value: list[float] = []
    for a, choice in enumerate(choices):
        for part in (*choice.parts, everyone):
            row, at, coefficients = shared[id(part)]
            index.append(np.array(row, int) + a)
            column += at
            value += coefficients
    shape = (n_q * n_f * n_a, len(slots))
    return sp.csr_matrix((value, (np.concatenate(index), column)), shape=shape)


def _quantities(config: Config) -> dict[str, list[int]]:
    """Name of a quantity in ``Use`` → its numbers in a stream."""
    uses = list(config.token_uses) or ["none"]
    kinds = [u.kind for u in config.token_uses.values()] or ["output"]
    out = {kind: [1 + j for j, k in enumerate(kinds) if k == kind] for kind in ("input", "output")}
    out |= {f"use:{name}": [1 + j] for j, name in enumerate(uses)}
    return out | {"request": [0], "wrong": [len(uses) + 1], "success": [len(uses) + 2]}
