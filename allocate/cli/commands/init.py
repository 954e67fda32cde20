"""``allocate init``: a commented config that solves at once, and its schema for editors."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from allocate.cli import flags
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
        flags.option(
            "--template",
            metavar="NAME",
            help="toy: two API models; agent-fleet: autonomy and reviewers; capacity: own GPUs.",
        ),
    ] = Template.TOY,
    source: Annotated[
        Path | None,
        flags.option(
            "--from",
            metavar="DIR",
            help="Start from what `allocate calibrate --out DIR` found, instead of a template.",
        ),
    ] = None,
    force: Annotated[
        bool, flags.switch("--force", help="Replace files that exist.", envvar=None)
    ] = False,
    quiet: flags.Quiet = False,
    debug: flags.Debug = False,
) -> None:
    """Write a commented config that solves at once.

    allocate init demo

    allocate init demo --template capacity

    allocate init fleet --from fleet
    """
    from allocate.models.schema import render

    config = folder / CONFIG
    if config.exists() and not force:
        raise OutputError(f"{config} exists; choose another DIR, or replace it with --force.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}.") from error
    body, told = _from_calibration(source, folder) if source else (_template(template), "")
    write_whole(folder / SCHEMA, render())
    write_whole(config, f"# yaml-language-server: $schema={SCHEMA}\n{body}")
    deliver(str(config) if quiet else told + _next(config), None, Story(quiet))


def _template(template: Template) -> str:
    from importlib.resources import files

    return files("allocate").joinpath("templates", f"{template}.yaml").read_text("utf-8")


def _from_calibration(source: Path, folder: Path) -> tuple[str, str]:
    """A config that includes what was calibrated, and what to say of it."""
    import io

    from ruamel.yaml import YAML

    from allocate.models.calibration.assemble import assemble

    config, draft = assemble(source, folder)
    lines = "".join(f"# measured  {line}\n" for line in draft.measured)
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 100
    yaml.default_flow_style = None  # leaves in one line
    yaml.dump(config, text)
    yaml.default_flow_style = False
    if draft.assumed:
        yaml.dump({"assumed": draft.assumed}, text)
    head = (
        "# A first config from calibrations: the included files hold what was measured, this one\n"
        "# what nobody measured. Each number under `assumed` is a guess: put your own.\n"
    )
    measured = "".join(f"measured  {line}\n" for line in draft.measured)
    assumed = "".join(f"assumed   {path}: {why}\n" for path, why in draft.assumed.items())
    return f"{head}{lines}{text.getvalue()}", f"{measured}{assumed}\n"


def _next(config: Path) -> str:
    file = shlex.quote(str(config))
    return (
        f"wrote {config} and {config.with_name(SCHEMA)}\n\n"
        f"Next\n"
        f"  allocate solve {file}\n"
        f"  allocate solve {file} --set demand.scale=2\n"
        f"  allocate validate {file}  # after you have edited it\n"
    )
