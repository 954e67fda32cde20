"""``allocate validate``: is the config right? Every problem at once, and nothing is solved."""

from __future__ import annotations

import json
from typing import Any

import typer

from allocate.cli import flags
from allocate.cli.input import load_config, named_files
from allocate.cli.output import check_out, deliver
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean_lines
from allocate.cli.terminal import Story
from allocate.errors import ConfigError, Problem, ProblemsError

FIELDS = ("code", "message", "file", "line", "column", "path", "hint")


def validate(
    config: flags.ConfigFile,
    overrides: flags.Set = None,
    scenario: flags.Scenario = None,
    format: flags.FormatFlag = None,
    out: flags.Out = None,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
    debug: flags.Debug = False,
) -> None:
    """Check a config: every problem at once, with file:line:column and a hint.

    allocate validate config.yaml

    allocate validate config.yaml --format json
    """
    story = Story(quiet, verbose)
    check_out(out, [config, *named_files(config)])
    chosen = flags.choose_format(format, out)
    problems: list[Problem] = []
    summary = error_text = ""
    try:
        loaded = load_config(config, overrides or [], flags.names(scenario), out)
        summary = _summary(loaded)
        for warning in loaded.warnings:
            story.say(str(warning))
    except ProblemsError as error:
        problems, error_text = list(error.problems), str(error)
    deliver(_draw(chosen, problems, error_text or summary), out, story)
    if problems:
        raise typer.Exit(ConfigError.exit_code)


def _summary(loaded: Any) -> str:
    config = loaded.config
    counts = {
        "class": len(loaded.classes),
        "model": len(config.models),
        "autonomy level": len(config.autonomy),
        "GPU type": len(config.gpus),
        "deployment": len(config.deployments),
        "training asset": len(config.training.assets) if config.training else 0,
        "scenario": len(config.scenarios),
    }
    return "ok: " + ", ".join(f"{n:,} {_plural(name, n)}" for name, n in counts.items() if n)


def _plural(name: str, count: int) -> str:
    return name if count == 1 else name + ("es" if name.endswith("s") else "s")


def _draw(chosen: flags.Format, problems: list[Problem], text: str) -> str:
    records = [_record(problem) for problem in problems]
    if chosen is flags.Format.JSON:
        return json.dumps({"valid": not records, "problems": records}, indent=2, ensure_ascii=False)
    if chosen is flags.Format.CSV:
        return draw_records(records, FIELDS)
    text = clean_lines(text)
    return f"```text\n{text}\n```" if chosen is flags.Format.MARKDOWN else text


def _record(problem: Problem) -> dict[str, Any]:
    path = ".".join(str(part) for part in problem.path) or None
    return {name: path if name == "path" else getattr(problem, name) for name in FIELDS}
