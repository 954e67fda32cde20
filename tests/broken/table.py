"""What each broken config is told.

``python -m tests.broken.table`` prints it as Markdown; with ``--update`` it rewrites
``expected.yaml``, whose changes are then read before they are committed.
"""

import sys
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from allocate.errors import ConfigError, Problem
from allocate.models.loader import load

HERE = Path(__file__).parent


def problems(file: str) -> tuple[Problem, ...]:
    """Load a broken config of this folder and return what it is told, errors or warnings."""
    try:
        return load(HERE / file).warnings
    except ConfigError as error:
        return error.problems


def files() -> list[str]:
    """List the broken configs."""
    return sorted(path.name for path in HERE.glob("*.yaml") if path.name != "expected.yaml")


@cache
def expected() -> dict[str, list[dict[str, object]]]:
    """Read what each file should be told: code, line, column, parts of message and help."""
    return YAML(typ="safe").load(HERE / "expected.yaml")


def update() -> None:
    """Write what each file is told now as what it should be told."""
    told = {
        file: [
            {
                "code": found.code,
                "line": found.line,
                "column": found.column,
                "message": found.message.partition(f" `{HERE}")[0],
                "hint": found.hint,
            }
            for found in problems(file)
        ]
        for file in files()
    }
    yaml = YAML()
    yaml.width = 1000
    yaml.dump(told, HERE / "expected.yaml")


def rows() -> list[str]:
    """Write a row of Markdown for each problem of each file."""
    lines = ["| file | code | place | message | help |", "|---|---|---|---|---|"]
    for file in files():
        for found in problems(file):
            place = f"{found.line}:{found.column}" if found.column else str(found.line or "")
            cells = (file, found.code, place, found.message, found.hint or "")
            lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return lines


if __name__ == "__main__":
    if "--update" in sys.argv:
        update()
    else:
        print("\n".join(rows()))
