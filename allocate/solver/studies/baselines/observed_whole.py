"""Classes that may not be declined: a table of what is done today has to say where all of them go.

What a table leaves out is not served. Where the config does not let that be, table and config
disagree, and there is nothing to compare: the joint answer has to serve what the table does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from allocate.errors import DataError, Problem
from allocate.models.loader import Loaded
from allocate.solver.studies.baselines.observed_rows import Cells
from allocate.solver.studies.baselines.observed_sums import ROUNDED
from allocate.solver.studies.baselines.observed_table import Observed, Sent
from allocate.solver.studies.ground import Ground

_EXACT = 1e-6
_HINT = "a row, or `decline: true` with what declining one costs (decline_cost_usd)"


@dataclass
class Whole:
    """Checks member by member, and tells of all that is left out at once."""

    ground: Ground
    observed: Observed
    loaded: Loaded
    problems: dict[str, Problem] = field(default_factory=dict)

    @cached_property
    def _must(self) -> np.ndarray:
        stream = self.ground.stream
        return ~np.isfinite(stream.decline_cost) & (stream.rate > 0)

    @property
    def needed(self) -> list[str]:
        """Classes that may not be declined."""
        names = self.ground.built.classes.names
        return [str(names[i]) for i in np.unique(self.ground.stream.origin[self._must])]

    def short(self, member: int, total: float) -> bool:
        """Whether a table's ``total`` share of a member is less than has to be served."""
        return bool(self._must[member] and total < 1.0 - _EXACT)

    def scaled(self, name: str, member: int, rows: list[Sent], shares: list[float]) -> bool:
        """Whether shares that are short are so by their rounding only; else keep a problem."""
        total = sum(shares)
        if total >= 1.0 - ROUNDED:
            return True
        period = self.ground.built.periods[self.ground.stream.period[member]]
        when = f" in period `{period}`" if len(self.ground.built.periods) > 1 else ""
        if name not in self.problems:
            self.problems[name] = self._left_out(name, rows, total, when)
        return False

    def check(self) -> None:
        """Raise what was kept.

        Raises:
            DataError: a class that may not be declined, and of which a part is not in the table.
        """
        if self.problems:
            raise DataError(self.problems.values())

    def _left_out(self, name: str, rows: list[Sent], total: float, when: str) -> Problem:
        path = self.observed.path
        forbids = f"the config does not let it be declined{self._where(name)}"
        lines = [r.line for r in rows if r.line]
        if not lines:
            message = f"class `{name}` is not in the table{when}, and {forbids}"
            return Problem("OBS003", message, file=path, hint=f"give {_HINT}")
        message = (
            f"the rows of `{name}` say where {100 * total:.3g} % of it go{when}, and {forbids}"
        )
        place = Cells(Path(path)).place(lines[-1], "share")
        hint = f"let the shares sum to 1; else {_HINT}"
        return Problem("OBS003", message, file=path, hint=hint, **place)

    def _where(self, name: str) -> str:
        if self.loaded.path is None:
            return ""
        for key in (("classes", name, "decline"), ("classes", name)):
            spot = self.loaded.positions.get(key)
            if spot is not None:
                return f" ({self.loaded.path}:{spot.key.line}:{spot.key.column})"
        return ""
