"""Amounts of public goods, found globally: simplices of amounts, cut where the bound is best.

Every point is one convex program, solved from the prices of the nearer end of the edge
that was cut. Its value can be had; its prices bound all simplices that it is a corner of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from allocate.models.goods import Shared
from allocate.models.program import Allocation, Program
from allocate.solver.answer import Answer
from allocate.solver.global_certificate import (
    Cell,
    Cut,
    Lines,
    Proof,
    cell_bound,
    corners,
    halves,
    middle,
    roots,
)

Solve = Callable[[Program, np.ndarray], Answer]
_ENDS = 0.1  # a cut is no nearer to an end of its edge than this share of it
_LONG = 8.0  # an edge so many times longer than the one of the best point is cut first


@dataclass(frozen=True)
class Point:
    """Amounts and the convex program's answer there."""

    at: np.ndarray
    prices: np.ndarray
    value: float  # reached, where every limit is kept; else −inf
    bound: float
    allocation: Allocation


@dataclass(frozen=True)
class _Node:
    number: int
    cell: Cell
    share: np.ndarray  # where the bound of the simplex is attained


@dataclass
class Amounts:
    """The search over amounts: a ``Branching``. ``known``: a value that can be had already."""

    shared: Shared
    solve: Solve
    start: np.ndarray
    known: float = -np.inf
    told: Callable[[int, float], None] | None = None
    points: list[Point] = field(default_factory=list)
    proof: Proof = field(default_factory=Proof)
    numbers: int = 0
    lines: Lines = field(init=False)
    _index: dict[tuple[float, ...], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = Lines(self.shared, [], self.proof.prices)

    @property
    def best(self) -> float:
        """See ``Branching``."""
        return max([self.known, *(p.value for p in self.points)])

    @property
    def leader(self) -> Point:
        """The point with the best value."""
        return max(self.points, key=lambda p: p.value)

    def roots(self) -> Sequence[tuple[float, _Node]]:
        """See ``Branching``: the box in simplices."""
        prices = self.start
        for at in corners(self.shared.most):
            near = [p for p in self.points if np.sum(p.at != at) == 1]
            self._visit(at, near[0].prices if near else prices)
        return [self._node(cell) for cell in roots(len(self.shared.goods))]

    def split(self, node: _Node) -> Sequence[tuple[float, _Node]]:
        """See ``Branching``: cut the edge that the best point of the bound lies on."""
        a, b, share = self._edge(node)
        at = middle(self.points[a].at, self.points[b].at, share)
        known = self._index.get(tuple(at))
        if known is None:
            nearer = self.points[b if share > 0.5 else a]
            known = self._visit(at, nearer.prices)
        else:
            self.proof.again[len(self.proof.cuts)] = known
        self.proof.cuts.append(Cut(node.number, a, b, share))
        return [self._node(cell) for cell in halves(node.cell, a, b, known)]

    def _node(self, cell: Cell) -> tuple[float, _Node]:
        bound, share = cell_bound(self.lines, cell)
        node = _Node(self.numbers, cell, share)
        self.numbers += 1
        return bound, node

    def _edge(self, node: _Node) -> tuple[int, int, float]:
        """(corner, corner, share of the way) of the edge to cut."""
        n, cell, size = len(node.cell), node.cell, self.shared.most
        pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]

        def length(i: int, j: int) -> float:
            step = (self.points[cell[i]].at - self.points[cell[j]].at) / size
            return float(np.linalg.norm(step))

        weight = node.share
        longest = max(pairs, key=lambda p: length(*p))
        i, j = max(pairs, key=lambda p: weight[p[0]] * weight[p[1]] * length(*p) ** 2)
        if weight[i] * weight[j] <= 0 or length(*longest) > _LONG * length(i, j):
            return cell[longest[0]], cell[longest[1]], 0.5
        share = float(np.clip(weight[j] / (weight[i] + weight[j]), _ENDS, 1.0 - _ENDS))
        return cell[i], cell[j], share

    def _visit(self, at: np.ndarray, prices: np.ndarray) -> int:
        answer = self.solve(self.shared.at(at), prices)
        judged = answer.certificate
        value = judged.primal if judged.feasible else -np.inf
        duals = np.maximum(answer.duals, 0.0)
        bound = judged.dual
        point = Point(at, duals, value, bound, answer.allocation)
        self._index[tuple(at)] = len(self.points)
        self.points.append(point)
        self.proof.prices.append(point.prices)
        self.lines.points.append(at)
        number = len(self.points) - 1
        self.lines.known[number, number] = bound  # the judge's own word, at these prices
        if self.told is not None:
            self.told(len(self.points), self.best)
        return len(self.points) - 1
