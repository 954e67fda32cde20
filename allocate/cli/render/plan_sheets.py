"""A plan's tables as sheets of text, for the terminal and for Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from allocate.cli.render.plan_capacity import (
    capacity_sheets,
    deferred_sheet,
    hours_sheet,
    plans_sheet,
    reservations_sheet,
    scenarios_sheet,
)
from allocate.cli.render.price_words import validity
from allocate.cli.render.sheet import Column, Row, Sheet, drawn
from allocate.cli.render.text import NOTHING, clean, money, noiseless, number

FIRST = 12  # lines of a table on the first screen
SLACK = 3  # of capacities that are to spare
_ACROSS = 6  # periods that stand side by side
_LONG = 76  # cells of a change that stands in a line; a longer one stands under it
_WHO = 40  # cells of the names of those who move
_DETAILS = ("money", "latency", "risk", "oversight", "training")


def advice_sheet(document: Row, whole: bool = False) -> Sheet | None:
    """Draw what to change, the largest gain first, with what to set for it."""
    lines = document["advice"]
    if not lines:
        return None
    shown = lines if whole else lines[:FIRST]
    columns = [
        Column("change", "", _change, right=False),
        Column("gain", "USD/h", lambda r: f"+{number(r['gain_usd_per_hour'])}"),
        Column("paid more", "USD/h", lambda r: number(_flat(r["cost_usd_per_hour"], r))),
    ]
    notes = {i: _how(line) for i, line in enumerate(shown)}
    about = "gain: of welfare, all costs paid, found by solving again with what is set"
    rows = drawn(columns, shown)
    return Sheet("Advice", columns, rows, len(lines) - len(shown), notes, about)


def _flat(cost: float, line: Row) -> float:
    return noiseless(cost, line["certificate"]["welfare_after"] or 1.0, 1e-9)


def _change(line: Row) -> str:
    text = clean(line["text"])
    return text if len(text) <= _LONG else f"{len(line['set'])} changes together"


def _how(line: Row) -> str:
    text = clean(line["text"])
    said = [] if len(text) <= _LONG else [f"{text}."]
    return " ".join([*said, *(f"--set {set_flag(p, v)}" for p, v in line["set"].items())])


def set_flag(path: str, value: Any) -> str:
    """One value as it is typed after ``--set``."""
    written = number_typed(value) if isinstance(value, int | float) else str(value)
    return shlex.quote(clean(f"{path}={written}"))


def number_typed(value: float) -> str:
    """A number in full, without separators."""
    return str(value).lower() if isinstance(value, bool) else f"{value:.12g}"


def resources_sheet(document: Row, whole: bool = False) -> Sheet | None:
    """Draw what the next unit of each capacity is worth and where buying more stops paying."""
    lines = document["resources"]
    if not lines:
        return None
    binding = [r for r in lines if r["binding"]]
    slack = [r for r in lines if not r["binding"]]
    shown = lines if whole else binding + slack[:SLACK]
    looked = any(r["buy_until"] is not None for r in lines)
    columns = [
        Column("resource", "", lambda r: clean(r["resource"]), right=False),
        Column("used / capacity", "", _used),
        Column("worth", "", lambda r: number(r["worth"]) if r["binding"] else "0"),
        Column("pay", "", lambda r: number(r["pay"]) if r["binding"] else NOTHING),
        Column("net", "", lambda r: number(r["net"]) if r["binding"] else "0"),
    ]
    if looked:
        columns += [
            Column("pays until", "", lambda r: number(r["buy_until"])),
            Column("gain", "USD/h", lambda r: number(r["gain_usd_per_hour"])),
        ]
    notes = {i: _resource_note(r, document) for i, r in enumerate(shown) if r["binding"]}
    about = "net = worth - pay: what one more unit would add to welfare, USD an hour"
    rows = drawn(columns, shown)
    title = "What the next unit is worth"
    return Sheet(title, columns, rows, len(lines) - len(shown), notes, about)


def _used(line: Row) -> str:
    capacity = line["capacity"]
    used = noiseless(line["used"], capacity or 1.0)
    return f"{number(used)} / {number(capacity)}" if capacity is not None else number(used)


def _resource_note(line: Row, document: Row) -> str:
    said = [clean(line["sentence"]), validity(line)]
    if line["buy_until"] is None and document["advice"] is not None:
        why = clean(line["why"])
        said.append(f"Where it stops paying: {why}.")
    return " ".join(filter(None, said))


def periods_sheet(document: Row) -> Sheet | None:
    """Draw the price of each capacity in each part of the day."""
    lines = [line for line in document["periods"]]
    priced = {line["resource"] for line in lines if line["value"]}
    names = list(dict.fromkeys(line["period"] for line in lines))
    resources = [r for r in dict.fromkeys(line["resource"] for line in lines) if r in priced]
    if not resources:
        return None
    by = {(line["resource"], line["period"]): line for line in lines}
    units = {clean(line["unit"]) for line in lines if line["resource"] in priced}
    about = f"net price of a unit in that part of the day, {' or '.join(sorted(units))}"
    if len(names) > _ACROSS:
        return _down(names, resources, by, about)
    columns = [Column("resource", "", lambda r: clean(r["resource"]), right=False)]
    for name in names:
        columns.append(
            Column(
                clean(name),
                "",
                lambda r, n=name: number(by[r["resource"], n]["value"]),
                optional=len(columns) > 4,
            )
        )
    rows = drawn(columns, [{"resource": r} for r in resources])
    return Sheet("Prices by period", columns, rows, about=about)


def _down(names: list[str], resources: list[str], by: dict[Any, Row], about: str) -> Sheet:
    """Periods one below the other, where there are too many to stand side by side."""
    columns = [Column("period", "", lambda r: clean(r["period"]), right=False)]
    for i, path in enumerate(resources):
        columns.append(
            Column(
                short_path(path, resources),
                "",
                lambda r, p=path: number(by[p, r["period"]]["value"]),
                optional=i > 1,
            )
        )
    rows = drawn(columns, [{"period": name} for name in names])
    return Sheet("Prices by period", columns, rows, about=about)


def sweep_sheet(document: Row, whole: bool = False) -> Sheet | None:
    """Draw the points of a sweep: what was set, welfare, its parts, and the swept prices."""
    lines, axes = document["sweep"], [axis["path"] for axis in document["axes"]]
    if not axes:
        return None
    shown = lines if whole or len(axes) < 2 and len(lines) <= 2 * FIRST else lines[: 2 * FIRST]
    swept = [p for p in axes if any(p in line["prices"] for line in lines)]
    columns = [*(_set_column(p, axes) for p in axes), *_outcome(lines)]
    columns += [
        Column(
            "price",
            short_path(p, axes) if len(swept) > 1 else "",
            lambda r, p=p: number(r["prices"].get(p)),
        )
        for p in swept
    ]
    notes = _troubles(shown)
    about = "welfare and its parts in USD/h; price: of one more unit of what is swept"
    rows = drawn(columns, shown)
    return Sheet("Sweep", columns, rows, len(lines) - len(shown), notes, about)


def _set_column(path: str, axes: Sequence[str]) -> Column:
    return Column(short_path(path, axes), "", lambda r: _typed(r["set"].get(path)), right=True)


def _typed(value: Any) -> str:
    number_ = isinstance(value, int | float) and not isinstance(value, bool)
    return number(value, 6) if number_ else clean(value)


def short_path(path: str, others: Sequence[str]) -> str:
    """The end of a path that tells it from the others."""
    parts = path.split(".")
    for n in range(min(2, len(parts)), len(parts)):
        end = ".".join(parts[-n:])
        if not any(o != path and o.endswith(f".{end}") for o in others):
            return clean(end)
    return clean(path)


def _outcome(lines: Sequence[Row]) -> list[Column]:
    scale = max((abs(r["objective"]["value"] or 0.0) for r in lines), default=1.0)
    cell = lambda name: lambda r: number(noiseless(r["objective"][name], scale))  # noqa: E731
    used = [n for n in _DETAILS if any(abs(r["objective"][n] or 0) > 1e-9 * scale for r in lines)]
    return [
        Column("welfare", "", lambda r: number(noiseless(r["welfare"], scale))),
        Column("value", "", cell("value"), optional=True),
        *(Column(name, "", cell(name), optional=True) for name in used),
    ]


def _troubles(lines: Sequence[Row]) -> dict[int, str]:
    out = {}
    for i, line in enumerate(lines):
        if line["status"] != "optimal":
            said = clean(line["message"] or "not certified")
            out[i] = f"{clean(line['status'])}: {said}"
    return out


def frontier_sheet(document: Row) -> Sheet | None:
    """Draw the points of a frontier at the config's own prices."""
    frontier = document["frontier"]
    if frontier is None:
        return None
    one, other = frontier["parts"]
    lines = frontier["points"]
    scale = max((abs(r["objective"]["value"] or 0.0) for r in lines), default=1.0)
    cell = lambda name: lambda r: number(noiseless(r["objective"][name], scale))  # noqa: E731
    by_price = frontier["kind"] == "price"
    first = (
        Column("price", "times", lambda r: number(r["factor"], 3))
        if by_price
        else _set_column(frontier["swept"][0], frontier["swept"])
    )
    columns = [
        first,
        *(Column(name, "", cell(name)) for name in (one, other, "value", "welfare")),
    ]
    paths = ", ".join(clean(p) for p in frontier["swept"][:4])
    more = len(frontier["swept"]) - 4
    paths += f" and {more} more" if more > 0 else ""
    how = "multiplied by" if by_price else "set to"
    about = f"USD/h at the config's own prices; swept: {paths}, {how} the first column"
    rows = drawn(columns, lines)
    return Sheet(f"Frontier of {one} and {other}", columns, rows, 0, _troubles(lines), about)


def change_sheets(document: Row, whole: bool = False) -> list[Sheet]:
    """Draw the way from today to the best answer, a table a step."""
    change = document["change"]
    if change is None:
        return []
    out = []
    for step in change["steps"]:
        who = ", ".join(clean(n) for n in step["moves"])
        who = who if len(who) <= _WHO else f"{len(step['moves'])} classes"
        gain = money(step["gain_usd_per_hour"])
        title = f"Step {step['step']}: {who} (+{gain}/h, to {money(step['welfare'])}/h)"
        columns = [
            Column("", "", lambda r: r["op"], right=False),
            Column("what", "", lambda r: clean(r["name"]), right=False),
            Column("from", "", lambda r: _amount(r, "before")),
            Column("to", "", lambda r: _amount(r, "after")),
            Column("unit", "", lambda r: "%" if r["kind"] == "share" else r["unit"], right=False),
        ]
        items = step["items"] if whole else step["items"][:FIRST]
        rows = drawn(columns, items)
        about = ""
        if step["together"]:
            about = "together, little by little: on the straight line welfare never falls"
        out.append(Sheet(title, columns, rows, len(step["items"]) - len(items), about=about))
    return out


def _amount(item: Row, key: str) -> str:
    value = item[key]
    return number(100 * value, 3) if item["kind"] == "share" else number(value, 4)


def plan_sheets(document: Row, whole: bool = False) -> list[Sheet]:
    """Draw every table that has something to say."""
    drawn = [
        *change_sheets(document, whole),
        frontier_sheet(document),
        sweep_sheet(document, whole),
        advice_sheet(document, whole),
        *capacity_sheets(document, whole),
        resources_sheet(document, whole),
        periods_sheet(document),
    ]
    return [sheet for sheet in drawn if sheet is not None]


def part_sheets(document: Row, part: str, whole: bool = False) -> list[Sheet]:
    """Draw one table by its name."""
    makers: dict[str, Any] = {
        "resources": resources_sheet,
        "advice": advice_sheet,
        "sweep": sweep_sheet,
        "gpu_hours": hours_sheet,
    }
    plain: dict[str, Any] = {
        "periods": periods_sheet,
        "frontier": frontier_sheet,
        "reservations": reservations_sheet,
        "scenarios": scenarios_sheet,
        "deferred": deferred_sheet,
        "plans": plans_sheet,
    }
    if part == "change":
        return change_sheets(document, whole)
    sheet = makers[part](document, whole) if part in makers else plain[part](document)
    return [] if sheet is None else [sheet]
