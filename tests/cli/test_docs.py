"""The pages in docs/ say what the code does: fields, keys, commands and codes are all there."""

import re
from pathlib import Path
from typing import Any

import pytest

from allocate.cli.exit_codes import EXIT_CODES
from allocate.models.schema import config_schema
from allocate.solver.result import result_schema

DOCS = Path(__file__).parents[2] / "docs"
FORMATS = (DOCS / "formats.md").read_text("utf-8")
SCHEMA = config_schema()
SAID_ELSEWHERE = {"form", "name", "description"}  # headings say the forms


def described(field: dict[str, Any]) -> str | None:
    parts = [field, *field.get("anyOf", [])]
    return next((part["description"] for part in parts if "description" in part), None)


@pytest.mark.parametrize("section", ["Config", *SCHEMA["$defs"]])
def test_every_field_of_a_config_is_described_in_the_same_words(section):
    holder = SCHEMA if section == "Config" else SCHEMA["$defs"][section]
    for name, field in holder["properties"].items():
        if name in SAID_ELSEWHERE:
            continue
        assert f"`{name}" in FORMATS, name
        words = described(field)
        if section != "Config" and words is not None:
            assert f"| {words} |" in FORMATS, f"{section}.{name}: {words}"


def test_every_key_of_a_result_is_described():
    schema = result_schema()
    told = set(re.findall(r"`(?:layers\.)?(\w+)(?:\[\]|\{\})?`", FORMATS))
    for part in [schema, *schema["$defs"].values()]:
        assert set(part["properties"]) - {"layers"} <= told


@pytest.mark.parametrize("status", EXIT_CODES)
def test_every_status_is_described(status):
    assert f"`{status}`" in FORMATS
    assert f"| {EXIT_CODES[status]} |" in FORMATS
