"""``allocate calibrate``: logs and measurements → tables, curves and a piece of a config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocate import __version__
from allocate.cli import flags
from allocate.cli.exit_codes import NO
from allocate.cli.output import OutputError, check_folder, deliver
from allocate.cli.terminal import Story
from allocate.errors import AllocateError

if TYPE_CHECKING:
    from allocate.models.calibration.result import Calibration

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="[KIND] SOURCE",
        help="Files, after their kind: trace, reuse, lanes, models, spans, prices or training. "
        "Without it, their format tells.",
        show_default=False,
    ),
]
Folder = Annotated[
    Path | None,
    flags.option(
        "--out",
        metavar="DIR",
        help="Write tables, a YAML fragment and calibration.json into DIR.",
        panel=flags.ANSWER,
        envvar=None,
    ),
]
Check = Annotated[
    list[Path] | None,
    flags.option(
        "--check",
        metavar="FILE",
        help="Score it against data not used; exit code 1 if nothing compares. Repeatable.",
        envvar=None,
    ),
]
Map = Annotated[
    list[str] | None,
    flags.option("--map", metavar="FIELD=COLUMN", help="Name a column. Repeatable.", envvar=None),
]
Setting = Annotated[
    list[str] | None,
    flags.option(
        "--option",
        metavar="NAME=VALUE",
        help="A setting of the kind; a wrong one lists all. Repeatable.",
        envvar=None,
    ),
]
Blocks = Annotated[
    str | None,
    flags.option("--blocks", metavar="N,N", help="Cache sizes that reuse is told for, in blocks."),
]


def calibrate(
    sources: Sources,
    out: Folder = None,
    check: Check = None,
    columns: Map = None,
    option: Setting = None,
    blocks: Blocks = None,
    format: flags.FormatFlag = None,
    whole: flags.All = False,
    seed: flags.Seed = 0,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
    debug: flags.Debug = False,
) -> None:
    """Turn logs, measurements and price lists into curves, with intervals and fit quality.

    allocate calibrate trace requests.csv --out fleet

    allocate calibrate requests.csv --map input_tokens=prompt_len --check next_day.csv

    allocate init fleet --from fleet
    """
    kind, paths = _split(sources)
    story = Story(quiet, verbose)
    check_folder(out, _may_write(kind), [*paths, *(check or ())])
    from allocate.models.calibration.running import run

    cut = _whole_numbers(blocks) if blocks else None
    calibration = run(kind, paths, check or [], columns or [], option or [], cut, seed)
    files = _write(calibration, out) if out else []
    from allocate.cli.render.calibration import draw_calibration

    chosen = format or flags.Format.TABLE
    if out and quiet:
        deliver(str(out), None, story)
    else:
        deliver(draw_calibration(calibration.to_dict(files), chosen, whole), None, story)
    if out and not quiet:
        story.say(f"wrote {len(files)} files into {out}")
    if calibration.compared_nothing:
        raise typer.Exit(NO)


def _split(sources: list[str]) -> tuple[str | None, list[Path]]:
    """Tell the kind from the files; a file that is named like a kind needs ``./``."""
    from allocate.models.calibration.registry import KINDS

    kind = sources[0] if sources[0] in KINDS else None
    paths = [Path(source) for source in sources[1 if kind else 0 :]]
    if not paths:
        raise CalibrateError(
            f"no SOURCE is given; write it as `allocate calibrate {kind} FILE`.\n"
            f"{kind} reads {KINDS[kind or '']}."
        )
    return kind, paths


class CalibrateError(AllocateError):
    """The command cannot start."""


def _may_write(kind: str | None) -> list[str]:
    """Patterns of the files that a kind may replace in its folder; of any kind if not known yet."""
    from allocate.models.calibration.registry import KINDS
    from allocate.models.calibration.writing import RECORD

    kinds = [kind] if kind else list(KINDS)
    return [RECORD, *(f"{one}{rest}" for one in kinds for rest in (".yaml", "-*"))]


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise CalibrateError(f"--blocks takes whole numbers such as 1000,5000, not `{text}`.")
    return numbers


def _write(calibration: Calibration, folder: Path) -> list[str]:
    from allocate.models.calibration.writing import write

    try:
        return [str(folder / name) for name in write(calibration, folder, __version__)]
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{folder} cannot be written: {reason}.") from error
