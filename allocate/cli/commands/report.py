"""``allocate report``: results as one HTML page, or one figure of it, without solving."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from allocate.cli import flags
from allocate.cli.output import OutputError, check_out, deliver
from allocate.cli.terminal import Story
from allocate.errors import AllocateError

NEEDED = {"jinja2": "Jinja2", "altair": "Altair", "vl_convert": "vl-convert"}


class ReportFormat(StrEnum):
    """What is drawn: the whole page, or one figure of it."""

    HTML = "html"
    PNG = "png"
    PDF = "pdf"
    SVG = "svg"


SUFFIXES = {
    "": None,
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
    ".png": ReportFormat.PNG,
    ".pdf": ReportFormat.PDF,
    ".svg": ReportFormat.SVG,
}

ResultFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="RESULT...",
        help="What solve, compare, diagnose or plan wrote with --format json; - reads stdin.",
        show_default=False,
    ),
]
FormatFlag = Annotated[
    ReportFormat | None,
    flags.option(
        "--format",
        metavar="FORMAT",
        help="html: the page; png, pdf or svg: one figure; default what --out ends with.",
        panel=flags.ANSWER,
        show_default=False,
        envvar=None,
    ),
]
FigureFlag = Annotated[
    str | None,
    flags.option(
        "--figure",
        metavar="NAME",
        help="The figure to draw as png, pdf or svg; without it, the error names them all.",
        panel=flags.ANSWER,
        envvar=None,
    ),
]


class MissingExtra(AllocateError):
    """What draws a report is not installed."""


def report(
    results: ResultFiles,
    format: FormatFlag = None,
    figure: FigureFlag = None,
    out: flags.Out = None,
    quiet: flags.Quiet = False,
    debug: flags.Debug = False,
) -> None:
    """Draw results as one HTML page that needs nothing else, without solving.

    allocate report result.json --out report.html

    allocate report result.json compare.json plan.json diagnose.json --out report.html

    allocate report plan.json --figure until --out until.png
    """
    check_out(out, results)
    chosen = _format(format, figure, out)
    _check_extra()
    from allocate.cli.report.kinds import read_page

    page = read_page(*results)
    if chosen is not ReportFormat.HTML:
        from allocate.cli.report.single import draw_single, named_figure

        _deliver_picture(draw_single(named_figure(page, figure), chosen), out, Story(quiet))
        return
    from allocate.cli.report.page import draw_page

    deliver(draw_page(page), out, Story(quiet))


def _format(given: ReportFormat | None, figure: str | None, out: Path | None) -> ReportFormat:
    """Take the format that was asked for, else what the file's name says, else the page."""
    suffix = "" if out is None else out.suffix.lower()
    by_name = SUFFIXES.get(suffix)
    if out is not None and (suffix not in SUFFIXES or given and by_name not in (None, given)):
        what = f"a {given.value.upper()}" if given else "HTML, or one figure as PNG, PDF or SVG"
        end = f".{given.value}" if given else ".html (or .png, .pdf, .svg with --figure)"
        raise flags.FlagError(f"a report is {what}: end the name of {out} with {end}")
    chosen = given or by_name or (ReportFormat.HTML if figure is None else ReportFormat.PNG)
    if figure is not None and chosen is ReportFormat.HTML:
        raise flags.FlagError(
            "--figure draws one figure: say --format png, pdf or svg; the page has all of them"
        )
    if chosen is not ReportFormat.HTML and figure is None and by_name is ReportFormat.PDF:
        raise flags.FlagError(
            "a PDF is of one figure: name it with --figure; of the whole page a browser prints one"
        )
    if out is None and sys.stdout.isatty():
        name = "report.html" if chosen is ReportFormat.HTML else f"figure.{chosen.value}"
        raise flags.FlagError(f"this is not for a terminal: name a file, --out {name}")
    return chosen


def _deliver_picture(drawn: bytes, out: Path | None, story: Story) -> None:
    if out is None:
        sys.stdout.buffer.write(drawn)
        sys.stdout.flush()
        return
    from allocate import files

    try:
        files.write_whole(out, drawn)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}.") from error
    if story.quiet:
        deliver(str(out), None, story)
    else:
        story.say(f"wrote {out}")


def _check_extra() -> None:
    missing = [name for module, name in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise MissingExtra(
            f"allocate report needs {', '.join(missing)}, not installed here: "
            "from a checkout pip install '.[report]', else pip install 'allocate[report]'."
        )
