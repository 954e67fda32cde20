"""AL101 over-routing, AL102 under-routing: a model not worth its cost, a better one missed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.repairs import Repair
from allocate.solver.studies.diagnosis.requests import Group, Names, groups
from allocate.solver.studies.diagnosis.turned import Refused
from allocate.solver.studies.diagnosis.view import View

COSTS = ("cost", "latency", "risk", "oversight")


def over_routing(view: View, repair: Repair) -> Iterator[Finding]:
    """Requests that are worth more on a cheaper model, or not served at all."""
    names = Names(view)
    for group in _by_model(repair, names, over=True):
        left, right = group.balance(COSTS)
        now, then = names.model(group.arm), names.model(group.to)
        where = {**names.place(group.members), **names.way(group.arm)}
        name = where["class"]
        if group.to < 0:
            message = f"{now} costs <left> a request and brings <right>"
            fix = f"decline `{name}`: at the shared prices nothing serves it at a profit"
        else:
            message = f"{now} costs <left> a request more than {then} and brings <more>"
            fix = f"route `{name}` to {then} instead of {now}"
        yield _finding("AL101", group, where, (left, right), _SAVED, message, fix)


def under_routing(view: View, repair: Repair) -> Iterator[Finding]:
    """Requests that are worth more on a dearer model."""
    names = Names(view)
    for group in _by_model(repair, names, over=False):
        left, right = group.balance(("value", "latency", "risk", "oversight"))
        now, then = names.model(group.arm), names.model(group.to)
        where = {**names.place(group.members), **names.way(group.arm)}
        message = f"{then} brings <left> a request more than {now} and costs <more>"
        fix = f"route `{where['class']}` to {then} instead of {now}"
        yield _finding("AL102", group, where, (left, right), _BROUGHT, message, fix)


def declined(refused: Refused) -> Iterator[Finding]:
    """Requests that nobody serves although a way that pays has room."""
    names = Names(refused.view)
    together: dict[tuple, list[tuple[int, float, int, np.ndarray]]] = {}
    for entry in refused.by_choice():
        k, _, arm, _ = entry
        key = names.kind(k), names.model(arm), names.level(arm)
        together.setdefault(key, []).append(entry)
    for (_, model, level), entries in together.items():
        requests = sum(x for _, x, _, _ in entries)
        value = sum(x * float(p[0] + refused.penalty[k]) for k, x, _, p in entries) / requests
        cost = sum(x * float(p[1:].sum()) for _, x, _, p in entries) / requests
        where = {**names.place([k for k, _, _, _ in entries]), "autonomy": "declined"}
        yield Finding(
            code="AL102",
            where=where,
            usd_per_hour=(value - cost) * requests,
            left=value,
            right=cost,
            per="request",
            amount_per_h=requests,
            sides=_BROUGHT,
            said=f"declined, though {model} has room, brings <left> and costs <right>",
            fix=f"serve `{where['class']}` on {model}, {level}",
            terms={"value": value, "cost": -cost},
        )


_SAVED = ("cost, waiting and risk saved by the cheaper model", "value lost by it")
_BROUGHT = ("value, and risk and waiting saved, by the better model", "what it costs more")


def _by_model(every: Repair, names: Names, over: bool) -> Iterator[Group]:
    """Over: what the request costs falls with the repair. Model and level tell groups apart."""
    repair = every.at(np.flatnonzero(every.dearer != over))

    def key(i: int) -> tuple:
        arm, to = int(repair.now.arm[i]), int(repair.then.arm[i])
        return names.kind(repair.now.member[i]), names.model(arm), names.level(arm), names.model(to)

    yield from groups(repair, key)


def _finding(
    code: str,
    group: Group,
    where: dict[str, str],
    sides: tuple[float, float],
    words: tuple[str, str],
    message: str,
    fix: str,
) -> Finding:
    return Finding(
        code=code,
        where=where,
        usd_per_hour=group.usd_per_hour,
        left=float(sides[0]),
        right=float(sides[1]),
        per="request",
        amount_per_h=group.requests,
        sides=words,
        said=message,
        fix=fix,
        terms=group.terms,
    )


def per_request(
    code: str,
    group: Group,
    where: dict[str, str],
    against: tuple[str, ...],
    words: tuple[str, str],
    message: str,
    fix: str,
) -> Finding:
    """A finding whose left side is some parts of the change of a group."""
    return _finding(code, group, where, group.balance(against), words, message, fix)
