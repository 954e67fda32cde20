"""Groups faulty requests into findings: one for each class, and for each way of being wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from allocate.solver.studies.diagnosis.repairs import Repair
from allocate.solver.studies.diagnosis.view import PARTS, View


@dataclass(frozen=True)
class Group:
    """Flows with the same fault. Amounts are means over their requests, USD per request.

    ``now`` and ``then`` are parts as in ``view.PARTS``; ``first`` is a flow to name it by, with
    its arm now and then (-1: declined); ``flows`` are (decision, flow) of all of them.
    """

    first: int
    flows: frozenset[tuple[str, int]]
    arm: int
    to: int
    member: int
    members: tuple[int, ...]
    requests: float
    gain: float
    now: np.ndarray
    then: np.ndarray
    tokens: tuple[np.ndarray, np.ndarray]

    @property
    def usd_per_hour(self) -> float:
        """What the repair brings in an hour."""
        return self.gain * self.requests

    def saved(self, part: str) -> float:
        """What the repair saves of a cost, or adds to the value, USD per request."""
        i = PARTS.index(part)
        change = float(self.then[i] - self.now[i])
        return change if part == "value" else -change

    @property
    def terms(self) -> dict[str, float]:
        """The parts of the change; what is saved counts positive."""
        return {part: self.saved(part) for part in PARTS}

    def balance(self, against: Sequence[str]) -> tuple[float, float]:
        """(left, right): the parts ``against`` the way it is, and all others with their sign.

        Left less right is the gain of the repair.
        """
        left = sum(self.saved(p) for p in against)
        return left, left - self.gain


def groups(repair: Repair, key: Callable[[int], tuple]) -> Iterator[Group]:
    """A repair's flows, those with the same key together; the key takes a position."""
    together: dict[tuple, list[int]] = {}
    for i in range(len(repair.flow)):
        together.setdefault(key(i), []).append(i)
    for at in map(np.array, together.values()):
        x = repair.requests[at]
        weight = x / x.sum()
        gain = float(weight @ repair.gain[at])
        top = at[int(np.argmax(x * repair.gain[at]))]
        yield Group(
            first=int(repair.flow[top]),
            flows=frozenset((repair.decision, int(i)) for i in repair.flow[at]),
            arm=int(repair.now.arm[top]),
            to=int(repair.then.arm[top]),
            member=int(repair.now.member[top]),
            members=tuple(dict.fromkeys(int(k) for k in repair.now.member[at])),
            requests=float(x.sum()),
            gain=gain,
            now=weight @ repair.now.parts[at],
            then=weight @ repair.then.parts[at],
            tokens=(weight @ repair.now.tokens[at], weight @ repair.then.tokens[at]),
        )


class Names:
    """What members and arms are called."""

    def __init__(self, view: View):
        self.built, self.stream = view.ground.built, view.stream

    def place(self, members: Sequence[int]) -> dict[str, str]:
        """Class of members, and their periods where these are not all."""
        origins = {int(self.stream.origin[k]) for k in members}
        periods = sorted({int(self.stream.period[k]) for k in members})
        out = {}
        if len(origins) == 1:
            out["class"] = str(self.built.classes.names[origins.pop()])
        if len(periods) < len(self.built.periods):
            out["period"] = ", ".join(self.built.periods[t] for t in periods)
        return out

    def kind(self, member: int) -> int:
        """What is told apart as one class: its number, whatever the period."""
        return int(self.stream.origin[member])

    def model(self, arm: int) -> str:
        """The model of an arm."""
        if arm < 0:
            return "nobody"
        return self.stream.arms[arm].labels["model"] or "a human"

    def level(self, arm: int) -> str:
        """The level of autonomy of an arm."""
        return self.stream.arms[arm].labels["autonomy"]

    def lanes(self, arm: int) -> tuple[str, ...]:
        """Lanes of an arm: the one that prefills, if it is another, and the one that decodes."""
        labels = self.stream.arms[arm].labels
        return tuple(labels[k] for k in ("prefill", "tier") if labels.get(k))

    def lane(self, arm: int) -> str:
        """The same in a sentence."""
        return " + ".join(self.lanes(arm))

    def way(self, arm: int) -> dict[str, str]:
        """Model, level and lane, as far as there are any."""
        labels = self.stream.arms[arm].labels
        out = {"autonomy": labels["autonomy"]}
        if labels["model"]:
            out["model"] = labels["model"]
        return out


def count(amount: float) -> str:
    """A number of tokens or seconds in a sentence."""
    return f"{amount:,.0f}" if amount >= 100 or amount == 0 else f"{amount:.3g}"
