"""What one request brings, costs and is given, by the way it is served."""

from __future__ import annotations

from typing import Any

from allocate.cli.render.text import clean, number, percent, short
from allocate.cli.report import charts
from allocate.cli.report.names import (
    NOT_SERVED,
    flat,
    is_number,
    label,
    largest,
    period_field,
    pieces,
)
from allocate.cli.report.parts import Field, Figure, Row, numbers, table_of

COSTS = {
    "cost_usd": ("money and capacity", "blue"),
    "latency_usd": ("waiting", "gold"),
    "risk_usd": ("risk", "orange"),
    "oversight_usd": ("review", "purple"),
}
EVEN = 0.005  # of the value: what is left is as good as nothing


def account_figure(result: Row) -> Figure | None:
    """Draw what a request costs in all, as a share of what it brings."""
    arms, lines = [], []
    for arm in _named_arms(result):
        vector = arm.get("vector")
        if not isinstance(vector, dict) or not is_number(vector.get("value_usd")):
            continue
        value = vector["value_usd"]
        costs = {key: vector[key] for key in COSTS if is_number(vector.get(key))}
        if value <= 0 or not costs:
            continue
        left = value - sum(costs.values())
        arms.append({**arm, **vector, "left": left, "share_left": left / value})
        for key, usd in costs.items():
            say = f"{flat(arm['name'])}: {COSTS[key][0]} ${number(usd)}, "
            say += f"{percent(usd / value)} % of the ${number(value)} that a request brings"
            size = 100.0 * usd / value
            lines.append({"name": arm["name"], "part": COSTS[key][0], "size": size, "say": say})
    lines = [line for line in lines if line["size"] > 1e-9]
    if not arms or not lines:
        return None
    thin = min(arms, key=lambda arm: arm["share_left"])
    best = max(arms, key=lambda arm: arm["share_left"])
    finding = f"{flat(best['name'])} keeps most of what it brings, {percent(best['share_left'])} %"
    if thin["share_left"] < EVEN:
        finding += f"; {flat(thin['name'])} just breaks even"
    if len(arms) == 1:
        finding = f"A request keeps {percent(thin['share_left'])} % of what it brings"
    rates = {arm["name"]: arm.get("requests_per_s") or 0.0 for arm in arms}
    kept, note = largest([arm["name"] for arm in arms], rates.__getitem__)
    fields = [
        *_arm_fields(arms),
        Field("value", "value_usd", "USD"),
        *(Field(name, key, "USD") for key, (name, _) in COSTS.items()),
        Field("left", "left", "USD"),
    ]
    chosen = pieces(lines, kept)
    return Figure(
        "account",
        finding,
        "All costs of one request, scarce capacities at their prices, in % of the value that it "
        "brings on average. What is missing to 100 % (dashed) is its gain." + note,
        f"Stacked bars of the costs of one request as a share of its value. {finding}.",
        lambda width: charts.stacked(
            chosen,
            width,
            title="% of the value",
            axis=",.0f",
            colours={name: colour for name, colour in COSTS.values()},
            reference=100.0,
        ),
        table_of("account", "What one request brings and costs", fields, arms),
    )


def tokens_figure(result: Row) -> Figure | None:
    """Draw the tokens of one request by use."""
    lines, total = [], {}
    arms = _named_arms(result)
    for arm in arms:
        tokens = arm.get("tokens") or {}
        total[arm["name"]] = sum(numbers(tokens.values()))
        for use, count in tokens.items():
            if is_number(count) and count > 0:
                say = f"{flat(arm['name'])}: {short(count)} tokens to {clean(use)}"
                line = {"name": arm["name"], "part": clean(use), "size": count, "say": say}
                lines.append({**arm, **line, "use": clean(use), "tokens": count})
    if not lines:
        return None
    top = max(total, key=lambda name: total[name])
    finding = f"{flat(top)} is given most, {short(total[top])} tokens a request"
    rates = {arm["name"]: arm.get("requests_per_s") or 0.0 for arm in arms}
    kept, note = largest([line["name"] for line in lines], rates.__getitem__)
    fields = [
        *_arm_fields(lines),
        Field("use", "use", write=clean),
        Field("tokens", "tokens", "a request", short),
    ]
    chosen = pieces(lines, kept)
    return Figure(
        "tokens",
        finding,
        "Tokens of one request, by what they are used for." + note,
        f"Stacked bars of tokens per request by use. {finding}.",
        lambda width: charts.stacked(chosen, width, title="tokens per request", axis="~s"),
        table_of("tokens", "Tokens of one request", fields, lines),
    )


def _named_arms(result: Row) -> list[Row]:
    """Name the ways that requests are served; ways that are alike all day are one."""
    rate = {_key(line): line["requests_per_s"] for line in result["layers"]["router"]}
    arms = []
    for arm in result["layers"]["autonomy"]:
        way = label(arm, "model", "autonomy") or NOT_SERVED
        arms.append({**arm, "way": way, "requests_per_s": rate.get(_key(arm))})
    keys = [(clean(arm["class"]), arm["way"]) for arm in arms]
    alike: dict[Any, set[str]] = {}
    for key, arm in zip(keys, arms, strict=True):
        alike.setdefault(key, set()).add(_reads_as(arm))
    ways: dict[str, Row] = {}
    for key, arm in zip(keys, arms, strict=True):
        first, second = key
        if len(alike[key]) > 1 and arm.get("period"):
            first = f"{first}, {clean(arm['period'])}"
        ways.setdefault(f"{first}\n{second}", {**arm, "name": f"{first}\n{second}"})
    return list(ways.values())


def _reads_as(arm: Row) -> str:
    """Write what a chart shows of an arm, to three digits: what reads alike is alike."""
    vector = arm.get("vector")
    shown = [
        *(arm.get("tokens") or {}).values(),
        *(vector if isinstance(vector, dict) else {}).values(),
    ]
    return " ".join(number(v, 3) for v in shown)


def _key(line: Row) -> tuple[Any, ...]:
    return line.get("class"), line.get("period"), line.get("model"), line.get("autonomy")


def _arm_fields(lines: list[Row]) -> list[Field]:
    first = Field("class", "class", write=clean)
    return [first, *period_field(lines), Field("served by", "way", write=clean)]
