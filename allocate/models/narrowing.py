"""A program on those speeds alone that an answer uses, and the answer in its terms.

Most of a menu is not used by an answer. What is asked about a small change of the answer needs
the speeds in use (and those that are just as good), and a program on them is built much faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.lanes import lane_key, listed, speeds
from allocate.models.program import Allocation, Program
from allocate.models.stack import build
from allocate.models.state import Built, State
from allocate.models.stream import Flows

_SAME = 1e-9  # relative: two speeds so near are one
_NEXT = 5e-3  # of logit utilisation: neighbours of a refined menu


Speed = tuple[str, int]  # lane family, place among its kept speeds


@dataclass(frozen=True)
class Narrow:
    """The menu of some speeds of a built program.

    ``kept``: by lane family, utilisations. A speed that the user lists moves with his list, one
    that a hard limit asks for with the limit; others stay where they are.
    """

    built: Built
    kept: Mapping[str, tuple[float, ...]]

    @cached_property
    def _places(self) -> dict[str, list[tuple[float, int | None, bool]]]:
        """By family: (utilisation, place in the user's list, whether a limit asks for it)."""
        config, out = self.built.config, {}
        first, fixed = speeds(config, None), listed(config)
        for fam, tiers in self.kept.items():
            asked, own = self.built.needed.get(fam, ()), []
            for u in tiers:
                needed = any(abs(u - n) <= _SAME * n for n in asked)
                place = None
                if fam in fixed:
                    place = int(np.argmin(np.abs(np.array(first[fam]) - u)))
                own.append((u, place, needed))
            out[fam] = own
        return out

    @cached_property
    def free(self) -> dict[Speed, float]:
        """The kept speeds that nobody set: utilisation by family and place."""
        return {
            (fam, i): u
            for fam, own in self._places.items()
            for i, (u, place, needed) in enumerate(own)
            if place is None and not needed
        }

    def at(
        self,
        config: Config,
        classes: Classes,
        numbers: Mapping[tuple[str, str], float] | None = None,
        free: Mapping[Speed, float] | None = None,
    ) -> Built:
        """The program of a config with the same structure.

        Args:
            config: with other numbers.
            classes: of that config.
            numbers: of the state; default those of the answer.
            free: other utilisations of free speeds.
        """
        state, first = self.built.state, speeds(config, None)
        state = state if numbers is None else state.at(numbers)
        free = free or {}
        grid = {}
        for fam, own in self._places.items():
            tiers = [
                free.get((fam, i), u) if place is None else first[fam][place]
                for i, (u, place, needed) in enumerate(own)
                if not needed
            ]
            grid[fam] = tiers or list(self.built.needed.get(fam, ())[:1])
        return build(config, classes, State(grid, state.capability, state.worth))


def narrowed(built: Built, program: Program, allocation: Allocation, more: Iterable[str]) -> Narrow:
    """The speeds of an answer, and of ``more`` lanes (names of tiers).

    Speeds that a refined menu has next to one another stand for one between them: of those
    the one with most replicas is kept.
    """
    wanted = set(more)
    running: dict[str, float] = {}
    for a, level in zip(program.activities, allocation.levels, strict=True):
        if level > 0 and "utilisation" in a.labels:
            key = lane_key(a.labels["family"], a.labels["utilisation"])
            running[key] = running.get(key, 0.0) + float(level)
    arms = program.streams[0].arms
    for a in np.unique(allocation.flows[0].arm):
        wanted |= {arms[a].labels[n] for n in ("tier", "prefill") if arms[a].labels.get(n)}
    kept: dict[str, list[float]] = {fam: [] for fam in built.state.grid}
    for tier in built.tiers:
        if tier.name in wanted or tier.key in running:
            kept[tier.family].append(tier.utilisation)
    for tier in built.tiers:
        if not kept[tier.family]:
            kept[tier.family] = [tier.utilisation]
    fixed = listed(built.config)
    merged = {
        fam: sorted(u) if fam in fixed else _merged(fam, sorted(u), built.needed, running)
        for fam, u in kept.items()
    }
    return Narrow(built, {fam: tuple(u) for fam, u in merged.items()})


def _merged(
    fam: str,
    tiers: list[float],
    needed: Mapping[str, Sequence[float]],
    running: Mapping[str, float],
) -> list[float]:
    """Of speeds that are next to one another, those that a limit asks for, or the most used."""
    asked = needed.get(fam, ())
    groups: list[list[float]] = []
    for u in tiers:
        at = np.log(u) - np.log1p(-u)
        if groups and at - np.log(groups[-1][-1] / (1.0 - groups[-1][-1])) <= _NEXT:
            groups[-1].append(u)
        else:
            groups.append([u])
    out = []
    for group in groups:
        held = [u for u in group if any(abs(u - n) <= _SAME * n for n in asked)]
        out += held or [max(group, key=lambda u: running.get(lane_key(fam, u), 0.0))]
    return out


# --- one answer in the terms of two programs ------------------------------------------------------


def carried(
    before: Built, program: Program, allocation: Allocation, duals: np.ndarray, after: Built
) -> tuple[Allocation, np.ndarray]:
    """An answer to ``program`` of ``before`` in the terms of a program with some of its speeds.

    What uses a speed that is not there is left out.
    """
    known = {row.name: d for row, d in zip(program.rows, duals, strict=True)}
    mu = np.array([known.get(row.name, 0.0) for row in after.program.rows])
    at = {name: i for i, name in enumerate(activity_names(after, after.program))}
    y = np.zeros(len(at))
    for name, level in zip(activity_names(before, program), allocation.levels, strict=True):
        if name in at:
            y[at[name]] = level
    flows = []
    for i, f in enumerate(allocation.flows):
        place = {name: j for j, name in enumerate(arm_names(after, after.program, i))}
        names = arm_names(before, program, i)
        there = np.array([names[a] in place for a in f.arm], bool)
        arm = np.array([place[names[a]] for a in f.arm[there]], int)
        flows.append(Flows(f.member[there], arm, f.requests[there], f.tokens[there]))
    return Allocation(tuple(flows), y), mu


def arm_names(built: Built, program: Program, stream: int) -> list[tuple]:
    """A name of every arm that does not hang on which other speeds there are."""
    keys = {t.name: t.key for t in built.tiers}
    seen: dict[tuple, int] = {}
    out = []
    for arm in program.streams[stream].arms:
        labels = {k: keys.get(v, v) if isinstance(v, str) else v for k, v in arm.labels.items()}
        name = tuple(sorted((k, repr(v)) for k, v in labels.items()))
        seen[name] = seen.get(name, 0) + 1
        out.append((*name, seen[name]))
    return out


def activity_names(built: Built, program: Program) -> list[str]:
    """The same of every activity."""
    names = sorted(((t.name, t.key) for t in built.tiers), key=lambda pair: -len(pair[0]))
    out = []
    for a in program.activities:
        lane = a.labels.get("lane")
        text = a.name
        if lane is not None:
            text = next((text.replace(n, k) for n, k in names if k == lane), text)
        out.append(text)
    return out


def same_structure(one: Program, other: Program) -> bool:
    """Whether two programs have the same rows, activities, arms and members, by number.

    Slots may differ: a price that is not 0 any more is one more.
    """
    return (
        len(one.rows) == len(other.rows)
        and len(one.activities) == len(other.activities)
        and len(one.streams) == len(other.streams)
        and len(one.terms) == len(other.terms)
        and all(
            len(a.arms) == len(b.arms)
            and a.menu.shape == b.menu.shape
            and len(a.rate) == len(b.rate)
            for a, b in zip(one.streams, other.streams, strict=True)
        )
    )
