"""What ``--option`` says, checked: numbers in their range, choices among those there are."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable
from typing import NoReturn, overload

from allocate.errors import DataError, Problem
from allocate.models.calibration.naming import shown
from allocate.models.calibration.result import Options
from allocate.models.paths import nearest

MOST = 1e15


def refuse(name: str, text: str, why: str, hint: str | None = None) -> NoReturn:
    """Refuse a setting: its value and what is wrong with it.

    Raises:
        DataError: CAL009, at the flag.
    """
    value = shown(text)
    raise DataError(
        [Problem("CAL009", f"`{name}={value}` {why}", f"--option {name}={value}", hint=hint)]
    )


@overload
def number(
    options: Options, name: str, default: float, low: float = 0.0, high: float = MOST
) -> float: ...
@overload
def number(
    options: Options, name: str, default: None = None, low: float = 0.0, high: float = MOST
) -> float | None: ...
def number(
    options: Options,
    name: str,
    default: float | None = None,
    low: float = 0.0,
    high: float = MOST,
) -> float | None:
    """Read a number from ``low`` to ``high``; where it is not given, the default."""
    text = options.settings.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        least = f"of {low:g} or more" if high == MOST else f"from {low:g} to {high:g}"
        refuse(name, text, f"is not a number {least}")
    return value


@overload
def whole(options: Options, name: str, default: int, low: int = 1, high: int = 10**6) -> int: ...
@overload
def whole(
    options: Options, name: str, default: None = None, low: int = 1, high: int = 10**6
) -> int | None: ...
def whole(
    options: Options, name: str, default: int | None = None, low: int = 1, high: int = 10**6
) -> int | None:
    """Read a whole number from ``low`` to ``high``; where it is not given, the default."""
    text = options.settings.get(name)
    if text is None:
        return default
    digits = text.isascii() and text.isdigit() and len(text) < 16
    if not digits or not low <= int(text) <= high:
        refuse(name, text, f"is not a whole number from {low} to {high}")
    return int(text)


@overload
def choice(options: Options, name: str, known: Collection[str], default: str) -> str: ...
@overload
def choice(
    options: Options, name: str, known: Collection[str], default: None = None
) -> str | None: ...
def choice(
    options: Options, name: str, known: Collection[str], default: str | None = None
) -> str | None:
    """Read one of the words that are known, whatever its case; else the default."""
    text = options.settings.get(name)
    if text is None:
        return default
    found = next((word for word in known if word.casefold() == text.casefold()), None)
    if found is None:
        hint = nearest(text, known) or f"it takes {', '.join(known)}"
        refuse(name, text, "is not one of the choices", hint)
    return found


def several(options: Options, name: str) -> list[str] | None:
    """Read names written as ``a|b``; None where the setting is not given."""
    text = options.settings.get(name)
    if text is None:
        return None
    names = [part.strip() for part in text.split("|") if part.strip()]
    if not names:
        refuse(name, text, "names nothing", "write it as a|b")
    return names


def all_there(name: str, wanted: Iterable[str], there: Iterable[str], message: str) -> None:
    """Refuse names that the source does not have, whatever their case.

    Args:
        name: the setting that says them.
        wanted: what it says.
        there: what the source has.
        message: what is wrong, before the names, as ``no run is of``.

    Raises:
        DataError: CAL009, with what was probably meant.
    """
    known = {text.casefold(): text for text in there}
    missing = sorted(text for text in wanted if text.casefold() not in known)
    if missing:
        listed = ", ".join(shown(text) for text in missing[:5])
        close = difflib.get_close_matches(missing[0].casefold(), known, n=1, cutoff=0.6)
        hint = nearest(known[close[0]] if close else missing[0], sorted(known.values()))
        raise DataError([Problem("CAL009", f"{message} {listed}", f"--option {name}", hint=hint)])


def config_name(options: Options, name: str, default: str) -> str:
    """Read a name that a config will hold: dots would part it in a dotted path."""
    text = options.settings.get(name, default)
    if "." in text or not text.isprintable():
        refuse(name, text, "cannot be a name in a config", "leave out dots")
    return text
