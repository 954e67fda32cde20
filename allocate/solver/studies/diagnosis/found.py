"""All that the rules say of an outcome: at the shared prices, where it is, and of its training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce

from allocate.solver.studies.diagnosis.caching import cache_misuse, kept_too_long
from allocate.solver.studies.diagnosis.congestion import crowded, serving_congestion
from allocate.solver.studies.diagnosis.delegation import over_delegation, too_free
from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.ledger import Ledger, ledger, named
from allocate.solver.studies.diagnosis.local import Local
from allocate.solver.studies.diagnosis.repairs import DECISIONS, Repair, Repairs
from allocate.solver.studies.diagnosis.routing import declined, over_routing, under_routing
from allocate.solver.studies.diagnosis.stage import Stage
from allocate.solver.studies.diagnosis.staleness import Capital
from allocate.solver.studies.diagnosis.turned import Refused
from allocate.solver.studies.diagnosis.unused import shared_as_used
from allocate.solver.studies.diagnosis.verification import under_verification, unverified
from allocate.solver.studies.diagnosis.view import View
from allocate.solver.studies.scene import Outcome


@dataclass(frozen=True)
class Found:
    """Everything that the rules say of an outcome, and the ledger of all of its loss."""

    findings: tuple[Finding, ...]
    books: Ledger
    repairs: Repairs
    reported: Mapping[str, Repair]

    @classmethod
    def of(cls, on: Stage, outcome: Outcome) -> Found:
        """At the shared prices, at those where the outcome is, and of its training."""
        ground, requests = on.requests(outcome)
        duals = shared_as_used(ground.program, on.duals(ground.program), requests)
        view = View(ground, duals, requests)
        repairs, refused = Repairs(view), Refused(view)
        at_shared = _reported(view, {d: repairs.of(d) for d in DECISIONS})
        local = Local(repairs, refused, on.usual)
        told = named(repairs, at_shared)
        moved = local.repairs_of(at_shared, told.usd)
        at_local = {d: r.beyond() for d, r in _reported(local.view_here, moved).items()}
        here = [
            replace(f, others=f.usd_per_hour, flows=frozenset())
            for f in _by_rule(local.view_here, at_local)
        ]
        found = _merged([*_by_rule(view, at_shared), *here, *declined(refused)])
        whole = on.whole(outcome.invested.capability)
        trained = list(Capital(whole, on.duals(whole), outcome.invested).findings())
        trains = on.scene.loaded.config.training is not None
        books = ledger(
            repairs,
            refused,
            told,
            local=sum(map(_size, at_local.values())),
            beside={d: _size(r) - _size(at_local[d]) for d, r in moved.items()},
            training=sum(f.usd_per_hour for f in trained),
            capability=max(on.welfare - ground.program.dual(view.duals), 0.0) if trains else 0.0,
        )
        some = [f for f in found if f.left > max(f.right, 0.0)]
        return cls((*some, *trained), books, repairs, at_shared)


def _by_rule(view: View, repairs: Mapping[str, Repair]) -> Iterator[Finding]:
    """What every rule says of the repairs of its decision."""
    for decision, repair in repairs.items():
        for rule in _RULES[decision]:
            yield from rule(view, repair)


_RULES = {
    "model": (over_routing, under_routing),
    "level": (over_delegation,),
    "verify": (under_verification,),
    "lane": (serving_congestion,),
    "kept": (cache_misuse,),
}
_FILTERS = {
    "level": too_free,
    "verify": unverified,
    "lane": crowded,
    "kept": kept_too_long,
}


def _reported(view: View, repairs: Mapping[str, Repair]) -> dict[str, Repair]:
    """By decision, the flows that a rule speaks of."""
    return {d: _FILTERS[d](view, r) if d in _FILTERS else r for d, r in repairs.items()}


def _size(repair: Repair) -> float:
    """USD per hour that a repair brings."""
    return float(repair.gain @ repair.requests)


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of the same fault in the same place as one.

    Several periods are named only where the repair is not the same in all of them.
    """
    groups: dict[tuple, dict[str, list[Finding]]] = {}
    for f in findings:
        place = tuple((k, v) for k, v in f.where.items() if k != "period")
        groups.setdefault((f.code, place), {}).setdefault(f.fix, []).append(f)
    return [_as_one(alike, len(fixes) > 1) for fixes in groups.values() for alike in fixes.values()]


def _as_one(alike: list[Finding], told_apart: bool) -> Finding:
    one = reduce(Finding.with_more, alike)
    named = [f.where["period"].split(", ") for f in alike if "period" in f.where]
    periods = dict.fromkeys(p for some in named for p in some)
    if len(periods) > 1:
        where = {k: v for k, v in one.where.items() if k != "period"}
        if told_apart and len(named) == len(alike):
            where["period"] = ", ".join(periods)
        one = replace(one, where=where)
    return one
