"""Where welfare comes from: value, less each cost."""

from __future__ import annotations

from allocate.cli.render import verdict
from allocate.cli.render.text import clean, noiseless
from allocate.cli.report import charts
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Field, Figure, Row, Section, table_of

MEANS = {
    "value": "worth of the requests that are solved",
    "money": "spent on APIs and GPUs",
    "latency": "waiting, at its price",
    "risk": "expected loss from wrong actions, at its price",
    "oversight": "pay of the people who review",
    "training": "spent on training",
    "welfare": "what is left",
}


def balance_section(result: Row) -> Section:
    """Draw value, costs and welfare as steps."""
    title = "Where the welfare comes from"
    parts = verdict.balance(result)
    if len(parts) < 2 or parts[0][0] != "value" or result["objective"]["welfare"] is None:
        return Section("balance", title)
    return Section("balance", title, figures=[_figure(result, parts)])


def _figure(result: Row, parts: list[tuple[str, float]]) -> Figure:
    value = parts[0][1]
    welfare = noiseless(result["objective"]["welfare"], value)
    named = [*parts, ("welfare", welfare)]
    texts = verdict.amounts([amount for _, amount in named])
    lines, at = [], 0.0
    for (name, amount), text in zip(named, texts, strict=True):
        whole = name in ("value", "welfare")
        start, end = (0.0, amount) if whole else (at, at - amount)
        at = end
        lines.append(
            {
                "name": name,
                "start": start,
                "end": end,
                "amount": amount,
                "text": text if whole or amount == 0 else f"−{text}".replace("−-", "+"),
                "means": MEANS[name],
                "say": f"{name}: {text} USD/h, {MEANS[name]}",
                "colour": light("blue" if whole else "orange"),
            }
        )
    said = dict(zip((name for name, _ in named), texts, strict=True))
    costs = {name: amount for name, amount in parts[1:]}
    largest = max(costs, key=lambda name: costs[name])
    finding = f"Of {said['value']} USD/h of value, {said['welfare']} is left"
    if costs[largest] > 0:
        finding += f"; {largest} takes most, {said[largest]}"
    fields = [
        Field("part", "name", write=clean),
        Field("USD/h", "written", write=clean),
        Field("what it is", "means", write=clean),
    ]
    data = [{**line, "written": t} for line, t in zip(lines, texts, strict=True)]
    table = table_of("balance", "Value, costs and welfare", fields, data)
    exact = [Field("part", "name"), Field("usd_per_h", "amount"), Field("means", "means")]
    table.files["balance.csv"] = table_of("balance", "", exact, lines).files["balance.csv"]
    table.heads[1] = Field("USD/h", "").head
    return Figure(
        "balance-chart",
        finding,
        "Blue bars stand on zero; orange ones take away what their name says. USD an hour.",
        f"Steps from value to welfare. {finding}.",
        lambda width: charts.steps(
            lines, width, title="USD/h", axis=charts.money_axis([value, welfare])
        ),
        table,
    )
