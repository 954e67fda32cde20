"""Capacity that is bought: what to reserve, where each hour's GPUs come from, what may come."""

from __future__ import annotations

from allocate.cli.render.plan_capacity import capacity_sheets, capacity_verdict
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean, money, number, percent
from allocate.cli.report import charts
from allocate.cli.report.names import largest
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Figure, Row, Section, table_of_sheet

KINDS = {
    "reserved": ("reserved", "blue"),
    "own": ("own", "sky"),
    "on_demand": ("on demand", "orange"),
    "spot": ("spot", "gold"),
}
LEAST = 1e-6  # of the largest: less is nothing
PARTS = {
    "Reservations": "reservations",
    "GPUs by period": "gpu_hours",
    "Work that waits": "deferred",
    "Scenarios": "scenarios",
}


def capacity_section(document: Row) -> Section:
    """Draw GPUs by period, how each scenario turns out, and the tables of both."""
    title = "Capacity to reserve and to buy"
    figures = [f for f in (_hours(document), _scenarios(document), _plans(document)) if f]
    drawn = {figure.table.title for figure in figures}
    tables = []
    for sheet in capacity_sheets(document, whole=True):
        if sheet.title in drawn:
            continue
        part = PARTS.get(sheet.title)
        records = document.get(part) or [] if part else _other_plans(document)
        key = part or "plans"
        files = {f"{key}.csv": draw_records(records)}
        tables.append(table_of_sheet(f"{key}-all", sheet.title, sheet, files))
    if not figures and not tables:
        return Section("capacity", title)
    return Section("capacity", title, capacity_verdict(document), figures=figures, tables=tables)


def _other_plans(document: Row) -> list[Row]:
    return (document.get("uncertainty") or {}).get("plans") or []


def _sheet(document: Row, title: str):  # noqa: ANN202
    return next(s for s in capacity_sheets(document, whole=True) if s.title == title)


def _hours(document: Row) -> Figure | None:
    """Draw where the GPUs of each period come from."""
    hours = document.get("gpu_hours") or []
    lines, total = [], {}
    several = len({h["gpu"] for h in hours}) > 1
    for h in hours:
        name = clean(h.get("period") or "all hours")
        name = f"{name}\n{clean(h['gpu'])}" if several else name
        for key, (part, _) in KINDS.items():
            if h[key] > LEAST:
                total[name] = total.get(name, 0.0) + h[key]
                flat = name.replace("\n", ", ")
                say = f"{flat}: {number(h[key], 3)} {part}; {number(h['used'], 3)} in use"
                lines.append({"name": name, "part": part, "size": h[key], "say": say})
    if not lines:
        return None
    top = max(total, key=lambda name: total[name])
    flat = top.replace("\n", ", ")
    finding = f"Most GPUs are held in {flat}, {number(total[top], 3)}"
    kept, note = largest(list(total), total.__getitem__)
    drawn = [line for line in lines if line["name"] in kept]
    sheet = _sheet(document, "GPUs by period")
    return Figure(
        "gpu-hours",
        finding,
        "GPUs held in each part of the day, by how they are paid; those reserved are the same in "
        "all." + note,
        f"Stacked bars of GPUs by period and kind. {finding}.",
        lambda width: charts.stacked(
            drawn,
            width,
            title="GPUs",
            axis=charts.plain_axis(list(total.values())),
            colours={part: colour for part, colour in KINDS.values()},
        ),
        table_of_sheet("gpu-hours", sheet.title, sheet, {"gpu_hours.csv": draw_records(hours)}),
    )


def _scenarios(document: Row) -> Figure | None:
    """Draw welfare in each scenario."""
    found = document.get("scenarios") or []
    lines = []
    for s in found:
        name = f"{clean(s['scenario'])}, {percent(s['probability'])} %"
        text = money(s["welfare"], 4)
        lines.append(
            {
                "name": name,
                "size": s["welfare"],
                "text": text,
                "say": f"{name}: welfare {text}/h if it comes",
                "colour": light("blue" if s["welfare"] >= 0 else "orange"),
            }
        )
    if len(lines) < 2:
        return None
    low, high = (f(lines, key=lambda line: line["size"]) for f in (min, max))
    finding = f"Welfare is {low['text']}/h in the worst scenario and {high['text']}/h in the best"
    sheet = _sheet(document, "Scenarios")
    return Figure(
        "scenarios",
        finding,
        "Welfare given that the scenario comes, with its chance; reservations are the same in all.",
        f"Bars of welfare by scenario. {finding}.",
        lambda width: charts.bars(
            lines, width, title="USD/h", axis=charts.money_axis([b["size"] for b in lines])
        ),
        table_of_sheet("scenarios", sheet.title, sheet, {"scenarios.csv": draw_records(found)}),
    )


def _plans(document: Row) -> Figure | None:
    """Draw what is lost by reserving for something else."""
    lines = []
    for plan in _other_plans(document):
        loses = plan["loses_usd_per_hour"]
        if loses is None:
            continue
        name = f"for {clean(plan['plan'])}"
        text = money(max(loses, 0.0), 3)
        say = f"reserved {name}: {text}/h is lost over all scenarios"
        lines.append({"name": name, "size": max(loses, 0.0), "text": text, "say": say})
    if not lines:
        return None
    top = max(lines, key=lambda line: line["size"])
    finding = f"Reserving {top['name']} would lose most, {top['text']}/h"
    sheet = _sheet(document, "Planned otherwise")
    return Figure(
        "other-plans",
        finding,
        "What is lost over all scenarios if GPUs are reserved as is best for one of them, or for "
        "their mean.",
        f"Bars of what each other plan loses. {finding}.",
        lambda width: charts.bars(
            lines,
            width,
            title="USD/h lost",
            axis=charts.money_axis([b["size"] for b in lines]),
            colour="orange",
        ),
        table_of_sheet(
            "other-plans", sheet.title, sheet, {"plans.csv": draw_records(_other_plans(document))}
        ),
    )
