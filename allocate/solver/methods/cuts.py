"""Convex terms in a step: those that bend it, and those that are all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allocate.models.program import Program, Term


@dataclass
class Cut:
    """A convex term that is all or nothing: what may not be positive, with its slope [rows]."""

    term: Term
    slope: np.ndarray
    value: float
    size: float


def reach(cuts: Sequence[Cut]) -> np.ndarray:
    """[rows] the change of a price that moves some cut by its size."""
    slope = np.max([np.abs(c.slope) / c.size for c in cuts], axis=0)
    return 1.0 / np.maximum(slope, 1e-300)


def term_tangents(
    program: Program,
    unit: np.ndarray,
    levels: np.ndarray | None,
    gradient: np.ndarray,
    hessian: np.ndarray,
) -> list[Cut]:
    """Slope and curvature of the terms' profits go into the objective, cuts become rows."""
    cuts = []
    for t in program.terms:
        use = program.use[:, list(t.activities)].toarray()  # a price lowers unit profits by it
        tangent = t.tangent(unit, levels, program.upper)
        gradient -= use @ tangent.gradient
        hessian += use @ tangent.hessian @ use.T
        if tangent.cut is not None:
            value, slope, size, _ = tangent.cut
            cuts.append(Cut(t, -use @ slope, value, max(size, abs(value), 1e-300)))
    return cuts
