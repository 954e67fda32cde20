"""When each thing is scarce: prices by part of the day."""

from __future__ import annotations

from allocate.cli.render.plan_sheets import periods_sheet
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean, number, percent
from allocate.cli.report.chart_cells import cells
from allocate.cli.report.names import distinct
from allocate.cli.report.palette import STEPS
from allocate.cli.report.parts import Figure, Row, Section, table_of_sheet

NOISE = 1e-9  # of the largest price of all: less is 0
KEYS = ("price 0", "to 20 %", "to 40 %", "to 60 %", "to 80 %", "to its peak")


def periods_section(document: Row) -> Section:
    """Draw a cell for each capacity that is ever scarce and each part of the day."""
    title = "When each capacity is scarce"
    sheet = periods_sheet(document)
    lines = document["periods"]
    if sheet is None or len({line["period"] for line in lines}) < 2:
        return Section("periods", title)
    floor = NOISE * max(abs(line["value"]) for line in lines)
    peak: dict[str, float] = {}
    for line in lines:
        path = line["resource"]
        peak[path] = max(peak.get(path, 0.0), abs(line["value"]))
    kept = [line for line in lines if peak[line["resource"]] > floor]
    label = {line["resource"]: clean(line["label"]) for line in kept}
    said = distinct(list(label.values()), [clean(path) for path in label])
    name = dict(zip(label, said, strict=True))
    data = []
    for line in kept:
        share = abs(line["value"]) / peak[line["resource"]]
        text = number(line["value"] if share > NOISE else 0.0, 3)
        flat = name[line["resource"]].replace("\n", ", ")
        data.append(
            {
                "name": name[line["resource"]],
                "at": clean(line["period"]),
                "text": text,
                "step": _step(share),
                "say": f"{flat}, {clean(line['period'])}: {text} {clean(line['unit'])} "
                f"({percent(share)} % of its peak)",
            }
        )
    top = max(kept, key=lambda line: abs(line["value"]))
    finding = f"{label[top['resource']]} is dearest in {clean(top['period'])}, "
    finding += f"{number(top['value'], 3)} {clean(top['unit'])}"
    free = [line for line in kept if line["resource"] == top["resource"] and not line["value"]]
    if free:
        finding += f"; it is to spare in {', '.join(clean(line['period']) for line in free[:3])}"
        finding += f" and {len(free) - 3} more" if len(free) > 3 else ""
    figure = Figure(
        "heat",
        finding,
        "Net price of one more unit in each part of the day. The shade is measured against the "
        "highest price of the same capacity, since units differ; point at a cell for the price.",
        f"A grid of capacities by part of the day, shaded by price. {finding}.",
        lambda width: cells(data, width, keys=KEYS),
        table_of_sheet("heat", sheet.title, sheet, {"periods.csv": draw_records(lines)}),
    )
    return Section("periods", title, figures=[figure])


def _step(share: float) -> int:
    if share <= NOISE:
        return 0
    most = len(STEPS) - 1
    return min(1 + int(share * most * (1.0 - 1e-12)), most)
