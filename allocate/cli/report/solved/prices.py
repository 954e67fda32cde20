"""The shared prices: what one more unit brings, what it costs, and how far that holds."""

from __future__ import annotations

from typing import Any

from allocate.cli.render import verdict
from allocate.cli.render.records import draw_csv
from allocate.cli.render.solve_sheets import prices_sheet
from allocate.cli.render.text import clean, money, number
from allocate.cli.report import charts
from allocate.cli.report.names import distinct, is_number, largest
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Field, Figure, Item, Row, Section, table_of, table_of_sheet

FIRST = 5  # capacities that the advice names
SMALL = 0.01  # share of a capacity by which the gains are compared


def advice_section(result: Row) -> Section:
    """Say what one more unit of each scarce capacity would bring, the most important first."""
    sheet = prices_sheet(result, whole=True)
    label = {clean(p["resource"]): clean(p["label"]) for p in result["prices"]}
    named = [(label[sheet.rows[i][0]], sheet.notes[i]) for i in sorted(sheet.notes)]
    items = [Item(head, text) for head, text in named[:FIRST]]
    sentences = verdict.bindings(result) if result["prices"] else []
    return Section("advice", "What to change first", sentences, items)


def prices_section(result: Row) -> Section:
    """Draw the prices in four ways, and give them all as a table."""
    if not result["prices"]:
        return Section("prices", "Prices")
    prices = _named(result["prices"])
    binding = [p for p in prices if p["binding"] and is_number(p["value"])]
    figures = [_gains(binding), _returns(binding), _reach(binding), _used(prices)]
    sheet = prices_sheet(result, whole=True)
    table = table_of_sheet(
        "prices-all", "All prices", sheet, {"prices.csv": draw_csv(result, "prices")}
    )
    return Section(
        "prices", "Prices", figures=[f for f in figures if f is not None], tables=[table]
    )


def _named(prices: list[Row]) -> list[Row]:
    names = distinct([clean(p["label"]) for p in prices], [clean(p["resource"]) for p in prices])
    return [{**p, "name": name} for p, name in zip(prices, names, strict=True)]


def _gains(prices: list[Row]) -> Figure | None:
    """Compare the capacities in one unit: USD/h for a hundredth more of each."""
    lines = []
    for p in prices:
        if not p["capacity"]:
            continue
        gain = SMALL * p["value"] * p["capacity"]
        say = f"{_one(p)}: 1 % more, {number(SMALL * p['capacity'])}, changes welfare by "
        lines.append(
            {
                **p,
                "size": gain,
                "text": money(gain, 3),
                "more": SMALL * p["capacity"],
                "say": f"{say}{money(gain, 4)}/h",
            }
        )
    lines.sort(key=lambda line: -line["size"])
    if not lines:
        return None
    top = lines[0]
    finding = f"1 % more {_one(top)} would add {money(top['size'], 3)}/h"
    finding += ", more than 1 % of any other capacity" if len(lines) > 1 else ""
    if top["size"] <= 0:
        finding = "No capacity is worth more of; less of a floor would add welfare"
    kept, note = largest([line["name"] for line in lines], _size(lines))
    fields = [
        Field("capacity", "label", write=clean),
        Field("gain of 1 % more", "size", "USD/h"),
        Field("1 % is", "more"),
        Field("price", "value"),
        Field("in", "unit", write=clean),
    ]
    drawn = _keep(lines, kept)
    return Figure(
        "gain",
        finding,
        "Price × 1 % of the capacity: what scarce things are worth, in one unit." + note,
        f"Bars of the gain from 1 % more of each scarce capacity. {finding}.",
        lambda width: charts.bars(
            drawn,
            width,
            title="USD/h for 1 % more",
            axis=charts.money_axis([line["size"] for line in drawn]),
        ),
        table_of("gain", "Gain of 1 % more of each scarce capacity", fields, lines),
    )


def _returns(prices: list[Row]) -> Figure | None:
    """Show what the last dollar of each capacity brings, where it costs something."""
    lines = []
    for p in prices:
        if is_number(p["worth"]) and is_number(p["pay"]) and p["pay"] > 0:
            size = p["worth"] / p["pay"]
            say = f"{_one(p)}: brings {number(p['worth'])}, costs {number(p['pay'])} {p['unit']}"
            lines.append({**p, "size": size, "text": money(size, 3), "say": clean(say)})
    lines.sort(key=lambda line: -line["size"])
    if not lines:
        return None
    top = lines[0]
    finding = f"A dollar more for {_one(top)} brings back {money(top['size'], 3)}"
    kept, note = largest([line["name"] for line in lines], _size(lines))
    fields = [
        Field("capacity", "label", write=clean),
        Field("worth", "worth"),
        Field("pay", "pay"),
        Field("worth / pay", "size"),
        Field("in", "unit", write=clean),
    ]
    drawn = _keep(lines, kept)
    return Figure(
        "worth-pay",
        finding,
        "Worth / pay: what the next unit brings for each dollar that it costs. Right of the dashed "
        "line at $1 more is worth its price; at the line, stop. Capacities that cost nothing are "
        "not drawn." + note,
        f"Bars of worth over pay for each scarce capacity, with a line at one dollar. {finding}.",
        lambda width: charts.bars(
            drawn,
            width,
            title="USD brought by the next USD",
            axis=charts.money_axis([line["size"] for line in drawn]),
            colour="green",
            least=1.1,
            reference=1.0,
        ),
        table_of("worth-pay", "What the next unit brings and costs", fields, lines),
    )


def _reach(prices: list[Row]) -> Figure | None:
    """Show between which capacities each price stays within 10 %."""
    lines = []
    for p in prices:
        ends, now = (p["valid_from"], p["valid_to"]), p["capacity"]
        if not now or not any(map(is_number, ends)):
            continue
        low, high = (100.0 * (now if end is None else end) / now for end in ends)
        first, last = ("not known" if end is None else number(end) for end in ends)
        say = f"{_one(p)}: the price holds from {first} to {last}; capacity {number(now)}"
        lines.append({**p, "low": low, "high": high, "say": say})
    if not lines:
        return None
    tight = min(lines, key=lambda line: line["high"])
    finding = f"The price of {_one(tight)} is the first to fall as its capacity grows"
    if len(lines) == 1:
        finding = f"How far the price of {_one(tight)} holds"
    kept, note = largest([line["name"] for line in lines], lambda _: 1.0)
    fields = [
        Field("capacity", "label", write=clean),
        Field("holds from", "valid_from"),
        Field("now", "capacity"),
        Field("holds to", "valid_to"),
    ]
    drawn = _keep(lines, kept)
    return Figure(
        "reach",
        finding,
        "Each bar spans the capacities, in % of today's, between which the price stays within 10 % "
        "of what it is. A bar that ends at 100 % has an end that is not known." + note,
        f"Spans of capacity for which each price holds, 100 % being today's. {finding}.",
        lambda width: charts.spans(
            drawn, width, title="capacity, % of today's", axis=",.0f", reference=100.0
        ),
        table_of("reach", "How far each price holds", fields, lines),
    )


def _used(prices: list[Row]) -> Figure | None:
    """Show how full every capacity is; a full one is scarce where its price is not 0."""
    lines = []
    for p in prices:
        if not p["capacity"] or not is_number(p["used"]):
            continue
        share = 100.0 * p["used"] / p["capacity"]
        what = "scarce" if p["binding"] else "to spare, price 0"
        lines.append(
            {
                **p,
                "size": share,
                "text": f"{number(share, 3) if share >= 0.01 else '<0.01' if share else '0'} %",
                "what": what,
                "colour": light("orange" if p["binding"] else "grey"),
                "say": f"{_one(p)}: {number(p['used'])} of {number(p['capacity'])} used, {what}",
            }
        )
    lines.sort(key=lambda line: (not line["binding"], -line["size"]))
    if not lines:
        return None
    scarce = sum(p["binding"] for p in prices)
    finding = f"{scarce} of {len(prices)} capacities {'is' if scarce == 1 else 'are'} scarce"
    kept, note = largest([line["name"] for line in lines], _size(lines))
    if left := len(prices) - len(lines):
        note += f" Not drawn: {left} of which no use is known."
    fields = [
        Field("capacity", "label", write=clean),
        Field("used", "used"),
        Field("of", "capacity"),
        Field("used", "size", "%"),
        Field("", "what", write=clean),
    ]
    drawn = _keep(lines, kept)
    return Figure(
        "used",
        finding,
        "Orange: scarce, with a price. Grey: to spare, price 0." + note,
        f"Bars of the share of each capacity that is used. {finding}.",
        lambda width: charts.bars(
            drawn, width, title="% used", axis=",.0f", least=100.0, reference=100.0
        ),
        table_of("used", "How full each capacity is", fields, lines),
    )


def _one(line: Row) -> str:
    """Write a bar's name on one line."""
    return line["name"].replace("\n", ", ")


def _keep(lines: list[Row], names: list[str]) -> list[Row]:
    return [_slim(line) for line in lines if line["name"] in names]


def _slim(line: Row) -> Row:
    """Leave what a chart draws, so that nothing else of the result stands in its spec."""
    keys = ("name", "size", "text", "say", "colour", "low", "high")
    return {key: line[key] for key in keys if key in line}


def _size(lines: list[Row]) -> Any:
    sizes = {line["name"]: abs(line["size"]) for line in lines}
    return sizes.__getitem__
