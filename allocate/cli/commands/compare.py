"""``allocate compare``: joint allocation against what each layer does alone, at equal spending."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from allocate.cli import flags
from allocate.cli.exit_codes import EXIT_CODES, NO
from allocate.cli.input import load_config, share_of
from allocate.cli.output import check_out, deliver
from allocate.cli.progress import Progress
from allocate.cli.release import require_method
from allocate.cli.render.text import apart, money, number
from allocate.cli.terminal import Story

Baseline = Annotated[
    list[str] | None,
    flags.option(
        "--baseline",
        metavar="A,B",
        help="Only these: greedy, greedy-tuned, best-response, flat-price, frontier, cheapest, "
        "per-dollar, observed.",
        panel=flags.MODEL,
    ),
]
Against = Annotated[
    str | None,
    flags.option(
        "--against",
        metavar="NAME",
        help="The baseline of the verdict; default greedy-tuned.",
        panel=flags.MODEL,
        show_default=False,
    ),
]
ObservedTable = Annotated[
    Path | None,
    flags.option(
        "--observed",
        metavar="TABLE",
        help="What is done today: a .csv or .parquet table, or a .json result of solve.",
        panel=flags.MODEL,
        envvar=None,
    ),
]
FailUnder = Annotated[
    str | None,
    flags.option(
        "--fail-under",
        metavar="SHARE%",
        help="Exit 1 if the gain at equal spend is under this share of the baseline's welfare.",
        panel=flags.ANSWER,
    ),
]
NoAttribution = Annotated[
    bool,
    flags.switch(
        "--no-attribution",
        help="Do not split the gain among the layers: up to 14 solves fewer.",
        panel=flags.SOLVER,
    ),
]


def compare(
    config: flags.ConfigFile,
    overrides: flags.Set = None,
    scenario: flags.Scenario = None,
    baseline: Baseline = None,
    against: Against = None,
    observed: ObservedTable = None,
    fail_under: FailUnder = None,
    format: flags.FormatFlag = None,
    out: flags.Out = None,
    whole: flags.All = False,
    method: flags.MethodFlag = flags.Method.AUTO,
    tolerance: flags.Tolerance = 1e-6,
    seed: flags.Seed = 0,
    no_attribution: NoAttribution = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
    color: flags.ColorFlag = flags.Color.AUTO,
    no_progress: flags.NoProgress = False,
    debug: flags.Debug = False,
) -> None:
    """Compare the joint answer with what each layer does alone, at equal spending.

    allocate compare config.yaml

    allocate compare config.yaml --observed today.csv --fail-under 5%
    """
    story = Story(quiet, verbose)
    least = None if fail_under is None else share_of(fail_under, "--fail-under", "5%")
    chosen = flags.choose_format(format, out)
    check_out(out, [config, observed])
    question = {
        "baselines": flags.names(baseline),
        "against": against,
        "observed": observed,
        "method": require_method(method),
        "tolerance": tolerance,
        "seed": seed,
        "attribution": not no_attribution,
    }
    with Progress(story, not no_progress) as progress:
        document = answer(config, overrides or [], flags.names(scenario), question, progress, out)
    from allocate.cli.render.compare import draw_comparison  # rich and its kin: not for --help

    text = draw_comparison(
        document,
        chosen,
        config=None if quiet or out is not None else config,
        whole=whole,
        color=color,
        to_file=out is not None,
    )
    if out is not None and document["status"] != "optimal":
        story.say("stopped early or not certified: the file holds what is known so far")
    deliver(text, out, story)
    if code := EXIT_CODES[document["status"]]:
        raise typer.Exit(code)
    if least is not None and not (reached := reaches(document, least)):
        why = f"no verdict on --fail-under: there is no `{document['against']}` to compare with"
        story.say(why if reached is None else shortfall(document, least))
        raise typer.Exit(NO)


def answer(
    config: Path,
    overrides: list[str],
    scenarios: tuple[str, ...],
    question: dict[str, Any],
    progress: Progress,
    out: Path | None = None,
) -> dict[str, Any]:
    """Load, compare, and return the comparison document."""
    loaded = load_config(config, overrides, scenarios, out)
    from allocate.solver.studies.compare import compare as find_gains

    return find_gains(loaded, progress=progress.report, **question).to_dict()


def reaches(document: dict[str, Any], least: float) -> bool | None:
    """Whether the gain at equal spend is at least a share of the baseline's welfare.

    None where that baseline could not be drawn.
    """
    line = _reference(document)
    if line is None or line["welfare"] is None:
        return None
    gain = line["equal_spend"]["gain"]
    if least <= 0:
        return True  # a gain is never counted below 0
    return gain > 0 and gain >= least * line["welfare"]


def shortfall(document: dict[str, Any], least: float) -> str:
    """Say what gain was reached where ``reaches`` says no, and what was asked."""
    line, over = _reference(document) or {}, f"over `{document['against']}`"
    gain = line["equal_spend"]["gain"]
    if gain <= 0:
        asks = f"--fail-under asks {number(100 * least)} %"
        return f"there is no gain at equal spend {over}, and {asks} of its welfare"
    reached, asked = apart(100 * gain / line["welfare"], 100 * least, 3)
    return (
        f"the gain at equal spend {over} is {money(gain)}/h, {reached} % of its welfare: "
        f"under the {asked} % that --fail-under asks"
    )


def _reference(document: dict[str, Any]) -> dict[str, Any] | None:
    """The baseline of the verdict."""
    lines = {line["name"]: line for line in document["baselines"]}
    return lines.get(document["against"])
