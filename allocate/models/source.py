"""YAML 1.2 text → plain values, and where each of them stands.

ruamel.yaml composes the text into nodes with marks; the values are made here, so that a
key given twice is an error with a position, and a hostile file ends in a message instead
of a traceback or a full memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from allocate.errors import ConfigError, Problem

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 32
MAX_REPEATED = 100_000  # values that aliases may repeat

KeyPath = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"


class Position(NamedTuple):
    """A place in a file, counted from 1."""

    line: int
    column: int


class Spot(NamedTuple):
    """Where a value stands: its key (or the value, in a list) and the value itself."""

    key: Position
    value: Position


@dataclass
class Source:
    """The values of a file, with the positions that messages point at."""

    file: str
    lines: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    spots: dict[KeyPath, Spot] = field(default_factory=dict)
    names: dict[KeyPath, KeyPath] = field(default_factory=dict)
    """Path of a list item by its name → its path by its index."""
    problems: list[Problem] = field(default_factory=list)

    def find(self, path: KeyPath) -> tuple[KeyPath, Spot]:
        """Find the nearest thing at or above ``path`` that the file holds."""
        at: KeyPath = ()
        for key in path:
            step = self.names.get((*at, key), (*at, key))
            if step not in self.spots:
                break
            at = step
        return at, self.spots.get(at, Spot(Position(1, 1), Position(1, 1)))

    def problem(self, code: str, message: str, at: Position, hint: str | None = None) -> Problem:
        """Make a problem that points at a place of this file."""
        line = self.lines[at.line - 1] if 0 < at.line <= len(self.lines) else None
        return Problem(code, message, self.file, at.line, at.column, hint, line)


class _TooMuch(Exception):
    """The file is nested too deeply, or grows too large when its aliases are followed."""

    def __init__(self, message: str, node: Node) -> None:
        super().__init__(message)
        self.position = _position(node)


def read_bytes(path: Path, file: str) -> bytes:
    """Read a whole file, or raise a ``ConfigError`` that says why it cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError([_too_large(file)])
        return path.read_bytes()
    except FileNotFoundError:
        hint = "check the path, or write a first config with `allocate init`"
        raise ConfigError([Problem("CFG001", "there is no such file", file, hint=hint)]) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([Problem("CFG001", f"cannot read the file: {reason}", file)]) from None


def _too_large(file: str) -> Problem:
    return Problem("CFG003", f"the file is larger than {MAX_BYTES >> 20} MiB", file)


def read_source(raw: bytes, file: str) -> Source:
    """Read a config's bytes; what makes the whole file unusable is raised at once."""
    source = Source(file)
    if len(raw) > MAX_BYTES:
        raise ConfigError([_too_large(file)])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        at = Position(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        problem = source.problem("CFG001", message, at, "save the file as UTF-8")
        raise ConfigError([problem]) from None
    source.lines = text.splitlines()
    value = parse(text, source)
    if value is None:
        raise ConfigError(
            [
                source.problem(
                    "CFG005", "the file is empty", Position(1, 1), "start with `version: 1`"
                )
            ]
        )
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value"
        raise ConfigError(
            [
                source.problem(
                    "CFG007",
                    f"the file holds {kind}, not sections",
                    source.find(())[1].value,
                    "start with `version: 1`, then one section a key, such as `models:`",
                )
            ]
        )
    source.data = value
    return source


def parse(text: str, source: Source) -> Any:
    """Parse YAML into plain values; positions and small problems go into ``source``."""
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
        return None if node is None else _Reader(yaml, source).read(node, (), 0)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        message = f"not valid YAML: {error.problem or error.context}"
        problem = source.problem("CFG002", message, at, _yaml_hint(source, at))
    except YAMLError as error:
        problem = source.problem("CFG002", f"not valid YAML: {error}", Position(1, 1))
    except _TooMuch as error:
        hint = "write the values out, with less nesting"
        problem = source.problem("CFG003", str(error), error.position, hint)
    except RecursionError:
        problem = source.problem("CFG003", "nested far too deeply", Position(1, 1), "nest less")
    raise ConfigError([problem]) from None


def _yaml_hint(source: Source, at: Position) -> str | None:
    line = source.lines[at.line - 1] if at.line <= len(source.lines) else ""
    if "\t" in line[: at.column]:
        return "indent with spaces, not tabs"
    return "check the indentation and quotes here and in the line before"


def _position(node: Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


@dataclass
class _Reader:
    """Makes plain values of nodes and notes where each stands."""

    yaml: YAML
    source: Source
    seen: set[Node] = field(default_factory=set)
    repeated: int = 0

    def read(self, node: Node, path: KeyPath, depth: int, key: Node | None = None) -> Any:
        self.repeated += node in self.seen
        self.seen.add(node)
        if depth > MAX_DEPTH:
            raise _TooMuch(f"nested more than {MAX_DEPTH} levels deep", node)
        if self.repeated > MAX_REPEATED:
            raise _TooMuch(f"aliases repeat more than {MAX_REPEATED:,} values", node)
        place = _position(node)
        key_place = _position(key) if key else place
        # A block that starts below its key is pointed at by the key.
        value_place = place if place.line == key_place.line else key_place
        self.source.spots[path] = Spot(key_place, value_place)
        if isinstance(node, MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return self._sequence(node, path, depth)
        return self._scalar(node)

    def _mapping(self, node: MappingNode, path: KeyPath, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merged |= self._merge(value, path, depth)
                continue
            name = self._key(key)
            if name in values:
                first = self.source.spots[(*path, name)].key
                self.source.problems.append(
                    self.source.problem(
                        "CFG006",
                        f"`{name}` stands here twice",
                        _position(key),
                        f"the first is in line {first.line}; keep one of them",
                    )
                )
                continue
            values[name] = self.read(value, (*path, name), depth + 1, key)
        return {**merged, **values}

    def _merge(self, node: Node, path: KeyPath, depth: int) -> dict[str, Any]:
        """Read ``<<``: the keys of another mapping, below those written here."""
        parts = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in reversed(parts):
            value = self.read(part, path, depth + 1)
            merged |= value if isinstance(value, dict) else {}
        return merged

    def _sequence(self, node: SequenceNode, path: KeyPath, depth: int) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            value = self.read(item, (*path, index), depth + 1)
            if isinstance(value, Mapping) and isinstance(name := value.get("name"), str):
                self.source.names.setdefault((*path, name), (*path, index))
            values.append(value)
        return values

    def _key(self, node: Node) -> str:
        if isinstance(node, ScalarNode) and node.tag == f"{_TAG}str":
            return str(node.value)
        written = node.value if isinstance(node, ScalarNode) else "this"
        self.source.problems.append(
            self.source.problem(
                "CFG010", f"the key `{written}` is not text", _position(node), f'write "{written}"'
            )
        )
        return str(written)

    def _scalar(self, node: Node) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        make = self.yaml.constructor
        try:
            match kind:
                case "int":
                    return make.construct_yaml_int(node)
                case "float":
                    return make.construct_yaml_float(node)
                case "bool":
                    return make.construct_yaml_bool(node)
                case "null":
                    return None
                case "str" | "timestamp":
                    return str(node.value)
        except ValueError:
            return str(node.value)  # such as an integer of 5,000 digits
        self.source.problems.append(
            self.source.problem(
                "CFG007", f"the tag `{node.tag}` is not supported", _position(node), "remove it"
            )
        )
        return str(node.value)
