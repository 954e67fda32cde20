"""Commands that have a name and no body yet: they say so, and what can be done today."""

from __future__ import annotations

import typer

from allocate.cli.release import COMMANDS_LATER, refuse_command

_ANY_FLAGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def add_later(app: typer.Typer) -> None:
    """Register every command that is not in this release, in the contract's order."""
    for name, (promise, today) in COMMANDS_LATER.items():
        app.command(
            name,
            help=f"(not in this release yet) {promise}\n\nToday you can {today}.",
            short_help=f"(not in this release yet) {promise}",
            context_settings=_ANY_FLAGS,
        )(_refuse)


def _refuse(context: typer.Context) -> None:
    refuse_command(context.info_name or "this command")
