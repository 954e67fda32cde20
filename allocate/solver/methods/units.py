"""What every variable of a step is measured in, so that its numbers are near one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocate.models.program import Program
from allocate.solver.methods.near import Pairs
from allocate.solver.methods.pricing import Pricing

_NOTHING = 1e-100  # of a row's own unit: no unit of a price is to be told from such a flow


@dataclass
class Units:
    """What every variable is measured in, so that it is money over the dual.

    ``level`` [activities] a typical level, ``price`` [rows] a typical change of a price,
    ``weight`` [rows] what that moves as a share of the dual; ``scale`` the dual, USD/h.
    """

    level: np.ndarray
    price: np.ndarray
    weight: np.ndarray
    scale: float

    @classmethod
    def of(
        cls, program: Program, at: Pricing, flow: np.ndarray, pairs: Pairs, scale: float
    ) -> Units:
        """A row by what flows through it, an activity by what its unit costs.

        Where nothing flows or nothing is paid, by what the neighbours say.
        """
        use = abs(program.use).tocoo()

        def largest(axis: int, weight: np.ndarray) -> np.ndarray:
            """Along rows (0) or activities (1), the largest weighted use over the dual."""
            out = np.zeros(use.shape[axis])
            mine, other = (use.row, use.col) if axis == 0 else (use.col, use.row)
            np.maximum.at(out, mine, use.data * weight[other] / scale)
            return out

        def inverse(x: np.ndarray, otherwise: float) -> np.ndarray:
            return np.where(x > 0, 1.0 / np.where(x > 0, x, 1.0), otherwise)

        gross = np.abs(program.capacity) + flow
        gross = np.where(gross > _NOTHING, gross, 0.0)
        priced = np.abs(program.cost) + np.asarray(abs(program.use).T @ at.duals).ravel()
        own = program.cost != 0  # prices may vanish, a cost does not
        level = np.where(own, scale / np.where(own, priced, 1.0), 0.0)
        price = np.minimum(scale * inverse(gross, np.inf), inverse(largest(0, level), np.inf))
        known = np.where(np.isfinite(price), price, 0.0)
        level = np.where(own, level, inverse(largest(1, known), 1.0))
        price = np.where(np.isfinite(price), price, inverse(largest(0, level), 1.0))
        return cls(level, price, np.maximum(gross * price / scale, 1e-9), scale)
