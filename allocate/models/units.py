"""Numbers with units and items with names: the two kinds of field a config is made of.

``Annotated[float, Quantity("USD/Mtok")]`` is a float in that unit: a bare number is taken
as it stands, a text with a unit ("3 USD/Mtok") is converted. ``Named[Model]`` is a mapping
by name, which may also be written as a list of items with a ``name``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from allocate.errors import UnitError

if TYPE_CHECKING:
    from pint import UnitRegistry

T = TypeVar("T")

MOST = 1e50  # no number of the field comes near, and products of a few such can be computed

# Counted things are dimensions of their own, so that tokens never pass for requests.
_DEFINITIONS = """
micro- = 1e-6 = u- = µ-
milli- = 1e-3 = m-
kilo- = 1e3 = k- = K-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
kibi- = 2**10 = Ki-
mebi- = 2**20 = Mi-
gibi- = 2**30 = Gi-
tebi- = 2**40 = Ti-
second = [time] = s = sec
minute = 60 * second = min
hour = 60 * minute = h = hr
day = 24 * hour = d
week = 7 * day
month = 730 * hour
year = 8760 * hour
USD = [money] = usd = dollar
token = [token] = tok
request = [request] = req = call = task
GPU = [gpu] = gpu
byte = [information] = B
percent = 0.01 = pct
"""

# Powers are left out on purpose: no field needs one, and "9**9**9" must not be evaluated.
_NUMBER = r"[+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
# "720 1/h" is 720/h: a rate of what the field counts.
_TEXT = re.compile(rf"\s*(?P<number>{_NUMBER})(?:\s*|\s+1\s*(?=/))(?P<unit>[A-Za-zµ%$/* ]{{0,60}})")
# "$2.60/h" is how people write money; the number comes first here.
_DOLLARS = re.compile(rf"\s*(?:\$|USD)\s*(?P<number>{_NUMBER})\s*(?P<rest>(?:/[A-Za-z/ ]*)?)\s*")


@cache
def _registry() -> UnitRegistry:
    import pint  # a third of a second, needed only by configs that write units

    registry = pint.UnitRegistry(None)  # pyright: ignore[reportArgumentType]
    registry.load_definitions(_DEFINITIONS.strip().splitlines())
    return registry


@cache
def _factor(written: str, unit: str) -> float:
    """How many ``unit`` one ``written`` is."""
    import pint

    registry = _registry()
    spelled = "percent" if written == "%" else written.replace("$", "USD")
    spelled = f"1 {spelled}" if spelled.startswith("/") else spelled
    try:
        quantity = registry.parse_expression(spelled) * registry.Quantity(1)
        return float((quantity / registry.parse_expression(unit)).m_as("dimensionless"))
    except pint.DimensionalityError:
        raise UnitError(
            f"`{written}` cannot be converted to `{unit}`",
            f"write {_spoken(unit)}, or a text in a unit of the same kind",
        ) from None
    except Exception:  # pint raises its own, the tokenizer's and the evaluator's errors
        raise UnitError(f"`{written}` is not a known unit", f"write {_spoken(unit)}") from None


def _counted(written: str, unit: str) -> str | None:
    """Guess that "/h", where requests per second are asked for, was meant as "request/h"."""
    what, slash, _ = unit.partition("/")
    if not (written.startswith("/") and slash):
        return None
    try:
        _factor(what + written, unit)
    except UnitError:
        return None
    return what + written


def _spoken(unit: str) -> str:
    return "a plain number" if unit == "1" else f"a number in {unit}"


def convert(text: str, unit: str) -> float:
    """Read a number with a unit, such as "120 USD/h", as a number of ``unit``."""
    match = _TEXT.fullmatch(text)
    if match is None:
        hint = f"write {_spoken(unit)}, or a text with its unit"
        if dollars := _DOLLARS.fullmatch(text):
            hint = f'write "{dollars["number"]} USD{dollars["rest"]}"'
        raise UnitError(f"`{text}` is not a number", hint)
    number = float(match["number"])
    written = match["unit"].strip()
    try:
        return number * _factor(written, unit) if written else number
    except UnitError as error:
        if counted := _counted(written, unit):
            hint = f"say what it counts: write `{match['number']} {counted}`"
            raise UnitError(str(error), hint) from None
        raise


@dataclass(frozen=True)
class Quantity:
    """Marks a float field: numbers are in ``unit``, texts are converted to it.

    ``Annotated[float, Quantity("USD/h", ge=0)]``; the bounds are in that unit too. Where no
    upper one is said it is ``MOST``.
    """

    unit: str
    _: KW_ONLY
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def __post_init__(self) -> None:
        if self.le is None and self.lt is None:
            object.__setattr__(self, "le", MOST)

    def read(self, value: Any) -> Any:
        """Convert a text; refuse what Python would quietly take for a number."""
        if isinstance(value, str):
            return convert(value, self.unit)
        if isinstance(value, bool):
            raise PydanticCustomError("float_type", "a truth value is not a number")
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        number = core_schema.float_schema(
            ge=self.ge, gt=self.gt, le=self.le, lt=self.lt, allow_inf_nan=False
        )
        return core_schema.no_info_before_validator_function(self.read, number)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # Bounds apply to numbers only, so a text with a unit passes an editor's check.
        out = {**handler(schema), "type": ["number", "string"], "unit": self.unit}
        return {k: v for k, v in out.items() if (k, v) != ("maximum", MOST)}


def _check_name(name: str) -> str:
    if not name.strip() or name != name.strip():
        raise PydanticCustomError(
            "name",
            "a name may not be empty, nor begin or end with a space",
            {"hint": "write a short word"},
        )
    if "." in name:
        raise PydanticCustomError(
            "name",
            "the name `{name}` has a dot, which separates the parts of a path",
            {"name": name, "hint": f"write `{name.replace('.', '_')}`"},
        )
    return name


def _by_name(value: Any) -> Any:
    """Turn a list of items with a ``name`` into a mapping by name."""
    if not isinstance(value, list):
        return value
    items: dict[str, Any] = {}
    for index, item in enumerate(value):
        if not isinstance(item, Mapping):
            raise PydanticCustomError(
                "named_kind", "an item of this list must be a mapping", {"at": (index,)}
            )
        if "name" not in item:
            raise PydanticCustomError(
                "named_missing", "an item of this list needs a `name`", {"at": (index,)}
            )
        name = item["name"]
        if not isinstance(name, str):
            raise PydanticCustomError(
                "named_kind", "a `name` must be text", {"at": (index, "name")}
            )
        if name in items:
            raise PydanticCustomError(
                "named_twice",
                "the name `{name}` stands in this list twice",
                {"name": name, "at": (index, "name")},
            )
        items[name] = {key: part for key, part in item.items() if key != "name"}
    return items


class _NamedItems:
    """Lets a mapping by name be written as a list, in the file and in the JSON Schema."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_by_name, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        mapping = handler(schema)
        item = handler.resolve_ref_schema(mapping["additionalProperties"])
        listed = {
            **item,
            "properties": {"name": {"type": "string"}, **item["properties"]},
            "required": ["name", *item.get("required", [])],
        }
        return {"anyOf": [mapping, {"type": "array", "items": listed}]}


Named = Annotated[dict[Annotated[str, AfterValidator(_check_name)], T], _NamedItems]
"""Items by name: a mapping, or a list of items with a ``name``."""
