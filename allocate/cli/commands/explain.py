"""``allocate explain``: the page of a rule of ``diagnose``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from allocate.cli import flags
from allocate.cli.output import check_out, deliver
from allocate.cli.terminal import Story

if TYPE_CHECKING:
    from allocate.solver.studies.diagnosis.rules import Rule


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="[CODE]", help="A rule, such as AL202, or a group, AL2; none: all of them."
        ),
    ] = None,
    out: flags.Out = None,
    quiet: flags.Quiet = False,
    debug: flags.Debug = False,
) -> None:
    """Print the page of a rule of `allocate diagnose`: what it finds, why it costs, the repair.

    allocate explain AL202
    """
    from allocate.solver.studies.diagnosis.rules import RULES, family, rule

    check_out(out, [])
    group = [RULES[name] for name in family(code or "AL")]
    if code is None or (group and code.upper() not in RULES):
        text = "\n".join(f"{r.code}  {r.name:<20} {r.layer:<9} {r.condition}" for r in group)
    elif out is None:
        text = _on_screen(rule(code))
    else:
        text = rule(code).text()  # in Markdown, as it stands
    deliver(text, out, Story(quiet))


def _on_screen(found: Rule) -> str:
    from allocate.cli.render.lines import paint
    from allocate.cli.render.pages import draw_page
    from allocate.cli.terminal import make_console

    console = make_console(sys.stdout)
    text = found.text().replace("In this folder", "In docs/codes")
    return paint(draw_page(text, found.condition, console.width), console)
