"""Where results are kept, and how tables of them get into the README."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]
HERE = Path(__file__).parent
README = HERE / "README.md"
FORMAT = 2


def path_of(name: str) -> Path:
    """The file of a set of results."""
    return HERE / "results" / f"{name}.json"


def write(name: str, document: Record) -> Path:
    """Write a set of results beside the old one, then in its place."""
    out = path_of(name)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_suffix(".part")
    fresh.write_text(json.dumps(finite(document), indent=1) + "\n")
    fresh.replace(out)
    return out


def read(name: str) -> Record | None:
    """A set of results, or None where there is none yet."""
    path = path_of(name)
    return json.loads(path.read_text()) if path.exists() else None


def finite(value: Any) -> Any:
    """JSON has no infinity: None stands for what is not a number."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column holds words, the others numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float | None, form: str = "{:.2g}") -> str:
    """A number, or nothing where it is not known."""
    return "" if value is None else form.format(value)


def seconds(value: float | None) -> str:
    """Seconds, with two digits below ten."""
    return "" if value is None else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def about(machine: Record, records: Sequence[Record] = ()) -> str:
    """The machine and what is installed, in a line; ``records`` name more packages."""
    known = dict(machine["packages"])
    for record in records:
        known |= {k: v for k, v in record.get("versions", {}).items() if k != "python"}
    packages = ", ".join(f"{k} {v}" for k, v in known.items())
    return (
        f"{machine['cores']} cores ({machine['architecture']}), "
        f"Python {machine['python']}, {packages}"
    )


def put(mark: str, text: str, readme: Path = README) -> None:
    """Put a text between ``<!-- mark -->`` and ``<!-- /mark -->`` of the README."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, rest = readme.read_text().split(begin, 1)
    _, after = rest.split(end, 1)
    readme.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
