"""The gate that every text of a calibration passes: no folder of a person, no text of a prompt.

A model that is served from disk is called by its path, and a path names its owner: of each only
the last part leaves, which is the model's name. Results pass here once (``Calibration.to_dict``,
``Calibration.piece``, ``writing.write``), and errors once (``running.run``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from allocate.errors import DataError, Problem

if TYPE_CHECKING:
    import polars as pl

_ROOT = r"(?:[a-z][a-z0-9+]*://|file:|~(?=[a-z_./\\]|$)|\$\w+[/\\]|%\w+%[/\\]|[a-z]:[/\\]|\.{1,2}[/\\]|[/\\])"
_PATH = re.compile(_ROOT, re.IGNORECASE)
# Within a sentence: up to the last slash before a mark that ends a name; spaces are part of one.
_WITHIN = re.compile(
    r"(?<![\w/\\~])((?:file:|~|[A-Za-z]:[/\\]|\.{1,2}[/\\]|[/\\])(?=[^\s/\\]|//)"
    r"[^`\"'\n,;()<>|]*[/\\])([\w.-]*)"
)
_HOMES = {"home", "users"}
_NAMELESS = "unnamed"

_CONTENT = re.compile(
    r"(?:^|[._])(?:prompts?|completions?|messages?|content|instructions?|arguments|body|query_text"
    r"|question|answer|text|input|output)(?:\.value)?$|\.(?:messages|prompts?|completions?)\."
    r"|^gen_ai\.(?:tool\.(?:call\.)?(?:arguments|result|description)|tool\.definitions)",
    re.IGNORECASE,
)


def last_part(text: str) -> str:
    """Return the last part of a path, and any other text as it is; a home folder has no name.

    >>> last_part("/home/alice/models/m-7b"), last_part("org/m-7b"), last_part("/home/alice")
    ('m-7b', 'org/m-7b', 'unnamed')
    """
    plain = text.strip()
    if not _PATH.match(plain):
        return text
    parts = [part for part in re.split(r"[/\\]+", plain) if part]
    root = len(parts) < 2 and not plain.startswith(("/", "\\"))
    owner = len(parts) > 1 and parts[-2].casefold() in _HOMES
    if not parts or owner or (root and plain.startswith("~")) or parts[-1] in ("~", ".", ".."):
        return _NAMELESS
    return parts[-1].removeprefix("file:")


def without_paths(text: str) -> str:
    """Return a text in which every path is its last part, alone or within a sentence."""
    if "/" not in text and "\\" not in text and not text.lstrip().startswith("~"):
        return text
    return _WITHIN.sub(lambda found: last_part(found[0]) if found[2] else "", last_part(text))


def cleaned(value: Any) -> Any:
    """Return plain values with every text, also each key, without paths; keys stay apart."""
    if isinstance(value, str):
        return without_paths(value)
    if isinstance(value, Mapping):
        return {
            key: cleaned(inner) for key, inner in zip(_keys(value), value.values(), strict=True)
        }
    if isinstance(value, list | tuple):
        return [cleaned(inner) for inner in value]
    return value


def _keys(names: Iterable[Any]) -> list[Any]:
    """Names without paths; one that is changed and meets another gets a number."""
    clean = {name: without_paths(name) if isinstance(name, str) else name for name in names}
    taken = {name for name, short in clean.items() if short == name}
    for name, short in clean.items():
        if short != name:
            new, i = short, 2
            while new in taken:
                new, i = f"{short}_{i}", i + 1
            taken.add(new)
            clean[name] = new
    return list(clean.values())


def cleaned_table(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose texts and names of columns hold no path."""
    import polars as pl

    names = dict(zip(table.columns, _keys(table.columns), strict=True))
    texts = [column for column, kind in table.schema.items() if kind == pl.String]
    for column in texts:
        each = table[column].unique().drop_nulls().to_list()
        changed = {text: short for text in each if (short := without_paths(text)) != text}
        if changed:
            table = table.with_columns(pl.col(column).replace(changed))
    return table.rename({old: new for old, new in names.items() if old != new})


def cleaned_error(error: DataError) -> DataError:
    """Return an error that quotes no path and no line of a source; its place is the user's own."""

    def clean(problem: Problem) -> Problem:
        hint = problem.hint and without_paths(problem.hint)
        message = without_paths(problem.message)
        return replace(problem, message=message, hint=hint, source_line=None)

    return DataError([clean(problem) for problem in error.problems])


def holds_text(name: str) -> bool:
    """Whether an attribute or column, by its name, holds what somebody wrote."""
    return bool(_CONTENT.search(name.strip()))
