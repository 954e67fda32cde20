"""From today's allocation to the best one: its steps, and what each of them changes."""

from __future__ import annotations

from allocate.cli.render.plan_sheets import change_sheets
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean, money
from allocate.cli.report import charts
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Field, Figure, Row, Section, table_of, table_of_sheet

NAMES = 3  # that a step's label gives


def change_section(document: Row) -> Section:
    """Draw welfare after each step, and list what a step adds, changes and removes."""
    title = "From today to the best"
    change = document["change"]
    if change is None:
        return Section("change", title)
    if change["gain_usd_per_hour"] <= change["error_usd_per_hour"]:
        said = "Today's allocation is the best there is: nothing to change."
        return Section("change", title, [said])
    tables = []
    for step, sheet in zip(change["steps"], change_sheets(document, whole=True), strict=True):
        key = f"step-{step['step']}"
        files = {f"{key}.csv": draw_records(step["items"])}
        tables.append(table_of_sheet(key, sheet.title, sheet, files))
    fall = "No step lowers welfare." if change["monotone"] else "NOT every step keeps welfare up."
    said = f"{fall} + is added, ~ changed, - removed."
    return Section("change", title, [said], figures=[_steps(change)], tables=tables)


def _steps(change: Row) -> Figure:
    at = change["welfare_today"]
    lines = [_bar("today", 0.0, at, money(at), "blue", "welfare of what is done today")]
    for step in change["steps"]:
        who = ", ".join(clean(name) for name in step["moves"][:NAMES])
        more = len(step["moves"]) - NAMES
        who += f" and {more} more" if more > 0 else ""
        gain = step["welfare"] - at
        text = f"{'+' if gain >= 0 else '−'}{money(abs(gain), 4)}"
        colour = "green" if gain >= 0 else "orange"
        name = f"step {step['step']}: {who}"
        lines.append(_bar(name, at, step["welfare"], text, colour, "served as in the best answer"))
        at = step["welfare"]
    lines.append(_bar("the best", 0.0, at, money(at), "blue", "welfare after all steps"))
    count = len(change["steps"])
    finding = f"{money(change['gain_usd_per_hour'])}/h is gained in "
    finding += "one step" if count == 1 else f"{count} steps"
    fields = [
        Field("step", "name", write=clean),
        Field("from", "start", "USD/h"),
        Field("to", "end", "USD/h"),
    ]
    ends = [line["end"] for line in lines]
    return Figure(
        "steps",
        finding,
        "Welfare before, after each step in the order that gains most first, and at the end.",
        f"Steps of welfare from today to the best answer. {finding}.",
        lambda width: charts.steps(lines, width, title="USD/h", axis=charts.money_axis(ends)),
        table_of("steps", "Welfare after each step", fields, lines),
    )


def _bar(name: str, start: float, end: float, text: str, colour: str, means: str) -> Row:
    say = f"{name}: {text}/h, {means}"
    return {
        "name": name,
        "start": start,
        "end": end,
        "text": text,
        "say": say,
        "colour": light(colour),
    }
