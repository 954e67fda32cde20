"""A heat map: how much of each thing there is at each time."""

from __future__ import annotations

from collections.abc import Sequence

from allocate.cli.report.charts import KEY_LINE, data_of, finish, names_axis
from allocate.cli.report.labels import LETTER, PHONE, extent, short_names
from allocate.cli.report.palette import DARK_FROM, STEPS, light
from allocate.cli.report.parts import Row, Spec

CELL = 34  # pixels of a line of cells
FOOT = 62


def cells(lines: Sequence[Row], width: int, *, keys: Sequence[str]) -> Spec:
    """Draw a cell a record: ``name`` down, ``at`` across, ``step`` its shade, ``text`` in it.

    ``keys`` names the shades, from nothing to most.
    """
    import altair as alt

    lines = short_names(lines, width)
    times = list(dict.fromkeys(line["at"] for line in lines))
    room = (width - extent([line["name"] for line in lines])) / max(len(times), 1)
    fits = room > LETTER * max((len(line["text"]) for line in lines), default=0)
    drawn = [
        {**line, "key": keys[line["step"]], "dark": line["step"] >= DARK_FROM} for line in lines
    ]
    upright = room < LETTER * max(map(len, times), default=1)
    longest = LETTER * max(map(len, times), default=1)
    tall = min(110.0, longest) + 8.0 if upright else 0.0
    x = alt.X(
        "at:N",
        title=None,
        sort=times,
        axis=alt.Axis(
            labelAngle=-90 if upright else 0,
            labelLimit=110,
            ticks=False,
            domain=False,
            minExtent=tall,
        ),
    )
    base = alt.Chart(data_of(drawn))
    scale = alt.Scale(domain=list(keys), range=[light(name) for name in STEPS])
    columns = len(keys) if width > PHONE else 2
    legend = alt.Legend(
        title=None, orient="top", columns=columns, columnPadding=28, symbolType="square"
    )
    rect = base.mark_rect(stroke=light("paper"), strokeWidth=2).encode(
        x=x,
        y=names_axis(lines, width),
        color=alt.Color("key:N", scale=scale, legend=legend),
        description="say:N",
    )
    layers = [rect]
    if fits:
        words = base.mark_text(fontSize=12, aria=False).encode(
            x=x,
            y=names_axis(lines, width),
            text="text:N",
            color=alt.condition("datum.dark", alt.value(light("paper")), alt.value(light("ink"))),
        )
        layers.append(words)
    count = len(dict.fromkeys(line["name"] for line in lines))
    foot = FOOT + tall
    height = CELL * count + foot + KEY_LINE * -(-len(keys) // columns)
    return finish(alt.layer(*layers), width, height)
