"""Many pairs of member and arm of one stream, priced and answered together.

For each technology and kind of arm (``monomials.py``) all pairs are answered in blocks that
stay in the cache. Tables are by group and arm, so what is worked on per pair is a handful
of numbers however many slots there are.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from allocate.models.stream import Columns, Stream

_BLOCK = 1 << 15  # pairs answered at once: long enough that threads seldom meet between two


class Answers(NamedTuple):
    """Best responses of n pairs, per request.

    ``profit`` [n] in USD, in the order of the pairs; ``amounts`` [n, J+3] in cell order.
    """

    profit: np.ndarray
    amounts: np.ndarray


class Pricer:
    """The prices of a stream's monomials at some duals."""

    def __init__(self, stream: Stream, duals: np.ndarray):
        monomials = stream.monomials
        m, n_a = monomials.width, len(stream.arms)
        by_slot = monomials.weight @ stream.slot_prices(duals).T
        table = np.asarray(by_slot).reshape(n_a, m, -1)
        self.table = np.ascontiguousarray(np.moveaxis(table, -1, 0)).reshape(-1, m)  # [G·A, M]
        self.added = monomials.added.reshape(n_a, m)


class _Block(NamedTuple):
    """Pairs of one technology and kind that are answered at once; all [b] are in cell order."""

    part: slice  # of the cell order
    technology: int
    columns: tuple[tuple[int, int], ...]  # (quantity, feature) of each monomial
    cell: np.ndarray  # [runs] group · A + arm
    count: np.ndarray  # [runs] pairs of each
    features: np.ndarray  # [b, F]


class Pairs:
    """Pairs ``member``, ``arm`` [n] of a stream; see the module.

    Work is done in *cell order*: by technology, kind, group and arm (``order`` [n]).
    """

    def __init__(self, stream: Stream, member: np.ndarray, arm: np.ndarray):
        self.stream, self.monomials = stream, stream.monomials
        self.member, self.arm = member, arm

    def __len__(self) -> int:
        return len(self.member)

    def part(self, index: np.ndarray) -> Pairs:
        """Only some of them."""
        return Pairs(self.stream, self.member[index], self.arm[index])

    @cached_property
    def order(self) -> np.ndarray:
        """[n] the pairs in cell order."""
        return np.argsort(self._codes, kind="stable")

    @cached_property
    def _codes(self) -> np.ndarray:
        """[n] place of the pair's cell among all cells, by technology and kind first."""
        rank, n_groups = self.monomials.rank, len(self.stream.rows)
        codes = rank[self.arm] * n_groups + self.stream.group[self.member]
        small = len(rank) * n_groups < 1 << 16  # sorted by radix
        return codes.astype(np.uint16 if small else np.int64)

    @cached_property
    def _blocks(self) -> list[_Block]:
        stream, n_arms = self.stream, len(self.stream.arms)
        codes = self._codes[self.order].astype(np.int64)
        arm = self.monomials.by_rank[codes // max(len(stream.rows), 1)]
        name = stream.technology_of[arm] * len(self.monomials.quantity) + self.monomials.kind[arm]
        out = []
        edges = [0, *(np.flatnonzero(np.diff(name)) + 1), len(name)]
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            for start in range(low, high, _BLOCK):
                part = slice(start, min(start + _BLOCK, high))
                technology, kind = divmod(int(name[start]), len(self.monomials.quantity))
                own = codes[part]
                first = np.flatnonzero(np.diff(own, prepend=-1))
                rank, group = np.divmod(own[first], len(stream.rows))
                cell = group * n_arms + self.monomials.by_rank[rank]
                columns = zip(
                    self.monomials.quantity[kind], self.monomials.feature[kind], strict=True
                )
                features = stream.features[self.member[self.order[part]]]
                count = np.diff(np.append(first, len(own)))
                out.append(_Block(part, technology, tuple(columns), cell, count, features))
        return out

    def answer(self, at: Pricer) -> Answers:
        """Best responses at some prices."""
        out = self._answered(at, detailed=False)
        return Answers(out.profit, out.amounts)

    def columns(self, at: Pricer) -> Columns:
        """Best responses with the prices that they answer, in the order of the pairs."""
        found = self._answered(at, detailed=True)
        back = np.empty(len(self), int)
        back[self.order] = np.arange(len(self))
        return found._replace(
            prices=found.prices[back],
            amounts=found.amounts[back],
            log_revenue=found.log_revenue[back],
        )

    def _answered(self, at: Pricer, detailed: bool) -> Columns:
        """Profits in the order of the pairs, everything else in cell order."""
        stream, n, width = self.stream, len(self), self.stream.n_quantities
        profit, amounts = np.empty(n), np.empty((n, width))
        prices, revenue = np.empty((n, width) if detailed else (0, width)), np.empty(n)
        amounts[:, 0] = 1.0
        for block in self._blocks:
            index = self.order[block.part]
            member = self.member[index]
            price = self._prices(at, block, member)
            r = stream.technologies[block.technology].best_response(
                -price[-1],
                np.stack(price[1:-2], axis=-1) if stream.n_uses else np.empty((len(member), 0)),
                price[-2],
                stream.factor_of(block.technology, member),
                stream.difficulty_of(member),
            )
            profit[index] = r.profit - price[0]
            amounts[block.part, 1:-2], amounts[block.part, -2] = r.tokens, r.wrong
            # a power law without effort is −∞: the profit says so, where success has a price
            amounts[block.part, -1] = np.where(np.isfinite(r.success), r.success, 0.0)
            if detailed:
                prices[block.part] = np.stack(price, axis=-1)
                revenue[block.part] = r.log_revenue
        return Columns(self.member, self.arm, prices, amounts, profit, revenue)

    def _prices(self, at: Pricer, block: _Block, member: np.ndarray) -> list[np.ndarray]:
        """[J+3] arrays [b]: price of each quantity, USD per unit."""
        stream = self.stream
        table = at.table[block.cell]
        added = at.added[block.cell % len(stream.arms)] if len(stream.addition) else None
        addition = stream.addition[member] if added is not None else 0.0
        out = [np.zeros(len(member)) for _ in range(stream.n_quantities)]
        for m, (y, f) in enumerate(block.columns):
            unit = np.repeat(table[:, m], block.count)
            if added is not None and added[:, m].any():
                unit += np.repeat(added[:, m], block.count) * addition
            out[y] += block.features[:, f] * unit
        return out

    def use(self, flow: np.ndarray, amounts: np.ndarray, n_rows: int) -> np.ndarray:
        """[rows]: what ``flow`` [n] requests an hour use altogether, with the amounts answered."""
        stream, width = self.stream, self.monomials.width
        ordered = flow[self.order]
        if len(stream.rows) * len(stream.arms) * width > 4 * len(self) + 100_000:
            member, arm = self.member[self.order], self.arm[self.order]
            return np.asarray(stream.row_use(member, arm, amounts, n_rows) @ ordered)
        total = np.zeros((len(stream.rows) * len(stream.arms), width))
        for block in self._blocks:
            first = np.cumsum(block.count) - block.count
            weight, own = ordered[block.part], amounts[block.part]
            for m, (y, f) in enumerate(block.columns):
                data = weight * block.features[:, f]
                data = data if y == 0 else data * own[:, y]
                total[block.cell, m] += np.add.reduceat(data, first)
        by_slot = total.reshape(len(stream.rows), -1) @ self.monomials.weight
        out = np.zeros(n_rows + 1)
        np.add.at(out, stream.rows, np.asarray(by_slot))  # row −1 is the last, dropped
        return out[:-1]
