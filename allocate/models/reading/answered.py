"""A program with its answer: what every layer reads from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.state import Built
from allocate.models.stream import Flows, Stream

LEAST = 1e-9  # of a rate, a replica or a token an hour: less is nothing


@dataclass(frozen=True)
class Answered:
    """An allocation and the duals of a program, [rows], USD per unit.

    ``program`` may have more rows and activities than ``built.program``, at the end: the
    numbers that the layers were given still hold.
    """

    built: Built
    program: Program
    allocation: Allocation
    duals: np.ndarray

    @property
    def stream(self) -> Stream:
        """The requests."""
        return self.program.streams[0]

    @property
    def flows(self) -> Flows:
        """Where the requests go."""
        return self.allocation.flows[0]

    def when(self, period: int) -> dict[str, str]:
        """The columns that say when: none where there is one moment only."""
        return self.built.moments.when(period)
