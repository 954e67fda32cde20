"""A comparison: the way from local rules to the joint answer, and every baseline."""

from __future__ import annotations

from typing import Any

from allocate.cli.render.compare_sheets import gains_sheet, layers_sheet, remarks, welfare_sheet
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean, money, number
from allocate.cli.report import charts
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Field, Figure, Row, Section, Table, table_of, table_of_sheet

LAYERS = {
    "router": "routing",
    "autonomy": "autonomy and tokens",
    "serving": "serving",
    "training": "training",
}
RULES = {
    "greedy": "local rules as they come",
    "greedy-tuned": "local rules, tuned",
    "flat-price": "average prices",
    "best-response": "each layer in turn",
    "frontier": "best model for all",
    "cheapest": "cheapest model",
    "per-dollar": "most success a dollar",
    "observed": "what is done today",
}
NOTHING = 1e-7  # of the gain: a layer that brings less has no step


def compared_sections(document: Row) -> list[Section]:
    """Draw the waterfall, the baselines, and how they were set."""
    drawn = [_waterfall(document), _baselines(document)]
    figures = [figure for figure in drawn if figure is not None]
    lines = [{k: v for k, v in b.items() if k != "about"} for b in document["baselines"]]
    gains = table_of_sheet(
        "gains", "Gains at equal spend", gains_sheet(document), {"gains.csv": draw_records(lines)}
    )
    tables = [gains, *_by_layer(document), *_how(document)]
    return [
        Section(
            "together",
            "What deciding together gains",
            [clean(document["verdict"])],
            figures=figures,
            tables=[table for table in tables if table.rows],
            about="Each layer alone (router, agent, serving, training) against all of them with "
            "one set of prices, judged under the same true costs.",
        )
    ]


def _waterfall(document: Row) -> Figure | None:
    """Draw the steps from local rules to the joint answer."""
    by = {line["name"]: line for line in document["baselines"]}
    line, joint = by.get(document["against"]), document["joint"]["welfare"]
    equal = ((line or {}).get("equal_spend") or {}).get("welfare")
    if line is None or line["welfare"] is None or equal is None or joint is None:
        return None
    lines: list[Row] = []
    first = by.get("greedy", {}).get("welfare")
    if document["against"] == "greedy-tuned" and first is not None:
        _whole(lines, _said("greedy"), first)
        _step(lines, "tuning the rules", first, line["welfare"], "the best settings of the rules")
    _whole(lines, _said(document["against"]), line["welfare"])
    at = line["welfare"]
    for name, size, means in _parts(document, equal - at):
        _step(lines, name, at, at + size, means)
        at += size
    same = "joint, at the same spending"
    _whole(lines, same, equal)
    _step(lines, "more budget", equal, joint, "what the joint answer spends beyond the baseline")
    _whole(lines, "joint answer", joint)
    gain, spent = money(equal - line["welfare"], 4), _said(document["against"])
    finding = f"At the same spending, deciding together gains {gain}/h over {spent}"
    told = document["attribution"] is not None
    about = "Blue bars stand on zero: what each way to decide is worth. Green steps add, orange "
    about += "ones take away. "
    if told:
        about += "A layer's step is its Shapley value: its mean gain over all orders of joining."
    fields = [
        Field("step", "name", write=clean),
        Field("from", "start", "USD/h"),
        Field("to", "end", "USD/h"),
        Field("what it is", "means", write=clean),
    ]
    ends = [line["end"] for line in lines]
    return Figure(
        "waterfall",
        finding,
        about,
        f"Steps from local rules to the joint answer. {finding}.",
        lambda width: charts.steps(lines, width, title="USD/h", axis=charts.money_axis(ends)),
        table_of("waterfall", "From local rules to the joint answer", fields, lines),
    )


def _said(name: str) -> str:
    return RULES.get(name, clean(name))


def _parts(document: Row, gain: float) -> list[tuple[str, float, str]]:
    """Split the gain at equal spending: by layer, else by what is known, else not at all."""
    told, split = document["attribution"], document["split"] or {}
    least = NOTHING * max(abs(gain), 1e-12)
    if told is not None:
        return [
            (LAYERS.get(layer, clean(layer)), share, "what this layer brings on average")
            for layer, share in told["shares"].items()
            if abs(share) > least
        ]
    if split.get("knowing") is not None and split.get("coordinating") is not None:
        means = ("every layer sees V, λ and ρ", "shared prices instead of list prices")
        pairs = zip(("knowing", "coordinating"), means, strict=True)
        return [(name, split[name], text) for name, text in pairs]
    return [("deciding together", gain, "all of the gain at the same spending")]


def _whole(lines: list[Row], name: str, amount: float) -> None:
    text = money(amount, 4)
    lines.append(
        {
            "name": name,
            "start": 0.0,
            "end": amount,
            "text": text,
            "means": "welfare",
            "say": f"{name}: {text}/h of welfare",
            "colour": light("blue"),
        }
    )


def _step(lines: list[Row], name: str, start: float, end: float, means: str) -> None:
    size = end - start
    text = f"{'+' if size >= 0 else '−'}{money(abs(size), 4)}"
    lines.append(
        {
            "name": name,
            "start": start,
            "end": end,
            "text": text,
            "means": means,
            "say": f"{name}: {text}/h, {means}",
            "colour": light("green" if size >= 0 else "orange"),
        }
    )


def _baselines(document: Row) -> Figure | None:
    """Draw what every way to decide is worth, the joint answer first."""
    lines = []
    for line in [{"name": "joint", **document["joint"]}, *document["baselines"]]:
        if line["welfare"] is None:
            continue
        joint = line["name"] == "joint"
        name = "joint answer" if joint else f"{clean(line['name'])}\n{_said(line['name'])}"
        name = name if joint or line["name"] in RULES else clean(line["name"])
        text = money(line["welfare"], 4)
        said = name.replace("\n", ", ")
        lines.append(
            {
                "name": name,
                "size": line["welfare"],
                "text": text,
                "say": f"{said}: {money(line['welfare'], 4)}/h",
                "colour": light("blue" if joint else "grey"),
            }
        )
    if len(lines) < 2:
        return None
    best = max(lines[1:], key=lambda line: line["size"])
    other, joint = best["name"].partition("\n")[0], lines[0]
    finding = f"The joint answer is worth {joint['text']}/h; the best of the others, {other}, "
    finding += f"{best['text']}/h"
    sheet = welfare_sheet(document)
    records = [{"name": "joint", **document["joint"]}, *document["baselines"]]
    flat = [{k: v for k, v in r.items() if not isinstance(v, dict)} for r in records]
    return Figure(
        "baselines",
        finding,
        "Welfare of each way to decide, as it stands: some spend more than others.",
        f"Bars of welfare by way of deciding. {finding}.",
        lambda width: charts.bars(
            lines, width, title="USD/h", axis=charts.money_axis([b["size"] for b in lines])
        ),
        table_of_sheet("baselines", sheet.title, sheet, {"baselines.csv": draw_records(flat)}),
    )


def _by_layer(document: Row) -> list[Table]:
    sheet = layers_sheet(document)
    if sheet is None:
        return []
    told = (document["attribution"] or {}).get("shares", {})
    wedges = {wedge["layer"]: wedge for wedge in document["wedges"] if "layer" in wedge}
    lines: list[dict[str, Any]] = [
        {"layer": layer, "gain_usd_per_hour": told.get(layer), **wedges.get(layer, {})}
        for layer in (told or wedges)
    ]
    return [table_of_sheet("layers", sheet.title, sheet, {"layers.csv": draw_records(lines)})]


def _how(document: Row) -> list[Table]:
    lines = [{"text": text} for text in remarks(document)]
    fields = [Field("baseline: how it was set", "text", write=clean)]
    return [table_of("settings", "How the baselines were set", fields, lines)] if lines else []


def compared_warnings(document: Row) -> list[str]:
    """Say what to beware of."""
    return [number(w) if isinstance(w, int | float) else clean(w) for w in document["warnings"]]
