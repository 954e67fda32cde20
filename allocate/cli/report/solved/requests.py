"""Where requests go, what one brings and costs, and how many tokens it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allocate.cli.render.records import draw_csv
from allocate.cli.render.solve_sheets import requests_sheet
from allocate.cli.render.text import clean, percent
from allocate.cli.report import charts
from allocate.cli.report.names import (
    NOT_SERVED,
    flat,
    is_number,
    label,
    largest,
    period_field,
    pieces,
)
from allocate.cli.report.parts import (
    Field,
    Figure,
    Row,
    Section,
    named,
    records,
    table_of,
    table_of_sheet,
)
from allocate.cli.report.solved.arms import account_figure, tokens_figure
from allocate.cli.report.solved.artifacts import artifact_tables
from allocate.cli.report.solved.flow import flow_figure


def requests_section(result: Row) -> Section:
    """Draw routing, autonomy, the account of one request, and its tokens."""
    sheet = requests_sheet(result, whole=True)
    if not sheet.rows:
        return Section("requests", sheet.title)
    drawn = [
        _shares(result),
        flow_figure(result),
        _levels(result),
        account_figure(result),
        tokens_figure(result),
    ]
    files = {f"{part}.csv": draw_csv(result, part) for part in ("router", "autonomy")}
    return Section(
        "requests",
        "Requests: router and autonomy",
        figures=[figure for figure in drawn if figure is not None],
        tables=[
            table_of_sheet("requests-all", sheet.title, sheet, files),
            *artifact_tables(result, "schedule"),
        ],
    )


def _shares(result: Row) -> Figure | None:
    lines = [
        {**line, "part": _served_by(line), "size": 100.0 * line["share"]}
        for line in result["layers"]["router"]
    ]
    if not lines:
        return None
    lines = [{**line, "name": name} for line, name in zip(lines, _by_period(lines), strict=True)]
    for line in lines:
        way = ", ".join(filter(None, [line["part"], label(line, "autonomy")]))
        line["say"] = f"{flat(line['name'])}: {percent(line['share'])} % to {way}"
    lines = list(
        {(line["name"], line["part"], line.get("autonomy")): line for line in lines}.values()
    )
    finding = _largest_part(result)
    kept, note = largest([line["name"] for line in lines], _sum(lines, "requests_per_s"))
    fields = [
        Field("class", "class", write=clean),
        *period_field(lines),
        Field("served by", "part", write=clean),
        Field("autonomy", "autonomy", write=named),
        Field("share", "share", "%", percent),
        Field("rate", "requests_per_s", "requests/s"),
    ]
    data = [{**line, "part": _served_by(line)} for line in result["layers"]["router"]]
    parts = list(dict.fromkeys(line["part"] for line in lines))
    colours = _grey_if_not_served(parts)
    chosen = pieces(lines, kept)
    return Figure(
        "shares",
        finding,
        "Each bar is one class; its pieces are the models that serve it (a piece for each level of "
        "autonomy). Classes that are served alike all day have one bar." + note,
        f"Stacked bars of where each class of requests goes. {finding}.",
        lambda width: charts.stacked(
            chosen, width, title="% of the class", axis=",.0f", most=100.0, colours=colours
        ),
        table_of("shares", "Where requests go", fields, data),
    )


def _largest_part(result: Row) -> str:
    """Say who serves most; rates of different periods are not added up."""
    lines = result["layers"]["router"]
    if any(line.get("period") for line in lines):
        classes = {line["class"] for line in lines}
        unserved = {line["class"] for line in lines if _served_by(line) == NOT_SERVED}
        if unserved:
            return f"{len(unserved)} of {len(classes)} classes are not served in full"
        return (
            f"All {len(classes)} classes are served in full"
            if len(classes) > 1
            else "All is served"
        )
    rates: dict[str, float] = {}
    for line in lines:
        part = _served_by(line)
        rates[part] = rates.get(part, 0.0) + line["requests_per_s"]
    whole = sum(rates.values())
    unserved = rates.pop(NOT_SERVED, 0.0)
    if not rates:
        return "Nothing is served"
    top = max(rates, key=lambda part: rates[part])
    finding = f"{top} serves the largest share of requests, {_share(rates[top], whole)}"
    if len(rates) == 1:
        finding = f"{top} serves {_share(rates[top], whole)} of requests"
    return finding + (f"; {_share(unserved, whole)} are not served" if unserved else "")


def _levels(result: Row) -> Figure | None:
    """Draw the schedule of autonomy, where it has more than one level."""
    lines = []
    for entry in records(result["artifacts"].get("autonomy_schedule")):
        levels = entry.get("levels")
        for level, share in (levels if isinstance(levels, dict) else {}).items():
            if is_number(share) and share > 0:
                name = label(entry, "action", "period") or "action"
                line = {"name": name, "part": clean(level), "size": 100.0 * share, "share": share}
                lines.append({**line, "say": f"{name}: {percent(share)} % {clean(level)}"})
    if len({line["part"] for line in lines}) < 2:
        return None
    free = [line for line in lines if line["part"] == "free"]
    watched = len(
        {line["name"] for line in lines} - {li["name"] for li in free if li["share"] > 0.999}
    )
    finding = (
        f"{watched} of {len({line['name'] for line in lines})} kinds of action are not all free"
    )
    kept, note = largest([line["name"] for line in lines], lambda _: 1.0)
    fields = [
        Field("action", "name", write=clean),
        Field("level", "part", write=clean),
        Field("share", "share", "%", percent),
    ]
    chosen = pieces(lines, kept)
    return Figure(
        "levels",
        finding,
        "The share of each kind of action that is taken at each level of autonomy." + note,
        f"Stacked bars of the level of autonomy by kind of action. {finding}.",
        lambda width: charts.stacked(
            chosen, width, title="% of the actions", axis=",.0f", most=100.0
        ),
        table_of("levels", "Autonomy by kind of action", fields, lines),
    )


def _by_period(lines: list[Row]) -> list[str]:
    """Name each line's bar: its class, and its period where the class is served differently."""
    served: dict[Any, dict[Any, set[Any]]] = {}
    for line in lines:
        way = (line["part"], line.get("autonomy"), round(line["share"], 3))
        served.setdefault(line["class"], {}).setdefault(line.get("period"), set()).add(way)
    names = []
    for line in lines:
        periods = list(served[line["class"]].values())
        same = all(ways == periods[0] for ways in periods)
        name = clean(line["class"])
        names.append(name if same else f"{name}, {clean(line.get('period') or '')}")
    return names


def _served_by(line: Row) -> str:
    if line.get("model"):
        return clean(line["model"])
    level = line.get("autonomy")
    return NOT_SERVED if level in (None, "declined") else clean(level)


def _grey_if_not_served(parts: list[str]) -> dict[str, str] | None:
    return {NOT_SERVED: "grey"} if NOT_SERVED in parts else None


def _share(part: float, whole: float) -> str:
    return f"{percent(part / whole if whole else 0.0)} %"


def _sum(lines: list[Row], key: str) -> Callable[[str], float]:
    total: dict[str, float] = {}
    for line in lines:
        total[line["name"]] = total.get(line["name"], 0.0) + (line.get(key) or 0.0)
    return total.__getitem__
