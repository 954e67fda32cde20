"""``allocate init``: a commented config that solves at once, and its schema for editors."""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from allocate.cli import flags
from allocate.cli.commands.schema import config_schema
from allocate.cli.output import OutputError, deliver, write_whole
from allocate.cli.terminal import Story

CONFIG = "config.yaml"
SCHEMA = "config.schema.json"


class Template(StrEnum):
    """What to start from."""

    TOY = "toy"
    AGENT_FLEET = "agent-fleet"
    CAPACITY = "capacity"


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write; made if missing.")
    ] = Path("."),
    template: Annotated[
        Template,
        typer.Option(
            "--template",
            envvar="ALLOCATE_TEMPLATE",
            help="toy: two API models; agent-fleet: autonomy and reviewers; capacity: own GPUs.",
        ),
    ] = Template.TOY,
    force: Annotated[
        bool, typer.Option("--force", envvar="ALLOCATE_FORCE", help="Replace files that exist.")
    ] = False,
    quiet: flags.Quiet = False,
    debug: flags.Debug = False,
) -> None:
    """Write a commented config that solves at once.

    allocate init demo

    allocate init demo --template capacity
    """
    from importlib.resources import files

    config = folder / CONFIG
    if config.exists() and not force:
        raise OutputError(f"{config} exists; choose another DIR, or replace it with --force.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}.") from error
    body = files("allocate").joinpath("templates", f"{template}.yaml").read_text("utf-8")
    schema = json.dumps(config_schema(), indent=1, ensure_ascii=False)
    write_whole(folder / SCHEMA, schema + "\n")
    write_whole(config, f"# yaml-language-server: $schema={SCHEMA}\n{body}")
    deliver(str(config) if quiet else _next(config), None, Story(quiet))


def _next(config: Path) -> str:
    file = shlex.quote(str(config))
    return (
        f"wrote {config} and {config.with_name(SCHEMA)}\n\n"
        f"Next\n"
        f"  allocate solve {file}\n"
        f"  allocate solve {file} --set demand.scale=2\n"
        f"  allocate validate {file}  # after you have edited it\n"
    )
