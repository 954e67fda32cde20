"""How the machines run: GPUs busy and kept free for speed, and what a token costs there."""

from __future__ import annotations

from typing import Any

from allocate.cli.render.records import draw_csv
from allocate.cli.render.solve_sheets import serving_sheet
from allocate.cli.render.text import clean, number, percent
from allocate.cli.report import charts
from allocate.cli.report.names import is_number, label, largest
from allocate.cli.report.parts import (
    Field,
    Figure,
    Row,
    Section,
    records,
    table_of,
    table_of_sheet,
)
from allocate.cli.report.solved.artifacts import artifact_tables

PARTS = {
    "cost": ("market price", "blue"),
    "congestion": ("kept free for speed", "gold"),
    "scarcity": ("scarcity", "orange"),
    "seat": ("seat in the batch", "purple"),
}
STAGES = {"prefill": "input", "decode": "output"}


def serving_section(result: Row) -> Section:
    """Draw the lanes and the price of their tokens."""
    sheet = serving_sheet(result, whole=True)
    if not sheet.rows:
        return Section("serving", sheet.title)
    drawn = [_machines(result), *(_token_price(result, stage) for stage in STAGES)]
    return Section(
        "serving",
        "Serving",
        figures=[figure for figure in drawn if figure is not None],
        tables=[
            table_of_sheet(
                "lanes", "All lanes", sheet, {"serving.csv": draw_csv(result, "serving")}
            ),
            *artifact_tables(result, "token-prices"),
        ],
    )


def _machines(result: Row) -> Figure | None:
    """Draw how many GPUs a lane has, and how many of them work at a moment."""
    lanes = result["layers"]["serving"]
    what = "GPUs" if all(is_number(lane.get("gpus")) for lane in lanes) else "replicas"
    lines, data = [], []
    for lane in lanes:
        size, busy = lane["gpus" if what == "GPUs" else "replicas"], lane["utilisation"]
        name = label(lane, "lane") + (f", {clean(lane['period'])}" if lane.get("period") else "")
        data.append({**lane, "name": name, "size": size, "share": busy})
        pieces = {"not known how busy": size}
        if busy is not None:
            pieces = {"busy": size * busy, "free, to keep tokens fast": size * (1.0 - busy)}
        for part, count in pieces.items():
            say = f"{name}: {number(count, 3)} of {number(size, 3)} {what} {part}"
            lines.append({"name": name, "part": part, "size": count, "say": say})
    if not lines:
        return None
    kept, note = largest(
        [line["name"] for line in data], {d["name"]: d["size"] for d in data}.__getitem__
    )
    axis = charts.plain_axis([line["size"] for line in data])
    colours = {
        "busy": "blue",
        "free, to keep tokens fast": "grey",
        "not known how busy": "sky",
    }
    top = max(data, key=lambda line: line["size"])
    finding = f"{top['name']} has most {what}, {number(top['size'], 3)}"
    if top["share"] is not None:
        finding += f", busy {percent(top['share'])} % of the time"
    fields = [
        Field("lane", "lane", write=clean),
        *([Field("period", "period", write=clean)] if any(d.get("period") for d in data) else []),
        Field(what, "size", write=_three),
        Field("busy", "share", "%", percent),
    ]
    chosen = [line for line in lines if line["name"] in kept]
    return Figure(
        "machines",
        finding,
        f"{what} of each lane, a deployment at one speed: on average at work, and free so that "
        "tokens stay as fast as the lane promises." + note,
        f"Stacked bars of {what} by lane, busy and free. {finding}.",
        lambda width: charts.stacked(chosen, width, title=what, axis=axis, colours=colours),
        table_of("machines", f"{what} by lane", fields, data),
    )


def _token_price(result: Row, stage: str) -> Figure | None:
    """Draw the parts of what a token costs at the margin."""
    lines, data = [], []
    for entry in records(result["artifacts"].get("token_prices")):
        price = entry.get(f"{stage}_usd_per_mtok")
        if not isinstance(price, dict) or not is_number(price.get("total")) or price["total"] <= 0:
            continue
        name = label(entry, "lane") + (f", {clean(entry['period'])}" if entry.get("period") else "")
        data.append({**entry, **price, "name": name})
        for key, (part, _) in PARTS.items():
            size = price.get(key)
            if is_number(size) and size > 1e-9 * price["total"]:
                say = f"{name}: {part} ${number(size)} per million {stage} tokens"
                lines.append({"name": name, "part": part, "size": size, "say": say})
    if not lines:
        return None
    kept, note = largest(
        [line["name"] for line in data], {d["name"]: d["total"] for d in data}.__getitem__
    )
    top = max(data, key=lambda line: line["total"])
    finding = f"A million {STAGES[stage]} tokens cost up to ${number(top['total'], 3)}"
    if len(data) > 1:
        finding += f", on {top['name']}"
    fields = [
        Field("lane", "lane", write=clean),
        *([Field("period", "period", write=clean)] if any(d.get("period") for d in data) else []),
        *(Field(name, key, "USD/Mtok", _price) for key, (name, _) in PARTS.items()),
        Field("in all", "total", "USD/Mtok", _price),
    ]
    chosen = [line for line in lines if line["name"] in kept]
    return Figure(
        f"token-{stage}",
        finding,
        f"What one more {stage} token takes from everything else: the machine's market price, the "
        "idle time that keeps others fast, and what the scarcity of the machine adds. Before its "
        "own waiting and its KV memory." + note,
        f"Stacked bars of the price of {stage} tokens by lane. {finding}.",
        lambda width: charts.stacked(
            chosen,
            width,
            title="USD per million tokens",
            axis=charts.money_axis([line["total"] for line in data]),
            colours={name: colour for name, colour in PARTS.values()},
        ),
        table_of(f"token-{stage}", f"Price of {stage} tokens", fields, data),
    )


def _three(value: Any) -> str:
    return number(value, 3)


def _price(value: Any) -> str:
    """Write a part of a price; what a solver leaves of a zero is 0."""
    return "0" if is_number(value) and abs(value) < 1e-9 else number(value)
