"""Intervals: from low to high with what lies in the middle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from allocate.cli.report.charts import (
    FRAME,
    STEP,
    TWO_LINES,
    axis_of,
    data_of,
    finish,
    names_axis,
    ticks,
)
from allocate.cli.report.labels import short_names
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Row, Spec


def ranges(lines: Sequence[Row], width: int, *, title: str, axis: str, reference: float) -> Spec:
    """Draw ``low`` to ``high`` a record, with a dot ``at``, and a line at the reference."""
    import altair as alt

    lines = short_names(lines, width)
    base = alt.Chart(data_of(lines))
    x = alt.X("low:Q", title=title, axis=axis_of(axis, ticks(width)))
    bar = base.mark_bar(size=12, cornerRadius=3, color=light("blue")).encode(
        x=x.scale(zero=False),
        x2="high:Q",
        y=names_axis(lines, width),
        description="say:N",
    )
    dot = base.mark_point(
        filled=True, size=60, color=light("paper"), stroke=light("ink"), opacity=1, aria=False
    ).encode(x=alt.X("at:Q", title=title), y=names_axis(lines, width))
    rule = alt.Chart(data_of([{"at": reference}])).mark_rule(
        color=light("ink"), strokeDash=[4, 3], aria=False
    )
    names = {line["name"] for line in lines}
    step = TWO_LINES if any("\n" in name for name in names) else STEP
    height = math.ceil(step * max(len(names), 1) + FRAME)
    return finish(alt.layer(bar, dot, rule.encode(x="at:Q")), width, height)
