"""``allocate schema``: the JSON Schema of a config or of a result."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from allocate.cli import flags
from allocate.cli.output import check_out, deliver
from allocate.cli.terminal import Story


class Document(StrEnum):
    """What has a schema."""

    CONFIG = "config"
    RESULT = "result"


def schema(
    document: Annotated[
        Document, typer.Argument(metavar="DOCUMENT", help="Of which: config or result.")
    ] = Document.CONFIG,
    out: flags.Out = None,
    quiet: flags.Quiet = False,
    debug: flags.Debug = False,
) -> None:
    """Print the JSON Schema of a config or of a result.

    allocate schema

    allocate schema result --out result.schema.json
    """
    make = _config_schema if document is Document.CONFIG else _result_schema
    check_out(out, [])
    deliver(json.dumps(make(), indent=2, ensure_ascii=False), out, Story(quiet))


def _config_schema() -> dict[str, Any]:
    from allocate.models.schema import config_schema

    return config_schema()


def _result_schema() -> dict[str, Any]:
    from allocate.solver.result import result_schema

    return result_schema()
