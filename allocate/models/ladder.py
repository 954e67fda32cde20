"""Speeds on a ladder around those in use: a menu on which a price may be followed.

A menu that was refined for one answer is fine next to its speeds and coarse beyond, so that
a price on it jumps as soon as a capacity moves. With steps that grow with the distance, the
best speed for a capacity that is x % off is met to a fraction of x %.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocate.models.lanes import FASTEST, SLOWEST, listed, speeds
from allocate.models.program import Allocation
from allocate.models.state import Built, State, speeds_in_use

_RUNGS = (0.01, 0.05, 0.2)  # of logit utilisation, to both sides


def laddered(built: Built, allocation: Allocation) -> State:
    """The state of an answer with a ladder of speeds around every tier in use.

    What else refinement has left near them goes; speeds that the user listed stay.
    """
    config = built.config
    grid = speeds(config, None, built.needed)
    fixed = listed(config)
    for family, active in speeds_in_use(built.program, allocation).items():
        if family in fixed:
            continue
        at = np.log(active) - np.log1p(-np.array(active))
        rungs = np.concatenate([at[:, None] + sign * np.array(_RUNGS) for sign in (-1, 1)])
        u = 1.0 / (1.0 + np.exp(-rungs.ravel()))
        new = {round(float(x), 9) for x in u if FASTEST <= x <= SLOWEST}
        grid[family] = sorted({*grid[family], *active, *new})
    return replace(built.state, grid=grid)
