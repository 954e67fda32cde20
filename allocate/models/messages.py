"""pydantic's errors in the words of a config's author."""

from __future__ import annotations

from typing import Any

from pydantic_core import ErrorDetails

from allocate.errors import Problem, UnitError
from allocate.models.meant import meant
from allocate.models.paths import ROOT, KeyPath, Node, at, nearest, value_at

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping or a list of items with a `name`",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}


def problem(error: ErrorDetails, data: dict[str, Any]) -> Problem:
    """Say one of pydantic's errors as a problem with a path."""
    path = _path(error["loc"], data)
    kind, context = error["type"], error.get("ctx", {})
    name = _name(path)
    node = at(path)
    about = _about(node)
    if kind == "invalid_key" or (error["loc"][-1:] == ("[key]",) and kind == "string_type"):
        return Problem("CFG010", f"the key `{path[-1]}` is not text", hint="quote it", path=path)
    match kind:
        case "extra_forbidden":
            return _unknown(path, data)
        case "missing" if path and isinstance(path[-1], int):
            hint = "write it as `[x, y]`"
            return Problem("CFG007", "a point is two numbers", hint=hint, path=path[:-1])
        case "missing" if path == ("version",):
            hint = "add `version: 1`"
            return Problem("CFG005", "`version` is missing", hint=hint, path=path)
        case "missing":
            parent = f" in `{path[-2]}`" if len(path) > 1 else ""
            described = about or _keys(node)
            hint = f"add {name} - {described}" if described else f"add {name}"
            if path == ("models",):
                hint = "add `models: {NAME: {quality: …}}`"
            return Problem("CFG005", f"{name} is missing{parent}", hint=hint, path=path)
        case "value_error" if isinstance(cause := context.get("error"), UnitError):
            return Problem("CFG009", f"{name}: {cause}", hint=cause.hint, path=path)
        case "name":
            return Problem("CFG010", error["msg"], hint=context["hint"], path=path)
        case "named_twice":
            where = (*path, *context["at"])
            return Problem("CFG006", error["msg"], hint="rename one of them", path=where)
        case "named_kind" | "named_missing":
            return Problem(
                "CFG007", error["msg"], hint="write `- name: …`", path=(*path, *context["at"])
            )
        case "literal_error" if path == ("version",):
            message = "this version of the format is not known"
            return Problem("CFG011", message, hint="write `version: 1`", path=path)
        case "finite_number":
            return Problem("CFG007", f"{name} must be a finite number", hint=about, path=path)
        case "literal_error" | "union_tag_invalid" | "union_tag_not_found":
            return _choice(kind, path, node, error["input"])
        case "too_long" | "too_short":
            return _length(kind, name, path, context)
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        limit = _number(context[bound])
        unit = f" {node.unit}" if node and node.unit else ""
        message = f"{name} must be {words} {limit}{unit}, not {_shown(error['input'])}"
        hint = _as_share(error["input"], node) or about
        return Problem("CFG008", message, hint=hint, path=path)
    wanted = _KINDS.get(kind, "something else")
    if node is not None and node.sections and not node.named:
        wanted = _KINDS["model_type"]
    if kind == "dict_type" and node is not None and not node.named:
        wanted = "a mapping"
    shown = _shown(error["input"])
    hint = about or _keys(node)
    if kind == "tuple_type":
        hint = "write it as `[x, y]`"
    elif kind == "list_type" and isinstance(error["input"], str | int | float):
        hint = f"write it as `[{error['input']}]`"
    return Problem("CFG007", f"{name} must be {wanted}, not {shown}", hint=hint, path=path)


def _as_share(value: Any, node: Node | None) -> str | None:
    """Guess that 70, where a share of one is asked for, was meant as a percentage."""
    quantity = node.quantity if node else None
    if quantity is None or quantity.unit != "1" or 1.0 not in (quantity.le, quantity.lt):
        return None
    if isinstance(value, int | float) and 1 < value <= 100:
        return f'write {value / 100:g} or "{value:g} %"'
    return None


def _name(path: KeyPath) -> str:
    """Call a value by its key; a part of a list by the key of the list and its place."""
    last = next((n for n in range(len(path), 0, -1) if isinstance(path[n - 1], str)), 0)
    places = "".join(f"[{index}]" for index in path[last:])
    return f"`{path[last - 1]}{places}`" if last else "the config"


def _path(loc: tuple[int | str, ...], data: dict[str, Any]) -> KeyPath:
    """Leave out what pydantic adds to a location: the form of a curve, the mark of a key."""
    path: list[str | int] = []
    node: Node | None = ROOT
    skip = False
    for key in loc:
        if skip or key == "[key]":
            skip = False
            continue
        inside = value_at(data, tuple(path))
        path.append(key)
        node = node.child(key, inside) if node else None
        skip = node is not None and node.form is not None
    return tuple(path)


def _about(node: Node | None) -> str | None:
    """Say what a field is, from the schema."""
    if node is None or node.field is None or not node.field.description:
        return None
    unit = f" ({node.unit})" if node.unit else ""
    return f"{node.field.description}{unit}"


def _keys(node: Node | None) -> str | None:
    """Say what a section takes."""
    if node is None:
        return None
    fields = list(node.fields() or Node(node.item).fields())
    return f"its keys are {', '.join(fields)}" if fields else None


def _unknown(path: KeyPath, data: dict[str, Any]) -> Problem:
    *parent, key = path
    node = at(tuple(parent))
    where = f"`{parent[-1]}`" if parent else "a config"
    inside = value_at(data, tuple(parent))
    known = node.fields(inside) if node else ()
    hint = meant(parent, str(key), inside, known) or nearest(str(key), known)
    return Problem("CFG004", f"`{key}` is not a key of {where}", hint=hint, path=path)


def _choice(kind: str, path: KeyPath, node: Node | None, value: Any) -> Problem:
    choices: list[str] = []
    if node is not None and node.form:
        choices = [str(s.model_fields["form"].default) for s in node.sections]
        if kind == "union_tag_not_found":
            hint = f"one of {', '.join(choices)}"
            return Problem(
                "CFG005", f"`form` is missing in `{path[-1]}`", hint=hint, path=(*path, "form")
            )
        path, value = (*path, "form"), value.get("form")
    elif node is not None:
        choices = [str(c) for kind in node.kinds for c in getattr(kind, "__args__", ())]
    message = f"`{path[-1]}` cannot be {_shown(value)}"
    listed = ", ".join(choices)
    close = nearest(str(value), choices) or ""
    hint = close if close.startswith("did") and len(choices) > 1 else f"it may be {listed}"
    return Problem("CFG011", message, hint=hint, path=path)


def _length(kind: str, name: str, path: KeyPath, context: dict[str, Any]) -> Problem:
    if kind == "too_short":
        message, hint = f"{name} needs at least {context['min_length']} item", "add one"
    else:
        message, hint = f"{name} may have at most {context['max_length']} items", "remove some"
    return Problem("CFG008", message, hint=hint, path=path)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _shown(value: Any) -> str:
    """Show a value as it may be written in YAML, shortened."""
    match value:
        case None:
            return "empty"
        case bool():
            return "`true`" if value else "`false`"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
    text = str(value)
    return f"`{text if len(text) <= 40 else text[:39] + '…'}`"
