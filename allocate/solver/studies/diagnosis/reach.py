"""Which arms a request may move to when some of its decisions are free and the others stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from allocate.solver.studies.diagnosis.view import View

_FAR = 1e12  # between a prefix that is resident and one that is not


@dataclass(frozen=True)
class Reach:
    """The arms around the flows of a view.

    A decision that stays is kept as nearly as the other arm can keep it: another model has
    other speeds and other times that prefixes are kept.
    """

    view: View

    def opened(self, flow: np.ndarray, free: Iterable[str]) -> np.ndarray:
        """[n, A] arms that flows may move to when some decisions are free."""
        view, ground, free = self.view, self.view.ground, frozenset(free)
        arm = view.flows.arm[flow]
        by_human = view.human[arm][:, None]
        out = ground.opened[view.flows.member[flow]].copy()
        if "model" not in free:
            model = ground.model_of[None, :] == ground.model_of[arm][:, None]
            same = model & (ground.family[None, :] == ground.family[arm][:, None])
            if "level" in free:  # to a human, or from one to any model
                same |= view.human[None, :] | by_human
            out &= same
        if "level" not in free:
            out &= ground.level_of[None, :] == ground.level_of[arm][:, None]
        if "lane" not in free:
            out &= ~ground.own[None, :] | self.near_lane(flow)
        if "kept" not in free:
            out &= ~ground.own[None, :] | self.near_kept(flow)
        return out

    def near_lane(self, flow: np.ndarray) -> np.ndarray:
        """[n, A] arms at the speed nearest to what flows have now, of those in their family."""
        ground, arm = self.view.ground, self.view.flows.arm[flow]
        busy = logit(ground.tiers)
        return self._nearest(flow, np.abs(busy[None] - busy[arm][:, None]).max(axis=2))

    def near_kept(self, flow: np.ndarray) -> np.ndarray:
        """[n, A] arms that keep prefixes as flows do now, as nearly as their family can."""
        ground, arm, shared = self.view.ground, self.view.flows.arm[flow], self.view.shared
        far = np.abs(ground.retention[None, :] - ground.retention[arm][:, None])
        return self._nearest(flow, far + _FAR * (shared[None, :] != shared[arm][:, None]))

    def _nearest(self, flow: np.ndarray, far: np.ndarray) -> np.ndarray:
        """[n, A] the least ``far`` of every family of lanes; all, for flows on no own lane."""
        ground = self.view.ground
        far = np.where(ground.opened[self.view.flows.member[flow]], far, np.inf)
        out = np.ones(far.shape, bool)
        for family in np.unique(ground.family[ground.own]):
            mine = ground.family == family
            out[:, mine] = far[:, mine] <= far[:, mine].min(axis=1, keepdims=True) + 1e-9
        out[~ground.own[self.view.flows.arm[flow]]] = True
        return out
