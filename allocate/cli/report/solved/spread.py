"""How far the answer is spread by its calibrated numbers: an interval for each price."""

from __future__ import annotations

from allocate.cli.render.records import draw_records
from allocate.cli.render.samples import spread_notes, spread_sheets
from allocate.cli.render.text import clean, money, number
from allocate.cli.report.chart_range import ranges
from allocate.cli.report.names import distinct, is_number, largest
from allocate.cli.report.parts import Figure, Row, Section, table_of_sheet

TITLE = "How sure the numbers are"


def spread_section(result: Row) -> Section:
    """Draw the 90 % interval of each price over the draws of the calibrated numbers."""
    found = result.get("samples")
    if not found:
        return Section("spread", TITLE)
    notes = list(spread_notes(result))
    sheets = spread_sheets(result, whole=True)
    if not sheets:
        return Section("spread", TITLE, notes)
    prices, decisions = sheets
    files = {
        "spread.csv": draw_records([{"resource": "welfare", **found["welfare"]}, *found["prices"]])
    }
    table = table_of_sheet("spread-prices", prices.title, prices, files)
    other = table_of_sheet(
        "spread-decisions",
        decisions.title,
        decisions,
        {"decisions.csv": draw_records(found["decisions"])},
    )
    welfare = found["welfare"]
    said = f"Welfare {money(welfare['value'])}/h: 90 % of the draws lie between "
    said += f"{money(welfare['p05'])} and {money(welfare['p95'])}/h."
    figure = _prices(found["prices"], table)
    tables = [other] if figure else [table, other]
    figures = [figure] if figure else []
    return Section("spread", TITLE, [said, *notes], figures=figures, tables=tables)


def _prices(prices: list[Row], table) -> Figure | None:  # noqa: ANN001
    named = distinct([clean(p["label"]) for p in prices], [clean(p["resource"]) for p in prices])
    lines = []
    for p, name in zip(prices, named, strict=True):
        ends = [p[key] for key in ("p05", "median", "p95")]
        if not all(is_number(end) for end in ends) or not is_number(p["value"]) or p["value"] <= 0:
            continue
        low, middle, high = (100.0 * end / p["value"] for end in ends)
        say = f"{name.replace(chr(10), ', ')}: {number(p['p05'])} to {number(p['p95'])}, "
        say += f"in the answer {number(p['value'])} {clean(p['unit'])}"
        lines.append({"name": name, "low": low, "at": middle, "high": high, "say": say})
    if not lines:
        return None
    wide = max(lines, key=lambda line: line["high"] - line["low"])
    flat = wide["name"].replace("\n", ", ")
    finding = f"The price of {flat} is the least sure: {number(wide['low'], 3)} to "
    finding += f"{number(wide['high'], 3)} % of what it is here"
    kept, note = largest([line["name"] for line in lines], lambda _: 1.0)
    drawn = [line for line in lines if line["name"] in kept]
    return Figure(
        "spread-chart",
        finding,
        "Bars span 90 % of the draws, in % of the price of this answer (dashed); a dot is the "
        "median." + note,
        f"Spans of each price over the draws. {finding}.",
        lambda width: ranges(
            drawn, width, title="% of the answer's price", axis=",.0f", reference=100.0
        ),
        table,
    )
