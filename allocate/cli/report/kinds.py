"""Which documents a report can be made of, and how each is read, checked and drawn.

A kind is known by a key that only its documents have.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allocate.cli.report.parts import Drawn, Page
from allocate.errors import AllocateError
from allocate.solver.result import FORMAT_VERSION, check_result, parse_document, read_document

STDIN = "-"


class ReportError(AllocateError):
    """No report can be made of these files."""


@dataclass(frozen=True)
class Kind:
    """A kind of document: the command that writes it, how it is known, checked and drawn.

    ``most`` is how many of them a page may be made of.
    """

    command: str
    key: str
    check: Callable[[Mapping[str, Any], str], dict[str, Any]]
    draw: Callable[[dict[str, Any]], Drawn]
    most: int = 1


@dataclass(frozen=True)
class Document:
    """A document that was read and checked."""

    kind: Kind
    name: str
    content: dict[str, Any]


def _form(name: str) -> Callable[[Mapping[str, Any], str], dict[str, Any]]:
    def check(document: Mapping[str, Any], file: str) -> dict[str, Any]:
        from allocate.cli.report import forms

        return forms.checked(getattr(forms, name), document, file)

    return check


def _solved(result: dict[str, Any]) -> Drawn:
    from allocate.cli.report.solved.page import solved_page

    return solved_page({key: part for key, part in result.items() if part is not None})


def _summary(name: str) -> Callable[[dict[str, Any]], Drawn]:
    def draw(document: dict[str, Any]) -> Drawn:
        from allocate.cli.report import summary

        return getattr(summary, name)(document)

    return draw


KINDS = (
    Kind("solve", "layers", check_result, _solved),
    Kind("compare", "baselines", _form("Comparison"), _summary("compared")),
    Kind("diagnose", "findings", _form("Diagnosis"), _summary("diagnosed")),
    Kind("plan", "resources", _form("Plan"), _summary("planned"), most=12),
)


def read_page(*paths: Path) -> Page:
    """Read documents and make the page of all of them.

    Raises:
        ReportError: a file is no document of a command, or there are too many of a kind.
        ResultError: it cannot be read, is of another major format, or parts are missing.
    """
    return page_of([_document(path) for path in paths])


def page_of(documents: Sequence[Document]) -> Page:
    """Make the page of documents, refusing two answers to one question."""
    for kind in KINDS:
        names = [document.name for document in documents if document.kind is kind]
        if len(names) > kind.most:
            raise ReportError(
                f"{', '.join(names)} are {len(names)} results of `allocate {kind.command}`; a page "
                f"is made of {'one' if kind.most == 1 else f'at most {kind.most}'}. Draw a report "
                "for each."
            )
    from allocate.cli.report.whole import whole_page

    return whole_page(documents)


def known(document: Mapping[str, Any], name: str) -> Document:
    """Recognise and check a document.

    Raises:
        ReportError: it is of no command that a report can be made of.
        ResultError: it is of another major format, or parts are missing.
    """
    kind = next((kind for kind in KINDS if kind.key in document), None)
    _same_format(document, name)
    if kind is None:
        raise ReportError(
            f"{name} is not a result: it has no `layers`, and is of no other command that a report "
            "is made of. Write one with `allocate solve CONFIG --format json --out result.json`."
        )
    return Document(kind, name, kind.check(document, name))


def _document(path: Path) -> Document:
    name = "stdin" if str(path) == STDIN else str(path)
    return known(_read(path, name), name)


def _same_format(document: Mapping[str, Any], name: str) -> None:
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
