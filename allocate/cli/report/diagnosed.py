"""A diagnosis: what goes wrong, what each finding costs, and where the rest of the loss is."""

from __future__ import annotations

from allocate.cli.render.diagnosis import verdict
from allocate.cli.render.diagnosis_sheets import findings_sheet, ledger_sheet, place
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean, money
from allocate.cli.report import charts
from allocate.cli.report.names import largest
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Field, Figure, Row, Section, Table, table_of, table_of_sheet

WORDS = {"greedy": "what each layer would do alone", "observed": "what is done today"}


def diagnosed_sections(document: Row) -> list[Section]:
    """Draw the findings and the ledger."""
    what = WORDS.get(document["diagnosed"], clean(document["diagnosed"]))
    sentences = [
        verdict(document),
        f"Diagnosed: {what}, worth {money(document['welfare'], 4)}/h; the joint answer is worth "
        f"{money(document['joint']['welfare'], 4)}/h.",
    ]
    figures = [f for f in (_findings(document), _ledger(document)) if f is not None]
    return [Section("diagnosis", "Diagnosis", sentences, figures=figures, tables=_lists(document))]


def _findings(document: Row) -> Figure | None:
    lines = []
    for number, f in enumerate(document["findings"], 1):
        lines.append(
            {
                "name": f"{number}. {f['code']} {clean(f['name'])}\n{place(f)}",
                "size": f["usd_per_hour"],
                "text": money(f["usd_per_hour"], 3),
                "say": f"{f['code']} {clean(f['name'])}, {place(f)}: "
                f"{money(f['usd_per_hour'], 4)}/h. Fix: {clean(f['fix'])}",
            }
        )
    if not lines:
        return None
    top = document["findings"][0]
    finding = f"The largest loss is {clean(top['name'])} at {place(top)}, {lines[0]['text']}/h"
    kept, note = largest([line["name"] for line in lines], lambda _: 1.0)
    drawn = [line for line in lines if line["name"] in kept]
    sheet = findings_sheet(document, whole=True)
    return Figure(
        "findings",
        finding,
        "What each repair is worth at the shared prices. What is wrong and how to repair it stands "
        "in the data below." + note,
        f"Bars of what each finding costs. {finding}.",
        lambda width: charts.bars(
            drawn,
            width,
            title="USD/h lost",
            axis=charts.money_axis([line["size"] for line in drawn]),
            colour="orange",
        ),
        table_of_sheet(
            "findings",
            "Findings and their repair",
            sheet,
            {"findings.csv": draw_records(document["findings"])},
        ),
    )


def _ledger(document: Row) -> Figure | None:
    floor = 1e-6 * max((line["usd_per_hour"] for line in document["ledger"]), default=0.0)
    lines = [
        {
            "name": clean(line["what"]),
            "size": line["usd_per_hour"],
            "text": money(line["usd_per_hour"], 3),
            "say": f"{clean(line['what'])}: {money(line['usd_per_hour'], 4)}/h, "
            f"{clean(line['means'])}",
            "colour": light("orange" if line.get("named") else "grey"),
        }
        for line in document["ledger"]
        if line["usd_per_hour"] > floor
    ]
    if not lines:
        return None
    top = max(lines, key=lambda line: line["size"])
    finding = f"Of {money(document['gap'], 4)}/h that is lost, {top['text']} is {top['name']}"
    sheet = ledger_sheet(document)
    return Figure(
        "ledger",
        finding,
        "All of the loss by its cause. Orange: a rule speaks of it. Grey: no rule does.",
        f"Bars of the loss by cause. {finding}.",
        lambda width: charts.bars(
            lines, width, title="USD/h", axis=charts.money_axis([b["size"] for b in lines])
        ),
        table_of_sheet(
            "ledger", "Where the loss is", sheet, {"ledger.csv": draw_records(document["ledger"])}
        ),
    )


def _lists(document: Row) -> list[Table]:
    lines = [
        {**f, "at": place(f), "size": f["usd_per_hour"], "why": f["reason"]}
        for f in document["accepted"]
    ]
    fields = [
        Field("code", "code", write=clean),
        Field("where", "at", write=clean),
        Field("size", "size", "USD/h"),
        Field("why it is accepted", "why", write=clean),
    ]
    return [table_of("accepted", "Accepted by the config", fields, lines)] if lines else []
