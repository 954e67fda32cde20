"""A quadratic program in prices and surpluses: its rows, block by block, and its solution."""

from __future__ import annotations

from typing import Any

import clarabel as _clarabel
import numpy as np
import scipy.sparse as sp

solver: Any = _clarabel  # its compiled module carries no types


class Rows:
    """Rows of A x ≤ b over the three kinds of variable: price change d, surpluses s and b."""

    def __init__(self, n_d: int, n_s: int, n_b: int):
        self.sizes, self.left, self.right = (n_d, n_s, n_b), [], []

    def add(self, right: np.ndarray, d=None, s=None, b=None) -> None:
        """Rows d·x_d − x_s[s] − x_b[b] ≤ right; index -1 for no such variable."""
        n = len(right)
        blocks = [sp.csr_matrix((n, self.sizes[0])) if d is None else sp.csr_matrix(d)]
        for index, size in ((s, self.sizes[1]), (b, self.sizes[2])):
            index = np.full(n, -1) if index is None else np.asarray(index)
            at = np.flatnonzero(index >= 0)
            blocks.append(sp.csr_matrix((-np.ones(len(at)), (at, index[at])), shape=(n, size)))
        self.left.append(sp.hstack(blocks))
        self.right.append(right)

    def stacked(self) -> tuple[sp.csc_matrix, np.ndarray]:
        """(A, b)."""
        return sp.csc_matrix(sp.vstack(self.left)), np.concatenate(self.right)


def least(p, q, a, b) -> tuple[np.ndarray, np.ndarray] | None:
    """Min ½x'Px + q'x, Ax ≤ b: (x, multipliers), or None if it came to nothing."""
    settings = solver.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
    settings.reduced_tol_gap_abs = settings.reduced_tol_gap_rel = 1e-6
    settings.reduced_tol_feas = 1e-6
    cones = [solver.NonnegativeConeT(a.shape[0])]
    solution = solver.DefaultSolver(p, q, a, b, cones, settings).solve()
    x, z = np.array(solution.x), np.array(solution.z)
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(z))):
        return None
    if str(solution.status) not in ("Solved", "AlmostSolved"):
        if max(solution.r_prim, solution.r_dual) > 1e-5:
            return None
    return x, z
