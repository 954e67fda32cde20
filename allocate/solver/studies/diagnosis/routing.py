"""AL101 over-routing, AL102 under-routing: a model not worth its cost, a better one missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.repairs import Repair
from allocate.solver.studies.diagnosis.requests import Group, Names, groups
from allocate.solver.studies.diagnosis.turned import Refused
from allocate.solver.studies.diagnosis.view import View

COSTS = ("cost", "latency", "risk", "oversight")
WORTH = ("value", "latency", "risk", "oversight")


def over_routing(view: View, repair: Repair) -> Iterator[Finding]:
    """Requests that are worth more on a cheaper model, or not served at all."""
    names = Names(view)
    for group, unclear in _by_model(repair, names, over=True):
        sides, words = _sides(group, (COSTS, _SAVED), (("cost",), _MONEY))
        now, then = names.model(group.arm), names.model(group.to)
        where = {**names.place(group.members), **names.way(group.arm)}
        name = where["class"]
        if group.to < 0:
            message = f"{now} costs <left> a request and brings <right>"
            fix = f"decline `{name}`: at the shared prices nothing serves it at a profit"
        else:
            message = f"{now} costs <left> a request more than {then} and brings <more>"
            fix = f"route `{name}` to {then} instead of {now}"
        found = _finding("AL101", group, where, sides, words, message, fix)
        yield replace(found, also=("AL102",)) if unclear else found


def under_routing(view: View, repair: Repair) -> Iterator[Finding]:
    """Requests that are worth more on a dearer model."""
    names = Names(view)
    for group, _ in _by_model(repair, names, over=False):
        sides, words = _sides(group, (WORTH, _BROUGHT), (("value",), _VALUE))
        now, then = names.model(group.arm), names.model(group.to)
        where = {**names.place(group.members), **names.way(group.arm)}
        message = f"{then} brings <left> a request more than {now} and costs <more>"
        fix = f"route `{where['class']}` to {then} instead of {now}"
        yield _finding("AL102", group, where, sides, words, message, fix)


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
        place = names.place([k for k, _, _, _ in entries])
        where = {**place, "model": model, "outcome": "declined"}
        yield Finding(
            code="AL102",
            where=where,
            usd_per_hour=(value - cost) * requests,
            left=value,
            right=cost,
            per="request",
            amount_per_h=requests,
            sides=_BROUGHT,
            said=(
                f"declined, though {model} has room, brings <left> and costs <right> at the "
                "shared prices"
            ),
            fix=f"serve `{place['class']}` on {model}, {level}",
            terms={"value": value, "cost": -cost},
        )


_SAVED = ("cost, waiting and risk saved by the cheaper model", "value lost by it")
_BROUGHT = ("value, and risk and waiting saved, by the better model", "what it costs more")
_MONEY = ("money saved by the cheaper model", "value, risk and waiting that it is worse by")
_VALUE = ("value of the better model", "money, risk and waiting that it costs more")
Split = tuple[tuple[str, ...], tuple[str, str]]


def _sides(group: Group, usual: Split, narrow: Split) -> tuple[tuple[float, float], tuple]:
    """(left, right) and their words; the narrow split where waiting and risk outweigh the rest."""
    parts, words = usual if group.balance(usual[0])[0] > 0 else narrow
    return group.balance(parts), words


def _by_model(every: Repair, names: Names, over: bool) -> Iterator[tuple[Group, bool]]:
    """Groups told apart by model and level, and whether the other rule would do as well."""
    for unclear in (False, True):
        mine = (every.dearer != over) & (every.unclear == unclear)
        for group in _alike(every.at(np.flatnonzero(mine)), names):
            yield group, unclear


def _alike(repair: Repair, names: Names) -> Iterator[Group]:
    """Flows of the same class, model and level that should have the same model."""

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
        flows=group.flows,
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
