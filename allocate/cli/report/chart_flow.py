"""A flow in columns: bands as wide as what goes from one thing to the next.

Altair has no such form, so places are worked out here; it draws them as areas and rectangles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from allocate.cli.report.charts import KEY_LINE, data_of, finish
from allocate.cli.report.labels import LETTER, PHONE, cut_middle
from allocate.cli.report.palette import STEPS, light
from allocate.cli.report.parts import Row, Spec

NODE = 12.0  # pixels of a node's width
GAP = 14.0  # pixels between the nodes of a column
THIN = 2.0  # pixels of the thinnest band
BEND = 24  # points of a band's edge
TOP = 24.0  # pixels of the columns' titles
SIDE = {False: 180.0, True: 78.0}  # pixels for the names of the last column, at most
FIRST_SHADE = 2  # of STEPS: paler ones do not stand out


@dataclass
class Node:
    """A thing in a column: how much passes it, where it begins, what has been let in and out."""

    name: str
    column: int
    size: float
    y: float = 0.0
    into: float = 0.0
    out: float = 0.0
    say: str = ""


def flow(links: Sequence[Row], width: int, *, columns: Sequence[str], keys: Sequence[str]) -> Spec:
    """Draw links (``column``, ``source``, ``target``, ``size``, ``step``, ``say``).

    ``columns`` are the titles, ``keys`` name the shades in order.
    """
    import altair as alt

    phone = width <= PHONE
    height = _height(links, phone)
    nodes, scale = _placed(links, len(columns), height)
    inner = width - 16.0
    room = LETTER * max(len(n.name) for n in nodes.values() if n.column == len(columns) - 1)
    side = min(room + 8.0, SIDE[phone])
    pitch = (inner - side - NODE) / (len(columns) - 1)
    bands = _bands(links, nodes, scale, pitch, keys)
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, inner], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[height, 0], nice=False))
    across = 1 if phone else len(keys)
    shades = [light(name) for name in list(STEPS)[FIRST_SHADE:]][: len(keys)]
    legend = alt.Legend(title=None, orient="bottom", columns=across, columnPadding=28)
    legend.symbolType, legend.symbolOpacity = "square", 1
    area = (
        alt.Chart(data_of(bands))
        .mark_area(interpolate="linear", fillOpacity=0.75, stroke=light("paper"), strokeWidth=0.5)
        .encode(
            x=x,
            y=y,
            y2="y2:Q",
            detail="link:N",
            color=alt.Color(
                "key:N", scale=alt.Scale(domain=list(keys), range=shades), legend=legend
            ),
            description="say:N",
        )
    )
    boxes = alt.Chart(data_of(_boxes(nodes, scale, pitch))).mark_rect(color=light("ink"))
    boxes = boxes.encode(x=x, x2="x2:Q", y=y, y2="y2:Q", description="say:N")
    layers = [area, boxes, *_words(nodes, scale, pitch, side, columns, x, y)]
    rows = -(-len(keys) // across)
    return finish(alt.layer(*layers), width, math.ceil(height) + 28 + KEY_LINE * rows)


def _height(links: Sequence[Row], phone: bool) -> float:
    most = max(len({link[end] for link in links if link["column"] == c}) for end, c in _ends(links))
    return TOP + max(240.0, (34.0 if phone else 30.0) * most)


def _ends(links: Sequence[Row]) -> list[tuple[str, int]]:
    columns = {link["column"] for link in links}
    return [(end, c) for c in columns for end in ("source", "target")]


def _placed(
    links: Sequence[Row], count: int, height: float
) -> tuple[dict[tuple[int, str], Node], float]:
    """Stack the nodes of each column, the largest first, and find pixels a unit."""
    nodes: dict[tuple[int, str], Node] = {}
    for link in links:
        for column, name, first in (
            (link["column"], link["source"], link["column"] == 0),
            (link["column"] + 1, link["target"], True),
        ):
            node = nodes.setdefault((column, name), Node(name, column, 0.0))
            node.size += link["size"] if first else 0.0
            node.say = link[f"{'source' if column == link['column'] else 'target'}_say"]
    by = [[n for n in nodes.values() if n.column == c] for c in range(count)]
    scale = min(
        (height - TOP - GAP * (len(column) - 1) - THIN * len(column)) / sum(n.size for n in column)
        for column in by
        if column
    )
    for column in by:
        column.sort(key=lambda n: -n.size)
        at = TOP
        for node in column:
            node.y = at
            at += max(node.size * scale, THIN) + GAP
    return nodes, scale


def _bands(
    links: Sequence[Row],
    nodes: dict[tuple[int, str], Node],
    scale: float,
    pitch: float,
    keys: Sequence[str],
) -> list[Row]:
    order = sorted(
        links,
        key=lambda k: (
            k["column"],
            nodes[k["column"], k["source"]].y,
            nodes[k["column"] + 1, k["target"]].y,
        ),
    )
    points = []
    for number, link in enumerate(order):
        start, end = (
            nodes[link["column"], link["source"]],
            nodes[link["column"] + 1, link["target"]],
        )
        wide = link["size"] * scale
        y0, y1 = start.y + start.out, end.y + end.into
        start.out += wide
        end.into += wide
        left = start.column * pitch + NODE
        for i in range(BEND + 1):
            t = i / BEND
            bend = t * t * (3.0 - 2.0 * t)
            y = y0 + (y1 - y0) * bend
            points.append(
                {
                    "link": number,
                    "x": round(left + t * (pitch - NODE), 2),
                    "y": round(y, 2),
                    "y2": round(y + max(wide, THIN), 2),
                    "key": keys[link["step"]],
                    "say": link["say"],
                }
            )
    return points


def _boxes(nodes: dict[tuple[int, str], Node], scale: float, pitch: float) -> list[Row]:
    return [
        {
            "x": n.column * pitch,
            "x2": n.column * pitch + NODE,
            "y": n.y,
            "y2": n.y + max(n.size * scale, THIN),
            "say": n.say,
        }
        for n in nodes.values()
    ]


def _words(
    nodes: dict[tuple[int, str], Node],
    scale: float,
    pitch: float,
    side: float,
    columns: Sequence[str],
    x: Any,
    y: Any,
) -> list[Any]:
    """Write each node's name to the right of it, and the columns' titles above them."""
    import altair as alt

    last = len(columns) - 1
    words = [
        {
            "x": n.column * pitch + NODE + 4,
            "y": n.y + max(n.size * scale, THIN) / 2,
            "text": cut_middle(
                n.name, int(((side if n.column == last else pitch - NODE) - 4) / LETTER)
            ),
        }
        for n in nodes.values()
    ]
    heads = [{"x": c * pitch, "y": 8, "text": title} for c, title in enumerate(columns)]
    here, above = alt.Chart(data_of(words)), alt.Chart(data_of(heads))
    place = {"align": "left", "fontSize": 12, "aria": False}
    marks = (
        here.mark_text(stroke=light("paper"), strokeWidth=3, opacity=0.85, **place),
        here.mark_text(color=light("ink"), **place),
        above.mark_text(color=light("muted"), **place),
    )
    return [mark.encode(x=x, y=y, text="text:N") for mark in marks]
