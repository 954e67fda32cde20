"""All request classes as columns: from the config, from a table, or from both.

A million classes are a million numbers a column, so nothing here makes an object a class.
Fields, bounds and defaults are those of ``RequestClass``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from allocate.models.config import Config, RequestClass

if TYPE_CHECKING:
    from allocate.models.table import Table

L = TypeVar("L", str, tuple[str, ...])
Floats = NDArray[np.float64]

NUMBERS = (
    "rate_per_s",
    "value_usd",
    "latency_usd_per_s",
    "loss",
    "irreversible_loss",
    "prompt_tokens",
    "prefix_tokens",
    "output_tokens",
    "context_tokens",
    "calls",
    "difficulty",
    "max_tpot_ms",
    "max_ttft_s",
    "decline_cost_usd",
    "max_defer_h",
    "defer_usd_per_h",
    "trainability",
)
TEXTS = ("action", "tenant", "reuse", "sharing")
LISTS = ("periods", "models", "autonomy")


@dataclass(frozen=True)
class Coded(Generic[L]):
    """A column of labels: ``labels[codes[k]]`` is that of class k; -1 where it has none."""

    codes: NDArray[np.int32]
    labels: tuple[L, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, k: int) -> L | None:
        code = self.codes[k]
        return None if code < 0 else self.labels[code]

    @classmethod
    def encode(cls, values: Iterable[L | None]) -> Coded[L]:
        """Code labels in the order in which they are first met."""
        known: dict[L, int] = {}
        codes = [-1 if v is None else known.setdefault(v, len(known)) for v in values]
        return cls(np.array(codes, dtype=np.int32), tuple(known))

    def append(self, other: Coded[L]) -> Coded[L]:
        """Put another column below this one."""
        known = {label: code for code, label in enumerate(self.labels)}
        codes = [known.setdefault(label, len(known)) for label in other.labels]
        # The last entry is where code -1 leads.
        moved = np.array([*codes, -1], dtype=np.int32)[other.codes]
        return Coded(np.concatenate([self.codes, moved]), tuple(known))


class Names(Sequence[str]):
    """Names of classes, each made when it is asked for."""

    def __init__(self, length: int, make: Callable[[int], str]) -> None:
        self._length, self._make = length, make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._make(k) for k in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._make(int(index) % self._length)

    def __iter__(self) -> Iterator[str]:
        return (self._make(k) for k in range(self._length))

    def __repr__(self) -> str:
        shown = ", ".join(self[:3])
        return f"Names({shown}{', …' if len(self) > 3 else ''})"


@dataclass(frozen=True, eq=False)
class Classes:
    """Request classes as columns, one array a field of ``RequestClass``.

    Numbers are NaN where an optional field is not given. Those of the config come first,
    in its order, then the rows of the table.
    """

    names: Sequence[str]
    rate_per_s: Floats
    value_usd: Floats
    latency_usd_per_s: Floats
    loss: Floats
    irreversible_loss: Floats
    prompt_tokens: Floats
    prefix_tokens: Floats
    output_tokens: Floats
    context_tokens: Floats
    calls: Floats
    difficulty: Floats
    max_tpot_ms: Floats
    max_ttft_s: Floats
    decline_cost_usd: Floats
    max_defer_h: Floats
    defer_usd_per_h: Floats
    trainability: Floats
    decline: NDArray[np.bool_]
    action: Coded[str]
    tenant: Coded[str]
    reuse: Coded[str]
    sharing: Coded[str]
    periods: Coded[tuple[str, ...]]
    models: Coded[tuple[str, ...]]
    autonomy: Coded[tuple[str, ...]]
    quality: dict[str, Floats]
    """By model: success ceiling, NaN where a class does not give one."""
    inline: int = 0
    """How many of them stand in the config; the rest are rows of the table."""

    def __len__(self) -> int:
        return len(self.rate_per_s)

    @classmethod
    def build(cls, config: Config, base_dir: Path) -> Classes:
        """Collect the classes of a config and of its table, or raise a ``DataError``."""
        inline = _from_config(config.classes)
        if config.class_table is None:
            return inline
        from allocate.models.table import read_table  # brings polars

        return inline._append(read_table(config, base_dir))

    def _append(self, table: Table) -> Classes:
        count = len(self)
        first, more = self.names, table.names
        names = Names(count + len(more), lambda k: first[k] if k < count else more[k - count])
        columns: dict[str, Any] = {}
        for name in (*NUMBERS, "decline"):
            columns[name] = np.concatenate([getattr(self, name), table.columns[name]])
        for name in (*TEXTS, *LISTS):
            columns[name] = getattr(self, name).append(table.columns[name])
        quality = {
            model: np.concatenate([_quality(self.quality, model, count), below])
            for model, below in table.quality.items()
        }
        for model in self.quality.keys() - quality.keys():
            below = _quality(table.quality, model, len(more))
            quality[model] = np.concatenate([self.quality[model], below])
        return Classes(names, quality=quality, inline=count, **columns)


def _quality(quality: dict[str, Floats], model: str, count: int) -> Floats:
    return quality.get(model, np.full(count, np.nan))


def _from_config(classes: dict[str, RequestClass]) -> Classes:
    items = list(classes.values())
    columns: dict[str, Any] = {}
    for name in NUMBERS:
        values = [getattr(item, name) for item in items]
        columns[name] = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    for name in TEXTS:
        columns[name] = Coded.encode(getattr(item, name) for item in items)
    for name in LISTS:
        values = (getattr(item, name) for item in items)
        columns[name] = Coded.encode(None if v is None else tuple(v) for v in values)
    columns["decline"] = np.array([item.decline for item in items], dtype=np.bool_)
    models = dict.fromkeys(model for item in items for model in item.quality)
    quality = {
        model: np.array([item.quality.get(model, np.nan) for item in items], dtype=np.float64)
        for model in models
    }
    names = list(classes)
    return Classes(names, quality=quality, inline=len(names), **columns)


def named_rows(rows: NDArray[np.int64]) -> str:
    """Name the first rows of a table, and how many there are."""
    listed = ", ".join(str(row + 1) for row in rows[:5])
    if len(rows) == 1:
        return f"row {listed}"
    return f"rows {listed}" if len(rows) <= 5 else f"rows {listed}, … ({len(rows):,} in all)"
