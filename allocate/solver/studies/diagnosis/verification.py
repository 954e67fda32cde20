"""AL202 under-verification: checking would avert more loss than it costs, and is not done."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.repairs import Repair
from allocate.solver.studies.diagnosis.requests import Names, count, groups
from allocate.solver.studies.diagnosis.routing import per_request
from allocate.solver.studies.diagnosis.view import View

_WORDS = ("risk averted and success gained by verifying", "tokens and waiting that it costs")


def unverified(view: View, repair: Repair) -> Repair:
    """Flows whose repair verifies more."""
    every = np.arange(len(repair.flow))
    use = view.verifying[repair.now.arm]
    return repair.at(np.flatnonzero(repair.then.tokens[every, use] > repair.now.tokens[every, use]))


def under_verification(view: View, repair: Repair) -> Iterator[Finding]:
    """Requests that are worth more with more tokens that verify."""
    repair = unverified(view, repair)
    names, uses = Names(view), list(view.ground.built.config.token_uses)

    def key(i: int) -> tuple:
        arm = int(repair.now.arm[i])
        return names.kind(repair.now.member[i]), names.model(arm), names.level(arm)

    for group in groups(repair, key):
        where = {**names.place(group.members), **names.way(group.arm)}
        j = int(view.verifying[group.arm])
        before, after = (float(t[j]) for t in group.tokens)
        message = (
            f"verifying with {count(after)} tokens instead of {count(before)} averts and gains "
            f"<left> a request and <costs>"
        )
        fix = (
            f"let `{uses[j]}` of `{where['class']}` on {names.model(group.arm)} have "
            f"{count(after)} tokens a request (now {count(before)})"
        )
        yield per_request("AL202", group, where, ("value", "risk"), _WORDS, message, fix)
