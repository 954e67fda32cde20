"""Branch and bound, best bound first: one loop for every kind of branching.

A ``Branching`` says what a node is, bounds it, and splits it. The loop keeps the nodes that
could still hold something better than the best value known, and stops when there are none
within the tolerance, at a time, or when the user does; the bound is true at every moment.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Generic, Protocol, TypeVar

Node = TypeVar("Node")


class Branching(Protocol[Node]):
    """What the loop must be told; values are to be made as large as possible."""

    @property
    def best(self) -> float:
        """The largest value that some point is known to have."""
        ...

    def roots(self) -> Sequence[tuple[float, Node]]:
        """Nodes that together hold every point, each with its bound."""
        ...

    def split(self, node: Node) -> Sequence[tuple[float, Node]]:
        """Nodes that together hold every point of one, with bounds; may find a better value."""
        ...


@dataclass(frozen=True)
class Search(Generic[Node]):
    """How a search ended."""

    bound: float
    splits: int
    stopped: str | None  # "time", "nodes" or "user"; None where the gap was closed


@dataclass(frozen=True)
class Limits:
    """When to stop. ``gap`` in the unit of the values, given the best value."""

    gap: Callable[[float], float]
    seconds: float = float("inf")
    splits: int = 10_000


def search(problem: Branching[Node], limits: Limits) -> Search[Node]:
    """Split the node with the largest bound until the gap is closed."""
    began, order, splits = time.perf_counter(), count(), 0
    heap: list[tuple[float, int, Node]] = []

    def push(nodes: Sequence[tuple[float, Node]], above: float) -> None:
        for bound, node in nodes:
            heapq.heappush(heap, (-min(bound, above), next(order), node))

    push(problem.roots(), float("inf"))
    while heap:
        bound = max(-heap[0][0], problem.best)
        if bound - problem.best <= limits.gap(problem.best):
            return Search(bound, splits, None)
        if splits >= limits.splits:
            return Search(bound, splits, "nodes")
        if time.perf_counter() - began > limits.seconds:
            return Search(bound, splits, "time")
        top = heapq.heappop(heap)
        try:
            push(problem.split(top[2]), -top[0])
        except KeyboardInterrupt:
            heapq.heappush(heap, top)
            return Search(bound, splits, "user")
        splits += 1
    return Search(problem.best, splits, None)
