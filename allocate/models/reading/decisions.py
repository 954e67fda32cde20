"""What an answer decides, as numbers with names: the main ones of every layer.

Each is a plain quotient of sums over flows and levels, without the thresholds by which tables
leave out what is next to nothing, so that it moves smoothly with the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.state import Built

Names = tuple[str, ...]


class Decision(NamedTuple):
    """One number: its name in parts, what it is, its unit, and its value.

    ``name`` begins with the layer; ``of`` is the class (asset, deployment, GPU type).
    """

    name: Names
    of: str
    unit: str
    value: float

    @property
    def dotted(self) -> str:
        """The name as one text."""
        return ".".join(self.name)


def decisions(built: Built, program: Program, allocation: Allocation) -> list[Decision]:
    """The main decisions of an allocation of a built program, in a fixed order.

    Which there are hangs on which flows the allocation has, whatever runs through them.
    """
    return [
        *_requests(built, program, allocation),
        *_machines(built, program, allocation),
        *_capacity(program, allocation),
        *_training(program, allocation),
    ]


def _requests(built: Built, program: Program, allocation: Allocation) -> Iterator[Decision]:
    """Shares by model and level, what is declined, and tokens of one request."""
    stream, flows = program.streams[0], allocation.flows[0]
    amounts = stream.amounts(flows)
    groups: dict[tuple[int, str, str], list[int]] = {}
    for i, (k, a) in enumerate(zip(flows.member, flows.arm, strict=True)):
        labels = stream.arms[a].labels
        key = (int(k), labels["model"] or "human", labels["autonomy"])
        groups.setdefault(key, []).append(i)
    served = np.bincount(flows.member, flows.requests, len(stream.rate))
    for member in sorted({k for k, *_ in groups}):
        name = str(built.classes.names[stream.origin[member]])
        head = (name, *built.moments.when(stream.period[member]).values())
        rate = float(stream.rate[member])
        for (k, model, level), at in sorted(groups.items()):
            if k != member:
                continue
            x = flows.requests[at]
            yield Decision(
                ("router", *head, model, level, "share"), name, "1", float(x.sum()) / rate
            )
            yield from _tokens(built, (*head, model, level), name, x, amounts[at])
        yield Decision(
            ("router", *head, "declined", "share"), name, "1", 1.0 - float(served[member]) / rate
        )


def _tokens(
    built: Built, head: Names, name: str, x: np.ndarray, amounts: np.ndarray
) -> Iterator[Decision]:
    total = float(x.sum())
    if total <= 0:
        return
    mean = x @ amounts / total
    for j, use in enumerate(built.config.token_uses):
        if mean[1 + j] > 0:
            yield Decision(
                ("autonomy", *head, "tokens", use), name, "token/request", float(mean[1 + j])
            )
    yield Decision(("autonomy", *head, "success"), name, "1", float(mean[-1]))


def _machines(built: Built, program: Program, allocation: Allocation) -> Iterator[Decision]:
    """Replicas of a deployment at all its speeds, in every period."""
    total: dict[Names, float] = {}
    for a, level in zip(program.activities, allocation.levels, strict=True):
        if a.labels.get("layer") == "serving":
            when = built.moments.when(a.labels["period"]).values()
            name = (a.labels["deployment"], *when)
            total[name] = total.get(name, 0.0) + float(level) / a.labels["share"]
    for name, replicas in total.items():
        yield Decision(("serving", *name, "replicas"), name[0], "replica", replicas)


def _capacity(program: Program, allocation: Allocation) -> Iterator[Decision]:
    """GPUs that are reserved, once."""
    for a, level in zip(program.activities, allocation.levels, strict=True):
        if a.labels.get("layer") == "capacity" and a.labels["offer"] == "reserved":
            gpu = a.labels["gpu"]
            name = a.name.removeprefix(f"gpus.{gpu} (reserved)").strip("[]")
            value = float(level) / a.labels.get("probability", 1.0)
            yield Decision(("gpus", gpu, *([name] if name else []), "reserved"), gpu, "GPU", value)


def _training(program: Program, allocation: Allocation) -> Iterator[Decision]:
    """Success points that every asset adds."""
    for a, level in zip(program.activities, allocation.levels, strict=True):
        if a.labels.get("gain"):
            asset = a.labels["asset"]
            yield Decision(("training", asset, "gain"), asset, "success point", float(level))
