"""``allocate explain``: the page of a rule of ``diagnose``."""

from __future__ import annotations

from typing import Annotated

import typer

from allocate.cli import flags
from allocate.cli.output import check_out, deliver
from allocate.cli.terminal import Story


def explain(
    code: Annotated[
        str | None,
        typer.Argument(metavar="[CODE]", help="A rule, such as AL202; none: all of them."),
    ] = None,
    out: flags.Out = None,
    quiet: flags.Quiet = False,
    debug: flags.Debug = False,
) -> None:
    """Print the page of a rule of `allocate diagnose`: what it finds, why it costs, the repair.

    allocate explain AL202
    """
    from allocate.solver.studies.diagnosis.rules import RULES, rule

    check_out(out, [])
    if code is None:
        lines = [f"{r.code}  {r.name:<20} {r.layer:<9} {r.condition}" for r in RULES.values()]
        text = "\n".join(lines)
    else:
        text = rule(code).text()
    deliver(text, out, Story(quiet))
