"""``allocate report``: a result as one HTML page, without solving."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from allocate.cli import flags
from allocate.cli.output import check_out, deliver
from allocate.cli.terminal import Story
from allocate.errors import AllocateError

NEEDED = {"jinja2": "Jinja2", "altair": "Altair", "vl_convert": "vl-convert"}
SUFFIXES = (".html", ".htm", "")

ResultFile = Annotated[
    Path,
    typer.Argument(
        metavar="RESULT",
        help="What `solve --format json` wrote; - reads it from stdin.",
        show_default=False,
    ),
]


class MissingExtra(AllocateError):
    """What draws a report is not installed."""


def report(
    result: ResultFile,
    out: flags.Out = None,
    quiet: flags.Quiet = False,
    debug: flags.Debug = False,
) -> None:
    """Draw a result as one HTML page that needs nothing else, without solving.

    allocate solve config.yaml --out result.json

    allocate report result.json --out report.html
    """
    check_out(out, [result])
    _check_name(out)
    _check_extra()
    from allocate.cli.report.kinds import read_page

    page = read_page(result)

    from allocate.cli.report.page import draw_page

    deliver(draw_page(page), out, Story(quiet))


def _check_name(out: Path | None) -> None:
    """Refuse a place where HTML is not expected."""
    if out is None and sys.stdout.isatty():
        raise flags.FlagError("a page is not for a terminal: name a file, --out report.html")
    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise flags.FlagError(
            f"a report is HTML: end the name of {out} with .html; a browser prints the page as PDF"
        )


def _check_extra() -> None:
    missing = [name for module, name in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise MissingExtra(
            f"allocate report needs {', '.join(missing)}, not installed here: "
            "from a checkout pip install '.[report]', else pip install 'allocate[report]'."
        )
