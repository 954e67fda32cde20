"""A comparison's tables as sheets of text, for the terminal and for Markdown."""

from __future__ import annotations

from typing import Any

from allocate.cli.render.sheet import Column, Row, Sheet, drawn
from allocate.cli.render.text import NOTHING, clean, noiseless, number, percent

_LEGEND = (
    "equal spend: where joint may spend what the baseline does (it spends); of it: of the "
    "baseline's welfare; enough: the least spend for which joint is worth as much before spending"
)
ACCOUNTS = ("value", "money", "latency", "risk", "oversight", "training")


def _usd(line: Row, key: str) -> str:
    scale = abs(line.get("value") or 0.0) or 1.0
    return number(noiseless(line.get(key), scale))


def welfare_sheet(document: Row) -> Sheet:
    """Draw what each baseline comes to, the joint answer first."""
    lines = [{"name": "joint", **document["joint"]}, *document["baselines"]]
    columns = [
        Column("", "", lambda r: clean(r["name"]), right=False),
        Column("welfare", "", lambda r: _usd(r, "welfare")),
        *(Column(name, "", lambda r, n=name: _usd(r, n)) for name in ACCOUNTS),
    ]
    notes = {
        i: f"could not be drawn: {clean(line['reason'])}"
        for i, line in enumerate(lines)
        if line.get("reason")
    }
    rows = drawn(columns, lines)
    return Sheet("Welfare = value less costs, USD/h, under the true costs", columns, rows, 0, notes)


def gains_sheet(document: Row) -> Sheet:
    """Draw the gain of the joint answer as it stands, at equal spend, and as least spend."""
    lines = [line for line in document["baselines"] if line["welfare"] is not None]
    columns = [
        Column("against", "", lambda r: clean(r["name"]), right=False),
        Column("as it stands", "USD/h", lambda r: _gain(r, r["gain"])),
        Column("equal spend", "USD/h", lambda r: _gain(r, r["equal_spend"]["gain"])),
        Column("of it", "%", lambda r: _percent(r["equal_spend"]["relative_gain"])),
        Column("it spends", "USD/h", lambda r: _usd(r, "spend")),
        Column("enough", "USD/h", lambda r: _enough(r)),
        Column("saved", "%", lambda r: _saved(r)),
    ]
    rows = drawn(columns, lines)
    about = _meaning(lines)
    return Sheet("What joint allocation gains", columns, rows, about=about)


def _meaning(lines: list[Row]) -> str:
    """Say what the heads mean, and why some shares stand as a dash."""
    said = [_LEGEND] if lines else []
    if any(line["equal_spend"]["relative_gain"] is None for line in lines):
        said.append("no share of its welfare (-) where a baseline earns nothing")
    if any(line["least_spend"].get("spend") is None for line in lines):
        said.append("no enough spend (-) where it was not looked for or not found")
    elif any(line["spend"] <= 0 for line in lines):
        said.append("nothing saved (-) where nothing is spent")
    return "; ".join(said)


def _gain(line: Row, gain: float) -> str:
    return "none" if gain <= line["equal_spend"]["error"] else number(gain)


def _percent(share: float | None) -> str:
    return NOTHING if share is None else percent(share)


def _enough(line: Row) -> str:
    return number(noiseless(line["least_spend"].get("spend"), line["spend"]))


def _saved(line: Row) -> str:
    saved = line["least_spend"].get("saved")
    if saved is None or line["spend"] <= 0:
        return NOTHING
    share = saved / line["spend"]
    return "0" if abs(share) < 1e-4 else number(100 * share, 3)


def split_sheet(document: Row) -> Sheet | None:
    """Draw the three steps from the baseline of the verdict to the joint answer."""
    split = document["split"]
    if split is None:
        return None
    steps = [
        {"step": "knowing", "means": "every layer sees V, λ and ρ, and pays average prices"},
        {"step": "coordinating", "means": "shared prices instead of average prices"},
        {"step": "more budget", "means": "what the joint answer spends beyond the baseline"},
    ]
    whole = max(sum(abs(v) for v in split.values() if v is not None), 1e-300)
    columns = [
        Column("step", "", lambda r: r["step"], right=False),
        Column("USD/h", "", lambda r: _step(split, r["step"], whole)),
        Column("what it is", "", lambda r: r["means"], right=False),
    ]
    rows = drawn(columns, steps)
    against = clean(document["against"])
    about = "V: what a solved request is worth; λ: price of waiting; ρ: price of risk"
    if None in split.values():
        about += f"; {_why(document, 'split')}"
    return Sheet(f"From {against} to the joint answer", columns, rows, about=about)


def _step(split: Row, step: str, whole: float) -> str:
    return number(noiseless(split[step.replace(" ", "_")], whole, 1e-7))


def layers_sheet(document: Row) -> Sheet | None:
    """Draw each layer's part of the gain, the price that it saw and the full one.

    A layer that has nothing to decide has no line.
    """
    told, wedges = document["attribution"], {w["layer"]: w for w in document["wedges"]}
    if told is None and not wedges:
        return None
    shares = {} if told is None else told["shares"]
    deciding = {layer for c in told["coalitions"] for layer in c["inside"]} if told else set()
    whole = max(sum(abs(v) for v in shares.values()), 1e-300)
    lines: list[dict[str, Any]] = [
        {"layer": layer, "share": shares.get(layer), **wedges.get(layer, {})}
        for layer in (shares or wedges)
        if layer in deciding or wedges.get(layer, {}).get("cost") is not None
    ]
    columns = [
        Column("layer", "", lambda r: r["layer"], right=False),
        Column("gain", "USD/h", lambda r: number(noiseless(r["share"], whole, 1e-7))),
        Column("of it", "%", lambda r: _part(r["share"], whole)),
        Column("list price", "USD", lambda r: number(r.get("thought"))),
        Column("full price", "USD", lambda r: number(r.get("cost"))),
        Column("unit", "", lambda r: clean(r.get("unit") or ""), right=False),
    ]
    rows = drawn(columns, lines)
    against = clean(document["against"])
    about = "list price: what the layer saw; full price: with waiting, risk and what is scarce, at "
    about += "the shared prices"
    if told is None:
        about += f"; no gain by layer (-): {_why(document, 'attribution')}"
    else:
        about += _doubts(told)
    title = f"By layer: the gain over {against} at equal spend"
    return Sheet(title, columns, rows, about=about)


def _why(document: Row, what: str) -> str:
    return clean((document.get("reasons") or {}).get(what) or "not known")


def _doubts(told: Row) -> str:
    """Warn where parts of the gain rest on solves that failed, or came out too low."""
    said = ""
    if told.get("unsolved"):
        groups = ", ".join(clean(" + ".join(inside)) for inside in told["unsolved"])
        said += f"; WARNING: no answer was found for {groups}, so the parts are rough"
    if (lifted := told.get("lifted_usd_per_hour") or 0.0) > (told.get("error") or 0.0):
        said += (
            f"; WARNING: some solves were ${number(lifted, 3)}/h too low, so the parts are rough"
        )
    return said


def _part(share: float | None, whole: float) -> str:
    return NOTHING if share is None else number(noiseless(100 * share / whole, 100.0, 1e-7), 3)


def sheets(document: Row) -> list[Sheet]:
    """Draw every table that has lines."""
    drawn = [
        welfare_sheet(document),
        gains_sheet(document),
        split_sheet(document),
        layers_sheet(document),
    ]
    return [sheet for sheet in drawn if sheet is not None and sheet.rows]


def remarks(document: Row) -> list[str]:
    """Say how the baselines were set, and what was assumed."""
    out: list[str] = []
    for line in document["baselines"]:
        about, name = line.get("about") or {}, clean(line["name"])
        if about.get("knobs"):
            out.append(f"{name}: {_knobs(about['knobs'])}")
        if about.get("rounds"):
            cycle = about.get("cycle")
            how = (
                f"cycles over {cycle} round{'' if cycle == 1 else 's'}" if cycle else "stands still"
            )
            how = how if cycle or about.get("converged") else "still moves"
            rounds = f"{about['rounds']} round{'' if about['rounds'] == 1 else 's'}"
            out.append(f"{name}: {how} after {rounds}")
        out += [f"{name}: assumed: {clean(text)}" for text in about.get("assumed") or ()]
    return out


def _knobs(knobs: Row) -> str:
    """Say the knobs that are there; one that the config has no use for is left out."""
    levels = ", ".join(f"{clean(a)} {clean(n)}" for a, n in (knobs.get("approval") or {}).items())
    said = {
        "router": lambda v: f"router {clean(v)}",
        "quality_floor": lambda v: f"floor {number(100 * v, 3)} %",
        "token_cap": lambda v: f"token cap {number(v, 3)} x",
        "verify": lambda v: f"verify {number(v, 3)} x",
        "approval": lambda v: f"approval: {levels or 'ask where possible'}",
        "utilisation": lambda v: f"{number(100 * v, 3)} % busy",
        "retention_s": lambda v: f"prefixes kept {number(v, 4)} s",
        "training_share": lambda v: f"training {number(100 * v, 3)} %",
    }
    together = (("router", "quality_floor"), ("token_cap", "verify"), ("approval",))
    apart = tuple((name,) for name in ("utilisation", "retention_s", "training_share"))
    groups = [[said[n](knobs[n]) for n in names if n in knobs] for names in together + apart]
    return "; ".join(", ".join(group) for group in groups if group)
