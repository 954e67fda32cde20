from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from allocate.models import paths
from allocate.models.schema import COMMITTED, config_schema, render

MINIMAL = {"version": 1, "models": {"m": {"quality": 0.5}}}


def quantities(schema: Any) -> list[dict[str, Any]]:
    """Every part of the schema that has a unit."""
    if isinstance(schema, list):
        return [found for part in schema for found in quantities(part)]
    if not isinstance(schema, dict):
        return []
    inner = [found for part in schema.values() for found in quantities(part)]
    return [*inner, schema] if "unit" in schema and "type" in schema else inner


def test_committed_schema_is_current():
    assert COMMITTED.read_text(encoding="utf-8") == render(), (
        "run `python -m allocate.models.schema` and commit the result"
    )


def test_schema_is_valid():
    jsonschema.Draft202012Validator.check_schema(config_schema())


def test_every_number_shows_its_unit():
    schema = config_schema()
    assert len(quantities(schema)) > 100
    bare = [
        (section, name)
        for section, definition in schema["$defs"].items()
        for name, field in definition["properties"].items()
        if field.get("type") == "number"
    ]
    assert bare == []


def test_price_shows_unit_and_bounds():
    price = config_schema()["$defs"]["Gpu"]["properties"]["price_usd_per_h"]
    assert price["unit"] == "USD/h"
    assert price["minimum"] == 0


@pytest.mark.parametrize(
    "models",
    [{"m": {"quality": "50 %"}}, [{"name": "m", "quality": 0.5}]],
    ids=["mapping", "list"],
)
def test_schema_takes_both_forms(models):
    jsonschema.validate({**MINIMAL, "models": models}, config_schema())


@pytest.mark.parametrize(
    "models", [{"m": {"qualty": 1}}, [{"quality": 0.5}], {"m": {"quality": 2}}]
)
def test_schema_refuses(models):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**MINIMAL, "models": models}, config_schema())


@pytest.mark.parametrize("file", sorted((COMMITTED.parents[2] / "examples").glob("*.yaml")))
def test_examples_fit_the_schema(file):
    jsonschema.validate(YAML(typ="safe").load(file), config_schema())


def test_every_field_has_a_node():
    assert paths.at(("models", "any", "success", "ceiling")).unit is None
    assert paths.at(("deployments", "any", "tpot_ms", 0)).unit == "ms/token"
    assert paths.at(("models", "any", "nothing")) is None
