"""Names from configs, made safe for a terminal, and numbers as a person reads them."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from allocate.cells import clean

NOTHING = "-"  # what stands where there is no number
ROUNDING = 1e-6  # numbers closer than this share of themselves are the same
MOST = 8  # digits that tell them apart
_KILO = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def clean_lines(text: str) -> str:
    """Do the same for a message of several lines."""
    return "\n".join(clean(line) for line in text.expandtabs(4).split("\n"))


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Fold a sentence; a number keeps its sign of percent beside it."""
    whole = text.replace(" %", "\u00a0%")
    lines = textwrap.wrap(whole, max(width, 20), subsequent_indent=indent, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]


def number(value: Any, digits: int = 4) -> str:
    """Write a number with ``digits`` significant digits and thousands separators.

    >>> number(48213.777), number(0.0182349), number(1e-14), number(None)
    ('48,214', '0.01823', '1e-14', '-')
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NOTHING if value is None or isinstance(value, float) else clean(value)
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e15 or size < 1e-4:
        return f"{value:.{max(digits - 2, 0)}g}".replace("e-0", "e-").replace("e+", "e")
    decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def apart(one: Any, other: Any, digits: int = 4) -> tuple[str, str]:
    """Write two numbers with as many digits as tell them apart, but for rounding.

    >>> apart(255.98, 256), apart(256 - 1e-7, 256)
    (('255.98', '256'), ('256', '256'))
    """
    texts = number(one, digits), number(other, digits)
    if one is None or other is None or texts[0] != texts[1]:
        return texts
    if digits >= MOST or abs(one - other) <= ROUNDING * abs(other):
        return texts
    return apart(one, other, digits + 1)


def short(value: Any, digits: int = 3) -> str:
    """Write a count briefly: 12.3k tokens, 1.5M tokens."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NOTHING
    for size, letter in _KILO:
        if abs(value) >= 0.9995 * size:
            return number(value / size, digits) + letter
    return "0" if abs(value) < 1e-6 else number(value, digits)


def noiseless(value: Any, scale: float, floor: float = 1e-9) -> Any:
    """Show 0 for what a solver leaves of a zero: below ``floor`` of the quantity's scale."""
    if isinstance(value, float) and abs(value) < floor * max(abs(scale), 1e-300):
        return 0.0
    return value


def percent(share: Any, digits: int = 3) -> str:
    """Write a share of one in percent, without the sign: the header carries it."""
    if not isinstance(share, int | float):
        return NOTHING
    value = 100.0 * share
    return "0" if abs(value) < 1e-6 else "<0.01" if 0 < value < 0.01 else number(value, digits)


def money(usd: Any, digits: int = 5) -> str:
    """Write an amount of USD.

    >>> money(48213.777), money(-0.52), money(0.00012345)
    ('$48,214', '-$0.52', '$0.00012345')
    """
    if not isinstance(usd, int | float):
        return NOTHING
    text = number(abs(usd), digits)
    if "." in text and abs(usd) >= 0.1:  # cents are written in full
        text = f"{abs(usd):,.2f}"
    return f"{'-' if usd < 0 else ''}${text}"
