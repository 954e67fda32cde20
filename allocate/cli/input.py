"""What a command is asked about: a loaded config, and shares written with a percent sign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from allocate.cli.flags import FlagError
from allocate.cli.output import check_out

if TYPE_CHECKING:
    from allocate.models.loader import Loaded


def load_config(
    config: Path, overrides: list[str], scenarios: tuple[str, ...], out: Path | None
) -> Loaded:
    """Load a config, and refuse to write over any file that it is made of.

    Called before the solver is imported: a wrong config is told at once.
    """
    from allocate.models.loader import load

    loaded = load(config, tuple(overrides), scenarios)
    check_out(out, loaded.files)
    return loaded


def named_files(config: Path) -> list[Path]:
    """Files that a config names, also where it is wrong; none where it cannot be read as YAML.

    The config itself may be a pipe, which is read once: nothing is said of one then.
    """
    from allocate.errors import ConfigError
    from allocate.models.source import read_bytes, read_source

    if not config.is_file():
        return []
    try:
        data = read_source(read_bytes(config, str(config)), str(config)).data
    except ConfigError:
        return []
    pieces, table = data.get("include"), data.get("class_table")
    names = [*(pieces if isinstance(pieces, list) else ())]
    names.append(table.get("path") if isinstance(table, dict) else None)
    return [config.parent / name for name in names if isinstance(name, str)]


def share_of(text: str, flag: str, example: str) -> float:
    """Read ``5%`` as 0.05."""
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not percent or rest or not 0 <= value < float("inf"):
        raise FlagError(f"{flag} takes a share such as {example}, not `{text}`")
    return value / 100.0
