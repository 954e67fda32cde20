"""Requests that were not served though serving them pays: by choice, or for lack of room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from allocate.solver.studies.diagnosis.repairs import ROUNDING
from allocate.solver.studies.diagnosis.view import PARTS, Pairs, View
from allocate.solver.studies.diagnosis.walls import Walls

_PART = 1e-7  # of a member's requests


@dataclass(frozen=True)
class Refused:
    """The declined part of every member, and the best way that it was not given.

    Where there is room only on a way that is not the best, the rest of the loss is for want of
    capacity.
    """

    view: View

    @cached_property
    def requests(self) -> np.ndarray:
        """[K] declined, per hour."""
        view = self.view
        served = np.bincount(view.flows.member, view.flows.requests, len(view.stream.rate))
        left = view.stream.rate - served
        return np.where(left > _PART * view.stream.rate, left, 0.0)

    @property
    def penalty(self) -> np.ndarray:
        """[K] what declining costs, USD per request."""
        return self.view.stream.penalty

    @cached_property
    def loss(self) -> np.ndarray:
        """[K] what a declined request would have brought beyond declining it, USD."""
        lost = self.view.best + self.penalty
        small = lost <= ROUNDING * (np.abs(self.view.best) + self.view.stream.stake)
        return np.where(small | (self.requests <= 0), 0.0, lost)

    @cached_property
    def _ways(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(members, arms, parts): the best way with room that pays, of members that have one."""
        view = self.view
        member = np.flatnonzero(self.loss > 0)
        profits = view.stream.profits(view.duals, member)
        floor = -self.penalty[member][:, None] + ROUNDING * view.stream.stake[member][:, None]
        at, arms = np.nonzero(profits > floor)
        if not len(at):
            none = np.zeros(0, int)
            return none, none, np.zeros((0, len(PARTS)))
        pairs = view.priced(member[at], arms, view.tokens_of(member[at], arms))
        room = Walls(view).open_to(pairs)
        at, arms, pairs = at[room], arms[room], pairs.at(room)
        order = np.lexsort((-pairs.profit, at))
        first = order[np.unique(at[order], return_index=True)[1]]
        first = first[pairs.profit[first] > floor[at[first], 0]]
        return member[at[first]], arms[first], pairs.parts[first]

    def by_choice(self) -> Iterator[tuple[int, float, int, np.ndarray]]:
        """(member, requests per hour, arm that has room, parts of a request there)."""
        for k, arm, parts in zip(*self._ways, strict=True):
            yield int(k), float(self.requests[k]), int(arm), parts

    def crowded(self) -> tuple[np.ndarray, Pairs, np.ndarray]:
        """(members, their best ways, USD per request) of what was turned away for want of room."""
        view = self.view
        left = self.loss.copy()
        for k, _, _, parts in self.by_choice():
            left[k] -= float(parts[0] - parts[1:].sum() + self.penalty[k])
        member = np.flatnonzero(left > ROUNDING * view.stream.stake)
        arm = view.stream.profits(view.duals, member).argmax(axis=1) if len(member) else member
        pairs = view.priced(member, arm, view.tokens_of(member, arm))
        return member, pairs, left[member]

    @property
    def chosen_usd(self) -> float:
        """USD per hour lost by declining what there is room for."""
        return sum(
            x * float(parts[0] - parts[1:].sum() + self.penalty[k])
            for k, x, _, parts in self.by_choice()
        )

    @property
    def crowded_out_usd(self) -> float:
        """USD per hour lost by turning away what a full capacity kept out."""
        return float(self.loss @ self.requests) - self.chosen_usd
