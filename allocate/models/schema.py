"""The JSON Schema of a config, which editors use to complete and check it.

``python -m allocate.models.schema`` rewrites the committed copy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allocate.files import write_whole
from allocate.models.config import Config

COMMITTED = Path(__file__).parents[1] / "schema" / "config.schema.json"


def config_schema() -> dict[str, Any]:
    """Describe every section and field, with the unit and the bounds of each number."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(),
        "title": "allocate config",
    }


def render() -> str:
    """Write the schema as the committed file has it."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_whole(COMMITTED, render())
