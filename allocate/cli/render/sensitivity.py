"""How an answer hangs on the numbers of its config: the most telling first."""

from __future__ import annotations

from typing import Any

from allocate.cli.render.sheet import FIRST, Column, Sheet, drawn
from allocate.cli.render.text import NOTHING, clean, number, percent

Row = dict[str, Any]
_FAR = 2.0  # a switch after a larger change than this share of a number is not shown


def hanging_sheets(result: Row, whole: bool = False) -> list[Sheet]:
    """Draw the assumptions by how much the decisions hang on them; none without derivatives."""
    lines = result.get("sensitivity")
    if not lines:
        return []
    assumed = {str(text).partition(":")[0] for text in result["assumed"]}
    columns = [
        Column("parameter", "", lambda r: clean(r["parameter"]), right=False),
        Column("value", "", lambda r: number(r["value"])),
        Column("moves", "%", lambda r: percent(r["moved_by_1_percent"])),
        Column("welfare", "USD/h", _gain),
        Column("switch", "at", _switch, optional=True),
        Column("note", "", lambda r: _mark(r, assumed), right=False, optional=True),
    ]
    shown = lines if whole else lines[:FIRST]
    rows = drawn(columns, shown)
    about = (
        "for 1 % more: what goes another way, by what it could be worth, and change of welfare; "
        "switch: where another way would be as good, by the slopes"
    )
    hidden = len(lines) - len(shown)
    return [Sheet("What the answer hangs on", columns, rows, hidden, about=about)]


def hanging_notes(result: Row) -> list[str]:
    """Tell what large changes do, and what the table leaves out."""
    about = result.get("sensitivity_about")
    if not about:
        return []
    out = [clean(change["sentence"]) for change in about["changes"]]
    lines = result["sensitivity"]
    if bent := sum(bool(line.get("one_sided")) for line in lines):
        out.append(
            f"{bent} of {len(lines)} numbers have another slope to each side, or none to one; "
            "the table has the larger, JSON has both."
        )
    if about["stopped"]:
        out.append("Stopped: only what was finished is shown.")
    return out


def _sides(line: Row) -> list[Row]:
    bent = line.get("one_sided")
    return [line] if not bent else [s for s in (bent["below"], bent["above"]) if s]


def _gain(line: Row) -> str:
    slopes = [s["d_welfare"] for s in _sides(line) if s["d_welfare"] is not None]
    if not slopes:
        return NOTHING
    gain = 0.01 * (line["value"] or 1.0) * max(slopes, key=abs)
    return "0" if abs(gain) < 1e-9 else number(gain, 3)


def _switch(line: Row) -> str:
    found = line.get("switch")
    if not found or abs(found["change"]) > _FAR:
        return NOTHING
    return number(line["value"] * (1.0 + found["change"]), 3)


def _mark(line: Row, assumed: set[str]) -> str:
    told = ["bends"] if line.get("one_sided") else []
    path = line["parameter"]
    if any(path == a or path.startswith(a + ".") for a in assumed):
        told.append("assumed")
    return ", ".join(told)
