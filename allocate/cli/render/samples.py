"""How far an answer is spread by its calibrated numbers: welfare, prices and decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from allocate.cli.render.sheet import FIRST, Column, Sheet, drawn
from allocate.cli.render.text import clean, number, percent

MOVED = 1e-4
"""Of a share or of a price: less is no spread worth a line on the first screen."""


def spread_sheets(result: dict[str, Any], whole: bool = False) -> list[Sheet]:
    """Draw the spread of welfare and prices, and that of the decisions; none without draws."""
    found = result.get("samples")
    if not found or not found["certified"]:
        return []
    return [_numbers(found, whole), _decisions(found, whole)]


def spread_notes(result: dict[str, Any]) -> Iterator[str]:
    """Say how many draws there are, what became of the others, and what was drawn."""
    found = result.get("samples")
    if not found:
        return
    lost = {k: n for k, n in found["statuses"].items() if k != "optimal"}
    told = "; ".join(f"{n} {clean(status)}" for status, n in lost.items())
    which = f" of {found['asked']}, stopped" if found["stopped"] else ""
    yield (
        f"{found['finished']} draws{which} (seed {found['seed']}), of which {found['certified']} "
        f"certified: the spreads are over these" + (f". Others: {told}" if told else "")
    )
    why = next((d["message"] for d in found["draws"] if not d["holds"] and d["message"]), None)
    if why:
        yield f"The first of the draws that do not count: {clean(why)}"
    tied = sum(bool(n["correlated_with"]) for n in found["drawn"])
    drawn = len(found["drawn"])
    yield (
        f"{drawn} calibrated number{'' if drawn == 1 else 's'} drawn from 90 % intervals, "
        f"{tied} of them correlated as their fit says, the others independent"
        + (f"; {len(found['kept'])} kept as they are" if found["kept"] else "")
    )


def _spread_columns(cell: Any) -> list[Column]:
    return [
        Column("answer", "", lambda r: cell(r["value"])),
        Column("5 %", "", lambda r: cell(r["p05"])),
        Column("median", "", lambda r: cell(r["median"])),
        Column("95 %", "", lambda r: cell(r["p95"])),
    ]


def _numbers(found: dict[str, Any], whole: bool) -> Sheet:
    prices = [p for p in found["prices"] if whole or p["value"] or p["binding_share"]]
    prices = sorted(prices, key=lambda p: -p["binding_share"])
    rows: list[dict[str, Any]] = [{"resource": "welfare", "unit": "USD/h", **found["welfare"]}]
    rows += prices if whole else prices[: FIRST - 1]
    columns = [
        Column("price of", "", lambda r: clean(r["resource"]), right=False),
        *_spread_columns(number),
        Column("unit", "", lambda r: clean(r["unit"]), right=False, optional=True),
        Column(
            "binds", "% of draws",
            lambda r: percent(r["binding_share"]) if "binding_share" in r else "",
            optional=True,
        ),
    ]  # fmt: skip
    return _sheet("Spread of welfare and prices", columns, rows, 1 + len(prices), "")


def _decisions(found: dict[str, Any], whole: bool) -> Sheet:
    lines = found["decisions"]
    if not whole:
        lines = [d for d in lines if max(d["value"] or 0.0, d["p95"] or 0.0) > MOVED]
        lines = sorted(lines, key=lambda d: (d["class"] is not None, _width(d) <= MOVED))
    columns = [
        Column("class", "", lambda r: clean(r["class"] or "(all requests)"), right=False),
        *(
            [Column("period", "", lambda r: clean(r.get("period") or ""), right=False)]
            if any(line.get("period") for line in lines)
            else []
        ),
        Column("model", "", lambda r: clean(r["model"] or "(none)"), right=False),
        Column("autonomy", "", lambda r: clean(r["autonomy"] or "(none)"), right=False),
        *_spread_columns(percent),
    ]
    shown = lines if whole else lines[:FIRST]
    about = "share of the class in percent"
    return _sheet("Spread of decisions", columns, shown, len(found["decisions"]), about)


def _width(line: dict[str, Any]) -> float:
    return (line["p95"] or 0.0) - (line["p05"] or 0.0)


def _sheet(
    title: str, columns: list[Column], lines: Sequence[dict[str, Any]], of: int, about: str
) -> Sheet:
    rows = drawn(columns, lines)
    return Sheet(title, columns, rows, max(of - len(rows), 0), about=about)
