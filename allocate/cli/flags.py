"""The flags that mean the same everywhere.

Most have an environment name ``ALLOCATE_<FLAG>``, which the front page of the help says once. Flags
that name or replace a file have none: exported, they would send every command's answer there.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from allocate.errors import AllocateError

MODEL = "The question"
ANSWER = "The answer"
SOLVER = "The solver"
STORY = "The story on stderr"
LEAST_TOLERANCE, MOST_TOLERANCE = 1e-12, 1.0


class FlagError(AllocateError):
    """A flag has a value that makes no sense, or none beside another flag."""


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
    SCHEDULE = "schedule"
    REGRET = "regret"
    TOKEN_PRICES = "token-prices"
    CACHE = "cache"
    HITS = "hits"
    INVESTMENT = "investment"
    VECTORS = "vectors"


BY_SUFFIX = {
    ".json": Format.JSON,
    ".csv": Format.CSV,
    ".md": Format.MARKDOWN,
    ".txt": Format.TABLE,
    "": Format.TABLE,
}
PAGES = (".html", ".htm")  # what `allocate report` draws


def option(*names: str, help: str, panel: str | None = None, **more: Any) -> Any:
    """Declare a flag whose environment name is not repeated in every line of the help."""
    more.setdefault("envvar", f"ALLOCATE_{names[-1].lstrip('-').upper().replace('-', '_')}")
    return typer.Option(*names, help=help, rich_help_panel=panel, show_envvar=False, **more)


def switch(*names: str, help: str, panel: str | None = None, **more: Any) -> Any:
    """Declare a flag that takes no value."""
    return option(*names, help=help, panel=panel, metavar="", **more)


def _check_tolerance(value: float) -> float:
    if not LEAST_TOLERANCE <= value <= MOST_TOLERANCE:
        raise FlagError(
            f"--tolerance must be between {LEAST_TOLERANCE:g} and {MOST_TOLERANCE:g}, not {value:g}"
        )
    return value


ConfigFile = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG", help="The config file; - reads it from stdin.", show_default=False
    ),
]
Set = Annotated[
    list[str] | None,
    option(
        "--set",
        metavar="PATH=VALUE",
        help="Change one value, e.g. models.cheap.quality=0.8. Repeatable.",
        panel=MODEL,
    ),
]
Scenario = Annotated[
    list[str] | None,
    option(
        "--scenario",
        metavar="A,B",
        help="Apply scenarios of the config, in this order.",
        panel=MODEL,
    ),
]
FormatFlag = Annotated[
    Format | None,
    option(
        "--format",
        metavar="FORMAT",
        help="table, json, csv or markdown; default table, or what --out ends with.",
        panel=ANSWER,
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    option(
        "--out",
        metavar="FILE",
        help="Write the answer to FILE, whole or not at all.",
        panel=ANSWER,
        envvar=None,
    ),
]
All = Annotated[bool, switch("--all", help="Show every line of a table.", panel=ANSWER)]
Table = Annotated[
    Part | None,
    option(
        "--table",
        metavar="NAME",
        help="Only this table: prices, router, autonomy, serving, training, schedule, regret, "
        "token-prices, cache, hits, investment or vectors.",
        panel=ANSWER,
        show_default=False,
    ),
]
MethodFlag = Annotated[
    Method,
    option(
        "--method",
        metavar="METHOD",
        help="prices: Newton on the exact dual; conic: an interior-point solver finds the first "
        "prices; auto: prices, then conic where that is not certified; gradient: climb from the "
        "answer of auto by its gradient, several starts at once.",
        panel=SOLVER,
    ),
]
Tolerance = Annotated[
    float,
    option(
        "--tolerance",
        metavar="SHARE",
        help="Largest relative gap between the answer and its bound, 1e-12 to 1.",
        panel=SOLVER,
        callback=_check_tolerance,
    ),
]
NoRanges = Annotated[
    bool,
    option(
        "--no-ranges",
        help="Leave out how far each price holds: it is found by solving again.",
        panel=SOLVER,
    ),
]
WarmFrom = Annotated[
    Path | None,
    option(
        "--warm-from",
        metavar="RESULT.json",
        help="Start from the prices of an earlier result, of this config or another.",
        panel=SOLVER,
    ),
]
Samples = Annotated[
    int | None,
    option(
        "--samples",
        metavar="NUMBER",
        help="Solve again for so many draws of the calibrated intervals, and show the spread.",
        panel=MODEL,
        min=2,
        max=100_000,
        show_default=False,
    ),
]
Global = Annotated[
    float,
    option(
        "--global",
        metavar="SECONDS",
        help="With training: look for better capabilities for so long, and bound them all.",
        panel=SOLVER,
        min=0.0,
        show_default=False,
    ),
]
Sensitivity = Annotated[
    bool,
    switch(
        "--sensitivity",
        help="Also show how the answer hangs on every number of the config.",
        panel=MODEL,
    ),
]
Seed = Annotated[
    int,
    option(
        "--seed",
        metavar="NUMBER",
        help="Seed of every random draw.",
        panel=SOLVER,
        min=0,
        max=2**32 - 1,
    ),
]
Quiet = Annotated[
    bool,
    switch(
        "-q",
        "--quiet",
        help="No story and no next steps; with --out, only the path written.",
        panel=STORY,
    ),
]
Verbose = Annotated[bool, switch("-v", "--verbose", help="More of it.", panel=STORY)]
ColorFlag = Annotated[
    Color,
    option(
        "--color",
        metavar="WHEN",
        help="always, never, or auto: on a terminal without NO_COLOR.",
        panel=STORY,
    ),
]
NoProgress = Annotated[bool, switch("--no-progress", help="No progress line.", panel=STORY)]
Debug = Annotated[
    bool, switch("--debug", help="Show the traceback of an internal error.", panel=STORY)
]


def names(texts: list[str] | None) -> tuple[str, ...]:
    """Split ``a,b`` and repeated flags into names, in order."""
    return tuple(n.strip() for text in texts or () for n in text.split(",") if n.strip())


def choose_format(given: Format | None, out: Path | None) -> Format:
    """Take the format that was asked for, else what the file's name says, else a table.

    Raises:
        FlagError: the name ends with something that no format is known by.
    """
    if given is not None or out is None:
        return given or Format.TABLE
    if out.suffix.lower() not in BY_SUFFIX:
        if out.suffix.lower() in PAGES:
            raise FlagError(
                f"{out} would be a page: write a result with --out result.json, then "
                f"allocate report result.json --out {out}"
            )
        known = ", ".join(suffix for suffix in BY_SUFFIX if suffix)
        raise FlagError(
            f"no format is known by `{out.suffix}`: end the name of {out} with one of {known}, "
            "or say which with --format"
        )
    return BY_SUFFIX[out.suffix.lower()]
