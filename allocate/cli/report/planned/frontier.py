"""The frontier: how much of one part of the objective another one costs."""

from __future__ import annotations

from dataclasses import replace

from allocate.cli.render.plan_sheets import frontier_sheet
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean, money, number
from allocate.cli.report import charts
from allocate.cli.report.chart_lines import lines
from allocate.cli.report.names import is_number
from allocate.cli.report.parts import Figure, Row, Section, Table, table_of_sheet

WORDS = {"latency": "waiting", "oversight": "review"}
HERE = "as configured"
_SWEPT = {"oversight": "humans"}  # how a swept path names a part, where otherwise
NOW = 1e-9  # a factor this near to 1 is the config as it is


def frontier_section(document: Row) -> Section:
    """Draw the points that cannot be better in one part without losing in another."""
    title = "Frontier"
    frontier = document["frontier"]
    if frontier is None:
        return Section("frontier", title)
    sheet = frontier_sheet(document)
    first, second = frontier["parts"][:2]
    names = [WORDS.get(part, str(part)) for part in (first, second)]
    title = f"Frontier of {names[0]} and {names[1]}"
    points = [
        p
        for p in frontier["points"]
        if is_number(p["objective"].get(first)) and is_number(p["objective"].get(second))
    ]
    files = {"frontier.csv": draw_records(frontier["points"])}
    table = None if sheet is None else table_of_sheet("frontier-points", sheet.title, sheet, files)
    if len(points) < 2 or table is None:
        return Section("frontier", title, tables=[table] if table else [])
    swept = next((p for p in (second, first) if _SWEPT.get(p, p) in frontier["swept"][0]), None)
    drawn = [_worth(frontier, points, swept, table), _parts(frontier, points, names, table)]
    kept = [figure for figure in drawn if figure is not None]
    if len(kept) == 2:
        kept[1] = replace(kept[1], table=_flat(kept[1]))
    return Section("frontier", title, figures=kept)


def _worth(frontier: Row, points: list[Row], part: str | None, table: Table) -> Figure | None:
    """Draw what everything else is worth at each amount of the part that was swept."""
    known = [p for p in points if is_number(p["welfare"])]
    if part is None or len(known) < 2:
        return None
    name = WORDS.get(part, part)
    data = []
    for p in known:
        x = p["objective"][part]
        say = f"{_called(p, frontier)}: {name} {money(x, 4)}/h, everything else "
        data.append(_point(p, frontier, x, p["welfare"] + x, say))
    data.sort(key=lambda line: line["x"])
    low, high = data[0], data[-1]
    finding = f"Going from {money(high['x'], 3)} to {money(low['x'], 3)}/h of {name} gives up "
    finding += f"{money(high['y'] - low['y'], 3)}/h of everything else"
    axes = [charts.money_axis([d[k] for d in data]) for k in ("x", "y")]
    return Figure(
        "frontier-chart",
        finding,
        f"Value less all costs but {name}, at each amount of {name} the most that can be "
        "had. USD an hour at the config's own prices.",
        f"A line of everything else against {name}. {finding}.",
        lambda width: lines(
            data,
            width,
            titles=(f"{name}, USD/h", "everything else, USD/h"),
            axes=(axes[0], axes[1]),
        ),
        table,
    )


def _parts(frontier: Row, points: list[Row], names: list[str], table: Table) -> Figure:
    """Draw one part against the other, in the order in which they were swept."""
    first, second = frontier["parts"][:2]
    data = []
    for p in points:
        x, y = p["objective"][first], p["objective"][second]
        say = f"{_called(p, frontier)}: {names[0]} {money(x, 4)}/h, {names[1]} "
        data.append(_point(p, frontier, x, y, say))
    finding = _finding(data, names)
    axes = [charts.money_axis([d[k] for d in data]) for k in ("x", "y")]
    return Figure(
        "frontier-parts",
        finding,
        f"{names[1].capitalize()} against {names[0]} at the same points, in the order of the "
        "sweep. USD an hour at the config's own prices.",
        f"A line of {names[1]} against {names[0]}. {finding}.",
        lambda width: lines(
            data,
            width,
            titles=(f"{names[0]}, USD/h", f"{names[1]}, USD/h"),
            axes=(axes[0], axes[1]),
        ),
        table,
    )


def _flat(figure: Figure) -> Table:
    """The same data once more, under a name of its own."""
    files = {"frontier-parts.csv": next(iter(figure.table.files.values()))}
    return replace(figure.table, key="frontier-parts", files=files)


def _point(point: Row, frontier: Row, x: float, y: float, say: str) -> Row:
    here = _called(point, frontier) == HERE
    said = f"{say}{money(y, 4)}/h, welfare {money(point['welfare'], 4)}/h"
    return {"x": x, "y": y, "part": "frontier", "mark": HERE if here else "", "say": said}


def _called(point: Row, frontier: Row) -> str:
    factor = point.get("factor")
    if factor is not None and abs(factor - 1.0) < NOW and frontier["kind"] == "price":
        return HERE
    return _at(point, frontier)


def _finding(data: list[Row], names: list[str]) -> str:
    """Say what the ends of the frontier are; where one part pays for the other, its rate."""
    most, least = max(data, key=lambda d: d["y"]), min(data, key=lambda d: d["y"])
    fewer, more = most["y"] - least["y"], least["x"] - most["x"]
    if more > 0:
        share = number(100 * fewer / most["y"], 2)
        buys = f"{money(fewer, 3)}/h less {names[1]} ({share} %)"
        return f"{money(more, 3)}/h more {names[0]} buys {buys}"
    down = f"{names[1].capitalize()} goes from {money(most['y'], 3)} to {money(least['y'], 3)}/h"
    return f"{down} as {names[0]} goes from {money(most['x'], 3)} to {money(least['x'], 3)}/h"


def _at(point: Row, frontier: Row) -> str:
    if frontier["kind"] == "price" and point.get("factor") is not None:
        return f"price × {number(point['factor'], 3)}"
    path, value = next(iter(point["set"].items()), ("", None))
    return f"{clean(path)} = {number(value) if is_number(value) else clean(value)}"
