"""The tables of ``solve``: prices and what each layer does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from allocate.cli.render.artifact_sheets import KEYS, artifact_sheet
from allocate.cli.render.price_words import used, validity
from allocate.cli.render.sheet import (
    FIRST,
    Column,
    Row,
    Sheet,
    drawn,
    name_column,
    period_column,
    sheet_of,
)
from allocate.cli.render.text import NOTHING, clean, money, number, percent, short

SLACK = 5  # of prices that are 0
USES = 4  # token uses with a column of their own


def prices_sheet(result: Row, whole: bool = False) -> Sheet:
    """Draw the shared prices: the dearest capacity first, slack ones at 0 last.

    Unit and range stand in the note of a binding line, where there is room to spell them.
    """
    prices = sorted(result["prices"], key=_importance)
    binding = [p for p in prices if p["binding"]]
    shown = prices if whole else binding + prices[len(binding) :][:SLACK]
    columns = [
        name_column("resource"),
        Column("used / capacity", "", used),
        Column("price", "", lambda p: number(p["value"]) if p["binding"] else "0"),
        Column("worth", "", lambda p: number(p.get("worth")) if p["binding"] else NOTHING),
        Column("pay", "", lambda p: number(p.get("pay")) if p["binding"] else NOTHING),
    ]
    notes = {
        i: " ".join(filter(None, [clean(p["sentence"]), validity(p)]))
        for i, p in enumerate(shown)
        if p["binding"]
    }
    about = "price = worth - pay: what one more unit would add to welfare, USD an hour"
    rows = drawn(columns, shown)
    return Sheet("Prices", columns, rows, len(prices) - len(shown), notes, about)


def _importance(price: Row) -> tuple[bool, float, str]:
    """Sort by what the whole capacity is worth, then by how nearly it binds."""
    capacity = price.get("capacity") or 0.0
    if price["binding"]:
        return False, -abs((price["value"] or 0.0) * capacity), price["resource"]
    return True, -((price.get("used") or 0.0) / capacity if capacity else 0.0), price["resource"]


def requests_sheet(result: Row, whole: bool = False) -> Sheet:
    """Draw router and autonomy together: where each class goes and what is spent on a request.

    The lines of a class stand together, the busiest class first. Where lines are hidden, those of
    what is declined are not.
    """
    groups = _by_class(result)
    lines = [line for group in groups for line in group]
    columns = [
        name_column("class"),
        name_column("model", otherwise="(none)"),
        name_column("autonomy", otherwise="(none)"),
        Column("share", "%", lambda r: percent(r.get("share"))),
        *_token_columns(lines),
        _solved(lines),
    ]
    if period := period_column(lines):
        if not whole:
            groups = [_same_all_day(group, columns, groups) for group in groups]
            lines = [line for group in groups for line in group]
        columns[1:1] = period
    shown = lines if whole else _first(groups)
    notes, told = {}, set()
    for i, line in enumerate(shown):
        why = _why_declined(line)
        if why and (line["class"], why) not in told:
            notes[i] = why
            told.add((line["class"], why))
    about = "share: of the class's requests; the rest is for one request"
    rows = drawn(columns, shown)
    return Sheet("Router and autonomy", columns, rows, len(lines) - len(shown), notes, about)


def _by_class(result: Row) -> list[list[Row]]:
    """Join the two layers' lines and group them by class, the busiest class first."""
    layers = result["layers"]
    spent = {_arm(a): a for a in reversed(layers["autonomy"])}
    lines = [{**spent.get(_arm(r), {}), **r} for r in layers["router"]]
    routed = {_arm(r) for r in layers["router"]}
    lines += [a for a in layers["autonomy"] if _arm(a) not in routed]
    groups: dict[str, list[Row]] = {}
    periods: dict[Any, int] = {}
    for line in lines:
        groups.setdefault(line["class"], []).append(line)
        periods.setdefault(line.get("period"), len(periods))
    for group in groups.values():
        group.sort(key=lambda r: (periods[r.get("period")], -(r.get("share") or 0.0)))
    return sorted(groups.values(), key=lambda g: -sum(r.get("requests_per_s") or 0.0 for r in g))


def _same_all_day(group: list[Row], columns: list[Column], groups: list[list[Row]]) -> list[Row]:
    """Draw the lines of a class that read the same in every period as one."""
    day = {line.get("period") for lines in groups for line in lines}
    alike: dict[tuple[str, ...], list[Row]] = {}
    for line in group:
        alike.setdefault(tuple(column.cell(line) for column in columns), []).append(line)
    merged = []
    for lines in alike.values():
        same = len(lines) > 1 and {line.get("period") for line in lines} == day
        merged += [lines[0] | {"period": "all"}] if same else lines
    return merged


def _first(groups: list[list[Row]]) -> list[Row]:
    """Take whole classes while they fit, then the declined lines of the others."""
    shown: list[Row] = []
    while groups and (not shown or len(shown) + len(groups[0]) <= FIRST):
        shown += groups[0][:FIRST]
        groups = groups[1:]
    return shown + [line for group in groups for line in group if _declined(line)][:FIRST]


def _declined(line: Row) -> bool:
    return line.get("model") is None and line.get("autonomy") in (None, "declined")


def _why_declined(line: Row) -> str | None:
    """Say what the best way of a declined class would bring, where the result knows."""
    best = line.get("best")
    if not _declined(line) or not best:
        return None
    way = ", ".join(clean(best[key]) for key in ("model", "autonomy") if best.get(key))
    usd = best["usd"]
    if usd is None:
        return "Nothing may serve it."
    if abs(usd) <= 1e-6 * max(best.get("value_usd") or 0.0, 1e-9):
        return f"Its best way ({way}) just breaks even at these prices."
    verb = "loses" if usd < 0 else "brings only"
    return f"Its best way ({way}) {verb} {money(abs(usd), 3)} a request at these prices."


def _arm(line: Row) -> tuple[Any, ...]:
    return line.get("class"), line.get("period"), line.get("model"), line.get("autonomy")


def _solved(lines: Sequence[Row]) -> Column:
    """Draw success in percent; a Cobb-Douglas yield may be any number and is drawn as it is."""
    if any((line.get("success") or 0.0) > 1.0 + 1e-9 for line in lines):
        return Column("yield", "", lambda r: number(r.get("success")))
    return Column("solved", "%", lambda r: percent(r.get("success")))


def _token_columns(lines: Sequence[Row]) -> list[Column]:
    """Give the greatest token uses a column each, and the rest one together."""
    total: dict[str, float] = {}
    for line in lines:
        for use, tokens in (line.get("tokens") or {}).items():
            total[use] = total.get(use, 0.0) + (tokens or 0.0)
    kept = set(sorted(total, key=lambda use: -total[use])[:USES])
    columns = [
        Column(
            clean(use),
            "tok",
            lambda r, u=use: short((r.get("tokens") or {}).get(u)),
            optional=i > 0,
        )
        for i, use in enumerate(use for use in total if use in kept)
    ]
    if len(total) > len(kept):
        others = [use for use in total if use not in kept]
        columns.append(
            Column("other", "tok", lambda r: _other(r.get("tokens"), others), optional=True)
        )
    return columns


def _other(tokens: Row | None, uses: list[str]) -> str:
    return short(sum(tokens.get(use) or 0.0 for use in uses)) if tokens else NOTHING


def serving_sheet(result: Row, whole: bool = False) -> Sheet:
    """Draw the lanes: replicas, GPUs, batch, how busy, how fast, how full."""
    order = {line.get("period"): i for i, line in enumerate(reversed(result["layers"]["router"]))}
    lines = sorted(
        result["layers"]["serving"],
        key=lambda r: (-order.get(r.get("period"), 0), -(r.get("replicas") or 0.0)),
    )
    staged = any(line.get("stage") != "mixed" for line in lines)
    counted = any(line.get("gpus") is not None for line in lines)
    columns = [
        Column("lane", "", _lane_name(lines), right=False),
        *period_column(lines),
        name_column("model"),
        *([name_column("stage")] if staged else []),
        Column("replicas", "", lambda r: number(r.get("replicas"), 3)),
        *([Column("GPUs", "", lambda r: number(r.get("gpus"), 3))] if counted else []),
        Column("batch", "", lambda r: number(r.get("batch"), 3), optional=True),
        Column("busy", "%", lambda r: percent(r.get("utilisation"))),
        Column("TPOT", "ms", lambda r: number(r.get("tpot_ms"))),
        Column("TTFT", "ms", lambda r: number(r.get("ttft_ms"), 3), optional=True),
        Column("KV", "%", lambda r: percent(r.get("kv_used")), optional=True),
    ]
    about = "busy: share of the time; KV: share of its memory; TPOT, TTFT: time per, to first token"
    return sheet_of("Serving", columns, lines, whole, about)


def _lane_name(lines: Sequence[Row]) -> Callable[[Row], str]:
    """Name a lane after its deployment, and with its speed where the deployment has several."""
    lanes: dict[tuple[str, Any], set[str]] = {}
    for line in lines:
        deployment = line["lane"].rpartition(" @ ")[0]
        lanes.setdefault((deployment, line.get("period")), set()).add(line["lane"])
    several = {name for (name, _), speeds in lanes.items() if len(speeds) > 1}

    def name(line: Row) -> str:
        deployment = line["lane"].rpartition(" @ ")[0]
        return clean(line["lane"] if deployment in several else deployment)

    return name


def training_sheet(result: Row, whole: bool = False) -> Sheet:
    """Draw the investment in each asset."""
    lines = sorted(result["layers"]["training"], key=lambda r: -(r.get("gain") or 0.0))
    columns = [
        name_column("asset"),
        name_column("model"),
        Column("rollout", "tok/h", lambda r: short(r.get("rollout_tokens"))),
        Column("verifier", "tok/h", lambda r: short(r.get("verifier_tokens"))),
        Column("update", "tok/h", lambda r: short(r.get("update_tokens"))),
        Column("behind", "versions", lambda r: number(r.get("staleness"), 3)),
        Column("gain", "% solved", lambda r: percent(r.get("gain"))),
    ]
    about = "behind: model versions that rollouts lag; gain: more requests solved, of all"
    return sheet_of("Training", columns, lines, whole, about)


def layer_sheets(result: Row, whole: bool = False) -> list[Sheet]:
    """Draw the layers that allocate something."""
    sheets = [make(result, whole) for make in (requests_sheet, serving_sheet, training_sheet)]
    return [sheet for sheet in sheets if sheet.rows]


def part_sheet(result: Row, part: str, whole: bool = False) -> Sheet:
    """Draw one table by its name; router and autonomy are one."""
    if part in KEYS:
        return artifact_sheet(result, part, whole)
    makers = {"prices": prices_sheet, "serving": serving_sheet, "training": training_sheet}
    return makers.get(part, requests_sheet)(result, whole)
