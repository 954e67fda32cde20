"""AL202 under-verification: checking would avert more loss than it costs, and is not done."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.repairs import Repair, Repairs
from allocate.solver.studies.diagnosis.requests import Names, count, groups, usd
from allocate.solver.studies.diagnosis.routing import per_request

_WORDS = ("risk averted and success gained by verifying", "tokens and waiting that it costs")


def unverified(repairs: Repairs) -> Repair:
    """Flows whose repair verifies more."""
    repair = repairs.of("verify")
    every = np.arange(len(repair.flow))
    use = repairs.view.verifying[repair.now.arm]
    return repair.at(np.flatnonzero(repair.then.tokens[every, use] > repair.now.tokens[every, use]))


def under_verification(repairs: Repairs) -> Iterator[Finding]:
    """Requests that are worth more with more tokens that verify."""
    view, repair = repairs.view, unverified(repairs)
    names, uses = Names(view), list(view.ground.built.config.token_uses)

    def key(i: int) -> tuple:
        arm = int(repair.now.arm[i])
        return names.kind(repair.now.member[i]), names.model(arm), names.level(arm)

    for group in groups(repair, key):
        where = {**names.place(group.members), **names.way(group.arm)}
        j = int(view.verifying[group.arm])
        before, after = (float(t[j]) for t in group.tokens)
        left, right = group.balance(("value", "risk"))
        message = (
            f"verifying with {count(after)} tokens instead of {count(before)} averts and gains "
            f"{usd(left)} a request and costs {usd(right)}"
        )
        fix = (
            f"let `{uses[j]}` of `{where['class']}` on {names.model(group.arm)} have "
            f"{count(after)} tokens a request (now {count(before)})"
        )
        yield per_request("AL202", group, where, ("value", "risk"), _WORDS, message, fix)
