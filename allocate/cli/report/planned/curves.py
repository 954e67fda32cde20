"""A sweep: what the next unit is worth at each capacity, and welfare along the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from allocate.cli.render.plan_sheets import short_path, sweep_sheet
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean, money, number
from allocate.cli.report import charts
from allocate.cli.report.chart_lines import LOG, few_lines, lines
from allocate.cli.report.names import is_number
from allocate.cli.report.parts import Field, Figure, Row, Section, table_of, table_of_sheet

MOST_LINES = 5


def sweep_section(document: Row) -> Section:
    """Draw a curve for each swept capacity that has a price, and welfare."""
    title = "Marginal value: what the next unit is worth as there is more of it"
    axes = [axis["path"] for axis in document["axes"]]
    points = document["sweep"]
    if not axes or not points:
        return Section("sweep", title)
    drawn = [_curve(document, path, axes) for path in axes]
    drawn.append(_welfare(points, axes))
    sheet = sweep_sheet(document, whole=True)
    tables = []
    if sheet is not None:
        files = {"sweep.csv": draw_records(points)}
        tables.append(table_of_sheet("sweep-all", "All points of the sweep", sheet, files))
    lost = [p for p in points if p["status"] != "optimal"]
    said = [f"{len(lost)} of {len(points)} points have no certified answer: the table says why."]
    figures = [figure for figure in drawn if figure is not None]
    return Section("sweep", title, said if lost else [], figures=figures, tables=tables)


def _curve(document: Row, path: str, axes: Sequence[str]) -> Figure | None:
    """Draw the price of one swept capacity, with what a unit costs where that is one number."""
    known = [
        p
        for p in document["sweep"]
        if is_number(p["prices"].get(path)) and is_number(p["set"].get(path))
    ]
    if len({p["set"][path] for p in known}) < 2:
        return None
    now = next((r for r in document["resources"] if r["resource"] == path), {})
    label, unit = clean(now.get("label") or path), clean(now.get("unit") or "USD per unit")
    pay = now.get("pay") if not document["periods"] else None
    pay = pay if is_number(pay) and pay > 0 else 0.0
    data = []
    for p in sorted(known, key=lambda p: (_others(p, path, axes), p["set"][path])):
        net, at = p["prices"][path], p["set"][path]
        said = f"{label} {number(at)}{_with(p, path, axes)}: one more is worth {number(net + pay)}"
        said += f", costs {number(pay)}, adds {number(net)}" if pay else " after its cost"
        said = said if net > 0 or not pay else f"{said[: said.index(':')]}: to spare, adds nothing"
        data.append(
            {
                "x": at,
                "y": net + pay,
                "net": net,
                "part": _others(p, path, axes)[1] or label,
                "say": f"{said} ({unit})",
            }
        )
    chosen, note = few_lines(data, MOST_LINES)
    log = bool(pay) and max(line["y"] for line in chosen) > LOG * pay
    finding = _crossing(chosen, label)
    about = f"Worth of one more unit, {unit}. "
    if pay:
        about += "Where a curve meets the dashed market price, the next unit costs what it brings: "
        about += "stop buying. Beyond it the capacity is to spare."
    else:
        about += "After its own cost: where a curve reaches 0, more brings nothing."
    about += " The scale is logarithmic." if log else ""
    today = now.get("capacity")
    down = (today, "today") if is_number(today) and _within(today, chosen) else None
    fields = [
        *([Field("line", "part", write=clean)] if len(axes) > 1 else []),
        Field(clean(path), "x"),
        Field("worth of the next unit", "y", unit),
        Field("worth less cost", "net", unit),
    ]
    titles = (f"{label} ({clean(path)})", f"{unit}, one more")
    key = f"curve-{axes.index(path) + 1}"
    return Figure(
        key,
        finding,
        about + note,
        f"Curve of the worth of one more {label} against how many there are. {finding}.",
        lambda width: lines(
            chosen,
            width,
            titles=titles,
            axes=(charts.plain_axis([d["x"] for d in chosen]), charts.money_axis(_spread(chosen))),
            across=(pay, f"market price {money(pay, 4)}") if pay else None,
            down=down,
            log=log,
            zero=not log,
        ),
        table_of(key, f"Worth of the next unit of {label}", fields, data),
    )


def _spread(points: Sequence[Row]) -> list[float]:
    return [point["y"] for point in points]


def _within(value: float, points: Sequence[Row]) -> bool:
    return min(p["x"] for p in points) <= value <= max(p["x"] for p in points)


def _crossing(points: Sequence[Row], label: str) -> str:
    """Say between which capacities the first curve, and the last, meet what a unit costs."""
    parts = list(dict.fromkeys(point["part"] for point in points))
    chosen = parts if len(parts) < 2 else [parts[0], parts[-1]]
    ends = [_stop([p for p in points if p["part"] == part]) for part in chosen]
    named = [f" ({part})" if len(parts) > 1 else "" for part in chosen]
    if len(chosen) > 1 and ends[0] == ends[1]:
        ends, named = ends[:1], [" in all lines"]
    said = ", ".join(f"{end}{name}" for end, name in zip(ends, named, strict=True))
    return f"More {label} pays {said}"


def _stop(points: Sequence[Row]) -> str:
    floor = 1e-3 * max(abs(p["net"]) for p in points)
    for before, after in zip(points, points[1:], strict=False):
        if before["net"] > floor >= after["net"]:
            return f"up to {number(before['x'], 3)} – {number(after['x'], 3)}"
    if points[-1]["net"] > floor:
        return f"all the way to {number(points[-1]['x'], 3)}"
    return "nowhere here"


def _others(point: Row, path: str, axes: Sequence[str]) -> tuple[Any, str]:
    """What else is set at a point: for sorting, and in words."""
    rest = [p for p in axes if p != path]
    values = [point["set"].get(p) for p in rest]
    order = [(0, v, "") if is_number(v) else (1, 0.0, str(v)) for v in values]
    said = ", ".join(
        f"{short_path(p, axes)} {_typed(v)}" for p, v in zip(rest, values, strict=True)
    )
    return order, said


def _with(point: Row, path: str, axes: Sequence[str]) -> str:
    said = _others(point, path, axes)[1]
    return f" with {said}" if said else ""


def _typed(value: Any) -> str:
    return number(value) if is_number(value) else clean(value)


def _welfare(points: Sequence[Row], axes: Sequence[str]) -> Figure | None:
    """Draw welfare along the first axis that is made of numbers."""
    path = next((p for p in axes if all(is_number(q["set"].get(p)) for q in points)), None)
    known = [p for p in points if is_number(p["welfare"])]
    if path is None or len({p["set"][path] for p in known}) < 2:
        return None
    data = []
    for p in sorted(known, key=lambda p: (_others(p, path, axes), p["set"][path])):
        at = p["set"][path]
        said = f"{short_path(path, axes)} {number(at)}{_with(p, path, axes)}"
        data.append(
            {
                "x": at,
                "y": p["welfare"],
                "part": _others(p, path, axes)[1] or "welfare",
                "say": f"{said}: {money(p['welfare'])}/h of welfare",
            }
        )
    chosen, note = few_lines(data, MOST_LINES)
    low, high = (f(data, key=lambda d: d["y"]) for f in (min, max))
    finding = f"Welfare goes from {money(low['y'], 4)} to {money(high['y'], 4)}/h over the sweep"
    fields = [
        *([Field("line", "part", write=clean)] if len(axes) > 1 else []),
        Field(clean(path), "x"),
        Field("welfare", "y", "USD/h"),
    ]
    return Figure(
        "sweep-welfare",
        finding,
        "Value less all costs at each point, each solved." + note,
        f"Lines of welfare against {clean(path)}. {finding}.",
        lambda width: lines(
            chosen,
            width,
            titles=(clean(path), "welfare, USD/h"),
            axes=(charts.plain_axis([d["x"] for d in chosen]), charts.money_axis(_spread(chosen))),
        ),
        table_of("sweep-welfare", "Welfare along the sweep", fields, data),
    )
