"""Limits on spending, as two rows of a program."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from allocate.models.program import Program
from allocate.solver.studies.ground import Ground
from allocate.solver.studies.investment import Investment, payments
from allocate.solver.studies.terms import MACHINES, SPENDING, limited

ON_MACHINES, IN_ALL = "spending on machines", "spending in all"


@dataclass(frozen=True)
class Caps:
    """Spending that may not be exceeded, USD per hour: on machines, and in all."""

    machines: float = np.inf
    total: float = np.inf

    @property
    def bind(self) -> bool:
        """Whether anything is limited."""
        return bool(np.isfinite(self.machines) or np.isfinite(self.total))

    def limit(self, program: Program) -> Program:
        """The program with these limits as rows."""
        for name, accounts, most in (
            (ON_MACHINES, MACHINES, self.machines),
            (IN_ALL, SPENDING, self.total),
        ):
            if np.isfinite(most):
                program = limited(program, name, accounts, most)
        return program

    def on(self, ground: Ground, invested: Investment) -> Ground:
        """The ground with what an investment leaves of these limits as rows."""
        paid = payments(ground.built.program, invested)
        left = Caps(max(self.machines - paid, 0.0), max(self.total - paid, 0.0))
        return replace(ground, program=left.limit(ground.program))
