"""What a sweep varies: ``PATH=from:to:points`` and ``PATH=a,b,c``, checked before any solve.

Points stand in an order in which neighbours follow one another, so that each starts from an
answer that is near its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic

from allocate.errors import AllocateError, ConfigError, UnitError
from allocate.models import paths
from allocate.models.loader import Loaded
from allocate.models.source import Source, parse
from allocate.solver.studies.plan.case import rounded

MOST = 100_000  # points of a sweep
_EXAMPLE = "write it as PATH=from:to:points or PATH=a,b,c, e.g. demand.scale=0.5:2:7"


class SweepError(AllocateError):
    """A sweep that cannot be made as it is written."""

    def __init__(self, text: str, message: str, hint: str) -> None:
        super().__init__(f"--sweep {text}: {message}\nhelp: {hint}")


@dataclass(frozen=True)
class Axis:
    """A dotted path and the values it takes, in the order given."""

    path: str
    values: tuple[Any, ...]


def read_axis(text: str, data: dict[str, Any]) -> Axis:
    """Read one ``--sweep``.

    Args:
        text: as written.
        data: the config's content: which items there are.

    Raises:
        SweepError: with what to write instead.
    """
    path, equals, written = (part.strip() for part in text.partition("="))
    if not equals or not path or not written:
        raise SweepError(text, "a sweep needs a path, `=` and values", _EXAMPLE)
    try:
        keys = paths.resolve(path, data)
    except paths.PathError as error:
        raise SweepError(text, str(error), error.hint) from None
    node = paths.at(keys)
    if node is not None and node.inner:
        raise SweepError(text, f"`{path}` is a section, not a value", "go on to one of its fields")
    parts = written.split(":")
    if len(parts) == 1:
        values = tuple(_value(text, keys, part.strip()) for part in _listed(text, written))
    elif len(parts) == 3:
        values = _spread(text, keys, parts)
    else:
        raise SweepError(text, f"`{written}` has {len(parts)} parts, a range has 3", _EXAMPLE)
    if len(set(map(repr, values))) < len(values):
        raise SweepError(text, "a value stands there twice", "name each value once")
    return Axis(path, values)


def _listed(text: str, written: str) -> list[str]:
    values = written.split(",")
    if any(not value.strip() for value in values):
        raise SweepError(text, "a value is empty", "leave no comma before, after or beside another")
    return values


def _value(text: str, keys: paths.KeyPath, written: str) -> Any:
    """One value as ``--set`` would take it; a number with a unit is in the field's own."""
    try:
        value = parse(written, Source(text))
        checked = paths.validate(keys, value)
    except (pydantic.ValidationError, UnitError, ConfigError) as error:
        raise SweepError(
            text, f"`{written}` cannot be used: {_said(error)}", _takes(keys)
        ) from None
    number = isinstance(checked, int | float) and not isinstance(checked, bool)
    return checked if number else value


def _said(error: Exception) -> str:
    if isinstance(error, pydantic.ValidationError):
        return error.errors()[0]["msg"].removeprefix("Value error, ").lower()
    if isinstance(error, ConfigError):
        return error.problems[0].message
    return str(error)


def _takes(keys: paths.KeyPath) -> str:
    node = paths.at(keys)
    unit = None if node is None else node.unit
    bare = "a bare number" if unit is None else f"a bare number is in {unit}"
    return f"{paths.dotted(keys)}: {bare}; see docs/formats.md for what it takes"


def _spread(text: str, keys: paths.KeyPath, parts: Sequence[str]) -> tuple[float, ...]:
    first, last = (_number(text, keys, part) for part in parts[:2])
    count = parts[2].strip()
    if not count.isdecimal() or int(count) < 1:
        hint = "give how many points, both ends counted: 0:256:16"
        raise SweepError(text, f"`{count}` is not a number of points", hint)
    points = int(count)
    if points == 1 and first != last:
        hint = f"give at least 2 points, or {paths.dotted(keys)}={parts[0].strip()}"
        raise SweepError(text, "one point does not reach from one end to the other", hint)
    if points > 1 and first == last:
        hint = f"write {paths.dotted(keys)}={parts[0].strip()} for one value"
        raise SweepError(text, "the range is empty: both ends are the same", hint)
    if points > MOST:
        raise SweepError(text, f"{points:,} points are too many", f"take at most {MOST:,}")
    step = (last - first) / max(points - 1, 1)
    return tuple(rounded(first + i * step, 12) for i in range(points))


def _number(text: str, keys: paths.KeyPath, written: str) -> float:
    value = _value(text, keys, written.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        hint = "a range is of numbers; list other values: PATH=a,b,c"
        raise SweepError(text, f"`{written.strip()}` is not a number", hint)
    return float(value)


def read_axes(texts: Iterable[str], loaded: Loaded) -> list[Axis]:
    """Read every ``--sweep`` of a command.

    Raises:
        SweepError: with what to write instead.
    """
    data = content(loaded)
    axes: list[Axis] = []
    for text in texts:
        axis = read_axis(text, data)
        if any(axis.path == other.path for other in axes):
            raise SweepError(text, f"`{axis.path}` is swept twice", "put all its values in one")
        axes.append(axis)
    count = math.prod(len(axis.values) for axis in axes)
    if count > MOST:
        sizes = " x ".join(str(len(axis.values)) for axis in axes)
        raise SweepError(
            " --sweep ".join(texts), f"{sizes} = {count:,} points are too many", "take fewer"
        )
    return axes


def content(loaded: Loaded) -> dict[str, Any]:
    """The config as a mapping with its items: where paths lead."""
    return loaded.config.model_dump(exclude_unset=True, by_alias=True)


def grid(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Every combination of values; each differs from the one before in one step of one axis."""
    return [
        {axis.path: axis.values[i] for axis, i in zip(axes, place, strict=True)}
        for place in snake([len(axis.values) for axis in axes])
    ]


def in_order(axes: Sequence[Axis]) -> list[int]:
    """Numbers of the points of ``grid`` as a table lists them: the last axis runs fastest."""
    places = list(snake([len(axis.values) for axis in axes]))
    return sorted(range(len(places)), key=places.__getitem__)


def snake(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Places of a grid in an order that turns round at every end.

    >>> list(snake([2, 2]))
    [(0, 0), (0, 1), (1, 1), (1, 0)]
    """
    if not sizes:
        yield ()
        return
    for i, rest in itertools.product(range(sizes[0]), [list(snake(sizes[1:]))]):
        for place in rest if i % 2 == 0 else reversed(rest):
            yield (i, *place)
