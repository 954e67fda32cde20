"""``allocate solve``: the joint optimum, its shared prices and its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from allocate.cli import flags
from allocate.cli.exit_codes import EXIT_CODES
from allocate.cli.input import load_config
from allocate.cli.output import check_out, deliver
from allocate.cli.progress import Progress
from allocate.cli.release import require_method
from allocate.cli.terminal import Story, complain
from allocate.cli.writing import writing
from allocate.errors import SolveError

if TYPE_CHECKING:
    from allocate.models.loader import Loaded
    from allocate.solver.solution import Solution

DATA = (flags.Format.JSON, flags.Format.CSV)  # read by programs, not by people


def solve(
    config: flags.ConfigFile,
    overrides: flags.Set = None,
    scenario: flags.Scenario = None,
    format: flags.FormatFlag = None,
    out: flags.Out = None,
    whole: flags.All = False,
    table: flags.Table = None,
    method: flags.MethodFlag = flags.Method.AUTO,
    tolerance: flags.Tolerance = 1e-6,
    seed: flags.Seed = 0,
    warm_from: flags.WarmFrom = None,
    samples: flags.Samples = None,
    sensitivity: flags.Sensitivity = False,
    search_s: flags.Global = 0.0,
    no_ranges: flags.NoRanges = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
    color: flags.ColorFlag = flags.Color.AUTO,
    no_progress: flags.NoProgress = False,
    debug: flags.Debug = False,
) -> None:
    """Find the joint optimum, its shared prices and its certificate.

    allocate solve config.yaml

    allocate solve config.yaml --set gpus.h100.available=64 --out result.json

    allocate solve fleet/config.yaml --samples 200 --seed 1
    """
    story = Story(quiet, verbose)
    check_out(out, [config, warm_from])
    chosen = flags.choose_format(format, out)
    if table is not None and chosen is flags.Format.JSON:
        raise flags.FlagError("--table picks a table, and JSON holds them all: leave one of them")
    question = {"method": require_method(method), "tolerance": tolerance, "seed": seed}
    asked = (config, overrides or [], flags.names(scenario))
    with Progress(story, not no_progress) as progress:
        how = question | _earlier(warm_from) | ({"search_s": search_s} if search_s else {})
        how |= {"ranges": False} if no_ranges else {}
        result = answer(*asked, how, progress, out, samples, sensitivity)
    if result.get("message") and (out is not None or chosen in DATA):
        complain(_refusal(result))  # elsewhere the screen says it
    from allocate.cli.render.answer import draw_answer  # rich and its kin: not for --help
    from allocate.cli.render.following import Question

    again = Question(config, tuple(overrides or ()), flags.names(scenario))
    with writing():
        text = draw_answer(
            result,
            chosen,
            asked=None if quiet or out is not None else again,
            part=table,
            whole=whole,
            color=color,
            to_file=out is not None,
        )
        if out is not None:
            _summarise(result, story)
        deliver(text, out, story)
    _tell(result, story)
    if code := EXIT_CODES[result["status"]]:
        raise typer.Exit(code)


def _earlier(warm_from: Path | None) -> dict[str, Any]:
    """The result to start from; a wrong one is told before the config is read."""
    if warm_from is None:
        return {}
    from allocate.solver.result import read_result

    return {"warm_from": read_result(warm_from)}


def answer(
    config: Path,
    overrides: list[str],
    scenarios: tuple[str, ...],
    question: dict[str, Any],
    progress: Progress,
    out: Path | None = None,
    samples: int | None = None,
    sensitivity: bool = False,
) -> dict[str, Any]:
    """Load, solve, and return the result document, also where there is no answer."""
    loaded = load_config(config, overrides, scenarios, out)
    if samples is not None:
        from allocate.solver.studies.samples import require_numbers

        require_numbers(loaded)
    from allocate.solver.result import without_answer
    from allocate.solver.solve import solve as find_optimum

    try:
        found = find_optimum(loaded, progress=progress.report, **question)
        with writing():
            document = found.to_dict()
        if sensitivity:
            document = _hanging(found, document, question, progress)
        return _spread(loaded, document, samples, question, progress) if samples else document
    except SolveError as error:
        if error.status not in ("infeasible", "unbounded"):
            raise
        document = without_answer(
            error.status,
            config_sha256=loaded.sha256,
            tolerance=question["tolerance"],
            conflicts=list(error.conflicts),
            infeasibility=error.proof,
        )
        return {**document, "message": error.message}


def _hanging(
    found: Solution, document: dict[str, Any], question: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """The document with its derivatives; without them, and a warning, where there are none."""
    from allocate.solver.studies.sensitivity.study import Ask, Unsettled, sensitivity

    how = {key: question[key] for key in ("method", "tolerance", "seed")}
    try:
        return document | sensitivity(found, Ask(**how, progress=progress.report)).to_dict()
    except Unsettled as why:
        told = f"no derivatives were taken: {why}"
        return document | {"warnings": [*document["warnings"], told]}


def _spread(
    loaded: Loaded, document: dict[str, Any], count: int, question: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """The document with its spread over draws; without one, and a warning, if it has no prices."""
    from allocate.solver.studies.many import Asked
    from allocate.solver.studies.samples import sample

    if document["status"] == "stopped" or "start" not in document:
        why = "no draws were solved: they start from certified prices, and this answer has none"
        return document | {"warnings": [*document["warnings"], why]}
    how = {key: question[key] for key in ("method", "tolerance", "seed")}
    spread = sample(loaded, document, count, Asked(**how, progress=progress.report))
    return document | {"samples": spread}


def _refusal(result: dict[str, Any]) -> str:
    return str(SolveError(result["status"], result["message"], result.get("conflicts") or ()))


def _summarise(result: dict[str, Any], story: Story) -> None:
    """Say what the file holds: its name does not tell a whole answer from one that was stopped."""
    from allocate.cli.render.verdict import verdict

    if result.get("message"):
        return  # told already
    first = verdict(result)[0]
    story.say(first)
    for entry in result["warnings"]:
        if str(entry).startswith("stopped") and "stopped" not in first:
            story.say(f"warning: {entry}")


def _tell(result: dict[str, Any], story: Story) -> None:
    solver, timing = dict(result["solver"]), result["timing"]
    if reused := solver.pop("reused", None):
        story.say(f"started from {reused['prices']} known prices of {reused['of']}")
    facts = [f"{name} {value}" for name, value in solver.items() if value is not None]
    facts += [f"{name} {value:.3g}" for name, value in timing.items() if value is not None]
    story.detail(", ".join(facts))
