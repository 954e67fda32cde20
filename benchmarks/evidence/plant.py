"""Plants a failure mode: one price held at zero, or at infinity, in one layer.

Every layer decides at the shared prices of the joint answer; the planted one holds one of them
at zero (``AL201``) or at infinity (``AL201-inf``). What comes of it is settled like any
baseline: replicas are bought, and where capacity does not suffice, requests are turned away
first come, first served.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocate.models.program import Allocation
from allocate.models.stream import Flows
from allocate.solver.studies.baselines.settle import Candidates, settle
from allocate.solver.studies.diagnosis.stage import Stage
from allocate.solver.studies.diagnosis.view import View
from allocate.solver.studies.investment import Investment
from allocate.solver.studies.scene import Outcome
from benchmarks.evidence.plant_requests import AT_INFINITY, AT_ZERO
from benchmarks.evidence.plant_training import fresh, stale

_NEXT = 1e300  # before everything that is worth a finite amount
INFINITE = "-inf"
_TRAINING = {"AL401": stale, f"AL401{INFINITE}": fresh}
_REQUESTS = {**AT_ZERO, **{code + INFINITE: change for code, change in AT_INFINITY.items()}}
MODES = tuple(sorted([*AT_ZERO, "AL401"]))
"""Rules whose mode can be planted: the price at zero."""
UNNAMED = {
    f"AL201{INFINITE}": "supervision",
    f"AL202{INFINITE}": "tokens",
    f"AL301{INFINITE}": "lanes",
    f"AL401{INFINITE}": "capability",
    f"AL402{INFINITE}": "retention",
}
"""The same prices at infinity, which no code is for, by the ledger's line that has the loss."""


def plant(mode: str, on: Stage) -> Outcome:
    """The joint answer with a mode planted in it, judged under the true costs.

    Raises:
        LookupError: there is no such mode, or it breaks a limit that has to be kept.
    """
    if mode not in (*MODES, *UNNAMED):
        raise LookupError(f"nothing is known to plant for {mode}")
    invested = _TRAINING[mode](on) if mode in _TRAINING else on.plan
    ground, _ = on.scene.ground(invested)
    _, settled = on.requests(optimum(on))
    view = View(ground, on.duals(ground.program), settled)
    flows = view.flows
    if mode in _REQUESTS:
        flows = _REQUESTS[mode](view)
    wish = _wished(view, flows, back=mode in UNNAMED)
    return _outcome(on, f"planted {mode}", view, flows, wish, invested)


def optimum(on: Stage) -> Outcome:
    """The joint answer as if it were a baseline.

    Raises:
        LookupError: it stands on another menu of speeds than the stage.
    """
    solution = on.solution
    if on.scene.grid != {f: list(u) for f, u in solution.built.state.grid.items()}:
        if solution.loaded.config.deployments:
            raise LookupError("the joint answer stands on another menu of speeds")
    ground, _ = on.scene.ground(on.plan)
    names = {a.name: i for i, a in enumerate(solution.program.activities)}
    levels = np.array(
        [
            solution.allocation.levels[names[a.name]] if a.name in names else 0.0
            for a in ground.program.activities
        ]
    )
    requests = Allocation((solution.allocation.flows[0],), levels)
    return on.scene.outcome("optimum", requests, on.plan, {})


def _outcome(
    on: Stage, name: str, view: View, flows: Flows, candidates: Candidates, invested: Investment
) -> Outcome:
    """Flows that would be, as far as capacities go."""
    parts = view.stream.part(flows.member, flows.requests)
    program = replace(view.ground.program, streams=(parts,))
    done = settle(program, candidates)
    if done is None:
        raise LookupError("what was planted breaks a limit that has to be kept")
    served = done.flows[0]._replace(member=flows.member[done.flows[0].member])
    return on.scene.outcome(name, done._replace(flows=(served,)), invested, {})


def _wished(view: View, flows: Flows, back: bool) -> Candidates:
    """Flows on their ways; where these are full, on the best way of another model that pays.

    ``back``: then on the way of the joint answer, and after that on any model and level that pays.
    """
    ground, n = view.ground, len(flows.member)
    profits = view.stream.profits(view.duals, flows.member)
    floor = -view.stream.decline_cost[flows.member]
    member, arm, worth = [np.arange(n)], [flows.arm], [np.full(n, np.inf)]
    if back:
        moved = np.flatnonzero(view.flows.arm != flows.arm)
        member.append(moved)
        arm.append(view.flows.arm[moved])
        worth.append(np.full(len(moved), _NEXT))
    kind = ground.model_of
    if back:
        kind = kind * len(ground.levels) + ground.level_of
    for other in np.unique(kind):
        mine = np.where(kind == other, profits, -np.inf)
        best = mine.argmax(axis=1)
        pays = (mine.max(axis=1) > floor) & (kind[flows.arm] != other)
        member.append(np.flatnonzero(pays))
        arm.append(best[pays])
        worth.append(mine.max(axis=1)[pays])
    k, a, w = np.concatenate(member), np.concatenate(arm), np.concatenate(worth)
    order = np.lexsort((-w, k))
    k, a = k[order], a[order]
    start = np.searchsorted(k, np.arange(n))
    rank = np.arange(len(k)) - start[k]
    tokens = view.tokens_of(flows.member[k], a)
    tokens[rank == 0] = flows.tokens[k[rank == 0]]
    return Candidates(k, a, rank, tokens)
