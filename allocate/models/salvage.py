"""What can be kept of a config with mistakes, so that one pass finds all of them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from allocate.errors import Problem
from allocate.models.paths import KeyPath, Node, at, value_at


def salvage(data: dict[str, Any], wrong: Iterable[KeyPath]) -> tuple[dict[str, Any], list[KeyPath]]:
    """Replace what is wrong by something harmless.

    A wrong field with a default is left out; what cannot be left out gets a stand-in, so
    that names can still be referred to. Returns the new data and the paths that changed.
    """
    data = copy.deepcopy(data)
    changed = [_mend(data, path) for path in sorted(set(wrong), key=len, reverse=True)]
    return data, changed


def judged(problem: Problem, changed: Iterable[KeyPath]) -> bool:
    """Whether a later check's problem stands, although other things were wrong.

    An item with a wrong part cannot be judged as a whole; its references can.
    """
    for path in changed:
        part = problem.path[: len(path)] == path
        item = problem.path[:2] == path[:2]
        if part or (item and problem.code != "CFG020"):
            return False
    return True


def _mend(data: dict[str, Any], path: KeyPath) -> KeyPath:
    for length in range(len(path), 0, -1):
        here, key = path[:length], path[length - 1]
        parent, node, above = value_at(data, here[:-1]), at(here), at(here[:-1])
        if not isinstance(key, str) or above is None or (above.form and key == above.form):
            continue
        if above.named:
            _replace(parent, key, stand_in(Node(above.item)))
            return here
        if not isinstance(parent, dict):
            continue
        optional = node is None or node.field is None or not node.field.is_required()
        if node is not None and node.named:
            # Without its names, every reference to this section would seem wrong.
            return ()
        if optional:
            parent.pop(key, None)
        elif node is not None:
            parent[key] = stand_in(node)
        return here
    return ()


def _replace(items: Any, key: str, value: dict[str, Any]) -> None:
    if isinstance(items, dict):
        items[key] = value
    elif isinstance(items, list):
        for index, item in enumerate(items):
            if isinstance(item, dict) and item.get("name") == key:
                items[index] = {"name": key, **value}


def stand_in(node: Node) -> Any:
    """Make the smallest value that the schema takes at a node."""
    if node.sections:
        fields = node.sections[0].model_fields
        return {
            name: stand_in(Node(info.annotation, info))
            for name, info in fields.items()
            if info.is_required() or name == node.form
        }
    kind = node.kinds[0]
    origin = get_origin(kind)
    if origin is dict:
        return {"x": stand_in(Node(node.item))}
    if origin is list:
        return [stand_in(Node(node.item))]
    if origin is tuple:
        return [stand_in(Node(part)) for part in get_args(kind)]
    if origin is Literal:
        return get_args(kind)[0]
    return {float: 0.5, int: 1, str: "x", bool: True}[kind]
