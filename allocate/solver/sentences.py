"""What a price says in a sentence: what one more unit, or a step inside its range, would gain."""

from __future__ import annotations

import math

from allocate.models.program import Resource

_CORNER = 1e-3  # less room than this share of a capacity is none
Range = tuple[float | None, float | None]


def is_floor(r: Resource) -> bool:
    """Whether a capacity is a least amount, so that more of it can only cost."""
    return r.path.endswith("min_share")


def sentence(r: Resource, value: float, pay: float, slack: bool, reach: Range) -> str:
    """Say a price. ``reach`` holds the capacities between which it is valid (None: not met).

    One unit more is spoken of where the price holds for it, else a step for which it does.
    """
    if value == 0.0 and is_floor(r):
        return "The limit holds nothing up: it costs nothing."
    if value == 0.0 and slack:
        return f"Some of it is to spare: the next {r.noun} is worth nothing."
    if value == 0.0:
        return f"Nobody would pay for the next {r.noun}."
    step = _step(r.capacity, reach)
    if step != 1.0:
        return _of_step(r, value, pay, step)
    if value < 0.0:
        return f"The limit costs: one {r.noun} more lowers welfare by {_usd(-value)} an hour."
    if r.kind == "gpu":
        return (
            f"The next {r.noun} is worth {_usd(value + pay)}; you pay {_paid(r, pay)}, "
            f"so one more gains {_usd(value)}."
        )
    if pay > 0:
        return (
            f"The next {r.noun} is worth {_usd(value + pay)} and costs {_usd(pay)}, "
            f"so one more gains {_usd(value)} an hour."
        )
    return f"The next {r.noun} is worth {_usd(value)} an hour."


def _step(capacity: float | None, reach: Range) -> float:
    """How much more a price speaks for: 1 if it can, else a power of ten; negative: how much less.

    At a corner a price holds on one side only: the last step, and not the next, is worth it.
    """
    if not capacity:
        return 1.0
    low, high = reach
    more = capacity if high is None else high - capacity
    if more >= 1.0 or (high is None and capacity >= 1.0):
        return 1.0
    if more > _CORNER * capacity:
        return _power_of_ten(more)
    less = capacity - (low or 0.0)
    return -min(_power_of_ten(less), 1.0) if less > _CORNER * capacity else 1.0


def _power_of_ten(room: float) -> float:
    return 10.0 ** math.floor(math.log10(room) + 1e-9)


def _of_step(r: Resource, value: float, pay: float, step: float) -> str:
    """Say what a step brings; at a corner, what the last one does."""
    size = abs(step)
    if value < 0.0:
        verb = "more lowers" if step > 0 else "less raises"
        return f"The limit costs: {size:g} {verb} welfare by {_usd(-value * size)} an hour."
    gain = f"gains {_usd(value * size)} an hour"
    if pay > 0:
        gain += f": it is worth {_usd((value + pay) * size)} and costs {_usd(pay * size)}"
    return f"{size:g} more {gain}." if step > 0 else f"The last {size:g} {gain}. More gains less."


def _paid(r: Resource, pay: float) -> str:
    """What a GPU costs, and why that is less than its price where it is not always busy."""
    share = pay / r.pay if r.pay else 1.0
    if share > 1 - 1e-9:
        return _usd(pay)
    return f"{_usd(pay)} ({_usd(r.pay)} in the {100 * share:.3g} % of the day when all are in use)"


def _usd(amount: float) -> str:
    """Four digits at least, and never in powers of ten."""
    if 0 < amount < 1e-4:
        return f"${amount:.{3 - math.floor(math.log10(amount))}f}".rstrip("0")
    return f"${amount:,.0f}" if amount >= 1e4 else f"${amount:,.4g}"
