"""What the prices that requests meet on an arm are made of.

A price is a sum of *monomials*: a quantity (tokens of some use, …) times a feature of the
member. Arms whose prices have the same monomials are of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Monomials:
    """The monomials of A arms, at most M each, and the slots that they occupy.

    ``quantity`` and ``feature`` are tuples by kind; arrays: ``technology``, ``kind`` [A];
    ``weight`` [A · M, S] the slots that a unit of each monomial of an arm occupies, and
    ``added`` [A · M] how much of that is the slot whose price members add to.
    """

    quantity: tuple[tuple[int, ...], ...]
    feature: tuple[tuple[int, ...], ...]
    technology: np.ndarray
    kind: np.ndarray
    weight: sp.csr_matrix
    added: np.ndarray

    @cached_property
    def by_rank(self) -> np.ndarray:
        """[A] the arms by technology, and by kind within it."""
        return np.lexsort((self.kind, self.technology))

    @cached_property
    def rank(self) -> np.ndarray:
        """[A] the place of each arm in that order."""
        return np.argsort(self.by_rank)

    @property
    def width(self) -> int:
        """M, the most monomials that an arm has."""
        return max((len(q) for q in self.quantity), default=0)

    @cached_property
    def by_arm(self) -> tuple[np.ndarray, np.ndarray]:
        """([A, E] slots that an arm occupies, or −1; [A, M, E] ``weight`` on these)."""
        n_a, c = len(self.kind), self.weight.tocoo()
        arm, m = np.divmod(c.row, max(self.width, 1))
        n_s = int(c.col.max(initial=-1)) + 1
        pairs, entry = np.unique(arm.astype(np.int64) * n_s + c.col, return_inverse=True)
        owner, slot = np.divmod(pairs, max(n_s, 1))
        place = np.arange(len(pairs)) - np.searchsorted(owner, np.arange(n_a))[owner]
        slots = np.full((n_a, int(place.max(initial=-1)) + 1), -1)
        slots[owner, place] = slot
        weights = np.zeros((n_a, self.width, slots.shape[1]))
        np.add.at(weights, (arm, m, place[entry]), c.data)
        return slots, weights

    @classmethod
    def of(
        cls,
        coefficients: sp.csr_matrix,
        technology: np.ndarray,
        shape: tuple[int, int, int],
        addition_slot: int = -1,
    ) -> Monomials:
        """Those of a stream: its ``coefficients`` [(J+3) · F · A, S], ``technology`` [A].

        ``shape`` is (J + 3, F, S); the price of ``addition_slot`` (−1: none) is added to.
        """
        c = coefficients.tocoo()
        n_a, (n_quantities, n_f, n_s) = len(technology), shape
        quantity, rest = np.divmod(c.row, max(n_f * n_a, 1))
        feature, arm = np.divmod(rest, max(n_a, 1))
        present, entry = np.unique(
            (arm.astype(np.int64) * n_quantities + quantity) * n_f + feature,
            return_inverse=True,
        )
        owner, what = np.divmod(present, max(n_quantities * n_f, 1))
        first = np.searchsorted(owner, np.arange(n_a + 1))
        kinds: dict[tuple[int, ...], int] = {}
        kind = np.empty(n_a, int)
        for a in range(n_a):
            kind[a] = kinds.setdefault(tuple(what[first[a] : first[a + 1]].tolist()), len(kinds))
        width = max(map(len, kinds), default=0)
        place = owner * width + np.arange(len(present)) - first[owner]
        weight = sp.csr_matrix((c.data, (place[entry], c.col)), shape=(n_a * width, n_s))
        at = addition_slot
        added = np.zeros(n_a * width) if at < 0 else weight[:, at].toarray().ravel()
        split = [
            tuple(zip(*(divmod(w, n_f) for w in key), strict=True)) or ((), ()) for key in kinds
        ]
        quantities, features = tuple(q for q, _ in split), tuple(f for _, f in split)
        return cls(quantities, features, technology, kind, weight, added)
