"""The app and its front door: ``run`` turns every outcome into an exit code.

0 done, 1 the answer is no, 2 could not start, 3 infeasible or unbounded, 4 stopped early or not
certified, 70 a bug.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from allocate import __version__
from allocate.cli import exit_codes
from allocate.cli.commands.calibrate import calibrate
from allocate.cli.commands.compare import compare
from allocate.cli.commands.diagnose import diagnose
from allocate.cli.commands.explain import explain
from allocate.cli.commands.init import init
from allocate.cli.commands.plan import plan
from allocate.cli.commands.report import report
from allocate.cli.commands.schema import schema
from allocate.cli.commands.solve import solve
from allocate.cli.commands.validate import validate
from allocate.cli.output import silence_stdout
from allocate.cli.terminal import complain
from allocate.errors import AllocateError

SIGINT = 130  # what typer returns for Ctrl-C

app = typer.Typer(
    name="allocate",
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(asked: bool) -> None:
    if asked:
        print(f"allocate {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def front(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Spend tokens, GPUs and human attention where the next unit is worth most.

    A first answer:  allocate init demo, then  allocate solve demo/config.yaml

    What if:  allocate solve demo/config.yaml --set demand.scale=2

    The answer goes to stdout, the story to stderr. Nothing is sent anywhere.
    Flags that name no file can be set in the environment, as ALLOCATE_<FLAG>.

    Exit codes: 0 done; 1 the answer is no; 2 could not start; 3 infeasible or
    unbounded; 4 stopped early or not certified; 70 a bug.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


app.command()(init)
app.command()(validate)
app.command()(solve)
app.command()(compare)
app.command()(diagnose)
app.command()(plan)
app.command()(explain)
app.command()(calibrate)
app.command()(report)
app.command()(schema)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; no outcome shows a traceback unasked."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _make_streams_tolerant()
    try:
        code = app(args=arguments, prog_name="allocate", standalone_mode=False)
    except AllocateError as error:
        complain(error.told)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _stopped()
    except BrokenPipeError:
        silence_stdout()
        return 0
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own: a flag or an argument is wrong
            return _misused(error)
        return _bug(error, arguments)
    return _stopped() if code == SIGINT else code if isinstance(code, int) else 0


def run() -> NoReturn:
    """Be the console script."""
    sys.exit(main())


def _stopped() -> int:
    complain("stopped before there was an answer")
    return exit_codes.NOT_PROVED


def _misused(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "allocate"
    complain(f"error: {_plainly(error.format_message())}")  # type: ignore[attr-defined]
    complain(f"help: {command} --help lists what it takes")
    return exit_codes.COULD_NOT_START


# What typer says of its own machinery, and how a person would say it.
_WORDS = (
    (r"Invalid value for ", ""),
    (r" \(env var: '\w+'\)", ""),
    (r"Value error, ('.*') is not one of ", r"\1 is not one of "),
    (r"Input should be a valid number.*", "not a number"),
    (r"Input should be a valid integer.*", "not a whole number"),
    (r"Input should be a valid boolean.*", "neither true nor false"),
    (r"Got unexpected extra arguments?\(?s?\)? \((.*)\)", r"one argument too many: \1"),
)


def _plainly(message: str) -> str:
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    return message


def _bug(error: Exception, arguments: list[str]) -> int:
    if "--debug" in arguments or os.environ.get("ALLOCATE_DEBUG"):
        traceback.print_exception(error)
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    complain(f"internal error ({what}): please report it; run with --debug for the traceback")
    return exit_codes.BUG


def _make_streams_tolerant() -> None:
    """Let a terminal that lacks a character show ``?`` instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError, OSError):
                stream.reconfigure(errors="replace")
