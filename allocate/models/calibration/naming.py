"""Names and numbers as they stand in a config, and what a message may quote of a source."""

from __future__ import annotations

import math
import re

_SHOWN = 40
BOARDS = {
    "h100": "h100sxm",
    "a100": "a100sxm",
    "h200": "h200sxm",
    "b200": "b200sxm",
    "b300": "b300sxm",
}
"""A GPU family named without its board is the SXM one."""


def shown(value: object, most: int = _SHOWN) -> str:
    """Quote a cell or a name in a message: printable characters only, and not many."""
    return "".join(c for c in str(value) if c.isprintable())[:most]


def rounded(value: float, digits: int = 5) -> float:
    """Round to significant digits, as numbers stand in a config."""
    if value == 0 or not math.isfinite(value):
        return value
    return float(round(value, digits - 1 - math.floor(math.log10(abs(value)))))


def slug(text: str) -> str:
    """Make a name for a config of any text: lower case, no dots, no slashes."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.rsplit("/", 1)[-1].casefold()).strip("_")
    return plain[:60] or "unnamed"


def gpu_name(text: str) -> str:
    """Name a GPU type in a config: as its data sheet here, so that lists agree; else a slug.

    ``B200`` and ``H100-SXM`` have one; ``H100 (80 GB)`` may be several things and keeps its name.
    """
    from allocate.models.calibration.lanes.hardware import packaged  # which names by this module

    plain = re.sub(r"[^a-z0-9]", "", text.casefold())
    known = {re.sub(r"[^a-z0-9]", "", name): name for name in packaged().gpus}
    return known.get(BOARDS.get(plain, plain)) or slug(text)
