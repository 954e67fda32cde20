"""Where requests go, what one brings and costs, and how many tokens it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allocate.cli.render.records import draw_csv
from allocate.cli.render.sheets import requests_sheet
from allocate.cli.render.text import clean, number, percent, short
from allocate.cli.report import charts
from allocate.cli.report.parts import (
    Field,
    Figure,
    Row,
    Section,
    named,
    numbers,
    records,
    table_of,
    table_of_sheet,
)
from allocate.cli.report.solved.names import is_number, label, largest

COSTS = {
    "cost_usd": ("money and capacity", "blue"),
    "latency_usd": ("waiting", "gold"),
    "risk_usd": ("risk", "orange"),
    "oversight_usd": ("review", "purple"),
}
NOT_SERVED = "not served"
EVEN = 0.005  # of the value: what is left is as good as nothing


def requests_section(result: Row) -> Section:
    """Draw routing, autonomy, the account of one request, and its tokens."""
    sheet = requests_sheet(result, whole=True)
    if not sheet.rows:
        return Section("requests", sheet.title)
    drawn = [_shares(result), _levels(result), _account(result), _tokens(result)]
    files = {f"{part}.csv": draw_csv(result, part) for part in ("router", "autonomy")}
    return Section(
        "requests",
        "Requests: router and autonomy",
        figures=[figure for figure in drawn if figure is not None],
        tables=[table_of_sheet("requests-all", sheet.title, sheet, files)],
    )


def _shares(result: Row) -> Figure | None:
    lines = [
        {**line, "part": _served_by(line), "size": 100.0 * line["share"]}
        for line in result["layers"]["router"]
    ]
    if not lines:
        return None
    lines = [{**line, "name": name} for line, name in zip(lines, _by_period(lines), strict=True)]
    for line in lines:
        way = ", ".join(filter(None, [line["part"], label(line, "autonomy")]))
        line["say"] = f"{_flat(line['name'])}: {percent(line['share'])} % to {way}"
    lines = list(
        {(line["name"], line["part"], line.get("autonomy")): line for line in lines}.values()
    )
    finding = _largest_part(result)
    kept, note = largest([line["name"] for line in lines], _sum(lines, "requests_per_s"))
    fields = [
        Field("class", "class", write=clean),
        *_period_field(lines),
        Field("served by", "part", write=clean),
        Field("autonomy", "autonomy", write=named),
        Field("share", "share", "%", percent),
        Field("rate", "requests_per_s", "requests/s"),
    ]
    data = [{**line, "part": _served_by(line)} for line in result["layers"]["router"]]
    parts = list(dict.fromkeys(line["part"] for line in lines))
    colours = _grey_if_not_served(parts)
    chosen = _slim(lines, kept)
    return Figure(
        "shares",
        finding,
        "Each bar is one class; its pieces are the models that serve it (a piece for each level of "
        "autonomy). Classes that are served alike all day have one bar." + note,
        f"Stacked bars of where each class of requests goes. {finding}.",
        lambda width: charts.stacked(
            chosen, width, title="% of the class", axis=",.0f", most=100.0, colours=colours
        ),
        table_of("shares", "Where requests go", fields, data),
    )


def _largest_part(result: Row) -> str:
    """Say who serves most; rates of different periods are not added up."""
    lines = result["layers"]["router"]
    if any(line.get("period") for line in lines):
        classes = {line["class"] for line in lines}
        unserved = {line["class"] for line in lines if _served_by(line) == NOT_SERVED}
        if unserved:
            return f"{len(unserved)} of {len(classes)} classes are not served in full"
        return (
            f"All {len(classes)} classes are served in full"
            if len(classes) > 1
            else "All is served"
        )
    rates: dict[str, float] = {}
    for line in lines:
        part = _served_by(line)
        rates[part] = rates.get(part, 0.0) + line["requests_per_s"]
    whole = sum(rates.values())
    unserved = rates.pop(NOT_SERVED, 0.0)
    if not rates:
        return "Nothing is served"
    top = max(rates, key=lambda part: rates[part])
    finding = f"{top} serves the largest share of requests, {_share(rates[top], whole)}"
    if len(rates) == 1:
        finding = f"{top} serves {_share(rates[top], whole)} of requests"
    return finding + (f"; {_share(unserved, whole)} are not served" if unserved else "")


def _levels(result: Row) -> Figure | None:
    """Draw the schedule of autonomy, where it has more than one level."""
    lines = []
    for entry in records(result["artifacts"].get("autonomy_schedule")):
        levels = entry.get("levels")
        for level, share in (levels if isinstance(levels, dict) else {}).items():
            if is_number(share) and share > 0:
                name = label(entry, "action", "period") or "action"
                line = {"name": name, "part": clean(level), "size": 100.0 * share, "share": share}
                lines.append({**line, "say": f"{name}: {percent(share)} % {clean(level)}"})
    if len({line["part"] for line in lines}) < 2:
        return None
    free = [line for line in lines if line["part"] == "free"]
    watched = len(
        {line["name"] for line in lines} - {li["name"] for li in free if li["share"] > 0.999}
    )
    finding = (
        f"{watched} of {len({line['name'] for line in lines})} kinds of action are not all free"
    )
    kept, note = largest([line["name"] for line in lines], lambda _: 1.0)
    fields = [
        Field("action", "name", write=clean),
        Field("level", "part", write=clean),
        Field("share", "share", "%", percent),
    ]
    chosen = _slim(lines, kept)
    return Figure(
        "levels",
        finding,
        "The share of each kind of action that is taken at each level of autonomy." + note,
        f"Stacked bars of the level of autonomy by kind of action. {finding}.",
        lambda width: charts.stacked(
            chosen, width, title="% of the actions", axis=",.0f", most=100.0
        ),
        table_of("levels", "Autonomy by kind of action", fields, lines),
    )


def _account(result: Row) -> Figure | None:
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
            say = f"{_flat(arm['name'])}: {COSTS[key][0]} ${number(usd)}, "
            say += f"{percent(usd / value)} % of the ${number(value)} that a request brings"
            size = 100.0 * usd / value
            lines.append({"name": arm["name"], "part": COSTS[key][0], "size": size, "say": say})
    lines = [line for line in lines if line["size"] > 1e-9]
    if not arms or not lines:
        return None
    thin = min(arms, key=lambda arm: arm["share_left"])
    best = max(arms, key=lambda arm: arm["share_left"])
    finding = f"{_flat(best['name'])} keeps most of what it brings, {percent(best['share_left'])} %"
    if thin["share_left"] < EVEN:
        finding += f"; {_flat(thin['name'])} just breaks even"
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
    chosen = _slim(lines, kept)
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


def _tokens(result: Row) -> Figure | None:
    """Draw the tokens of one request by use."""
    lines, total = [], {}
    arms = _named_arms(result)
    for arm in arms:
        tokens = arm.get("tokens") or {}
        total[arm["name"]] = sum(numbers(tokens.values()))
        for use, count in tokens.items():
            if is_number(count) and count > 0:
                say = f"{_flat(arm['name'])}: {short(count)} tokens to {clean(use)}"
                line = {"name": arm["name"], "part": clean(use), "size": count, "say": say}
                lines.append({**arm, **line, "use": clean(use), "tokens": count})
    if not lines:
        return None
    top = max(total, key=lambda name: total[name])
    finding = f"{_flat(top)} is given most, {short(total[top])} tokens a request"
    rates = {arm["name"]: arm.get("requests_per_s") or 0.0 for arm in arms}
    kept, note = largest([line["name"] for line in lines], rates.__getitem__)
    fields = [
        *_arm_fields(lines),
        Field("use", "use", write=clean),
        Field("tokens", "tokens", "a request", short),
    ]
    chosen = _slim(lines, kept)
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


def _by_period(lines: list[Row]) -> list[str]:
    """Name each line's bar: its class, and its period where the class is served differently."""
    served: dict[Any, dict[Any, set[Any]]] = {}
    for line in lines:
        way = (line["part"], line.get("autonomy"), round(line["share"], 3))
        served.setdefault(line["class"], {}).setdefault(line.get("period"), set()).add(way)
    names = []
    for line in lines:
        periods = list(served[line["class"]].values())
        same = all(ways == periods[0] for ways in periods)
        name = clean(line["class"])
        names.append(name if same else f"{name}, {clean(line.get('period') or '')}")
    return names


def _served_by(line: Row) -> str:
    if line.get("model"):
        return clean(line["model"])
    level = line.get("autonomy")
    return NOT_SERVED if level in (None, "declined") else clean(level)


def _grey_if_not_served(parts: list[str]) -> dict[str, str] | None:
    return {NOT_SERVED: "grey"} if NOT_SERVED in parts else None


def _key(line: Row) -> tuple[Any, ...]:
    return line.get("class"), line.get("period"), line.get("model"), line.get("autonomy")


def _arm_fields(lines: list[Row]) -> list[Field]:
    first = Field("class", "class", write=clean)
    return [first, *_period_field(lines), Field("served by", "way", write=clean)]


def _period_field(lines: list[Row]) -> list[Field]:
    if any(line.get("period") for line in lines):
        return [Field("period", "period", write=named)]
    return []


def _flat(name: str) -> str:
    return name.replace("\n", ", ")


def _share(part: float, whole: float) -> str:
    return f"{percent(part / whole if whole else 0.0)} %"


def _slim(lines: list[Row], names: list[str]) -> list[Row]:
    keys = ("name", "part", "size", "say")
    return [{key: line[key] for key in keys} for line in lines if line["name"] in names]


def _sum(lines: list[Row], key: str) -> Callable[[str], float]:
    total: dict[str, float] = {}
    for line in lines:
        total[line["name"]] = total.get(line["name"], 0.0) + (line.get(key) or 0.0)
    return total.__getitem__
