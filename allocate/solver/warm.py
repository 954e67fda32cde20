"""Starting from an earlier answer: what of it still fits, and what was reused.

A result file carries its prices by the name of their row, and the state of its program
(speeds, capability, worth). A later config may have other classes, lanes or rows: what has
the same name is reused, the rest starts afresh. The start only costs or saves time; the
certificate does not know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from allocate.errors import AllocateError
from allocate.models.config import Config
from allocate.models.program import Program
from allocate.models.state import State
from allocate.solver.methods.start import first_prices


class StartError(AllocateError):
    """A file holds no prices to start from."""


@dataclass(frozen=True)
class Warm:
    """Prices by row name (USD per unit) and the state that they belong to."""

    rows: Mapping[str, float]
    state: State

    @classmethod
    def read(cls, document: Any) -> Warm:
        """From a result document of ``solve``.

        Raises:
            StartError: if it holds no prices to start from.
        """
        start: Any = document.get("start") if isinstance(document, dict) else None
        try:
            rows = {str(k): float(v) for k, v in start["prices"].items()}
            state = State.from_dict(start)
        except (TypeError, KeyError, ValueError, AttributeError):
            raise StartError(
                "this file has no prices to start from; give a result of `allocate solve` "
                "with status optimal, written with --format json"
            ) from None
        finite = {k: v for k, v in rows.items() if np.isfinite(v) and v >= 0}
        return cls(finite, state)

    def state_for(self, config: Config) -> State:
        """The part of the state that this config still has."""
        return self.state.within(config)

    def prices_for(self, program: Program) -> tuple[np.ndarray, int]:
        """([rows] prices to start from, how many of them were known)."""
        known = np.array([r.name in self.rows for r in program.rows], bool)
        if not known.any():
            return first_prices(program), 0
        prices = np.array([self.rows.get(r.name, 0.0) for r in program.rows])
        if not known.all():
            prices = np.where(known, prices, first_prices(program))
        return prices, int(known.sum())


def start_of(program: Program, duals: np.ndarray, state: State) -> dict[str, Any]:
    """What a result keeps for a later start."""
    names: Sequence[str] = [r.name for r in program.rows]
    return {
        "prices": {n: float(d) for n, d in zip(names, duals, strict=True)},
        **state.to_dict(),
    }
