"""``allocate schema``: the JSON Schema of a config or of a result."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from allocate.cli import flags
from allocate.cli.output import deliver
from allocate.cli.terminal import Story


class Document(StrEnum):
    """What has a schema."""

    CONFIG = "config"
    RESULT = "result"


def schema(
    document: Annotated[Document, typer.Argument(help="Of which document.")] = Document.CONFIG,
    out: flags.Out = None,
    quiet: flags.Quiet = False,
    debug: flags.Debug = False,
) -> None:
    """Print the JSON Schema of a config or of a result.

    allocate schema

    allocate schema result --out result.schema.json
    """
    make = config_schema if document is Document.CONFIG else _result_schema
    deliver(json.dumps(make(), indent=2, ensure_ascii=False), out, Story(quiet))


def config_schema() -> dict[str, Any]:
    """Generate the schema of ``config.yaml`` from the classes that read it."""
    from allocate.models.config import Config

    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **Config.model_json_schema(by_alias=True)}


def _result_schema() -> dict[str, Any]:
    from allocate.solver.result import result_schema

    return result_schema()
