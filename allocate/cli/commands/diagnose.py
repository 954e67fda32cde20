"""``allocate diagnose``: the seven failure modes of an allocation, each in USD per hour."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from allocate.cli import flags
from allocate.cli.exit_codes import EXIT_CODES, NO
from allocate.cli.input import load_config, share_of
from allocate.cli.output import check_out, deliver
from allocate.cli.progress import Progress
from allocate.cli.release import require_method
from allocate.cli.terminal import Story


class DiagnosisFormat(StrEnum):
    """How findings are written."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"


ObservedTable = Annotated[
    Path | None,
    flags.option(
        "--observed",
        metavar="TABLE",
        help="What is done today: a .csv or .parquet table, or a .json result of solve; default "
        "what each layer would do alone.",
        panel=flags.MODEL,
        envvar=None,
    ),
]
Select = Annotated[
    list[str] | None,
    flags.option(
        "--select",
        metavar="A,B",
        help="Only these rules: codes, or how they begin, such as AL1.",
        panel=flags.MODEL,
    ),
]
Ignore = Annotated[
    list[str] | None,
    flags.option("--ignore", metavar="A,B", help="All rules but these.", panel=flags.MODEL),
]
AtLeast = Annotated[
    str,
    flags.option(
        "--at-least",
        metavar="SHARE%",
        help="Leave out findings under this share of the joint welfare.",
        panel=flags.ANSWER,
    ),
]
ExitZero = Annotated[
    bool,
    flags.switch("--exit-zero", help="Exit 0 though there are findings.", panel=flags.ANSWER),
]
FormatFlag = Annotated[
    DiagnosisFormat | None,
    flags.option(
        "--format",
        metavar="FORMAT",
        help="table, json, markdown, or github (annotations of a workflow); default table, or "
        "what --out ends with.",
        panel=flags.ANSWER,
        show_default=False,
    ),
]


def diagnose(
    config: flags.ConfigFile,
    overrides: flags.Set = None,
    scenario: flags.Scenario = None,
    observed: ObservedTable = None,
    select: Select = None,
    ignore: Ignore = None,
    at_least: AtLeast = "0.01%",
    exit_zero: ExitZero = False,
    format: FormatFlag = None,
    out: flags.Out = None,
    whole: flags.All = False,
    method: flags.MethodFlag = flags.Method.AUTO,
    tolerance: flags.Tolerance = 1e-6,
    seed: flags.Seed = 0,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
    color: flags.ColorFlag = flags.Color.AUTO,
    no_progress: flags.NoProgress = False,
    debug: flags.Debug = False,
) -> None:
    """Find the seven failure modes of what is done today, each in USD per hour.

    allocate diagnose config.yaml

    allocate diagnose config.yaml --observed today.csv --format github

    Exit 1 if there are findings; what is known and wanted goes under diagnose.accept in the
    config, with its reason.
    """
    story = Story(quiet, verbose)
    chosen = _format(format, out)
    check_out(out, [config, observed])
    question = {
        "observed": observed,
        "select": flags.names(select),
        "ignore": flags.names(ignore),
        "least": share_of(at_least, "--at-least", "1%"),
        "method": require_method(method),
        "tolerance": tolerance,
        "seed": seed,
    }
    with Progress(story, not no_progress) as progress:
        document = answer(config, overrides or [], flags.names(scenario), question, progress, out)
    from allocate.cli.render.diagnosis import draw_diagnosis  # rich and its kin: not for --help

    text = draw_diagnosis(
        document,
        chosen,
        config=None if quiet or out is not None else config,
        observed=observed,
        whole=whole,
        color=color,
        to_file=out is not None,
    )
    if out is not None and document["status"] != "optimal":
        story.say("stopped early or not certified: the file holds what is known so far")
    deliver(text, out, story)
    if code := EXIT_CODES[document["status"]]:
        raise typer.Exit(code)
    if document["findings"] and not exit_zero:
        raise typer.Exit(NO)


def answer(
    config: Path,
    overrides: list[str],
    scenarios: tuple[str, ...],
    question: dict[str, Any],
    progress: Progress,
    out: Path | None = None,
) -> dict[str, Any]:
    """Load, diagnose, and return the diagnosis document."""
    from allocate.solver.studies.diagnosis.rules import chosen

    chosen(question["select"], question["ignore"])  # a wrong code is told before any import
    loaded = load_config(config, overrides, scenarios, out)
    from allocate.solver.studies.diagnosis.study import diagnose as examine

    return examine(loaded, progress=progress.report, **question).to_dict()


def _format(given: DiagnosisFormat | None, out: Path | None) -> DiagnosisFormat:
    """Take the format that was asked for, else what the file's name says, else a table."""
    if given is not None:
        return given
    by_name = flags.choose_format(None, out)
    if by_name is flags.Format.CSV:
        raise flags.FlagError("findings are no table for .csv: use .json, .md or .txt")
    return DiagnosisFormat(by_name.value)
