"""A diagnosis's tables as sheets of text, for the terminal and for Markdown."""

from __future__ import annotations

from typing import Any

from allocate.cli.render.sheet import Column, Sheet, drawn
from allocate.cli.render.text import clean, number, percent

FIRST = 8  # findings of the first screen
_WORTH_SAYING = 0.01  # of a finding's size
_LARGE = 0.05  # of the whole loss, or of a part: worth a word
Row = dict[str, Any]


def findings_sheet(document: Row, whole: bool = False) -> Sheet:
    """Draw the findings, the largest first, each with its sentence and its repair under it."""
    lines = document["findings"]
    shown = lines if whole else lines[:FIRST]
    columns = [
        Column("code", "", lambda r: r["code"], right=False),
        Column("name", "", lambda r: r["name"], right=False, whole=True),
        Column("where", "", _shortly, right=False, whole=True),
        Column("left", "", lambda r: number(r["left"], 3)),
        Column("right", "", lambda r: number(r["right"], 3)),
        Column("unit", "", lambda r: r["unit"], right=False, optional=True),
        Column("USD/h", "", lambda r: number(r["usd_per_hour"])),
    ]
    notes = {i: note(r) for i, r in enumerate(shown)}
    rows = drawn(columns, shown)
    hidden = len(lines) - len(shown)
    return Sheet("Findings", columns, rows, hidden, notes, about=_legend(shown))


def _legend(shown: list[Row]) -> str:
    """Say what the columns mean, and where to read on."""
    text = "left > right is what is wrong, USD/h what the fix is worth, both at shared prices"
    if any("outcome" in line["where"] for line in shown):
        text += "; what is declined brings it as far as there is room, the rest once others leave"
    codes = {line["code"] for line in shown}
    return f"{text}; more on it: allocate explain {codes.pop() if len(codes) == 1 else 'CODE'}"


def note(line: Row) -> str:
    """Say what is wrong and how to repair it, and what else there is to know of the size."""
    period = line["where"].get("period")
    when = f"{clean(period)}: " if period else ""
    text = f"{when}{clean(line['message'])}; fix: {clean(line['fix'])}"
    others = line["others_usd_per_hour"]
    if others >= line["usd_per_hour"]:
        text += "; all of it is what others gain by the room"
    elif others > _WORTH_SAYING * line["usd_per_hour"]:
        text += f"; {number(others, 3)} USD/h of it is what others gain by the room"
    if line["also"]:
        text += f"; {' and '.join(line['also'])} fits as well"
    return text


def place(line: Row) -> str:
    """Say where a finding is; of declined requests not on which model they should be."""
    where = line["where"]
    return clean(", ".join(v for k, v in where.items() if k != "model" or "outcome" not in where))


def _shortly(line: Row) -> str:
    """Say where a finding is but for the period, which its note has room for."""
    where = {k: v for k, v in line["where"].items() if k != "period"}
    if "outcome" in where:
        return place({**line, "where": where})
    parts = [where[k] for k in ("class", "asset", "model", "autonomy") if k in where]
    if "class" not in where and "lane" in where:
        parts = [where["lane"], *(p for p in parts if p != where.get("model"))]
    return clean(", ".join(parts))


def ledger_sheet(document: Row) -> Sheet:
    """Draw where all of the loss is, the findings first."""
    floor = 1e-6 * max((line["usd_per_hour"] for line in document["ledger"]), default=0.0)
    lines = [line for line in document["ledger"] if line["usd_per_hour"] > floor]
    columns = [
        Column("part", "", lambda r: r["what"], right=False),
        Column("USD/h", "", lambda r: number(r["usd_per_hour"])),
        Column("what it is", "", lambda r: clean(r["means"]), right=False),
    ]
    rows = drawn(columns, lines)
    large = [line["what"] for line in unnamed(document)]
    notes = {i: _most(line) for i, line in enumerate(lines) if line["what"] in large}
    return Sheet("Where the loss is", columns, rows, notes={i: n for i, n in notes.items() if n})


def unnamed(document: Row) -> list[Row]:
    """Large parts of the loss that no finding speaks of, the largest first."""
    whole = sum(line["usd_per_hour"] for line in document["ledger"])
    lines = [
        line
        for line in document["ledger"]
        if not line.get("named", True) and line["usd_per_hour"] > _LARGE * whole
    ]
    return sorted(lines, key=lambda line: -line["usd_per_hour"])


def _most(line: Row) -> str:
    """Say which request classes have most of a part."""
    most = [
        f"{clean(n)} ({percent(s, 2)} %)" for n, s in line.get("classes", {}).items() if s > _LARGE
    ]
    return f"most of it: {', '.join(most)}" if most else ""
