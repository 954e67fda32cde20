"""DuaLip's synthetic matching problem, and the same as a ``Program``.

    maximise   Σ c_ij x_ij     subject to   Σ_i a_ij x_ij ≤ b_j,   Σ_j x_ij ≤ 1,   x ≥ 0

over the edges of a sparse graph of sources and destinations. The draws follow
``benchmark/generate_synthetic_data.py`` of linkedin/DuaLip (BSD-2-Clause, commit 240066e),
in the same order, so that a seed gives the same numbers: destinations differ in breadth,
scale and worth, sources in affinity; capacities are a part of what a greedy choice would load.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from allocate.models.curves import RequestCurve
from allocate.models.curves.effort import Effort
from allocate.models.curves.risk import ResidualRisk
from allocate.models.curves.success import Constant
from allocate.models.program import Program, Row
from allocate.models.stream import Arm, Slot, Stream

KNOWN = {  # (sources, destinations, sparsity, seed): the optimum, by HiGHS and by Clarabel
    (10_000, 100, 0.1, 42): 695.5037,
    (100_000, 1_000, 0.01, 42): 5188.6725,
}


@dataclass(frozen=True)
class Matching:
    """One problem; the edges are sorted by source."""

    source: np.ndarray  # [E]
    destination: np.ndarray  # [E]
    value: np.ndarray  # [E] c
    load: np.ndarray  # [E] a
    capacity: np.ndarray  # [destinations] b
    sources: int

    @property
    def loads(self) -> sp.csr_matrix:
        """[destinations, E]: load of an edge on its destination."""
        n = len(self.source)
        shape = (len(self.capacity), n)
        return sp.csr_matrix((self.load, (self.destination, np.arange(n))), shape=shape)

    @property
    def simplex(self) -> sp.csr_matrix:
        """[sources, E]: which source an edge belongs to."""
        n = len(self.source)
        return sp.csr_matrix((np.ones(n), (self.source, np.arange(n))), shape=(self.sources, n))


def draw(sources: int, destinations: int, sparsity: float, seed: int) -> Matching:
    """The problem of a seed; ``sparsity`` is the share of the pairs that are edges."""
    rng = np.random.default_rng(seed)
    breadth = rng.lognormal(0.0, 1.0, destinations)
    share = breadth / breadth.sum() * (sparsity * destinations)
    scale = rng.lognormal(0.0, 1.0, destinations)
    worth = rng.lognormal(-4.0, 0.75, destinations)
    affinity = rng.lognormal(0.0, 0.5, sources)
    counts = np.minimum(rng.poisson(share * sources), sources)
    source, value = [], []
    for j, count in enumerate(counts):
        if count == 0:
            continue
        chosen = rng.choice(sources, size=int(count), replace=False)
        noise = rng.lognormal(0.0, 0.5, int(count))
        source.append(chosen)
        value.append(np.minimum(worth[j] * affinity[chosen] * noise, 0.5))
    if not source:
        raise ValueError("there is no edge: more sources, or a larger share of the pairs")
    who = np.concatenate(source)
    where = np.repeat(np.arange(destinations), counts)
    c = np.concatenate(value)
    a = scale[where] * c
    order = np.argsort(who, kind="stable")
    who, where, c, a = who[order], where[order], c[order], a[order]
    capacity = rng.uniform(0.5, 1.0, destinations) * (_greedy(who, where, a, destinations) + 1e-8)
    return Matching(who, where, c, a, capacity, sources)


def _greedy(who: np.ndarray, where: np.ndarray, load: np.ndarray, destinations: int) -> np.ndarray:
    """[destinations]: load if every source took its edge of largest load (the first of several)."""
    order = np.lexsort((np.arange(len(who)), -load, who))
    first = order[np.append(True, who[order][1:] != who[order][:-1])]
    return np.bincount(where[first], load[first], destinations)


def optimum(problem: Matching) -> float:
    """The optimum by the interior-point method of HiGHS."""
    from scipy.optimize import linprog

    found = linprog(
        -problem.value,
        A_ub=sp.vstack([problem.loads, problem.simplex]),
        b_ub=np.append(problem.capacity, np.ones(problem.sources)),
        method="highs-ipm",
    )
    if found.status != 0:
        raise ValueError(found.message)
    return -float(found.fun)


# --- as a program ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Edges(Stream):
    """A stream whose every member has rows of its own: arm d of a member is its d-th edge.

    An arm uses one slot, its own, by one feature, its own; the slot stands for the row of
    the edge's destination. So the profit of an edge is its worth times one less the price.
    """

    def profits(self, duals: np.ndarray, members: np.ndarray | None = None) -> np.ndarray:
        """See ``Stream``: without tables of groups, of which there are as many as members."""
        k = slice(None) if members is None else members
        price = np.append(duals, 0.0)[self.rows[self.group[k]]]
        own = np.array([s.own_price for s in self.slots])
        return np.where(self.menu[self.group[k]], -(own + price) * self.features[k], -np.inf)


def program(problem: Matching) -> Program:
    """The same as a program: sources are classes, edges arms, destinations rows.

    A row is in units of the destination's worth (its load is in proportion), so that one
    feature an edge is enough; ``row_scale`` turns prices back.
    """
    degree = np.bincount(problem.source, minlength=problem.sources)
    most = int(degree.max())
    start = np.cumsum(degree) - degree
    place = np.arange(len(problem.source)) - start[problem.source]
    features = np.zeros((problem.sources, most))
    rows = np.full((problem.sources, most), -1)
    menu = np.zeros((problem.sources, most), bool)
    features[problem.source, place] = problem.value
    rows[problem.source, place] = problem.destination
    menu[problem.source, place] = True
    trivial = RequestCurve(Constant(0.0), Effort((0.0,), (1.0,)), ResidualRisk(0.0), (1.0,))
    each = np.arange(most)
    entry = each * most + each  # of quantity 0: the request itself
    coefficients = sp.csr_matrix((np.ones(most), (entry, each)), shape=(4 * most * most, most))
    stream = Edges(
        name="sources",
        rate=np.ones(problem.sources),
        features=features,
        group=np.arange(problem.sources),
        menu=menu,
        rows=rows,
        slots=tuple(Slot(f"edge {d}", "USD", -1.0, "value") for d in each),
        arms=tuple(Arm({"edge": int(d)}, 0) for d in each),
        technologies=(trivial,),
        coefficients=coefficients,
        decline_cost=np.zeros(problem.sources),
        stake=features.max(axis=1),
    )
    capacity = problem.capacity / row_scale(problem)
    return Program(
        rows=tuple(Row(f"destination {j}", "USD", float(b)) for j, b in enumerate(capacity)),
        streams=(stream,),
    )


def row_scale(problem: Matching) -> np.ndarray:
    """[destinations] load per worth of an edge; 1 where a destination has no edge."""
    out = np.ones(len(problem.capacity))
    out[problem.destination] = problem.load / problem.value
    return out
