"""Lines: what a number does as another one grows, and the trade-off of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from allocate.cli.report.charts import KEY, KEY_LINE, axis_of, data_of, finish, light_of, ticks
from allocate.cli.report.labels import LETTER, PHONE
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Row, Spec

HEIGHT = {False: 320, True: 260}  # of a page, of a phone
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
LOG = 25.0  # times the reference, above which an axis is logarithmic


def lines(
    points: Sequence[Row],
    width: int,
    *,
    titles: tuple[str, str],
    axes: tuple[str, str],
    across: tuple[float, str] | None = None,
    down: tuple[float, str] | None = None,
    log: bool = False,
    zero: bool = False,
) -> Spec:
    """Draw a line for each ``part`` through its points (``x``, ``y``), in their order.

    ``across`` is a level drawn from side to side with its words, ``down`` one from top to bottom.
    """
    import altair as alt

    parts = list(dict.fromkeys(point["part"] for point in points))
    known = [{**point, "order": i} for i, point in enumerate(points)]
    x = alt.X("x:Q", title=titles[0], axis=axis_of(axes[0], ticks(width)))
    x = x.scale(zero=False, nice=True)
    y = alt.Y("y:Q", title=None, axis=_side(points, axes[1], log))
    y = y.scale(type="log", nice=True) if log else y.scale(zero=zero, nice=True)
    faces = light_of(parts)
    room = width - 60
    columns = max(1, int(room / (LETTER * max(map(len, parts), default=1) + KEY)))
    legend = alt.Legend(title=None, orient="top", columns=columns, columnPadding=28)
    keyed = len(parts) > 1
    colour = alt.Color("part:N", scale=alt.Scale(domain=parts, range=faces))
    shape = alt.Shape("part:N", scale=alt.Scale(domain=parts, range=list(SHAPES)))
    base = alt.Chart(data_of(known))
    line = base.mark_line(strokeWidth=2.5, aria=False).encode(
        x=x, y=y, color=colour.legend(None), order="order:O", detail="part:N"
    )
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=x,
        y=y,
        color=colour.legend(legend if keyed else None),
        shape=shape.legend(legend if keyed else None),
        description="say:N",
    )
    layers: list[Any] = [line, dots]
    if any(point.get("mark") for point in known):
        layers += _marks([p for p in known if p.get("mark")], [p["x"] for p in known], x, y)
    if across is not None:
        layers += _across(across, x, y, [point["x"] for point in points])
    if down is not None:
        layers += _down(down, x)
    chart = alt.layer(*layers).resolve_scale(color="independent", shape="independent")
    keys = -(-len(parts) // columns) if keyed else 0
    height = HEIGHT[width <= PHONE] + KEY_LINE * keys
    title = alt.TitleParams(titles[1], anchor="start", fontSize=12, fontWeight="normal")
    title.color, title.offset = light("muted"), 6
    return finish(chart.properties(title=title), width, height)


def _side(points: Sequence[Row], written: str, log: bool) -> Any:
    """Make the axis at the side; one of logarithms has a line at each power of ten only."""
    room = {"grid": True, "minExtent": 52.0}
    if not log:
        return axis_of(written, 5, **room)
    sizes = [math.log10(point["y"]) for point in points]
    values = [10.0**n for n in range(math.floor(min(sizes)), math.ceil(max(sizes)) + 1)]
    return axis_of("$,.4~g" if min(values) >= 1 else "$~g", 5, values=values, **room)


def _marks(points: Sequence[Row], ends: Sequence[float], x: Any, y: Any) -> list[Any]:
    """Write the words of the points that have some beside them, on the side that has room."""
    import altair as alt

    middle = (min(ends) + max(ends)) / 2.0
    out = []
    for align, dx, here in (
        ("left", 9, [p for p in points if p["x"] <= middle]),
        ("right", -9, [p for p in points if p["x"] > middle]),
    ):
        base = alt.Chart(data_of(here))
        place = {"align": align, "dx": dx, "dy": -9, "fontSize": 12, "aria": False}
        halo = base.mark_text(stroke=light("paper"), strokeWidth=4, **place)
        words = base.mark_text(color=light("ink"), **place)
        out += [mark.encode(x=x, y=y, text="mark:N") for mark in (halo, words) if here]
    return out


def _across(level: tuple[float, str], x: Any, y: Any, ends: Sequence[float]) -> list[Any]:
    import altair as alt

    where = [{"x": min(ends), "y": level[0], "text": level[1]}]
    base = alt.Chart(data_of(where))
    rule = base.mark_rule(color=light("orange"), strokeDash=[6, 3], strokeWidth=2, aria=False)
    place = {"align": "left", "dx": 6, "dy": -9, "fontSize": 12, "fontWeight": "bold"}
    halo = base.mark_text(stroke=light("paper"), strokeWidth=4, aria=False, **place)
    words = base.mark_text(color=light("ink"), aria=False, **place)
    said = [mark.encode(x=x, y=y, text="text:N") for mark in (halo, words)]
    return [rule.encode(y=y), *said]


def _down(level: tuple[float, str], x: Any) -> list[Any]:
    import altair as alt

    base = alt.Chart(data_of([{"x": level[0], "text": level[1]}]))
    rule = base.mark_rule(color=light("grey"), strokeDash=[2, 3], aria=False)
    words = base.mark_text(align="left", dx=4, fontSize=12, color=light("muted"), aria=False)
    return [rule.encode(x=x), words.encode(x=x, y=alt.value(8), text="text:N")]


def few_lines(points: Sequence[Row], most: int) -> tuple[list[Row], str]:
    """Keep as many lines as can be told apart, evenly among them, and say how many are left out."""
    parts = list(dict.fromkeys(point["part"] for point in points))
    if len(parts) <= most:
        return list(points), ""
    last = len(parts) - 1
    kept = {parts[round(i * last / (most - 1))] for i in range(most)}
    left = len(parts) - len(kept)
    return [p for p in points if p["part"] in kept], f" {left} more lines are in the data."
