"""Names and numbers as they stand in a config, and what a message may quote of a source."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from allocate.models.calibration.private import last_part

_SHOWN = 40
_WORDS = 6  # of a date, written out, with its time and zone
BOARDS = {
    "h100": "h100sxm",
    "a100": "a100sxm",
    "h200": "h200sxm",
    "b200": "b200sxm",
    "b300": "b300sxm",
}
"""A GPU family named without its board is the SXM one."""


def shown(value: object, most: int = _SHOWN) -> str:
    """Quote a cell or a name in a message: printable characters only, and not many.

    Of a path its last part; of what reads like a sentence, which may be a prompt, its length.
    """
    text = last_part(str(value))
    if len(text.split()) > _WORDS:
        return f"a text of {len(text):,} characters"
    return printable(text)[:most]


def printable(text: str) -> str:
    """Leave out what does not print: control and direction characters."""
    return "".join(c for c in text if c.isprintable())


def rounded(value: float, digits: int = 5) -> float:
    """Round to significant digits, as numbers stand in a config."""
    if value == 0 or not math.isfinite(value):
        return value
    return float(round(value, digits - 1 - math.floor(math.log10(abs(value)))))


def slug(text: str) -> str:
    """Make a name for a config of any text: lower case, no dots, no slashes."""
    return _plain(last_part(text).rsplit("/", 1)[-1])


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:60] or "unnamed"


def unique_slugs(names: Iterable[str], owners: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make names for a config that stay apart: ``{name: slug}``, in the order of ``names``.

    Names with one last part, such as ``openai/gpt-4o`` and ``azure/gpt-4o``, are told apart by all
    of their parts, else by their owner, else by a number.

    Args:
        names: as a source writes them; one that stands twice counts once.
        owners: name → who sells or makes it, where that is known.
    """
    short = {name: slug(name) for name in names}
    shared = Counter(short.values())
    taken = Counter(short.values())
    out: dict[str, str] = {}
    for name, plain in short.items():
        if shared[plain] > 1:
            whole, owner = _plain(last_part(name)), _plain((owners or {}).get(name, ""))
            known = owner != "unnamed" and not whole.startswith(owner)
            plain = f"{owner}_{whole}" if known else whole
        base, i = plain, 2
        while plain in out.values() or (plain != short[name] and taken[plain]):
            plain, i = f"{base}_{i}", i + 1
        out[name] = plain
    return out


def gpu_name(text: str) -> str:
    """Name a GPU type in a config: as its data sheet here, so that lists agree; else a slug.

    ``B200`` and ``H100-SXM`` have one; ``H100 (80 GB)`` may be several things and keeps its name.
    """
    from allocate.models.calibration.lanes.hardware import packaged  # which names by this module

    plain = re.sub(r"[^a-z0-9]", "", text.casefold())
    known = {re.sub(r"[^a-z0-9]", "", name): name for name in packaged().gpus}
    return known.get(BOARDS.get(plain, plain)) or slug(text)
