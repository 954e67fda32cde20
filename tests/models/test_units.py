import contextlib
import math
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from allocate.errors import UnitError
from allocate.models.units import Named, Quantity, convert

PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
finite = st.floats(min_value=-1e12, max_value=1e12)


class Priced(BaseModel):
    usd_per_h: Annotated[float, Quantity("USD/h", ge=0)] = 0.0


class Book(BaseModel):
    items: Named[Priced] = {}


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("120 USD/h", "USD/h", 120),
        ("800 ms", "s", 0.8),
        ("3 USD/Mtok", "USD/token", 3e-6),
        ("3 $/Mtok", "USD/ktok", 0.003),
        ("1 request/h", "request/s", 1 / 3600),
        ("2 GB", "byte", 2e9),
        ("2 GiB", "byte", 2 * 2**30),
        ("50 %", "1", 0.5),
        ("8 GPU", "GPU", 8),
        ("20 ms/token", "ms/token", 20),
        ("5 /h", "1/h", 5),
        ("90 min", "h", 1.5),
        ("1e3", "USD", 1000),
        (" -1.5e-3 USD ", "USD", -0.0015),
    ],
)
def test_texts_are_converted(text, unit, value):
    assert convert(text, unit) == pytest.approx(value, rel=1e-14)


@given(finite, st.sampled_from(list(PREFIXES)), st.sampled_from(list(PREFIXES)))
def test_prefixes_scale(number, written, declared):
    converted = convert(f"{number!r} {written}token", f"{declared}token")
    assert converted == pytest.approx(number * PREFIXES[written] / PREFIXES[declared], rel=1e-12)


@given(finite, st.sampled_from(["USD/h", "USD/s", "USD/min"]))
def test_conversion_there_and_back(number, unit):
    there = convert(f"{number!r} USD/day", unit)
    assert convert(f"{there!r} {unit}", "USD/day") == pytest.approx(number, rel=1e-12)


@given(finite)
def test_a_bare_number_is_in_the_declared_unit(number):
    assert convert(repr(number), "USD/Mtok") == number


@pytest.mark.parametrize("unit", ["USD", "token", "request", "GPU", "byte"])
def test_counted_things_do_not_mix(unit):
    with pytest.raises(UnitError, match=f"`min/{unit}` cannot be converted to `h/h`"):
        convert(f"1 min/{unit}", "h/h")


@given(st.text(alphabet="0123456789*/. eE-+kMGtokUSDh%$()_'\"", max_size=30))
def test_no_text_does_harm(text):
    with contextlib.suppress(UnitError):
        assert isinstance(convert(text, "USD/h"), float)


@pytest.mark.parametrize(
    "text", ["yes", "", "9**9**9", "1 USD**2", "__import__('os')", "nan", "inf"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(UnitError, match="is not a"):
        convert(text, "USD")


@pytest.mark.parametrize(
    "value", [True, math.nan, math.inf, "1e999", -1, "-1 USD/h", None, [1], 10**400, 1e51]
)
def test_values_that_are_no_price(value):
    with pytest.raises(ValidationError):
        Priced.model_validate({"usd_per_h": value})


@pytest.mark.parametrize(
    "items", [{"a": {"usd_per_h": 1}}, [{"name": "a", "usd_per_h": 1}]], ids=["mapping", "list"]
)
def test_named_items_have_two_forms(items):
    book = Book.model_validate({"items": items})
    assert book.items == {"a": Priced(usd_per_h=1)}


@pytest.mark.parametrize(
    "items",
    [{"": {}}, {"a.b": {}}, {" a": {}}, [{"usd_per_h": 1}], [{"name": "a"}, {"name": "a"}], [3]],
)
def test_names_that_paths_cannot_use(items):
    with pytest.raises(ValidationError):
        Book.model_validate({"items": items})


@pytest.mark.parametrize(
    "items", [{"a": {"usd_per_h": -1}}, [{"name": "a", "usd_per_h": -1}]], ids=["mapping", "list"]
)
def test_errors_name_the_item(items):
    with pytest.raises(ValidationError) as caught:
        Book.model_validate({"items": items})
    assert caught.value.errors()[0]["loc"] == ("items", "a", "usd_per_h")
