"""Shares of a class that are more than all of it: two rows that count the same requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allocate.solver.studies.baselines.observed_table import Sent

ROUNDED = 0.01  # of a class: shares as people write them sum to one within so much


def covers(named: str | None, moment: str) -> bool:
    """Whether a row speaks of a moment: of its period, in whatever scenario."""
    return named in (None, moment) or moment.endswith(f": {named}")


def too_much(sent: Iterable[Sent], moments: Iterable[str]) -> Iterator[tuple[Sent, str]]:
    """Rows at which a class's shares have come to more than all of it, and what to say of them.

    Requests per second are not counted: more of them than arrive is a config that expects less
    than was logged, and no slip of a row. A row that alone is too much is told elsewhere.
    """
    moments = tuple(moments)
    shared: dict[str, list[Sent]] = {}
    for row in sent:
        if row.share is not None:
            shared.setdefault(row.name, []).append(row)
    for name, rows in shared.items():
        if max(row.share or 0.0 for row in rows) > 1.0 + ROUNDED:
            continue
        for moment, total in _totals(rows, moments).items():
            if total > 1.0 + ROUNDED:
                mine = [row for row in rows if covers(row.period, moment) and row.share]
                when = f" in `{moment}`" if any(row.period for row in mine) else ""
                yield (
                    mine[-1],
                    f"the shares of `{name}`{when} sum to {total:.4g}, more than all of it",
                )
                break  # a slip is often the same in every period


def _totals(rows: list[Sent], moments: tuple[str, ...]) -> Mapping[str, float]:
    """Sums of shares by moment; none where all rows together are no more than the class."""
    by_period: dict[str | None, float] = {}
    for row in rows:
        by_period[row.period] = by_period.get(row.period, 0.0) + (row.share or 0.0)
    if sum(by_period.values()) <= 1.0 + ROUNDED:
        return {}
    return {m: sum(s for named, s in by_period.items() if covers(named, m)) for m in moments}
