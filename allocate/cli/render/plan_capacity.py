"""A plan's capacity decisions as sheets: reservations, GPUs by the hour, scenarios, other plans."""

from __future__ import annotations

from collections.abc import Sequence

from allocate.cli.render.sheet import Column, Row, Sheet, drawn
from allocate.cli.render.text import NOTHING, clean, money, noiseless, number, percent

FIRST = 24  # lines of GPUs by period on the first screen
_KINDS = (("reserved", "reserved"), ("own", "own"), ("on_demand", "on demand"), ("spot", "spot"))
_LEAST = 1e-6  # of the largest in a table: less is nothing


def capacity_sheets(document: Row, whole: bool = False) -> list[Sheet]:
    """Draw every table of capacity that has something to say."""
    drawn = [
        reservations_sheet(document),
        hours_sheet(document, whole),
        deferred_sheet(document),
        scenarios_sheet(document),
        plans_sheet(document),
    ]
    return [sheet for sheet in drawn if sheet is not None]


def _cell(key: str, lines: Sequence[Row], digits: int = 4) -> Column:
    top = max((abs(r.get(key) or 0.0) for r in lines), default=1.0)
    return Column(
        key, "", lambda r: number(noiseless(r.get(key), max(top, _LEAST), _LEAST), digits)
    )


def _titled(column: Column, name: str, unit: str = "", optional: bool = False) -> Column:
    return Column(name, unit, column.cell, column.right, optional)


def _text(key: str, name: str) -> Column:
    return Column(name, "", lambda r: clean(r[key]) if r.get(key) else NOTHING, right=False)


def _sheet(
    title: str, columns: Sequence[Column], lines: Sequence[Row], about: str, hidden: int = 0
) -> Sheet:
    rows = drawn(columns, lines)
    return Sheet(title, list(columns), rows, hidden, about=about)


def reservations_sheet(document: Row) -> Sheet | None:
    """Draw what to reserve for all periods and scenarios, and what it costs."""
    lines = document.get("reservations")
    if not lines:
        return None
    columns = [_text("label", "GPU")]
    if any(r.get("scenario") for r in lines):
        columns.append(_text("scenario", "scenario"))
    columns.append(_titled(_cell("gpus", lines), "reserve"))
    if any(r["committed"] for r in lines):
        columns.append(_titled(_cell("committed", lines), "of them now"))
    columns += [
        _titled(_cell("price_usd_per_h", lines), "price", "USD/h"),
        _titled(_cell("usd_per_h", lines), "in all", "USD/h"),
        Column("in use", "%", lambda r: NOTHING if r["busy"] is None else percent(r["busy"])),
    ]
    about = "GPUs reserved once, for every hour; in use: if others stand idle first"
    return _sheet("Reservations", columns, lines, about)


def hours_sheet(document: Row, whole: bool = False) -> Sheet | None:
    """Draw where the GPUs of each period come from, and what an hour of one is worth."""
    lines = document.get("gpu_hours")
    if not lines:
        return None
    shown = lines if whole else lines[:FIRST]
    columns = [_text("gpu", "GPU")]
    if any(r.get("period") for r in lines):
        columns.append(_text("period", "period"))
    columns.append(_titled(_cell("used", lines), "in use"))
    for key, name in _KINDS:
        if any(r[key] > _LEAST for r in lines):
            columns.append(_titled(_cell(key, lines), name))
    columns.append(_titled(_cell("price_usd_per_h", lines), "price", "USD/h"))
    about = "price: what one more GPU for that hour would be worth; spot: GPUs that are paid"
    return _sheet("GPUs by period", columns, shown, about, len(lines) - len(shown))


def deferred_sheet(document: Row) -> Sheet | None:
    """Draw what waits for a later period."""
    lines = document.get("deferred")
    if not lines:
        return None
    columns = [
        _text("class", "class"),
        _text("period", "arrives in"),
        _text("served_in", "served in"),
        Column("share", "%", lambda r: percent(r["share"])),
        _titled(_cell("requests_per_s", lines), "requests", "/s"),
        _titled(_cell("wait_h", lines), "waits", "h"),
        _titled(_cell("usd_per_request", lines), "at", "USD"),
    ]
    return _sheet("Work that waits", columns, lines, "waits: on average; at: price of it a request")


def scenarios_sheet(document: Row) -> Sheet | None:
    """Draw how the answer turns out in each scenario."""
    lines = document.get("scenarios")
    if not lines:
        return None
    columns = [
        _text("scenario", "scenario"),
        Column("chance", "%", lambda r: percent(r["probability"])),
        _titled(_cell("welfare", lines), "welfare", "USD/h"),
        _titled(_cell("money", lines), "money", "USD/h"),
        _titled(_cell("requests_per_s", lines), "requests", "/s"),
        Column("declined", "%", _declined),
    ]
    about = "given that the scenario comes; reservations are the same in all"
    return _sheet("Scenarios", columns, lines, about)


def _declined(line: Row) -> str:
    arrive = line["requests_per_s"]
    share = line["declined_per_s"] / arrive if arrive else 0.0
    return percent(share if share > _LEAST else 0.0)


def plans_sheet(document: Row) -> Sheet | None:
    """Draw what other plans would come to in all scenarios."""
    value = document.get("uncertainty")
    if not value or not value["plans"]:
        return None
    lines = value["plans"]
    scale = max(abs(value["stochastic"]), _LEAST)
    columns = [
        _text("plan", "reserved as for"),
        Column("reserves", "", _reserves, right=False),
        Column("welfare", "USD/h", lambda r: number(r["welfare"])),
        Column("loses", "USD/h", lambda r: number(noiseless(r["loses_usd_per_hour"], scale, 1e-9))),
    ]
    about = "what reservations made for something else come to, over all scenarios"
    sheet = _sheet("Planned otherwise", columns, lines, about)
    sheet.notes.update({i: clean(r["why"]) for i, r in enumerate(lines) if r["why"]})
    return sheet


def _reserves(line: Row) -> str:
    many = (f"{number(n, 4)} {clean(g)}" for g, n in line["reservations"].items())
    return ", ".join(many) or NOTHING


def capacity_verdict(document: Row) -> list[str]:
    """Say what to reserve, and what knowing better would be worth."""
    out = []
    lines = [r for r in document.get("reservations") or [] if not r.get("scenario")]
    if lines:
        many = ", ".join(f"{number(r['gpus'], 4)} {clean(r['label'])}" for r in lines)
        out.append(f"Reserve {many}: {money(sum(r['usd_per_h'] for r in lines))}/h.")
    value = document.get("uncertainty")
    if value and value["evpi"] is not None:
        error = value["error_usd_per_hour"]
        worth = value["evpi"] if value["evpi"] > error else 0.0
        said = f"Knowing beforehand which scenario comes would be worth {money(worth)}/h"
        if value["vss"] is not None:
            lost = value["vss"] if value["vss"] > error else 0.0
            said += f"; reserving for their mean would lose {money(lost)}/h"
        out.append(f"{said}.")
    return out
