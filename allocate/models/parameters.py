"""The numbers of a config, one by one: what an answer hangs on, and the config with one moved.

A parameter is a number that is written in the config and may move a little by itself. What is
counted, what only names something and what stands in a class table is left out, with the reason.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.loader import Loaded
from allocate.models.paths import KeyPath, Node, at, dotted
from allocate.models.units import Quantity

_COMMENTARY = ("scenarios", "assumed", "calibrated", "diagnose", "include", "version")
_NAMES_ONLY = {"versions": "it tells rollouts apart and enters no formula"}
_SUM_TO_ONE = "probability"


@dataclass(frozen=True)
class Parameter:
    """A number of the config: where it stands, what it is, between which bounds it may be.

    ``keys`` lead to it in the config's values, ``path`` is what a person calls it. ``others``
    are numbers that give way in proportion when it moves: probabilities sum to 1.
    """

    path: str
    keys: KeyPath
    value: float
    quantity: Quantity
    others: tuple[KeyPath, ...] = ()

    @property
    def unit(self) -> str:
        """The unit of its value, "1" where it has none."""
        return self.quantity.unit

    def room(self) -> tuple[float, float]:
        """How far it may move down and up; both 0 or more."""
        q = self.quantity
        low = max(-float("inf") if b is None else b for b in (q.ge, q.gt))
        high = min(float("inf") if b is None else b for b in (q.le, q.lt))
        return self.value - low, high - self.value


@dataclass(frozen=True)
class LeftOut:
    """A number of the config that no derivative is taken with respect to, and why."""

    path: str
    reason: str


def parameters(loaded: Loaded) -> tuple[list[Parameter], list[LeftOut]]:
    """The numbers that are written in a config, and those of them that cannot be moved."""
    found: list[Parameter] = []
    left: list[LeftOut] = []
    for names, keys, node, raw in _leaves((), (), at(()), loaded.data):
        path, reason = dotted(names), _reason(names, node)
        if reason is not None:
            left.append(LeftOut(path, reason))
        elif (quantity := node.quantity) is not None:
            found.append(Parameter(path, keys, float(quantity.read(raw)), quantity))
    if loaded.config.class_table is not None:
        why = "the numbers of a class table are too many to be moved one by one"
        left.append(LeftOut("class_table", why))
    return [_with_others(p, found) for p in found], left


def moved(loaded: Loaded, change: Mapping[Parameter, float]) -> tuple[Config, Classes]:
    """The config and its classes with some parameters at other values.

    Raises:
        ValueError: the values make no config.
    """
    config = Config.model_validate(written(loaded, change))
    if config.class_table is None or _of_classes(change):
        return config, Classes.build(config, loaded.base_dir)
    return config, loaded.classes


def written(loaded: Loaded, change: Mapping[Parameter, float]) -> dict[str, Any]:
    """The values of the config with some parameters at others."""
    data: Any = copy.deepcopy(dict(loaded.data))
    for parameter, value in change.items():
        _put(data, parameter.keys, value)
        kept = 1.0 - parameter.value
        for keys in parameter.others:
            share = (1.0 - value) / kept if kept > 0 else 0.0
            _put(data, keys, float(parameter.quantity.read(_get(loaded.data, keys))) * share)
    return data


def _of_classes(change: Mapping[Parameter, float]) -> bool:
    return any(p.keys[0] in ("classes", "class_table") for p in change)


def _leaves(names: KeyPath, keys: KeyPath, node: Node | None, raw: Any) -> Iterator[tuple]:
    """(names, keys, node, value) of every number below a place, as the file has them."""
    if node is None or (len(names) == 1 and names[0] in _COMMENTARY):
        return
    if isinstance(raw, Mapping):
        for key, inner in raw.items():
            yield from _leaves((*names, key), (*keys, key), node.child(key, raw), inner)
    elif isinstance(raw, list | tuple):
        for i, inner in enumerate(raw):
            named = isinstance(inner, Mapping) and "name" in inner and node.named
            own = {k: v for k, v in inner.items() if k != "name"} if named else inner
            name = inner["name"] if named else i
            yield from _leaves((*names, name), (*keys, i), _item(node, i), own)
    elif _number(node, raw):
        yield names, keys, node, raw


def _item(node: Node, i: int) -> Node | None:
    """What the schema has at a place of a list, or of a pair such as ``[multiple, score]``."""
    for kind in node.kinds:
        if get_origin(kind) is tuple:
            return Node(get_args(kind)[i])
    item = node.item
    return None if item is None else Node(item)


def _number(node: Node, raw: Any) -> bool:
    if isinstance(raw, bool) or raw is None:
        return False
    return node.quantity is not None or (isinstance(raw, int | float) and _counted(node))


def _counted(node: Node) -> bool:
    """Whether it is a whole number by the schema."""
    return any(kind is int for kind in _kinds(node.annotation))


def _kinds(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, types.UnionType) or hasattr(annotation, "__metadata__"):
        for part in get_args(annotation)[: None if get_origin(annotation) else 1]:
            yield from _kinds(part)
    else:
        yield annotation


def _reason(names: KeyPath, node: Node) -> str | None:
    if node.quantity is None:
        return "it counts something"
    return _NAMES_ONLY.get(str(names[-1]))


def _with_others(parameter: Parameter, every: list[Parameter]) -> Parameter:
    if parameter.keys[-1] != _SUM_TO_ONE:
        return parameter
    group = parameter.keys[:-2]
    others = tuple(
        p.keys
        for p in every
        if p.keys[-1] == _SUM_TO_ONE and p.keys[:-2] == group and p.keys != parameter.keys
    )
    return Parameter(parameter.path, parameter.keys, parameter.value, parameter.quantity, others)


def _get(data: Any, keys: KeyPath) -> Any:
    for key in keys:
        data = data[key]
    return data


def _put(data: Any, keys: KeyPath, value: float) -> None:
    here = _get(data, keys[:-1])
    if isinstance(here, tuple):
        _put(data, keys[:-2] + (keys[-2],), [*here[: keys[-1]], value, *here[keys[-1] + 1 :]])  # type: ignore[arg-type]
    else:
        here[keys[-1]] = value
