"""What to change, checked by solving again; and where buying more stops paying."""

from __future__ import annotations

from allocate.cli.render.plan_sheets import advice_sheet, resources_sheet
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean, money, number
from allocate.cli.report import charts
from allocate.cli.report.names import distinct, largest
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Figure, Row, Section, table_of_sheet

LONG = 60  # letters of a change that a bar's name can hold
STEP = ("name", "size", "text", "say", "colour")


def advised_section(document: Row) -> Section:
    """Draw the gain of each change that was solved."""
    key, title = "advised", "What to change, checked by solving again"
    if document["advice"] is None:
        return Section(key, title)
    sheet = advice_sheet(document, whole=True)
    if sheet is None:
        said = "Nothing to advise: no change of a capacity gains more than the error."
        return Section(key, title, [said])
    lines = []
    for number_, line in enumerate(document["advice"], 1):
        gain, cost = money(line["gain_usd_per_hour"], 4), line["cost_usd_per_hour"]
        paid = (
            f"paying {money(cost, 3)}/h more" if cost >= 0 else f"paying {money(-cost, 3)}/h less"
        )
        lines.append(
            {
                "name": f"{number_}. {_short(line)}",
                "size": line["gain_usd_per_hour"],
                "text": f"+{gain}",
                "say": f"{clean(line['text'])}: welfare +{gain}/h, {paid}",
                "colour": light("green"),
            }
        )
    best = document["advice"][0]
    finding = f"Best change: {clean(best['text'])}: +{money(best['gain_usd_per_hour'])}/h"
    kept, note = largest([line["name"] for line in lines], lambda _: 1.0)
    drawn = [line for line in lines if line["name"] in kept]
    figure = Figure(
        "advice-gain",
        finding,
        "Welfare gained by each change alone, all costs paid: the config was solved again with it. "
        "Gains do not add up: changes can replace or help each other." + note,
        f"Bars of the gain of each change. {finding}.",
        lambda width: charts.bars(
            drawn,
            width,
            title="USD/h gained",
            axis=charts.money_axis([line["size"] for line in drawn]),
        ),
        table_of_sheet(
            "advice-gain",
            "Changes and how to set them",
            sheet,
            {"advice.csv": draw_records(document["advice"])},
        ),
    )
    return Section(key, title, figures=[figure])


def _short(line: Row) -> str:
    """Name a change: one of many parts by their number; all its words are under the pointer."""
    text, count = clean(line["text"]), len(line["set"])
    return text if count == 1 or len(text) <= LONG else f"{count} changes together"


def stops_section(document: Row) -> Section:
    """Draw what is gained by buying until it stops paying, and give every capacity's price."""
    key, title = "stops", "Where buying more stops paying"
    sheet = resources_sheet(document, whole=True)
    looked = [r for r in document["resources"] if r["buy_until"] is not None and r["capacity"]]
    if sheet is None or document["advice"] is None:
        return Section(key, title)
    table = table_of_sheet(
        "resources", sheet.title, sheet, {"resources.csv": draw_records(document["resources"])}
    )
    names = distinct([clean(r["label"]) for r in looked], [clean(r["resource"]) for r in looked])
    lines = []
    for r, name in zip(looked, names, strict=True):
        gain = r["gain_usd_per_hour"]
        if gain is None:
            continue
        way = f"{number(r['capacity'])} → {number(r['buy_until'])}"
        lines.append(
            {
                "name": f"{name}\n{way}" if "\n" not in name else name,
                "size": gain,
                "text": f"+{money(gain, 3)}",
                "say": f"{name.replace(chr(10), ', ')}: from {way} gains {money(gain)}/h; "
                f"{clean(r['why'] or '')}",
                "colour": light("blue"),
            }
        )
    lines.sort(key=lambda line: -line["size"])
    if not lines:
        return Section(key, title, tables=[table])
    top = lines[0]
    finding = f"{top['name'].partition(chr(10))[0]} has most to gain alone, {top['text']}/h"
    kept, note = largest([line["name"] for line in lines], lambda _: 1.0)
    drawn = [{k: line[k] for k in STEP} for line in lines if line["name"] in kept]
    figure = Figure(
        "until",
        finding,
        "Each capacity is taken alone from what it is to where the next unit costs what it brings "
        "(second line), and the config solved again." + note,
        f"Bars of the gain of taking each capacity to where buying stops paying. {finding}.",
        lambda width: charts.bars(
            drawn,
            width,
            title="USD/h gained",
            axis=charts.money_axis([line["size"] for line in drawn]),
        ),
        table,
    )
    return Section(key, title, figures=[figure])
