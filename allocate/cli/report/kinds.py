"""Which documents a report can be made of, and how each is read and drawn.

A kind is known by a key that only its documents have. To draw another kind, give it a checker and a
page here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allocate.cli.report.parts import Page
from allocate.errors import AllocateError
from allocate.solver.result import FORMAT_VERSION, check_result, parse_document, read_document

STDIN = "-"


class ReportError(AllocateError):
    """No report can be made of this file."""


@dataclass(frozen=True)
class Kind:
    """A kind of document: the command that writes it, how it is known, checked and drawn."""

    command: str
    key: str
    check: Callable[[Mapping[str, Any], str], dict[str, Any]] | None = None
    page: Callable[[dict[str, Any]], Page] | None = None


def _solved(result: dict[str, Any]) -> Page:
    from allocate.cli.report.solved.page import solved_page

    return solved_page({key: part for key, part in result.items() if part is not None})


#: Documents that have no page yet are known all the same, to say what they are.
KINDS = (
    Kind("solve", "layers", check_result, _solved),
    Kind("compare", "baselines"),
    Kind("diagnose", "findings"),
    Kind("plan", "resources"),
)


def read_page(path: Path) -> Page:
    """Read a document and make its page.

    Raises:
        ReportError: it is no document of a command, or of one without a page.
        ResultError: it cannot be read, is of another major format, or parts are missing.
    """
    name = "stdin" if str(path) == STDIN else str(path)
    document = _read(path, name)
    kind = next((kind for kind in KINDS if kind.key in document), None)
    _same_format(document, name)
    if kind is None:
        raise ReportError(
            f"{name} is not a result: it has no `layers`. Write one with "
            "`allocate solve CONFIG --format json --out result.json`."
        )
    if kind.check is None or kind.page is None:
        drawn = ", ".join(kind.command for kind in KINDS if kind.page is not None)
        raise ReportError(
            f"{name} is a result of `allocate {kind.command}`; a report is made of a result of "
            f"{drawn}. `allocate {kind.command} CONFIG --format markdown --out FILE.md` writes "
            "this one for people."
        )
    return kind.page(kind.check(document, name))


def _same_format(document: dict[str, Any], name: str) -> None:
    """Refuse another major format first: what such a document means is not known."""
    found = str(document.get("format_version", "none"))
    if found.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        check_result(document, name)  # says it, naming both


def _read(path: Path, name: str) -> dict[str, Any]:
    if str(path) != STDIN:
        return read_document(path)
    try:
        return parse_document(sys.stdin.read(), name)
    except UnicodeDecodeError as error:
        raise ReportError(f"{name} is not JSON: it is not UTF-8 text.") from error
