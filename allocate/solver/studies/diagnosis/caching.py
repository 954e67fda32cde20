"""AL402 cache misuse: reuse that misleads, or memory kept for what comes back too late."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.repairs import Repair
from allocate.solver.studies.diagnosis.requests import Names, count, groups
from allocate.solver.studies.diagnosis.routing import per_request
from allocate.solver.studies.diagnosis.view import View

_MISLED = ("risk of being misled by what is reused", "prefill and memory")
_MEMORY = ("memory that holds it", "prefill and waiting that it saves, less what it misleads")


def kept_too_long(view: View, repair: Repair) -> Repair:
    """Flows whose repair keeps a prefix for less time, or does not share it."""
    kept, shared = view.ground.retention, view.shared
    now, then = repair.now.arm, repair.then.arm
    return repair.at(np.flatnonzero((kept[then] < kept[now]) | (shared[now] & ~shared[then])))


def cache_misuse(view: View, repair: Repair) -> Iterator[Finding]:
    """Requests that are worth more with their prefixes kept for less time, or not shared."""
    repair = kept_too_long(view, repair)
    names, kept = Names(view), view.ground.retention
    now, then = repair.now.arm, repair.then.arm

    def key(i: int) -> tuple:
        arm, to = int(now[i]), int(then[i])
        change = float(kept[arm]), float(kept[to]), bool(view.shared[arm]), bool(view.shared[to])
        return names.kind(repair.now.member[i]), names.lanes(arm), *change

    for group in groups(repair, key):
        where = {
            **names.place(group.members),
            **names.way(group.arm),
            "lane": names.lane(group.arm),
        }
        misled = group.saved("risk") >= group.saved("cost")
        against, words = (("risk",), _MISLED) if misled else (("cost",), _MEMORY)
        what = "misleads for" if misled else "takes memory worth"
        old, new = _how(view.shared, kept, group.arm), _how(view.shared, kept, group.to)
        message = f"a prefix {old} {what} <left> a request more and saves <saves>"
        fix = f"have the prefix of `{where['class']}` {new} (now {old})"
        yield per_request("AL402", group, where, against, words, message, fix)


def _how(shared: np.ndarray, kept: np.ndarray, arm: int) -> str:
    """How a prefix is kept on an arm."""
    text = "not kept" if kept[arm] <= 0 else f"kept for {count(float(kept[arm]))} s"
    return f"{text}, shared" if shared[arm] else text
