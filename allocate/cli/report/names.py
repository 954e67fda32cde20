"""Names for bars: made safe, unlike each other, and with the period where there are several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from allocate.cli.render.text import clean
from allocate.cli.report.parts import Field, Row, named

NOT_SERVED = "not served"
MOST_BARS = 24  # of a chart; its table has all


def distinct(names: Sequence[str], otherwise: Sequence[str]) -> list[str]:
    """Give names that stand for several things what tells them apart, on a second line."""
    times = Counter(names)
    return [
        f"{name}\n{other}" if times[name] > 1 else name
        for name, other in zip(names, otherwise, strict=True)
    ]


def label(line: Row, *keys: str) -> str:
    """Join a line's names; those that are not given are left out."""
    return ", ".join(clean(line[key]) for key in keys if line.get(key))


def largest(names: Sequence[str], size: Callable[[str], float]) -> tuple[list[str], str]:
    """Keep as many names as a chart has room for, in order, and say how many it leaves out."""
    kept = list(dict.fromkeys(names))
    if len(kept) <= MOST_BARS:
        return kept, ""
    chosen = set(sorted(kept, key=lambda name: -size(name))[:MOST_BARS])
    left = len(kept) - MOST_BARS
    return (
        [name for name in kept if name in chosen],
        f" The {MOST_BARS} largest are drawn; {left} more are in the data.",
    )


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a number that a chart can draw."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def period_field(lines: Sequence[Row]) -> list[Field]:
    """Return the column of the periods, where there are several."""
    if any(line.get("period") for line in lines):
        return [Field("period", "period", write=named)]
    return []


def flat(name: str) -> str:
    """Write a bar's name on one line."""
    return name.replace("\n", ", ")


def pieces(lines: list[Row], names: list[str]) -> list[Row]:
    """Leave what a stacked chart draws of the named bars, so that its spec holds nothing else."""
    keys = ("name", "part", "size", "say")
    return [{key: line[key] for key in keys} for line in lines if line["name"] in names]
