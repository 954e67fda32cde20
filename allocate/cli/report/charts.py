"""The few forms of chart that a report uses, as Vega-Lite specs made with Altair.

Every form takes records whose ``name`` is the bar's label (two lines where it holds a newline) and
whose ``say`` is the sentence that a pointer or a screen reader gets. Names are values of records,
never parts of a spec.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from allocate.cli.report.labels import LETTER, PHONE, extent, short_names
from allocate.cli.report.palette import light, series
from allocate.cli.report.parts import Row, Spec

if TYPE_CHECKING:
    import altair as alt

FONT = "system-ui, sans-serif"
STEP = 26  # pixels of a bar with its gap
TWO_LINES = 36
MOST_SERIES = 7
REST = "all others"
KEY = 44  # pixels of a legend's entry beside its words
KEY_LINE = 20
FRAME = 56  # pixels of the axis below the bars


def money_axis(values: Sequence[float]) -> str:
    """Choose how an axis writes USD, so that near ticks read differently."""
    return "$" + plain_axis(values)


def plain_axis(values: Sequence[float]) -> str:
    """Choose how an axis writes numbers, so that near ticks read differently."""
    most = max((abs(v) for v in values), default=0.0)
    if most >= 1e4:
        return "~s"
    places = 2 - math.floor(math.log10(most)) if most > 0 else 0
    return f",.{min(max(places, 0), 8)}~f"


def few_series(lines: Sequence[Row], key: str, size: str) -> tuple[list[Row], list[str]]:
    """Name what a colour stands for: the largest have one each, all others share grey."""
    total: dict[str, float] = {}
    for line in lines:
        total[line[key]] = total.get(line[key], 0.0) + abs(line[size] or 0.0)
    if len(total) > MOST_SERIES:
        kept = sorted(total, key=lambda name: -total[name])[: MOST_SERIES - 1]
        lines = [line if line[key] in kept else {**line, key: REST} for line in lines]
        return list(lines), [*(name for name in total if name in kept), REST]
    return list(lines), list(total)


def bars(
    lines: Sequence[Row],
    width: int,
    *,
    title: str,
    axis: str,
    colour: str = "blue",
    least: float | None = None,
    reference: float | None = None,
) -> Spec:
    """Draw one bar a record: ``size``, with ``text`` at its end; ``reference`` is a line."""
    import altair as alt

    lines = short_names(lines, width)
    base = _base(lines)
    sizes = [line["size"] for line in lines]
    ends = [min([0.0, *sizes]), max([0.0, least or 0.0, *sizes])]
    room = _text_room(lines, width) * (ends[1] - ends[0])
    ends = [ends[0] - (room if ends[0] < 0 else 0.0), ends[1] + (room if ends[1] > 0 else 0.0)]
    x = alt.X("size:Q", title=title, axis=axis_of(axis, ticks(width)))
    x = x.scale(domain=ends, nice=False)
    fill = alt.Color("colour:N", scale=None) if _coloured(lines) else alt.value(light(colour))
    bar = base.mark_bar().encode(x=x, y=names_axis(lines, width), color=fill, description="say:N")
    words = base.mark_text(fontSize=12, color=light("ink"), aria=False).encode(
        x=x,
        y=names_axis(lines, width),
        text="text:N",
    )
    past = words.transform_filter("datum.size >= 0").mark_text(
        align="left", dx=4, fontSize=12, color=light("ink"), aria=False
    )
    below = words.transform_filter("datum.size < 0").mark_text(
        align="right", dx=-4, fontSize=12, color=light("ink"), aria=False
    )
    layers: list[Any] = [bar, past, below]
    if reference is not None:
        layers.append(_line(reference))
    return _finish(alt.layer(*layers), lines, width)


def stacked(
    lines: Sequence[Row],
    width: int,
    *,
    title: str,
    axis: str,
    colours: dict[str, str] | None = None,
    most: float | None = None,
    reference: float | None = None,
) -> Spec:
    """Stack records of one name: ``size`` long, coloured by ``part``; ``reference`` is a line."""
    import altair as alt

    lines, parts = few_series(short_names(lines, width), "part", "size")
    lines = [{**line, "order": parts.index(line["part"])} for line in lines]
    faces = _faces(parts, colours or {})
    scale = alt.Scale(domain=[0, most], nice=False) if most else alt.Scale()
    room = width - extent([line["name"] for line in lines])
    columns = max(1, min(len(parts), int(room / (extent(parts) + KEY))))
    legend = alt.Legend(
        title=None,
        orient="top",
        columns=columns,
        columnPadding=28,
        labelLimit=room - KEY / 2,
        symbolType="square",
    )
    bar = (
        _base(lines)
        .mark_bar(stroke=light("paper"), strokeWidth=1)
        .encode(
            x=alt.X(
                "size:Q",
                title=title,
                stack="zero",
                scale=scale,
                axis=axis_of(axis, ticks(width)),
            ),
            y=names_axis(lines, width),
            color=alt.Color("part:N", scale=alt.Scale(domain=parts, range=faces), legend=legend),
            order="order:Q",
            description="say:N",
        )
    )
    chart = bar if reference is None else alt.layer(bar, _line(reference))
    return _finish(chart, lines, width, math.ceil(len(parts) / columns))


def spans(lines: Sequence[Row], width: int, *, title: str, axis: str, reference: float) -> Spec:
    """Draw a bar from ``low`` to ``high`` a record, and a line at the reference."""
    import altair as alt

    lines = short_names(lines, width)
    x = alt.X("low:Q", title=title, axis=axis_of(axis, ticks(width)))
    bar = (
        _base(lines)
        .mark_bar(size=12, cornerRadius=3, color=light("blue"))
        .encode(x=x.scale(zero=False), x2="high:Q", y=names_axis(lines, width), description="say:N")
    )
    return _finish(alt.layer(bar, _line(reference)), lines, width)


def steps(lines: Sequence[Row], width: int, *, title: str, axis: str) -> Spec:
    """Draw a waterfall: bars from ``start`` to ``end``, each coloured by itself."""
    import altair as alt

    lines = short_names(lines, width)
    base = _base(lines)
    x = alt.X("start:Q", title=title, axis=axis_of(axis, ticks(width)))
    bar = base.mark_bar().encode(
        x=x,
        x2="end:Q",
        y=names_axis(lines, width),
        color=alt.Color("colour:N", scale=None),
        description="say:N",
    )
    most = max([v for line in lines for v in (line["start"], line["end"])] or [0.0])
    most *= 1.0 + _text_room(lines, width)
    labels = [{**line, "at": max(line["start"], line["end"], 0.0)} for line in lines]
    words = (
        _base(labels)
        .mark_text(align="left", dx=4, fontSize=12, color=light("ink"), aria=False)
        .encode(
            x=alt.X("at:Q", title=title).scale(domainMax=most or 1.0, nice=False),
            y=names_axis(lines, width),
            text="text:N",
        )
    )
    return _finish(alt.layer(bar, words, _line(0.0, dash=False)), lines, width)


def data_of(lines: Sequence[Row]) -> alt.Data:
    """Hand records to a chart; a name in them is a value and nothing else."""
    import altair as alt

    return alt.Data(values=tuple(lines))  # Altair copies lists to their depths, many times


def _base(lines: Sequence[Row]) -> alt.Chart:
    import altair as alt

    return alt.Chart(data_of(lines))


def _faces(parts: list[str], given: dict[str, str]) -> list[str]:
    """Colour the parts as given, all others as grey, and the rest in the order of the series."""
    free = iter(series(MOST_SERIES))
    named = given if REST in given else {**given, REST: "grey"}
    return [light(named[part]) if part in named else next(free) for part in parts]


def light_of(parts: Sequence[str]) -> list[str]:
    """Return a colour for each part, in the order of the series."""
    return _faces(list(parts), {})


def _coloured(lines: Sequence[Row]) -> bool:
    return any("colour" in line for line in lines)


def names_axis(lines: Sequence[Row], width: int) -> alt.Y:
    """Write the bars' names at their side, with the room that they need."""
    import altair as alt

    names = list(dict.fromkeys(line["name"] for line in lines))
    axis = alt.Axis(
        labelExpr="split(datum.label, '\\n')",
        labelBaseline=alt.ConditionalAxisLabelBaseline(
            condition={"test": "indexof(datum.label, '\\n') >= 0", "value": "bottom"},
            value="middle",
        ),
        labelLimit=400,
        minExtent=extent(names),
        ticks=False,
        domain=False,
        labelPadding=6,
    )
    return alt.Y("name:N", title=None, sort=names, axis=axis)


def _text_room(lines: Sequence[Row], width: int) -> float:
    """Return the room that the words at the bars' ends need, as a share of the bars'."""
    words = LETTER * max((len(line["text"]) for line in lines), default=0) + 12
    plot = width - extent([line["name"] for line in lines])
    return words / max(plot - words, words)


def _line(at: float, dash: bool = True) -> alt.Chart:
    import altair as alt

    return (
        alt.Chart(alt.Data(values=[{"at": at}]))
        .mark_rule(color=light("ink"), strokeDash=[4, 3] if dash else [1, 0], aria=False)
        .encode(x="at:Q")
    )


def axis_of(written: str, count: int, **more: Any) -> alt.Axis:
    """Make an axis of numbers; with letters for thousands a zero has none."""
    import altair as alt

    if not written.endswith("s"):
        return alt.Axis(format=written, tickCount=count, **more)
    zero = "$0" if written.startswith("$") else "0"
    label = f"datum.value === 0 ? '{zero}' : format(datum.value, '{written}')"
    return alt.Axis(labelExpr=label, tickCount=count, **more)


def ticks(width: int) -> int:
    """Return how many ticks an axis has room for."""
    return 6 if width > PHONE else 3


def _finish(chart: Any, lines: Sequence[Row], width: int, keys: int = 0) -> Spec:
    """Set the size by the number of bars, for so many lines of a legend, and the looks."""
    names = {line["name"] for line in lines}
    step = TWO_LINES if any("\n" in name for name in names) else STEP
    return finish(chart, width, step * max(len(names), 1) + FRAME + KEY_LINE * keys)


def finish(chart: Any, width: int, height: float) -> Spec:
    """Set the size and the looks that all charts share."""
    from altair.utils import schemapi

    chart = chart.properties(
        width=width,
        height=height,
        background="transparent",
        padding={"left": 0, "right": 8, "top": 4, "bottom": 8},
    )
    chart = chart.properties(autosize={"type": "fit", "contains": "padding"})
    ink, muted, grid = light("ink"), light("muted"), light("grid")
    chart = (
        chart.configure(font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=ink,
            titleColor=muted,
            gridColor=grid,
            domainColor=grid,
            tickColor=grid,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_axisY(grid=False)
        .configure_legend(labelColor=ink, labelFontSize=12)
    )
    # Checked against Vega-Lite's schema where a test asks for it: half of the time.
    return chart.to_dict(validate=schemapi.DEBUG_MODE)
