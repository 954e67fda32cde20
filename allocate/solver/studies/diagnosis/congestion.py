"""AL301 serving congestion: a lane so full that the delay of all costs more than room would."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.repairs import Repair
from allocate.solver.studies.diagnosis.requests import Names, groups
from allocate.solver.studies.diagnosis.routing import per_request
from allocate.solver.studies.diagnosis.view import View

_WORDS = ("waiting saved by all on the lane", "GPU time that a less busy lane costs more")
_SHOWN = 3  # classes that a sentence names


def crowded(view: View, repair: Repair) -> Repair:
    """Flows whose repair waits less."""
    del view
    return repair.at(np.flatnonzero(repair.then.parts[:, 2] < repair.now.parts[:, 2]))


def serving_congestion(view: View, repair: Repair) -> Iterator[Finding]:
    """Lanes whose requests would rather pay for more room than wait; of ``crowded`` flows."""
    names = Names(view)
    tiers = view.ground.tiers

    def key(i: int) -> tuple:
        arm, to = int(repair.now.arm[i]), int(repair.then.arm[i])
        return names.lanes(arm), names.lanes(to)

    for group in groups(repair, key):
        lane = names.lane(group.arm)
        where = {**names.place(group.members), "model": names.model(group.arm), "lane": lane}
        who = _who(names, group.members)
        now, then = (_share(tiers[a], names.lanes(a)) for a in (group.arm, group.to))
        message = (
            f"{now} busy makes {who} wait for <left> a request more than at {then} busy, "
            f"which <costs>"
        )
        deployment = view.stream.arms[group.arm].labels["deployment"]
        fix = f"run `{deployment}` at {then} busy for {who} (now {now}): {names.lane(group.to)}"
        yield per_request("AL301", group, where, ("latency",), _WORDS, message, fix)


def _share(busy: np.ndarray, lanes: tuple[str, ...]) -> str:
    """Busy shares of a lane, or of the pair."""
    return " and ".join(f"{100 * u:.3g} %" for u in busy[-len(lanes) :])


def _who(names: Names, members: tuple[int, ...]) -> str:
    found = list(dict.fromkeys(names.place([k])["class"] for k in members))
    shown = ", ".join(f"`{n}`" for n in found[:_SHOWN])
    return shown if len(found) <= _SHOWN else f"{shown} and {len(found) - _SHOWN} more"
