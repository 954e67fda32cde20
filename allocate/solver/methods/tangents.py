"""Tangents of pairs at other prices: what a step along a tie has missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from allocate.models.program import Program
from allocate.models.stream import Columns
from allocate.solver.methods.pricing import Pool, Pricing


@dataclass
class Tangents:
    """Some pairs of a stream at other prices: their codes in the pool, and their columns.

    ``profit`` [n] is what the tangents come to where all prices are 0.
    """

    codes: np.ndarray
    columns: Columns
    profit: np.ndarray
    use: sp.csc_matrix

    @classmethod
    def missed(
        cls, program: Program, at: Pricing, pool: Pool, trial: np.ndarray, worth: float
    ) -> list[Tangents]:
        """By stream, those at a trial that tell more than the ones at hand, by USD per hour."""
        out = []
        for i, stream in enumerate(program.streams):
            who, arm = pool.pairs(program, i)
            here, there = (stream.columns(d, who, arm) for d in (at.duals, trial))
            use = stream.row_use(who, arm, here.amounts, len(program.rows))
            error = there.profit - (here.profit - use.T @ (trial - at.duals))
            place = np.flatnonzero(stream.rate[who] * error > worth)
            columns = Columns(*(c[place] for c in there))
            use = stream.row_use(who[place], arm[place], columns.amounts, len(program.rows))
            codes = pool.codes[i][place]
            out.append(cls(codes, columns, columns.profit + use.T @ trial, use))
        return out
