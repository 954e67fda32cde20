"""The ground that local rules stand on: the program's arms by model, level and way, at list prices.

A list price is what a bill says: an API's price per token, a GPU's market price spread over
the work of the lane that it runs. It knows no scarcity and no congestion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from allocate.models.profits import quantity_prices
from allocate.models.program import Program
from allocate.models.state import Built
from allocate.models.stream import Stream

_CHUNK = 4_000_000  # numbers of a table of prices that are made at once


def list_prices(program: Program) -> np.ndarray:
    """[rows]: own capacity at what its supplier costs, everything else free, USD per unit."""
    out = np.zeros(len(program.rows))
    for i, rows, amounts in program.suppliers:
        out[rows[0]] = program.cost[i] / amounts[0]
    return out


def priced(stream: Stream, accounts: Sequence[str], late: bool = False) -> Stream:
    """The stream with own prices only where the bill goes to one of some accounts.

    ``late`` keeps what a member adds to the price of waiting.
    """
    slots = tuple(s if s.account in accounts else replace(s, own_price=0.0) for s in stream.slots)
    return replace(stream, slots=slots, addition=stream.addition * (1.0 if late else 0.0))


@dataclass(frozen=True)
class Ground:
    """A program without its training, and what its arms are called."""

    built: Built
    program: Program

    @property
    def stream(self) -> Stream:
        """The requests."""
        return self.program.streams[0]

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """Levels of autonomy, the one with the fewest human minutes first."""
        known = self.built.config.autonomy
        return tuple(sorted(known, key=lambda n: (known[n].human_minutes, list(known).index(n))))

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Models in the config's order."""
        return tuple(self.built.config.models)

    def _label(self, name: str) -> list[Any]:
        return [a.labels.get(name) for a in self.stream.arms]

    @cached_property
    def model_of(self) -> np.ndarray:
        """[A] → model, -1 where a human does it."""
        return np.array([-1 if m is None else self.models.index(m) for m in self._label("model")])

    @cached_property
    def level_of(self) -> np.ndarray:
        """[A] → level."""
        return np.array([self.levels.index(n) for n in self._label("autonomy")])

    @cached_property
    def by_human(self) -> np.ndarray:
        """[levels]: whether the human does the task."""
        known = self.built.config.autonomy
        return np.array([known[n].human_success is not None for n in self.levels])

    @cached_property
    def own(self) -> np.ndarray:
        """[A]: served by own GPUs."""
        return np.array([w == "own" for w in self._label("way")], bool)

    @cached_property
    def retention(self) -> np.ndarray:
        """[A] seconds that a prefix is kept."""
        return np.array([r or 0.0 for r in self._label("retention_s")])

    @cached_property
    def tiers(self) -> np.ndarray:
        """[A, 2] busy share of the lanes that prefill and decode; 0.5 where nothing is owned."""
        busy = {t.name: t.utilisation for t in self.built.tiers}
        then = self._label("tier")
        first = [p or t for p, t in zip(self._label("prefill"), then, strict=True)]
        return np.array(
            [[busy.get(a, 0.5), busy.get(b, 0.5)] for a, b in zip(first, then, strict=True)]
        )

    @cached_property
    def family(self) -> np.ndarray:
        """[A] → the lanes it runs on, whatever their speed; -1 where nothing is owned."""
        family: dict[str | None, str] = {t.name: t.family for t in self.built.tiers}
        lanes = [
            (family.get(p, ""), family[t]) if own else None
            for own, p, t in zip(self.own, self._label("prefill"), self._label("tier"), strict=True)
        ]
        number = {pair: n for n, pair in enumerate(sorted({p for p in lanes if p is not None}))}
        return np.array([-1 if pair is None else number[pair] for pair in lanes], int)

    @cached_property
    def memory_rows(self) -> frozenset[int]:
        """Rows that count memory of a lane."""
        return frozenset(r for t in self.built.tiers for r in t.rows.get("KV", ()))

    @cached_property
    def opened(self) -> np.ndarray:
        """[K, A]: arms open to each member."""
        return self.stream.menu[self.stream.group]

    @cached_property
    def action_of(self) -> np.ndarray:
        """[K] → action class."""
        return self.built.classes.action.codes[self.stream.origin]

    @cached_property
    def prices(self) -> np.ndarray:
        """[rows]: list prices."""
        return list_prices(self.program)

    def cost(
        self,
        tokens: np.ndarray,
        prices: np.ndarray | None = None,
        accounts: Sequence[str] = ("money",),
        late: bool = False,
    ) -> np.ndarray:
        """[K, A] USD of a request with ``tokens`` [K, technologies, J], from some accounts.

        At list prices unless others are given; the value account counts negative.
        """
        stream = priced(self.stream, accounts, late)
        duals = self.prices if prices is None else prices
        n_k, n_a = len(stream.rate), len(stream.arms)
        table, arms = stream.price_table(duals), np.arange(n_a)
        out = np.empty((n_k, n_a))
        size = 1 + n_k * n_a * stream.n_quantities // _CHUNK
        for part in np.array_split(np.arange(n_k), size):
            if not len(part):
                continue
            price = quantity_prices(stream, table, part, arms)
            for i in np.unique(stream.technology_of):
                at = np.flatnonzero(stream.technology_of == i)
                t = tokens[part, i]
                success, wrong = stream.technologies[i].outcome(
                    t, stream.factor_of(i, part), stream.difficulty_of(part)
                )
                amounts = np.concatenate(
                    [np.ones((len(part), 1)), t, wrong[:, None], success[:, None]], axis=1
                )
                out[np.ix_(part, at)] = np.einsum("ky,kya->ka", amounts, price[:, :, at])
        return out
