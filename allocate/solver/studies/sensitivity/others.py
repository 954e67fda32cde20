"""Other answers that are just as good: where a small change may lead first.

Where the flows of an optimum are not unique (two ways that cost the same and may be mixed), a
small change picks one end of the mixtures. From an optimum the ends are reached along directions
that cost nothing, up to where a flow, a level or the room in a row is used up.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from allocate.solver.certificate import row_scales
from allocate.solver.studies.sensitivity.face import face_of
from allocate.solver.studies.sensitivity.optimum import Optimum
from allocate.solver.studies.sensitivity.system import Point

_MOST = 8  # other answers that are looked at
_PRICES = 1e-7  # relative: a direction that moves prices more is none
_SOME = 1e-9  # of the size of a flow: a shorter way is none
_ROUNDING = 1e-12


def others(at: Optimum) -> list[Optimum]:
    """Answers as good as an optimum, the ends of what may be mixed, without itself."""
    found: list[Optimum] = []
    known = [at.point]
    queue = [at]
    while queue and len(found) < _MOST:
        for point in _ends(queue.pop(0)):
            if any(_same(point, p) for p in known) or len(found) >= _MOST:
                continue
            known.append(point)
            system = at.system()
            allocation = queue_at(at, point)
            face = face_of(system.program, allocation, point.mu)
            there = Optimum(at.loaded, at.narrow, face, _on(face, system, point), at.numbers)
            found.append(there)
            queue.append(there)
    return found


def queue_at(at: Optimum, point: Point):  # noqa: ANN201
    """The allocation at a point of an optimum's face."""
    return at.system().allocation(point)


def _ends(at: Optimum) -> Iterator[Point]:
    """Points at which a free direction comes to an end."""
    directions, size = at.directions, len(at.directions.jacobian) - len(at.keys)
    choices = [frozenset(), *(frozenset([int(w)]) for w in directions.weak)]
    for choice in choices:
        for way in directions.null(choice).T:
            if np.abs(way[size:]).max(initial=0.0) > _PRICES * np.abs(way).max():
                continue
            for sign in (1.0, -1.0):
                step = _room(at, sign * way[:size])
                if step is not None:
                    yield at.system().moved(at.point, sign * way[:size], step)


def _room(at: Optimum, way: np.ndarray) -> float | None:
    """How far a direction goes; None if nowhere, without an end, or through other prices."""
    system, point = at.system(), at.point
    sizes = at.directions.sizes[: len(way)]
    n_rows, n_pairs, n_members, _ = system.sizes
    still = np.r_[0:n_rows, n_rows + n_pairs : n_rows + n_pairs + n_members]
    if np.abs(way[still] / sizes[still]).max(initial=0.0) > _PRICES * np.abs(way / sizes).max():
        return None
    there = system.moved(point, way)
    steps = [np.inf]
    for x, after in zip(point.x, there.x, strict=True):
        steps += _until(x, after - x)
    active = system.face.active
    steps += _until(point.y[active], (there.y - point.y)[active])
    upper = system.program.upper[active]
    steps += _until(
        (upper - point.y[active])[np.isfinite(upper)],
        -(there.y - point.y)[active][np.isfinite(upper)],
    )
    columns = system.columns(point)
    before = system.excess(point, columns)
    scales = np.maximum(row_scales(system.program, system.allocation(point)), 1e-300)
    change = system.excess(there, columns) - before
    change = np.where(np.abs(change) > _ROUNDING * scales, change, 0.0)
    free = np.setdiff1d(np.arange(len(before)), np.setdiff1d(system.face.rows, _weak_rows(at)))
    steps += _until(np.maximum(-before[free], 0.0), -change[free])
    end = min(steps)
    long = end * np.abs(way / sizes).max()
    return float(end) if np.isfinite(end) and long > _SOME else None


def _weak_rows(at: Optimum) -> np.ndarray:
    return at.face.weak_rows


def _until(room: np.ndarray, rate: np.ndarray) -> list[float]:
    """Steps at which what falls comes to 0."""
    falls = rate < -_ROUNDING * np.maximum(np.abs(room), np.abs(rate).max(initial=0.0))
    return [float(r) for r in np.maximum(room[falls], 0.0) / -rate[falls]]


def _same(one: Point, other: Point) -> bool:
    pairs = zip((*one.x, one.y), (*other.x, other.y), strict=True)
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-7, atol=1e-9 * np.abs(a).max(initial=0.0))
        for a, b in pairs
    )


def _on(face, system, point: Point) -> Point:  # noqa: ANN001
    """A point's values on another face of the same program."""
    xs = []
    for stream, new, old, x in zip(
        system.program.streams, face.pairs, system.face.pairs, point.x, strict=True
    ):
        table = np.zeros((len(stream.rate), len(stream.arms)))
        table[old.member, old.arm] = np.where(x > _SOME * stream.rate[old.member], x, 0.0)
        xs.append(table[new.member, new.arm])
    return Point(point.mu, tuple(xs), point.pi, point.y)
