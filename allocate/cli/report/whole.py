"""One page of one or several documents: one verdict, sections in the order they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from allocate.cli.render.text import clean
from allocate.cli.report.absent import absent_parts
from allocate.cli.report.parts import Drawn, Figure, Page, Section, Source, Table
from allocate.cli.report.solved.proof import assumed_section

if TYPE_CHECKING:
    from allocate.cli.report.kinds import Document

TITLE = "Allocation report"
ORDER = (
    "conflicts",
    "advised",
    "advice",
    "balance",
    "prices",
    "stops",
    "sweep",
    "frontier",
    "capacity",
    "together",
    "requests",
    "periods",
    "serving",
    "training",
    "margins",
    "diagnosis",
    "change",
    "spread",
    "assumed",
    "certificate",
)
FIRST = ("solve", "plan", "compare", "diagnose")  # whose verdict stands at the top
ONCE = ("capacity", "periods")  # parts that several documents of one config hold alike


def whole_page(documents: Sequence[Document]) -> Page:
    """Put what each document gives into one page; the first kind's verdict stands at the top."""
    ranked = sorted(documents, key=_rank)
    drawn = [document.kind.draw(document.content) for document in ranked]
    main = drawn[0]
    several = len(drawn) > 1
    sections = _sections(ranked, drawn)
    remarks = _remarks(drawn)
    if remarks["warnings"] or remarks["assumed"]:
        sections.append(assumed_section(remarks))
    if any(section.key == "advised" for section in sections):
        sections = [_behind_advice(section) for section in sections]
    sections.sort(key=lambda section: ORDER.index(_stem(section.key)))
    return Page(
        title=TITLE,
        good=all(part.good for part in drawn),
        verdict=main.verdict,
        proof=main.proof,
        facts=[*main.facts, *(fact for part in drawn[1:] for fact in part.extra)],
        doubts=_doubts(ranked, drawn),
        brief=[item for part in drawn[1:] for item in part.brief] if several else [],
        sections=sections,
        absent=absent_parts(ranked, {_stem(section.key) for section in sections}, sections),
        sources=[
            Source(_source_name(document), part.source)
            for document, part in zip(ranked, drawn, strict=True)
        ],
    )


def _rank(document: Document) -> tuple[int, bool]:
    """Put an answer before a plan, and a plan with advice before one without."""
    plan_without = not document.content.get("advice")
    return FIRST.index(document.kind.command), plan_without


def _source_name(document: Document) -> str:
    return f"{clean(PurePath(document.name).name)} (allocate {document.kind.command})"


def _doubts(documents: Sequence[Document], drawn: Sequence[Drawn]) -> list[str]:
    """Say what does not belong together, and which of the documents is not proved."""
    out = []
    first = documents[0]
    others = [
        clean(PurePath(document.name).name)
        for document in documents[1:]
        if document.content.get("config_sha256") != first.content.get("config_sha256")
    ]
    if others:
        are = "is" if len(others) == 1 else "are"
        out.append(
            f"{', '.join(others)} {are} of another config (or other --set changes) than "
            f"{clean(PurePath(first.name).name)}: their numbers need not agree."
        )
    for document, part in zip(documents[1:], drawn[1:], strict=True):
        if not part.good:
            name = clean(PurePath(document.name).name)
            out.append(f"{name} is {clean(document.content['status'])}: not proved to the end.")
    return out


def _sections(documents: Sequence[Document], drawn: Sequence[Drawn]) -> list[Section]:
    """Join the sections; a part that was there already is left out or gets a number."""
    out: list[Section] = []
    seen: dict[str, list[Any]] = {}
    for document, part in zip(documents, drawn, strict=True):
        config = document.content.get("config_sha256")
        for section in part.sections:
            before = seen.setdefault(section.key, [])
            if section.key in ONCE and config in before:
                if section.key == "capacity" and document.kind.command == "plan":
                    out = [s for s in out if s.key != "capacity"]  # a plan's says more
                    out.append(section)
                continue
            before.append(config)
            out.append(_numbered(section, len(before), document))
    return out


def _behind_advice(section: Section) -> Section:
    """Call what binds by that name, where checked advice stands before it."""
    return replace(section, title="What is scarce now") if section.key == "advice" else section


def _stem(key: str) -> str:
    """The name of a section without its number."""
    head, _, tail = key.rpartition("-")
    return head if tail.isdigit() and head in ORDER else key


def _numbered(section: Section, number: int, document: Document) -> Section:
    """Give the parts of a section that is there already names of their own."""
    if number == 1:
        return section

    def table(one: Table) -> Table:
        files = {f"{n}-{number}.csv": t for n, t in ((k[:-4], v) for k, v in one.files.items())}
        return replace(one, key=f"{one.key}-{number}", files=files)

    def figure(one: Figure) -> Figure:
        return replace(one, key=f"{one.key}-{number}", table=table(one.table))

    return replace(
        section,
        key=f"{section.key}-{number}",
        title=f"{section.title} ({clean(PurePath(document.name).name)})",
        figures=[figure(one) for one in section.figures],
        tables=[table(one) for one in section.tables],
    )


def _remarks(drawn: Sequence[Drawn]) -> dict[str, list[Any]]:
    return {
        key: _unique(entry for part in drawn for entry in part.remarks.get(key) or ())
        for key in ("warnings", "assumed")
    }


def _unique(entries: Iterable[Any]) -> list[Any]:
    by = {json.dumps(entry, sort_keys=True): entry for entry in entries}
    return list(by.values())
