"""Work that may wait: every way to serve it, again in later periods, at the price of waiting.

A way so many periods later occupies the same things there: its slots are those of the way, with
rows of the later moment. Who may wait how long is a matter of the class and of the period.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allocate.models.builder import Builder, SlotRows, Use
from allocate.models.choices import Choice
from allocate.models.classes import Classes
from allocate.models.moments import Moments
from allocate.models.stream import Slot

SLOT = "deferral"
_HAIR = 1.0 + 1e-9  # of a longest wait: its own rounding forbids nothing
_BY_MOMENT = ("period", "sharing")  # axes of slots whose rows go by moment


@dataclass(frozen=True)
class Deferral:
    """Which steps are open to whom, in periods after the arrival.

    ``may`` [classes, periods, steps] (0 steps: always); ``wait_h`` [periods, steps] mean hours.
    """

    may: np.ndarray
    wait_h: np.ndarray

    @classmethod
    def of(cls, classes: Classes, moments: Moments) -> Deferral | None:
        """None where no class may wait for another period."""
        n = len(moments.periods)
        most = np.where(np.isnan(classes.max_defer_h), -1.0, classes.max_defer_h)
        if n == 1 or not np.any(most > 0):
            return None
        waits = [moments.waits(step) for step in range(1, n)]
        mean = np.stack([np.zeros(n), *(m for m, _ in waits)], axis=1)
        longest = np.stack([np.full(n, -2.0), *(w for _, w in waits)], axis=1)
        may = most[:, None, None] * _HAIR >= longest[None]
        return cls(may, mean) if may[:, :, 1:].any() else None

    @property
    def steps(self) -> list[int]:
        """Numbers of periods that some class may wait somewhere."""
        return [int(s) for s in np.flatnonzero(self.may.any(axis=(0, 1))) if s]

    def features(
        self, classes: Classes, origin: np.ndarray, period: np.ndarray
    ) -> dict[str, np.ndarray]:
        """By name, [members] USD that a request pays for waiting so many periods."""
        usd = classes.defer_usd_per_h[origin]
        return {_feature(s): usd * self.wait_h[period, s] for s in self.steps}

    def menus(
        self, origin: np.ndarray, period: np.ndarray, choices: Sequence[Choice]
    ) -> tuple[np.ndarray, np.ndarray]:
        """([cases, arms] arms that are open, [members] → case)."""
        patterns, case = np.unique(self.may[origin, period], axis=0, return_inverse=True)
        steps = np.array([x.labels.get("defer", 0) for x in choices])
        return patterns[:, steps], case.ravel()


def _feature(step: int) -> str:
    return f"defer:{step}"


def with_waiting(
    builder: Builder, moments: Moments, deferral: Deferral | None, choices: list[Choice]
) -> list[Choice]:
    """The choices, and after them the same ones so many periods later."""
    if deferral is None:
        return choices
    own = dict(builder.slots)
    builder.slot(SLOT, "USD", 1.0, "latency")
    out = list(choices)
    for step in deferral.steps:
        moved = dict(_moved_slots(builder, own, moments, step))
        shared = {id(p): _later(p, moved) for x in choices for p in x.parts}
        waits = (Use("request", _feature(step), SLOT, 1.0),)
        out += [
            replace(
                x,
                parts=(*(shared[id(p)] for p in x.parts), waits),
                labels={**x.labels, "defer": step},
            )
            for x in choices
        ]
    return out


def _moved_slots(
    builder: Builder, own: Mapping[str, tuple[Slot, SlotRows]], moments: Moments, step: int
) -> Iterator[tuple[str, str]]:
    """(slot, the same slot so many periods later) of all that go by moment."""
    n = len(moments)
    for name, (slot, where) in own.items():
        if where.axis not in _BY_MOMENT or not where.rows:
            continue
        rows = [
            where.rows[start + moments.later(m, step)]
            for start in range(0, len(where.rows), n)
            for m in range(n)
        ]
        moved = f"{name} +{step}"
        builder.slot(moved, slot.unit, slot.own_price, slot.account, where.axis, rows)
        yield name, moved


def _later(part: Sequence[Use], moved: Mapping[str, str]) -> tuple[Use, ...]:
    return tuple(u._replace(slot=moved.get(u.slot, u.slot)) for u in part)
