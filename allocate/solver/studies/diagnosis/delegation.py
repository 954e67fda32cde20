"""AL201 over-delegation: the agent acts alone where its risk is dearer than asking."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.repairs import Repair
from allocate.solver.studies.diagnosis.requests import Names, groups
from allocate.solver.studies.diagnosis.routing import per_request
from allocate.solver.studies.diagnosis.view import View

_WORDS = ("risk averted by asking", "value, oversight and waiting that it costs")


def too_free(view: View, repair: Repair) -> Repair:
    """Flows whose repair has less risk."""
    del view
    return repair.at(np.flatnonzero(repair.then.parts[:, 3] < repair.now.parts[:, 3]))


def over_delegation(view: View, repair: Repair) -> Iterator[Finding]:
    """Requests for which a level with less risk is worth its oversight; of ``too_free`` flows."""
    names, classes = Names(view), view.ground.built.classes

    def key(i: int) -> tuple:
        arm, to = int(repair.now.arm[i]), int(repair.then.arm[i])
        model = names.model(arm)
        return names.kind(repair.now.member[i]), model, names.level(arm), names.level(to)

    for group in groups(repair, key):
        where = {**names.place(group.members), **names.way(group.arm)}
        now, then = names.level(group.arm), names.level(group.to)
        action = classes.action[view.stream.origin[group.member]]
        message = f"acting at `{now}` risks <left> a request more than `{then}`, which <costs>"
        fix = f"set `{action}` of `{where['class']}` to `{then}` instead of `{now}`"
        yield per_request("AL201", group, where, ("risk",), _WORDS, message, fix)
