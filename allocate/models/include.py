"""``include:`` of a config: pieces of other files, below what the config itself says.

A mapping is merged key by key, and a list whose items have names item by item; anything else
in the config takes the place of what was included. Of two files, the later one wins.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from allocate.errors import Problem
from allocate.models.source import KeyPath, Source, read_bytes, read_source

KEY = "include"


class Included(NamedTuple):
    """A value that an included file gave: the file, and the value's path in it."""

    source: Source
    inside: KeyPath

    def place(self, problem: Problem, below: KeyPath, at_key: bool) -> Problem:
        """Point a problem of the value, or of what lies ``below`` it, at the included file."""
        path = (*self.inside, *below)
        found, spot = self.source.find(path)
        at = spot.key if at_key or found != path else spot.value
        placed = self.source.problem(problem.code, problem.message, at, problem.hint)
        return dataclasses.replace(placed, path=problem.path, severity=problem.severity)


def read_included(
    data: dict[str, Any], base_dir: Path
) -> Iterator[tuple[dict[KeyPath, Included], bytes, list[Problem]]]:
    """Merge the files that a config includes into its data, the last one first.

    Yields, for each file: where each value that it gave stands, its bytes, and its problems.

    Raises:
        ConfigError: a file cannot be read as a config's piece.
    """
    names = data.get(KEY)
    if not isinstance(names, list):
        return  # absent, or of the wrong kind, which the schema says
    for index in range(len(names) - 1, -1, -1):
        name = names[index]
        if not isinstance(name, str):
            continue
        path = base_dir / name
        raw = read_bytes(path, str(path))
        source = read_source(raw, str(path))
        problems = list(source.problems)
        for key in (KEY, "version"):
            if key in source.data:
                _, spot = source.find((key,))
                problems.append(
                    source.problem(
                        "CFG004",
                        f"`{key}` has no place in an included file",
                        spot.key,
                        "remove it here; it belongs into the config",
                    )  # fmt: skip
                )
                del source.data[key]
        given: dict[KeyPath, Included] = {}
        _merge(data, source.data, (), (), source, given)
        yield given, raw, problems


def _merge(
    into: dict[str, Any],
    piece: dict[str, Any],
    at: KeyPath,
    inside: KeyPath,
    source: Source,
    given: dict[KeyPath, Included],
) -> None:
    """Put what ``into`` does not say from ``piece``; ``at`` and ``inside`` are their paths."""
    for key, value in piece.items():
        here, there = (*at, key), (*inside, key)
        if key not in into:
            into[key] = copy.deepcopy(value)
            given[here] = Included(source, there)
            continue
        mine = into[key]
        if isinstance(mine, dict) and isinstance(value, dict):
            _merge(mine, value, here, there, source, given)
        elif isinstance(mine, list) and isinstance(value, dict) and _has_names(mine):
            _merge_named(mine, value, here, there, source, given)


def _merge_named(
    into: list[dict[str, Any]],
    piece: dict[str, Any],
    at: KeyPath,
    inside: KeyPath,
    source: Source,
    given: dict[KeyPath, Included],
) -> None:
    by_name = {item["name"]: i for i, item in enumerate(into)}
    for name, value in piece.items():
        there = (*inside, name)
        if not isinstance(value, dict):
            continue
        if name in by_name:
            _merge(into[by_name[name]], value, (*at, by_name[name]), there, source, given)
        else:
            into.append({"name": name, **copy.deepcopy(value)})
            given[(*at, len(into) - 1)] = Included(source, there)


def _has_names(items: list[Any]) -> bool:
    return bool(items) and all(
        isinstance(i, dict) and isinstance(i.get("name"), str) for i in items
    )
