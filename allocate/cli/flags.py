"""The flags that mean the same everywhere, each with its environment name ``ALLOCATE_<FLAG>``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

MODEL = "The question"
ANSWER = "The answer"
SOLVER = "The solver"
STORY = "The story on stderr"


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


class Method(StrEnum):
    """How the program is solved."""

    AUTO = "auto"
    PRICES = "prices"
    CONIC = "conic"
    GRADIENT = "gradient"


class Color(StrEnum):
    """When the answer is coloured."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Part(StrEnum):
    """The parts of a result that are tables."""

    PRICES = "prices"
    ROUTER = "router"
    AUTONOMY = "autonomy"
    SERVING = "serving"
    TRAINING = "training"


BY_SUFFIX = {".json": Format.JSON, ".csv": Format.CSV, ".md": Format.MARKDOWN}

ConfigFile = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The config file.", show_default=False)
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        envvar="ALLOCATE_SET",
        rich_help_panel=MODEL,
        help="Change one value, e.g. models.cheap.quality=0.8. Repeatable.",
    ),
]
Scenario = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        metavar="A,B",
        envvar="ALLOCATE_SCENARIO",
        rich_help_panel=MODEL,
        help="Apply scenarios of the config, in this order.",
    ),
]
FormatFlag = Annotated[
    Format | None,
    typer.Option(
        "--format",
        envvar="ALLOCATE_FORMAT",
        rich_help_panel=ANSWER,
        help="How the answer is written; default table, or what --out ends with.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        envvar="ALLOCATE_OUT",
        rich_help_panel=ANSWER,
        help="Write the answer to FILE, whole or not at all.",
    ),
]
All = Annotated[
    bool,
    typer.Option(
        "--all", envvar="ALLOCATE_ALL", rich_help_panel=ANSWER, help="Show every line of a table."
    ),
]
Table = Annotated[
    Part,
    typer.Option(
        "--table",
        envvar="ALLOCATE_TABLE",
        rich_help_panel=ANSWER,
        help="Which table --format csv writes.",
    ),
]
MethodFlag = Annotated[
    Method,
    typer.Option(
        "--method", envvar="ALLOCATE_METHOD", rich_help_panel=SOLVER, help="How it is solved."
    ),
]
Tolerance = Annotated[
    float,
    typer.Option(
        "--tolerance",
        envvar="ALLOCATE_TOLERANCE",
        rich_help_panel=SOLVER,
        min=1e-12,
        max=1.0,
        help="Largest relative gap between the answer and its bound.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", envvar="ALLOCATE_SEED", rich_help_panel=SOLVER, help="Seed of random draws."
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "-q",
        "--quiet",
        envvar="ALLOCATE_QUIET",
        rich_help_panel=STORY,
        help="No story; with --out, only the path written.",
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "-v", "--verbose", envvar="ALLOCATE_VERBOSE", rich_help_panel=STORY, help="More of it."
    ),
]
ColorFlag = Annotated[
    Color,
    typer.Option(
        "--color",
        envvar="ALLOCATE_COLOR",
        rich_help_panel=STORY,
        help="Colour; auto means on a terminal without NO_COLOR.",
    ),
]
NoProgress = Annotated[
    bool,
    typer.Option(
        "--no-progress",
        envvar="ALLOCATE_NO_PROGRESS",
        rich_help_panel=STORY,
        help="No progress line.",
    ),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        envvar="ALLOCATE_DEBUG",
        rich_help_panel=STORY,
        help="Show the traceback of an internal error.",
    ),
]


def names(texts: list[str] | None) -> tuple[str, ...]:
    """Split ``a,b`` and repeated flags into names, in order."""
    return tuple(n.strip() for text in texts or () for n in text.split(",") if n.strip())


def choose_format(given: Format | None, out: Path | None) -> Format:
    """Take the format that was asked for, else what the file's name says, else a table."""
    if given is not None:
        return given
    return BY_SUFFIX.get(out.suffix.lower(), Format.TABLE) if out else Format.TABLE
