"""What a line of the price table says: how much is used, and how far the price holds."""

from __future__ import annotations

import re
from typing import Any

from allocate.cli.render.text import apart, clean, noiseless, number

_UNITS = {"USD per USD": "USD of welfare per USD"}
Row = dict[str, Any]


def used(price: Row) -> str:
    """Write use and capacity; full and nearly full read differently."""
    capacity = price.get("capacity")
    if capacity is None:
        return number(price.get("used"))
    return " / ".join(apart(noiseless(price.get("used"), capacity or 1.0), capacity))


def validity(price: Row) -> str:
    """Say the price's unit, and between which capacities the price holds."""
    low, high = price.get("valid_from"), price.get("valid_to")
    unit = _UNITS.get(clean(price["unit"]), clean(price["unit"]))
    if low is None and high is None:
        return f"The price is in {unit}."
    if low is None or high is None:
        reach = f"at least {number(low)}" if high is None else f"at most {number(high)}"
    else:
        reach = "between {} and {}".format(*apart(low, high))
    return (
        f"The price, in {unit}, stays within 10 % while the capacity is "
        f"{reach}{_unit_of(price['resource'])}."
    )


def _unit_of(resource: str) -> str:
    """Look up the unit of a capacity in the schema; nothing where it has none."""
    from allocate.models.paths import at  # pydantic, and only where a price has a range

    node = at(tuple(resource.split(".")))
    if node is None or node.unit is None:
        return ""
    if node.unit == "1/h":
        return " per hour"
    return " " + re.sub(r"^(GPU|token|request)\b", r"\1s", node.unit)
