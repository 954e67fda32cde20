"""Dotted paths: what the schema has at ``models.cheap.quality``, and setting it."""

from __future__ import annotations

import contextlib
import difflib
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from allocate.models.config import Config
from allocate.models.units import Quantity

KeyPath = tuple[str | int, ...]
ONLY_CHANGES = "a path changes what is there and adds no item"
DEPTH = 3  # of sections and items that a path's missing beginning may have
MANY = 40  # words that are listed in full: the keys of any section


class PathError(Exception):
    """A dotted path leads nowhere."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def dotted(path: Iterable[str | int]) -> str:
    """Write a path as ``--set`` takes it."""
    return ".".join(str(key) for key in path)


def nearest(word: str | int, known: Iterable[str]) -> str:
    """Say which known word was probably meant, or which there are."""
    words = list(known)
    match = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    if match:
        return f"did you mean `{match[0]}`?"
    if not words:
        return "none is described; add it"
    shown = words if len(words) <= MANY else words[:8]
    more = f" and {len(words) - len(shown):,} more" if len(words) > len(shown) else ""
    return f"there {'is' if len(words) == 1 else 'are'} {', '.join(shown)}{more}"


@dataclass(frozen=True)
class Node:
    """What the schema has at a path: a type, and the field that it belongs to."""

    annotation: Any
    field: FieldInfo | None = None

    @property
    def kinds(self) -> list[Any]:
        """The plain types it may be, without ``Annotated``, ``None`` and unions."""
        return list(_plain(self.annotation))

    @property
    def sections(self) -> list[type[BaseModel]]:
        """The sections it may be: several for a curve, which has one a form."""
        return [k for k in self.kinds if isinstance(k, type) and issubclass(k, BaseModel)]

    @property
    def item(self) -> Any | None:
        """The type of what it holds, if it is a mapping or a list."""
        for kind in self.kinds:
            if get_origin(kind) in (dict, list):
                return get_args(kind)[-1]
        return None

    @property
    def named(self) -> bool:
        """Whether it is a ``Named`` section: items are sections and have names."""
        is_mapping = any(get_origin(kind) is dict for kind in self.kinds)
        return is_mapping and bool(Node(self.item).sections)

    @property
    def listed(self) -> bool:
        """Whether it is a list, whose items have places and no names."""
        return any(get_origin(kind) is list for kind in self.kinds)

    @property
    def inner(self) -> bool:
        """Whether paths go on below it: a section, or items with names."""
        return bool(self.sections) or self.named

    @property
    def default(self) -> Any:
        """The default, written out as in a file; None if there is none."""
        if self.field is None or self.field.is_required():
            return None
        default = self.field.get_default(call_default_factory=True)
        if self.named:
            return {name: item.model_dump(exclude_unset=True) for name, item in default.items()}
        return list(default) if isinstance(default, list) else None

    @property
    def form(self) -> str | None:
        """The key that tells the forms of a curve apart."""
        if len(self.sections) < 2:
            return None
        return "form"

    @property
    def quantity(self) -> Quantity | None:
        """The unit and the bounds of a number."""
        metadata = [*(self.field.metadata if self.field else ()), *_metadata(self.annotation)]
        return next((part for part in metadata if isinstance(part, Quantity)), None)

    @property
    def unit(self) -> str | None:
        """The unit of a number that has one."""
        quantity = self.quantity
        return None if quantity is None or quantity.unit == "1" else quantity.unit

    def fields(self, data: Any = None) -> dict[str, FieldInfo]:
        """The fields it may have; ``data`` tells which form of a curve it is."""
        sections = self.sections
        if self.form and isinstance(data, dict):
            chosen = [s for s in sections if s.model_fields["form"].default == data.get("form")]
            sections = chosen or sections
        return {name: info for s in sections for name, info in s.model_fields.items()}

    def child(self, key: str | int, data: Any = None) -> Node | None:
        """What is at ``key``, or None."""
        if isinstance(key, str) and (info := self.fields(data).get(key)):
            return Node(info.annotation, info)
        item = self.item
        return None if item is None else Node(item)


ROOT = Node(Config)


def _plain(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _plain(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _plain(part)
    elif hasattr(annotation, "__value__"):
        yield from _plain(annotation.__value__)
    elif annotation is not type(None):
        yield annotation


def _metadata(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from get_args(annotation)[1:]
        yield from _metadata(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _metadata(part)


def at(path: KeyPath) -> Node | None:
    """What the schema has at a path, whatever the items are called."""
    node: Node | None = ROOT
    for key in path:
        node = node.child(key) if node else None
    return node


def validate(path: KeyPath, value: Any) -> Any:
    """Check one value by itself against what the schema has at its path."""
    node = at(path)
    assert node is not None
    info = node.field
    field: Any = node.annotation if info is None else Annotated[node.annotation, info]
    return TypeAdapter(field).validate_python(value)


def value_at(data: Any, path: KeyPath) -> Any:
    """Find the value at a path of raw data, items of lists by name; None if absent."""
    for key in path:
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list):
            index = _index(data, key)
            data = None if index is None else data[index]
        else:
            return None
    return data


def _index(items: Any, key: str | int) -> int | None:
    """Find an item of a list by its name, or by its place counted from 0."""
    if not isinstance(items, list):
        return None
    for index, item in enumerate(items):
        if isinstance(item, dict) and item.get("name") == key:
            return index
    index = int(key) if str(key).isdecimal() else len(items)
    return index if index < len(items) else None


def resolve(path: str, data: dict[str, Any], any_item: bool = False) -> KeyPath:
    """Check that a dotted path leads to something, given the items that ``data`` names.

    Fields need not be written in the file; items must be, or be there by default. With
    ``any_item``, ``*`` stands for every item of a section.
    """
    try:
        return _followed(tuple(path.split(".")), data, any_item)
    except PathError as error:
        if within := _within(path, data):
            raise PathError(str(error), f"did you mean `{within}`?") from None
        raise


def _within(path: str, data: dict[str, Any]) -> str | None:
    """Find where a path that lacks its beginning would lead: ``h100.available`` to ``gpus.…``."""
    keys: KeyPath = tuple(path.split("."))
    level: list[KeyPath] = [()]
    for _ in range(DEPTH):
        level = [(*start, key) for start in level for key in _steps(start, data)]
        for start in level:
            with contextlib.suppress(PathError):
                return dotted(_followed((*start, *keys), data, False))
    return None


def _steps(start: KeyPath, data: dict[str, Any]) -> list[str]:
    """List the sections and named items one step below a path."""
    node, inside = at(start), value_at(data, start)
    if node is None:
        return []
    if node.named:
        return _names(inside)
    return [key for key, info in node.fields(inside).items() if Node(info.annotation).inner]


def _followed(keys: KeyPath, data: dict[str, Any], any_item: bool) -> KeyPath:
    node: Node = ROOT
    here: Any = data
    for depth, key in enumerate(keys):
        where = f"in `{dotted(keys[:depth])}`" if depth else "in a config"
        here = node.default if here is None else here
        child = node.child(key, here)
        if child is None and not node.sections:
            raise PathError(
                f"`{dotted(keys[:depth])}` is a value and has no `{key}`", "end the path there"
            )
        if child is None:
            raise PathError(f"there is no `{key}` {where}", nearest(key, node.fields(here)))
        names = _names(here)
        if node.named and key not in names and not (any_item and key == "*"):
            add = "" if names and nearest(key, names).startswith("did") else f"; {ONLY_CHANGES}"
            raise PathError(f"there is no `{key}` {where}", nearest(key, names) + add)
        if node.listed and _index(here, key) is None:
            raise PathError(f"there is no `{key}` {where}", "items are counted from 0")
        node, here = child, value_at(here, (key,))
    return keys


def _names(items: Any) -> list[str]:
    if isinstance(items, list):
        return [str(v.get("name")) for v in items if isinstance(v, dict)]
    return [str(key) for key in items] if isinstance(items, dict) else []


def assign(data: dict[str, Any], path: KeyPath, value: Any) -> list[KeyPath]:
    """Set the value at a resolved path; returns the paths of the containers it had to make."""
    made: list[KeyPath] = []
    node, here = ROOT, data
    for depth, key in enumerate(path[:-1]):
        child = node.child(key, here)
        assert child is not None
        inner = value_at(here, (key,))
        if inner is None:
            inner = _fresh(child)
            _put(here, key, inner)
            made.append(path[: depth + 1])
        node, here = child, inner
    _put(here, path[-1], value)
    return made


def _fresh(node: Node) -> Any:
    """Write out what a section is by default, so that a part of it can be changed."""
    default = node.default
    if default is not None:
        return default
    return {"form": node.sections[0].model_fields["form"].default} if node.form else {}


def _put(here: Any, key: str | int, value: Any) -> None:
    if not isinstance(here, list):
        here[key] = value
        return
    index = _index(here, key)
    assert index is not None
    named = isinstance(here[index], dict) and here[index].get("name") == key
    here[index] = {"name": key, **value} if named and isinstance(value, dict) else value
