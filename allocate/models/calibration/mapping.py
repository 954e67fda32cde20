"""Which column is which: names that are known, and those that ``--map`` gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from allocate.errors import DataError, Problem
from allocate.models.calibration.naming import shown
from allocate.models.calibration.private import holds_text
from allocate.models.calibration.reading import fail
from allocate.models.paths import nearest

_TEXTS = {"class", "group", "model", "helper", "variant", "effort", "provider", "gpu"}
"""Fields and settings whose values become names in tables and configs."""


def parse_pairs(texts: Iterable[str], known: Mapping[str, str], flag: str) -> dict[str, str]:
    """Read ``name=value`` texts of a repeatable flag against the names that are known.

    Raises:
        DataError: with every text that is wrong.
    """
    pairs: dict[str, str] = {}
    problems = []
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            hint = f"write it as `{flag} {next(iter(known), 'name')}=value`"
            message = f"`{text}` is not name=value"
        elif name not in known:
            message = f"`{name}` is not one of the names of {flag}"
            listed = ", ".join(known) or "none for this kind"
            hint = nearest(name, known) or f"it takes {listed}"
        elif name in _TEXTS and holds_text(value):
            message = f"`{name}={value}` would make names of what somebody wrote"
            hint = "name one that holds a kind of request or a name"
        elif name in pairs:
            message, hint = f"`{name}` is given twice", "keep one of them"
        else:
            pairs[name] = value
            continue
        problems.append(Problem("CAL009", message, f"{flag} {text}", hint=hint))
    if problems:
        raise DataError(problems)
    return pairs


def choose(
    header: Sequence[str],
    aliases: Mapping[str, Sequence[str]],
    given: Mapping[str, str],
    path: Path,
    needed: Sequence[str] = (),
    meanings: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Find the column of each field: as ``given``, else the first alias in the header.

    Args:
        header: columns of the file.
        aliases: field → names it is known by, best first; case and spaces do not matter.
        given: field → column, from ``--map``.
        path: the file, for messages.
        needed: fields that must be found.
        meanings: field → what it is, with its unit, said where it was not found.

    Returns:
        field → column for those found.

    Raises:
        DataError: a given column is not there, or a needed field was not found.
    """
    plain = {_plain(column): column for column in reversed(header)}
    found: dict[str, str] = {}
    for field, names in aliases.items():
        if field in given:
            if given[field] not in header:
                hint = nearest(given[field], header) or f"it has {_listed(header)}"
                fail("CAL005", f"there is no column `{given[field]}`", path, 1, hint=hint)
            found[field] = given[field]
            continue
        column = next((plain[_plain(n)] for n in names if _plain(n) in plain), None)
        if column is not None:
            found[field] = column
    missing = [field for field in needed if field not in found]
    if missing:
        told = [f"{field} ({meanings[field]})" if meanings else field for field in missing]
        fail(
            "CAL005",
            f"no column was found for {', '.join(told)}",
            path,
            1,
            hint=f"name it with `--map {missing[0]}=COLUMN`; the file has {_listed(header)}",
        )
    return found


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _listed(header: Sequence[str]) -> str:
    listed = ", ".join(shown(name) for name in header[:12])
    return f"{listed}, …" if len(header) > 12 else listed
