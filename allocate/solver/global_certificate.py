"""The judge of a global claim: NumPy, no solver, no trust.

What is proved, and how (docs/exact.md): with public goods the welfare of amounts a is
G(a, a), with G(v, b) convex in v and concave in b. Prices found at w bound G(v, ·) by a line
everywhere, D_vw + q_w'(v − b). On a simplex of amounts a = Σ λ_v v, convexity gives

    G(a, a) ≤ Σ_v λ_v G(v, a) ≤ Σ_v λ_v (D_vw + q_w'(v − a)) = λ'Mλ,

and the right side is maximised exactly, over the few faces of the simplex. A proof is a list
of cuts of edges, beginning with the box of all amounts, and prices at every corner. The judge
replays the cuts, so that the simplices cover the box whatever the search did, and reckons
every D itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations, permutations
from typing import Any

import numpy as np

from allocate.models.goods import Shared
from allocate.models.program import Allocation
from allocate.solver.certificate import certify, gap_scale
from allocate.solver.dual_bound import dual_bound

Cell = tuple[int, ...]  # corners of a simplex, as numbers of points
_CHOICES = 6


@dataclass(frozen=True)
class Cut:
    """A simplex is cut in two at a point of one edge: ``share`` of the way from corner a to b."""

    cell: int
    a: int
    b: int
    share: float


@dataclass
class Proof:
    """Cuts of simplices, and prices [rows] of every point: the box's corners, then the cuts'.

    Simplices are numbered: first those of ``roots``, then the two of every cut in its order. A
    cut at a point that is there already names it in ``again`` (cut → point).
    """

    cuts: list[Cut] = field(default_factory=list)
    prices: list[np.ndarray] = field(default_factory=list)
    again: dict[int, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "cuts": [[c.cell, c.a, c.b, c.share] for c in self.cuts],
            "prices": [[float(x) for x in p] for p in self.prices],
            "again": {str(k): v for k, v in self.again.items()},
        }

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Proof:
        """The proof in a document."""
        cuts = [Cut(int(c), int(a), int(b), float(s)) for c, a, b, s in kept["cuts"]]
        prices = [np.array(p, float) for p in kept["prices"]]
        return cls(cuts, prices, {int(k): int(v) for k, v in kept["again"].items()})


@dataclass(frozen=True)
class GlobalCertificate:
    """A welfare that was reached and a bound on all others, USD per hour."""

    welfare: float
    bound: float
    relative_gap: float
    max_violation: float
    tolerance: float
    points: int
    cells: int

    @property
    def holds(self) -> bool:
        """Whether no amounts of the goods can be better by more than the tolerance."""
        fine = np.isfinite(self.welfare) and np.isfinite(self.bound)
        within = self.relative_gap <= self.tolerance
        return bool(fine and within and self.max_violation <= self.tolerance)


def certify_globally(
    shared: Shared,
    proof: Proof,
    amounts: np.ndarray,
    allocation: Allocation,
    tolerance: float = 1e-4,
) -> GlobalCertificate:
    """Judge an allocation at ``amounts`` [goods] against every amount in the box."""
    program = shared.at(amounts)
    own = certify(program, allocation, np.zeros(len(program.rows)), tolerance)
    bound, cells = proved_bound(shared, proof)
    scale = gap_scale(program, own.primal, bound)
    return GlobalCertificate(
        own.primal,
        bound,
        float((bound - own.primal) / scale),
        own.max_violation,
        tolerance,
        len(proof.prices),
        cells,
    )


def proved_bound(shared: Shared, proof: Proof) -> tuple[float, int]:
    """The largest bound of all simplices that the cuts leave, and how many there are."""
    points, leaves = replayed(shared.most, proof)
    lines = Lines(shared, list(points), proof.prices)
    return max(cell_bound(lines, cell)[0] for cell in leaves), len(leaves)


@dataclass
class Lines:
    """Bounds on G(v, ·) at points v from prices found at points w, each reckoned once."""

    shared: Shared
    points: list[np.ndarray]
    prices: list[np.ndarray]
    known: dict[tuple[int, int], float] = field(default_factory=dict)

    def level(self, v: int, w: int) -> float:
        """The bound where v is seen and made, at the prices of w; USD per hour."""
        if (v, w) not in self.known:
            self.known[v, w] = point_bound(self.shared, self.points[v], self.prices[w])
        return self.known[v, w]


def point_bound(shared: Shared, at: np.ndarray, prices: np.ndarray) -> float:
    """D_v: no allocation in which requests see ``at``, and it is made, is worth more."""
    if not (np.all(np.isfinite(prices)) and np.all(prices >= 0)):
        return np.inf
    return dual_bound(shared.at(at), prices)


def replayed(most: np.ndarray, proof: Proof) -> tuple[np.ndarray, list[Cell]]:
    """([points, goods], simplices that no cut has replaced). Together they cover the box.

    Raises:
        ValueError: a cut of what is not there, or beside its edge.
    """
    points = list(corners(most))
    cells: dict[int, Cell] = dict(enumerate(roots(len(most))))
    number = len(cells)
    for i, cut in enumerate(proof.cuts):
        cell = cells.pop(cut.cell, None)
        if cell is None or not {cut.a, cut.b} <= set(cell) or not 0.0 < cut.share < 1.0:
            raise ValueError(f"cut {i} is not of an edge of a simplex that is there")
        there = middle(points[cut.a], points[cut.b], cut.share)
        at = proof.again.get(i, len(points))
        if at == len(points):
            points.append(there)
        elif not np.allclose(points[at], there, rtol=0.0, atol=0.0):
            raise ValueError(f"cut {i} is at another point than it says")
        for child in halves(cell, cut.a, cut.b, at):
            cells[number] = child
            number += 1
    return np.array(points), list(cells.values())


# --- geometry ------------------------------------------------------------------------------


def corners(most: np.ndarray) -> np.ndarray:
    """[2^goods, goods] corners of the box; bit m of the number says whether good m is full."""
    number = np.arange(2 ** len(most))
    return np.where((number[:, None] >> np.arange(len(most))) & 1, most, 0.0)


@cache
def roots(n: int) -> tuple[Cell, ...]:
    """The n! simplices of the box (Kuhn 1960): one path of filled goods for every order."""
    return tuple(
        tuple(int(sum(1 << m for m in order[:k])) for k in range(n + 1))
        for order in permutations(range(n))
    )


def middle(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """The point of an edge."""
    return (1.0 - share) * a + share * b


def halves(cell: Cell, a: int, b: int, at: int) -> tuple[Cell, Cell]:
    """The two simplices that a point of the edge a–b cuts a simplex into."""
    return tuple(at if c == b else c for c in cell), tuple(at if c == a else c for c in cell)


# --- the bound of a simplex ----------------------------------------------------------------


def cell_bound(lines: Lines, cell: Cell) -> tuple[float, np.ndarray]:
    """An upper bound on the welfare of all amounts in a simplex, and λ of where it is attained.

    Every corner may be bounded by the line of any corner's prices, D_vw + q_w'(v − b). First
    its own; then the one that is lowest where the bound was attained, as long as that helps.
    """
    n = len(cell)
    levels = np.array([[lines.level(v, w) for w in cell] for v in cell])
    points = np.array([lines.points[c] for c in cell])
    prices = np.array([lines.prices[c][lines.shared.rows] for c in cell])
    if not np.all(np.isfinite(levels)):
        return np.inf, np.full(n, 1.0 / n)
    base = levels + points @ prices.T  # [v, w] D_vw + q_w'v
    common = levels.max(axis=0)  # the same prices at all corners: the amount made drops out
    best, where = float(common.min()), np.eye(n)[int(levels[:, common.argmin()].argmax())]
    choice, attained = np.arange(n), np.zeros(n)
    for _ in range(_CHOICES):
        matrix = base[np.arange(n), choice][:, None] - prices[choice] @ points.T
        value, attained = quadratic_maximum(0.5 * (matrix + matrix.T))
        if value < best:
            best, where = value, attained
        lowest = (base - prices @ (attained @ points)).argmin(axis=1)
        if np.array_equal(lowest, choice):
            break
        choice = lowest
    return best, where if np.max(where) < 1.0 else attained


def quadratic_maximum(matrix: np.ndarray) -> tuple[float, np.ndarray]:
    """Largest λ'Mλ over λ ≥ 0, Σλ = 1, exactly: the best stationary point of every face.

    In the relative interior of a face the best point is stationary, and where it is not the
    only one, one as good lies on a smaller face. Faces are few: 63 for six corners.
    """
    n, level = len(matrix), float(np.max(matrix))
    rest = matrix - level  # the welfare itself is large, and constant
    size = float(np.max(np.abs(rest), initial=0.0))
    best, where = -np.inf, np.zeros(n)
    for face in _faces(n):
        part = rest[np.ix_(face, face)]
        for share in _stationary(part, size):
            value = float(share @ part @ share)
            if value > best:
                best, where = value, np.zeros(n)
                where[list(face)] = share
    return best + level + 1e-14 * (abs(level) + size), where


def _stationary(part: np.ndarray, size: float) -> Iterator[np.ndarray]:
    """λ > 0 at which all of Mλ is equal, if there is one."""
    n = len(part)
    if n == 1:
        yield np.ones(1)
        return
    if size <= 0:
        return
    base = part / size
    step = (base[1:] - base[0])[:, 1:] - (base[1:] - base[0])[:, :1]  # λ_0 = 1 − Σ others
    try:
        others = np.linalg.solve(step, -(base[1:] - base[0])[:, 0])
    except np.linalg.LinAlgError:
        return  # flat along a line: a smaller face is as good
    share = np.concatenate([[1.0 - others.sum()], others])
    if np.all(np.isfinite(share)) and np.all(share > -1e-9):
        share = np.maximum(share, 0.0)
        yield share / share.sum()


@cache
def _faces(n: int) -> Sequence[tuple[int, ...]]:
    return [f for k in range(1, n + 1) for f in combinations(range(n), k)]
