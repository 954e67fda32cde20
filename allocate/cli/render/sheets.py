"""A result's tables as sheets of text: one definition for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from allocate.cli.render.text import NOTHING, clean, noiseless, number, percent, short

FIRST = 5  # lines of a table on the first screen
USES = 4  # token uses with a column of their own
Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: its name, its unit, and how a line fills it."""

    name: str
    unit: str
    cell: Callable[[Row], str]
    right: bool = True


@dataclass(frozen=True)
class Sheet:
    """A table ready to be drawn; ``notes`` holds a sentence under a line, by its index."""

    title: str
    columns: list[Column]
    rows: list[list[str]]
    hidden: int = 0
    notes: dict[int, str] = field(default_factory=dict)


def _sheet(title: str, columns: list[Column], lines: Sequence[Row], whole: bool) -> Sheet:
    shown = lines if whole else lines[:FIRST]
    rows = [[column.cell(line) for column in columns] for line in shown]
    return Sheet(title, columns, rows, hidden=len(lines) - len(shown))


def _name(key: str, title: str | None = None, otherwise: str = NOTHING) -> Column:
    return Column(
        title or key, "", lambda r: clean(r[key]) if r.get(key) else otherwise, right=False
    )


def prices_sheet(result: Row, whole: bool = False) -> Sheet:
    """Draw the shared prices: the dearest capacity first, slack ones at 0 last.

    The unit stands in the note of a binding line, where it has room to be spelled.
    """
    prices = sorted(result["prices"], key=_importance)
    binding = [p for p in prices if p["binding"]]
    shown = prices if whole else binding + prices[len(binding) :][:FIRST]
    columns = [
        _name("resource"),
        Column("used / capacity", "", _used),
        Column("price", "", lambda p: number(p["value"]) if p["binding"] else "0"),
        Column("worth", "", lambda p: number(p.get("worth")) if p["binding"] else NOTHING),
        Column("pay", "", lambda p: number(p.get("pay")) if p["binding"] else NOTHING),
        Column("holds for", "", _valid),
    ]
    notes = {
        i: f"{clean(p['unit'])}. {clean(p['sentence'])}"
        for i, p in enumerate(shown)
        if p["binding"]
    }
    rows = [[column.cell(p) for column in columns] for p in shown]
    return Sheet("Prices", columns, rows, len(prices) - len(shown), notes)


def _importance(price: Row) -> tuple[bool, float, str]:
    """Sort by what the whole capacity is worth, then by how nearly it binds."""
    capacity = price.get("capacity") or 0.0
    if price["binding"]:
        return False, -abs((price["value"] or 0.0) * capacity), price["resource"]
    return True, -((price.get("used") or 0.0) / capacity if capacity else 0.0), price["resource"]


def _used(price: Row) -> str:
    capacity = price.get("capacity")
    used = noiseless(price.get("used"), capacity or 1.0)
    return f"{number(used)} / {number(capacity)}" if capacity is not None else number(used)


def _valid(price: Row) -> str:
    low, high = price.get("valid_from"), price.get("valid_to")
    if low is None and high is None:
        return NOTHING
    if high is None:
        return f"from {number(low)}"
    return f"up to {number(high)}" if low is None else f"{number(low)} to {number(high)}"


def requests_sheet(result: Row, whole: bool = False) -> Sheet:
    """Draw router and autonomy together: where each class goes and what is spent on a request."""
    layers = result["layers"]
    spent = {_arm(a): a for a in reversed(layers["autonomy"])}
    lines = [{**spent.get(_arm(r), {}), **r} for r in layers["router"]]
    routed = {_arm(r) for r in layers["router"]}
    lines += [a for a in layers["autonomy"] if _arm(a) not in routed]
    lines.sort(key=lambda r: -(r.get("requests_per_s") or 0.0))
    columns = [
        _name("class"),
        _name("model", otherwise="(none)"),
        _name("autonomy", otherwise="(none)"),
        Column("share", "%", lambda r: percent(r.get("share"))),
        *_token_columns(lines),
        Column("solved", "%", lambda r: percent(r.get("success"))),
    ]
    return _sheet("Router and autonomy", columns, lines, whole)


def _arm(line: Row) -> tuple[Any, ...]:
    return line.get("class"), line.get("model"), line.get("autonomy")


def _token_columns(lines: Sequence[Row]) -> list[Column]:
    """Give the greatest token uses a column each, and the rest one together."""
    total: dict[str, float] = {}
    for line in lines:
        for use, tokens in (line.get("tokens") or {}).items():
            total[use] = total.get(use, 0.0) + (tokens or 0.0)
    kept = set(sorted(total, key=lambda use: -total[use])[:USES])
    columns = [
        Column(clean(use), "tok", lambda r, u=use: short((r.get("tokens") or {}).get(u)))
        for use in total
        if use in kept
    ]
    if len(total) > len(kept):
        others = [use for use in total if use not in kept]
        columns.append(Column("other", "tok", lambda r: _other(r.get("tokens"), others)))
    return columns


def _other(tokens: Row | None, uses: list[str]) -> str:
    return short(sum(tokens.get(use) or 0.0 for use in uses)) if tokens else NOTHING


def serving_sheet(result: Row, whole: bool = False) -> Sheet:
    """Draw the lanes: replicas, batch, how busy, how fast, how full."""
    lines = sorted(result["layers"]["serving"], key=lambda r: -(r.get("replicas") or 0.0))
    columns = [
        _name("lane"),
        _name("model"),
        _name("stage"),
        Column("replicas", "", lambda r: number(r.get("replicas"), 3)),
        Column("batch", "", lambda r: number(r.get("batch"), 3)),
        Column("busy", "%", lambda r: percent(r.get("utilisation"))),
        Column("TPOT", "ms", lambda r: number(r.get("tpot_ms"), 3)),
        Column("TTFT", "ms", lambda r: number(r.get("ttft_ms"), 3)),
        Column("KV", "%", lambda r: percent(r.get("kv_used"))),
    ]
    return _sheet("Serving", columns, lines, whole)


def training_sheet(result: Row, whole: bool = False) -> Sheet:
    """Draw the investment in each asset."""
    lines = sorted(result["layers"]["training"], key=lambda r: -(r.get("gain") or 0.0))
    columns = [
        _name("asset"),
        _name("model"),
        Column("rollout", "tok", lambda r: short(r.get("rollout_tokens"))),
        Column("verifier", "tok", lambda r: short(r.get("verifier_tokens"))),
        Column("update", "tok", lambda r: short(r.get("update_tokens"))),
        Column("stale", "versions", lambda r: number(r.get("staleness"), 3)),
        Column("gain", "points", lambda r: percent(r.get("gain"))),
    ]
    return _sheet("Training", columns, lines, whole)


def layer_sheets(result: Row, whole: bool = False) -> list[Sheet]:
    """Draw the layers that allocate something."""
    sheets = [make(result, whole) for make in (requests_sheet, serving_sheet, training_sheet)]
    return [sheet for sheet in sheets if sheet.rows]
