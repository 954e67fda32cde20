"""The tables that other programs poll, for a person: schedules, regrets, token prices, retention.

They stand under ``artifacts`` in the result. The first screen leaves them out; ``--all`` and
``--table NAME`` show them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from allocate.cli.render.sheet import Column, Row, Sheet, name_column, period_column, sheet_of
from allocate.cli.render.text import clean, money, noiseless, number, percent, short

KEYS = {
    "schedule": "autonomy_schedule",
    "regret": "router_regret",
    "token-prices": "token_prices",
    "cache": "cache",
    "hits": "hits_by_value",
    "investment": "training",
    "vectors": "vectors",
}
"""The names of the tables and the keys of the result they are drawn from."""
BOUGHT = {
    "prefill, Mtok": "prefill_usd_per_mtok",
    "decode, Mtok": "decode_usd_per_mtok",
}


def artifact_lines(result: Row, table: str) -> list[Row]:
    """Take the records of one table; none where the result has none."""
    found = result["artifacts"].get(KEYS[table]) or {}
    return list((found.get("classes") or ()) if table == "regret" else found)


def artifact_sheet(result: Row, table: str, whole: bool = False) -> Sheet:
    """Draw one of the tables, by its name in ``KEYS``."""
    return _SHEETS[table](result, artifact_lines(result, table), whole)


def artifact_sheets(result: Row, whole: bool = False) -> list[Sheet]:
    """Draw all tables that have lines."""
    sheets = [artifact_sheet(result, table, whole) for table in KEYS]
    return [sheet for sheet in sheets if sheet.rows]


def _schedule(_: Row, lines: Sequence[Row], whole: bool) -> Sheet:
    rows = [
        {**line, "level": level, "share": share, **((line.get("one_more") or {}).get(level) or {})}
        for line in lines
        for level, share in line["levels"].items()
    ]
    columns = [
        name_column("action"),
        name_column("level"),
        Column("share", "%", lambda r: percent(r["share"])),
        _usd("one more, reversible", "reversible_usd"),
        _usd("one more, irreversible", "irreversible_usd"),
    ]
    about = "share: of the requests of the action class; one more: price of the risk of one action"
    return sheet_of("Autonomy by action class", columns, rows, whole, about)


def _regret(result: Row, lines: Sequence[Row], whole: bool) -> Sheet:
    columns = [
        name_column("class"),
        *period_column(lines),
        Column("in use", "", lambda r: ", ".join(map(clean, r["models"])) or "(none)", right=False),
        name_column("next_model", "next model"),
        _usd("behind by", "margin_usd"),
        _usd("left", "regret_usd"),
        _usd("knowing", "hindsight_usd"),
        Column("requests", "/h", lambda r: short(r["requests_per_h"]), optional=True),
    ]
    about = "USD a request. behind by: the next model against the best; left: what is in use "
    about += "against the best; knowing: at most what it would bring to know who will succeed"
    whole_regret = result["artifacts"].get("router_regret") or {}
    lost, bound = whole_regret.get("usd_per_hour"), whole_regret.get("bound_usd_per_hour")
    if lost is not None and bound is not None:
        scale = abs(result["objective"]["welfare"] or 0.0)
        lost, bound = noiseless(lost, scale), noiseless(bound, scale)
        about += f". In all {money(lost, 3)}/h is left; welfare is within {money(bound, 3)}/h of "
        about += "its bound"
    return sheet_of("Router regret", columns, lines, whole, about)


def _token_prices(_: Row, lines: Sequence[Row], whole: bool) -> Sheet:
    rows = [row for line in lines for row in _bought(line)]
    columns = [
        name_column("lane"),
        *period_column(lines),
        name_column("of"),
        _part("machine", "cost"),
        _part("congestion", "congestion"),
        _part("scarcity", "scarcity"),
        *([_part("seat", "seat")] if any(_seated(row) for row in rows) else []),
        _part("in all", "total"),
    ]
    about = (
        "USD for one more. congestion: idle time that keeps others fast; scarcity: what its GPUs "
    )
    about += "are worth above their market price"
    return sheet_of("Token prices", columns, rows, whole, about)


def _seated(row: Row) -> bool:
    """Whether a full batch adds to the price of a token."""
    return bool(noiseless(row.get("seat"), _scale(row)))


def _bought(line: Row) -> Iterator[Row]:
    """Give a lane a row for each thing it sells; a stage that it does not run has none."""
    for of, key in BOUGHT.items():
        if line[key]["total"]:
            yield {**line, **line[key], "of": of}
    parts = line.get("kv_parts_usd_per_gb_hour") or {}
    yield {**line, **parts, "total": line["kv_usd_per_gb_hour"], "of": "KV, GB-hour"}


def _cache(_: Row, lines: Sequence[Row], whole: bool) -> Sheet:
    columns = [
        name_column("profile"),
        Column("kept for", "s", lambda r: number(r["retention_s"])),
        Column("requests", "/h", lambda r: short(r["requests_per_h"])),
        Column("found", "%", lambda r: percent(r["hit"])),
        Column("held", "s", lambda r: number(r["prefix_tokens_held_s"], 3)),
        _usd("value", "value_usd_per_request"),
        Column("drift", "%/h", lambda r: percent(r["depreciation_per_h"])),
    ]
    about = "found: share of prefix tokens; held: mean time; value: of a request, USD; drift: how "
    about += "fast kept context goes stale"
    return sheet_of("Prefixes kept", columns, lines, whole, about)


def _hits(_: Row, lines: Sequence[Row], whole: bool) -> Sheet:
    columns = [
        _usd("value from", "value_from_usd"),
        _usd("to", "value_to_usd"),
        Column("requests", "/h", lambda r: short(r["requests_per_h"])),
        Column("found", "%", lambda r: percent(r["hit"])),
    ]
    about = "found: share of prefix tokens, by what a request is worth"
    return sheet_of("Prefixes found, by value", columns, lines, whole, about)


def _investment(_: Row, lines: Sequence[Row], whole: bool) -> Sheet:
    columns = [
        name_column("asset"),
        name_column("model"),
        name_column("kind"),
        Column("gain", "% solved", lambda r: percent(r.get("gain"))),
        Column("fades", "%/h", lambda r: percent(r.get("depreciation_per_h"))),
        Column("of 1 Mtok/h", "% solved", lambda r: number(r.get("points_per_mtok_per_h"), 3)),
    ]
    about = (
        "gain: more requests solved, of all; of 1 Mtok/h: the gain that a million tokens an hour "
    )
    about += "keep up, on average"
    return sheet_of("What training keeps up", columns, lines, whole, about)


def _vectors(_: Row, lines: Sequence[Row], whole: bool) -> Sheet:
    columns = [
        name_column("class"),
        *period_column(lines),
        name_column("model", otherwise="(none)"),
        name_column("autonomy"),
        _usd("value", "value_usd"),
        _usd("cost", "cost_usd"),
        _usd("latency", "latency_usd"),
        _usd("risk", "risk_usd"),
        _usd("oversight", "oversight_usd"),
        _usd("left", "gap_usd"),
    ]
    about = "USD a request at the shared prices. left: what its best way would bring more"
    return sheet_of("Vectors", columns, lines, whole, about)


def _usd(title: str, key: str) -> Column:
    """Draw dollars; what rounding leaves of a zero is 0, and what is not known a dash."""
    return Column(title, "USD", lambda r: _amount(r.get(key)))


def _part(title: str, key: str) -> Column:
    """Draw a part of a price; a billionth of the whole is 0."""
    return Column(title, "USD", lambda r: number(noiseless(r.get(key), _scale(r)), 3))


def _scale(row: Row) -> float:
    # The lane's dearest thing is the scale: memory that is free must not look like a tiny price.
    return max(*(row[key]["total"] or 0.0 for key in BOUGHT.values()), row["total"] or 0.0)


def _amount(usd: Any) -> str:
    return number(noiseless(usd, 1.0, 1e-8), 3)


_SHEETS: dict[str, Callable[[Row, Sequence[Row], bool], Sheet]] = {
    "schedule": _schedule,
    "regret": _regret,
    "token-prices": _token_prices,
    "cache": _cache,
    "hits": _hits,
    "investment": _investment,
    "vectors": _vectors,
}
