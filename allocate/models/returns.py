"""Technologies with constant returns (Σα = 1), whose best response has no scale of its own.

Along the ray of best proportions such a technology costs the same per unit of effort. On a
straight piece of its success curve a request is indifferent between all that lies on the
piece, and a split of the requests between its two ends is as good as any point of it. So
the ends are arms of their own (``curves/aimed.py``). The judge does not believe that they
are enough: it bounds what the whole curve can earn, on every one of these arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from allocate.errors import SolveError
from allocate.models.curves import Linear, RequestCurve, Table
from allocate.models.program import Activity, Row
from allocate.models.stream import Stream

UNBOUNDED_EFFORT = 1e30  # effort that nothing limits: an answer there is unbounded
_CONSTANT = 1.0 - 1e-9  # exponents that sum to this have constant returns
_MORE = 20.0  # the effort that all capacities allow, times this, binds in no answer
_DEEP = 8  # rows that supply rows that supply rows …

_CONCENTRATES = (
    "no answer is the best: with `cobb_douglas` and exponents that sum to 1 it always pays to "
    "serve fewer requests with more tokens each, because {why}; give "
    "token_uses.*.max_tokens, or exponents that sum to less than 1"
)


def ends(curve: RequestCurve) -> list[RequestCurve]:
    """One curve for each end of a straight piece, where returns are constant; else itself.

    The ends are no effort at all, the kinks of the success curve and the first cap on the
    ray. Past that cap, and where verifying is itself an effort, returns fall and the best
    response says all; it stands last, as does a curve that is yet to be bounded.
    """
    if curve.effort.total < _CONSTANT or not isinstance(curve.success, Table | Linear):
        return [curve]
    if curve.success.flat:
        return [curve]
    if _endless(curve):
        return [replace(curve, target=0.0), curve]
    targets = curve.success.kinks or (np.inf,)
    out = [replace(curve, target=y) for y in (0.0, *targets)]
    used = [j for j, a in enumerate(curve.effort.exponents) if a > 0]
    verified = curve.risk.verifiable and curve.risk.use in used
    return [*out, curve] if len(used) > 1 or verified else out


def _endless(curve: RequestCurve) -> bool:
    """Whether neither the curve nor a cap ever stops what more effort earns."""
    return curve.target is None and _linear(curve)


def _linear(curve: RequestCurve) -> bool:
    caps = [c for c, a in zip(curve.caps, curve.effort.exponents, strict=True) if a > 0]
    linear = isinstance(curve.success, Linear) and not curve.success.flat
    return linear and curve.effort.total >= _CONSTANT and not np.isfinite(caps).any()


# --- effort without an end ----------------------------------------------------------------


def affordable(stream: Stream, rows: Sequence[Row], activities: Sequence[Activity]) -> Stream:
    """The stream with effort bounded, where its returns are constant without end.

    The bound is more than the rows of an arm, and of what supplies them, let any member
    have: it changes no answer, and keeps the best response of one request finite.

    Raises:
        SolveError: if requests themselves cost something on such an arm, or could earn
            elsewhere: it is then best to serve ever fewer with ever more tokens.
    """
    endless = np.array([_endless(t) for t in stream.technologies])[stream.technology_of]
    if not endless.any():
        return stream
    idle = np.array([_linear(t) and t.target == 0 for t in stream.technologies])
    _refuse_concentration(stream, endless, endless | idle[stream.technology_of])
    supply = most_supply(rows, activities)
    technologies, factor, arms = list(stream.technologies), dict(stream.factor), list(stream.arms)
    known: dict[tuple[int, float], int] = {}
    for a in np.flatnonzero(endless):
        old = arms[a].technology
        bound = _most_effort(stream, int(a), supply)
        if (old, bound) not in known:
            known[old, bound] = len(technologies)
            curve = technologies[old]
            score = curve.success.value(bound)
            technologies.append(replace(curve, success=Table((bound,), (score,)), target=bound))
            if old in factor:
                factor[known[old, bound]] = factor[old]
        arms[a] = replace(arms[a], technology=known[old, bound])
    return replace(stream, technologies=tuple(technologies), factor=factor, arms=tuple(arms))


def _refuse_concentration(stream: Stream, endless: np.ndarray, family: np.ndarray) -> None:
    """``family`` [A]: the endless arms, and those on which their models do nothing."""
    wanted = stream.menu[stream.group] & (stream.rate > 0)[:, None]
    if (wanted[:, endless].any(axis=1) & wanted[:, ~family].any(axis=1)).any():
        why = "the others can be served in another way"
        raise SolveError("unbounded", _CONCENTRATES.format(why=why))
    member, arm = np.nonzero(wanted & endless)
    entry, quantity, slot, value = stream.pair_use(member, arm)
    risky = np.array([t.risk.rate > 0 for t in stream.technologies])[stream.technology_of[arm]]
    of_request = (quantity == 0) | ((quantity == stream.n_uses + 1) & risky[entry])
    price = np.array([s.own_price for s in stream.slots])[slot]
    if stream.addition_slot >= 0:
        price = price + np.where(slot == stream.addition_slot, stream.addition[member[entry]], 0.0)
    limited = stream.rows[stream.group[member[entry]], slot] >= 0
    costs = of_request & ((value * price > 0) | (limited & (value != 0)))
    if costs.any():
        unit = stream.slots[slot[np.argmax(costs)]].name.split(":")[0]
        why = f"a request costs `{unit}` whatever its tokens"
        raise SolveError("unbounded", _CONCENTRATES.format(why=why))


def _most_effort(stream: Stream, arm: int, supply: np.ndarray) -> float:
    """More effort than any member's request could have on an arm with every row to itself."""
    members = np.flatnonzero((stream.rate > 0) & stream.menu[stream.group, arm])
    entry, quantity, slot, value = stream.pair_use(members, np.full(len(members), arm))
    row = stream.rows[stream.group[members[entry]], slot]
    real = (row >= 0) & (quantity >= 1) & (quantity <= stream.n_uses) & (value > 0)
    e, use = entry[real], quantity[real] - 1
    most = np.full((len(members), stream.n_uses), np.inf)  # tokens a request
    np.minimum.at(most, (e, use), supply[row[real]] / value[real] / stream.rate[members[e]])
    effort = stream.technologies[stream.technology_of[arm]].effort
    with np.errstate(invalid="ignore"):  # none of one use and no end of another are none
        best = np.nan_to_num(effort.value(most), nan=0.0, posinf=np.inf)
    best = best / stream.difficulty_of(members)
    bound = _MORE * float(np.max(best, initial=0.0))
    if bound <= 0:
        return 1.0  # there is nothing to be had
    return bound if np.isfinite(bound) else UNBOUNDED_EFFORT


def most_supply(rows: Sequence[Row], activities: Sequence[Activity]) -> np.ndarray:
    """[rows] the most that can be used of each: its capacity and all that activities add."""
    capacity = np.maximum([r.capacity for r in rows], 0.0)
    out = np.full(len(rows), np.inf)
    for _ in range(_DEEP):  # from above, so that every round is a bound
        level = [
            min([a.upper, *(out[r] / v for r, v in a.uses if v > 0)], default=np.inf)
            for a in activities
        ]
        before, out = out, capacity.copy()
        for a, most in zip(activities, level, strict=True):
            for r, v in a.uses:
                if v < 0:
                    out[r] += -v * most
        if np.array_equal(out, before):
            break
    return out
