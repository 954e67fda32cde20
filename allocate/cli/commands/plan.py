"""``allocate plan``: what the next unit of each capacity is worth, and what to change."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocate.cli import flags
from allocate.cli.exit_codes import EXIT_CODES
from allocate.cli.input import load_config
from allocate.cli.output import check_out, deliver
from allocate.cli.progress import Progress
from allocate.cli.release import require_method
from allocate.cli.terminal import Story

if TYPE_CHECKING:
    from allocate.solver.studies.plan.case import Case

STDIN = "-"


class Where(StrEnum):
    """Where points are solved."""

    LOCAL = "local"
    RAY = "ray"


class PlanTable(StrEnum):
    """The tables of a plan."""

    RESOURCES = "resources"
    ADVICE = "advice"
    PERIODS = "periods"
    SWEEP = "sweep"
    FRONTIER = "frontier"
    CHANGE = "change"
    RESERVATIONS = "reservations"
    GPU_HOURS = "gpu_hours"
    DEFERRED = "deferred"
    SCENARIOS = "scenarios"
    PLANS = "plans"


Sweep = Annotated[
    list[str] | None,
    flags.option(
        "--sweep",
        metavar="PATH=...",
        help="Solve at from:to:points, or at a,b,c. Repeatable: all combinations.",
        panel=flags.MODEL,
        envvar=None,
    ),
]
FrontierFlag = Annotated[
    str | None,
    flags.option(
        "--frontier",
        metavar="A,B",
        help="The trade-off of two of money, latency, risk, oversight.",
        panel=flags.MODEL,
        envvar=None,
    ),
]
Points = Annotated[
    int, flags.option("--points", metavar="NUMBER", help="Of the frontier.", panel=flags.MODEL)
]
From = Annotated[
    Path | None,
    flags.option(
        "--from",
        metavar="TODAY",
        help="What to change from today's allocation: a .json result of solve, or a table as "
        "for compare --observed.",
        panel=flags.MODEL,
        envvar=None,
    ),
]
Advised = Annotated[
    bool | None,
    typer.Option(
        "--advice/--no-advice",
        help="Find where buying stops and what to change; default: unless --sweep, --frontier "
        "or --from is given.",
        rich_help_panel=flags.MODEL,
        show_default=False,
    ),
]
PlanTableFlag = Annotated[
    PlanTable | None,
    flags.option(
        "--table",
        metavar="NAME",
        help="Only this table: resources, advice, periods, sweep, frontier, change, "
        "reservations, gpu_hours, deferred, scenarios or plans.",
        panel=flags.ANSWER,
        show_default=False,
        envvar=None,
    ),
]
StoreFlag = Annotated[
    Path | None,
    flags.option(
        "--store",
        metavar="DIR",
        help="Keep finished points here, to go on after a stop; default beside --out.",
        panel=flags.SOLVER,
        envvar=None,
    ),
]
ExecutorFlag = Annotated[
    Where,
    flags.option(
        "--executor",
        metavar="WHERE",
        help="local: this machine's cores; ray: a Ray cluster.",
        panel=flags.SOLVER,
    ),
]
Address = Annotated[
    str | None,
    flags.option(
        "--address",
        metavar="HOST:PORT",
        help="Of the Ray cluster; default one on this machine.",
        panel=flags.SOLVER,
    ),
]
Workers = Annotated[
    int | None,
    flags.option(
        "--workers",
        metavar="NUMBER",
        help="Processes of --executor local; default one a core.",
        panel=flags.SOLVER,
        show_default=False,
        min=1,
    ),
]


def plan(
    config: flags.ConfigFile,
    overrides: flags.Set = None,
    scenario: flags.Scenario = None,
    sweep: Sweep = None,
    frontier: FrontierFlag = None,
    points: Points = 9,
    today: From = None,
    advice: Advised = None,
    format: flags.FormatFlag = None,
    out: flags.Out = None,
    whole: flags.All = False,
    table: PlanTableFlag = None,
    method: flags.MethodFlag = flags.Method.AUTO,
    tolerance: flags.Tolerance = 1e-6,
    seed: flags.Seed = 0,
    executor: ExecutorFlag = Where.LOCAL,
    address: Address = None,
    workers: Workers = None,
    store: StoreFlag = None,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
    color: flags.ColorFlag = flags.Color.AUTO,
    no_progress: flags.NoProgress = False,
    debug: flags.Debug = False,
) -> None:
    """Find what the next unit of each capacity is worth, where buying stops, and what to change.

    allocate plan config.yaml

    allocate plan config.yaml --sweep gpus.h100.available=0:64:9 --out sweep.json
    """
    story = Story(quiet, verbose)
    chosen = flags.choose_format(format, out)
    check_out(out, [config, today])
    if table is not None and chosen is flags.Format.JSON:
        raise flags.FlagError("--table picks a table, and JSON holds them all: leave one of them")
    if executor is Where.RAY and workers is not None:
        raise flags.FlagError("--workers is of --executor local: a Ray cluster has its own cores")
    if address is not None and executor is not Where.RAY:
        raise flags.FlagError("--address is of a Ray cluster: give --executor ray with it")
    folder = store or (out.with_name(f"{out.name}.points") if out and (sweep or frontier) else None)
    question = {
        "sweeps": tuple(sweep or ()),
        "frontier": frontier,
        "points": points,
        "today": today,
        "advise": advice,
        "executor": executor.value,
        "address": address,
        "workers": workers,
        "store": folder,
    }
    solving = {"method": require_method(method), "tolerance": tolerance, "seed": seed}
    asked = (config, tuple(overrides or ()), flags.names(scenario))
    with Progress(story, not no_progress) as progress:
        document = answer(*asked, question, solving, progress, out)
    from allocate.cli.render.following import Question
    from allocate.cli.render.plan import draw_plan  # rich and its kin: not for --help

    text = draw_plan(
        document,
        chosen,
        asked=None if quiet or out is not None else Question(*asked),
        part=None if table is None else table.value,
        whole=whole,
        color=color,
        to_file=out is not None,
    )
    deliver(text, out, story)
    _tell(document, folder, story)
    if code := EXIT_CODES[document["status"]]:
        raise typer.Exit(code)


def answer(
    config: Path,
    overrides: tuple[str, ...],
    scenarios: tuple[str, ...],
    question: dict[str, Any],
    solving: dict[str, Any],
    progress: Progress,
    out: Path | None = None,
) -> dict[str, Any]:
    """Load, plan, and return the plan document."""
    case = _case(config, overrides, scenarios, solving, out)
    from allocate.solver.studies.plan.planning import Ask
    from allocate.solver.studies.plan.planning import plan as make_plan

    return make_plan(case, Ask(**question), progress.report).to_dict()


def _case(
    config: Path,
    overrides: tuple[str, ...],
    scenarios: tuple[str, ...],
    solving: dict[str, Any],
    out: Path | None,
) -> Case:
    """The config as one that is loaded many times; what is wrong in it is told at once."""
    if str(config) != STDIN and (config.is_file() or not config.exists()):
        load_config(config, list(overrides), scenarios, out)
        from allocate.solver.studies.plan.case import Case

        return Case(str(config), overrides, scenarios, **solving)
    from allocate.models.loader import load_dict
    from allocate.models.source import MAX_BYTES, read_bytes, read_source

    # a pipe is read only once
    stdin = str(config) == STDIN
    raw = sys.stdin.buffer.read(MAX_BYTES + 1) if stdin else read_bytes(config, str(config))
    data = read_source(raw, "<stdin>" if stdin else str(config)).data
    base = Path.cwd() if stdin else config.parent
    check_out(out, load_dict(data, base, overrides, scenarios).files)
    from allocate.solver.studies.plan.case import Case

    return Case(data, overrides, scenarios, str(base), **solving)


def _tell(document: dict[str, Any], folder: Path | None, story: Story) -> None:
    """Say what a sweep took from the store, and how an interrupted one goes on."""
    abouts = [document.get("sweep_about"), (document.get("frontier") or {}).get("about")]
    for about in filter(None, abouts):
        if about["reused"]:
            story.say(f"{about['reused']} of {about['points']} points were solved before: {folder}")
        if about["stopped"] and folder is not None:
            kept = f"{about['finished']} of {about['points']} points are kept in {folder}"
            story.say(f"{kept}: run the same command to go on")
