"""Where tokens go: from classes to models to uses to what they run on, shaded by what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from allocate.cli.render.text import clean, money, short
from allocate.cli.report.chart_flow import flow
from allocate.cli.report.names import is_number
from allocate.cli.report.parts import Field, Figure, Row, table_of

COLUMNS = ("class", "model", "use", "runs on")
MOST = (10, 8, 7, 8)  # things in a column; the smallest of more are one
OTHERS = "all others"
SHADES = 4
HOUR = 3600.0


def flow_figure(result: Row) -> Figure | None:
    """Draw the tokens of an hour from class to model to use to resource."""
    streams, period = _busiest(_streams(result))
    if not streams or any(stream["usd"] is None for stream in streams):
        return None
    streams = [_few(streams, place) for place in range(len(COLUMNS))][-1]
    links = _links(streams)
    steps, keys = _shades([link["usd"] / link["size"] * 1e6 for link in links])
    total = sum(s["tokens"] for s in streams)
    by_model: dict[str, float] = {}
    for s in streams:
        by_model[s["path"][1]] = by_model.get(s["path"][1], 0.0) + s["tokens"]
    top = max(by_model, key=lambda name: by_model[name])
    when = f" in {clean(period)}" if period else ""
    finding = f"{short(total)} tokens an hour{when}; {100 * by_model[top] / total:.0f} % of them "
    finding += f"go to {clean(top)}"
    data = [
        {
            "from": link["source"],
            "to": link["target"],
            "tokens": link["size"],
            "price": link["usd"] / link["size"] * 1e6,
        }
        for link in links
    ]
    size = _sizes(links)
    drawn = [
        {
            **{k: link[k] for k in ("column", "source", "target", "size")},
            "step": steps(link["usd"] / link["size"] * 1e6),
            "say": f"{link['source']} → {link['target']}: {short(link['size'])} tokens/h at "
            f"{money(link['usd'] / link['size'] * 1e6, 3)} a million",
            **{f"{end}_say": _passing(link, end, size) for end in ("source", "target")},
        }
        for link in links
    ]
    fields = [
        Field("from", "from", write=clean),
        Field("to", "to", write=clean),
        Field("tokens", "tokens", "an hour", short),
        Field("price", "price", "USD/Mtok"),
    ]
    at = f" Drawn is {clean(period)}, when most tokens flow." if period else ""
    return Figure(
        "flow",
        finding,
        "A band is as wide as its tokens. Its shade says what a million of them costs: all that "
        f"their requests pay, scarce capacities at their prices.{at}",
        f"Bands of tokens from request classes to models to uses to what they run on. {finding}.",
        lambda width: flow(drawn, width, columns=COLUMNS, keys=keys),
        table_of("flow", "Tokens from one thing to the next", fields, data),
    )


def _streams(result: Row) -> list[Row]:
    """List tokens an hour by class, model, use and resource, with what they cost, USD an hour."""
    gpu = {lane["lane"]: clean(lane["gpu"]) for lane in result["layers"]["serving"] if lane["gpu"]}
    cost = {_key(a): _cost(a) for a in result["layers"]["autonomy"]}
    out = []
    for line in result["layers"]["router"]:
        if not line.get("model"):
            continue
        for way in line.get("ways") or []:
            tokens = way.get("tokens") or {}
            rate = way.get("requests_per_s")
            for use, count in tokens.items():
                if not is_number(rate) or not is_number(count) or rate * count <= 0:
                    continue
                price = cost.get(_key(line))
                flowing = HOUR * rate * count
                out.append(
                    {
                        "period": line.get("period"),
                        "path": [
                            clean(line["class"]),
                            clean(line["model"]),
                            clean(use),
                            _place(way, line, gpu),
                        ],
                        "tokens": flowing,
                        "usd": None if price is None else price * flowing,
                    }
                )
    return out


def _cost(arm: Row) -> float | None:
    """What a token of a request costs, USD: all it pays, spread over its tokens."""
    vector, tokens = arm.get("vector") or {}, arm.get("tokens") or {}
    total = sum(v for v in tokens.values() if is_number(v))
    if not is_number(vector.get("cost_usd")) or total <= 0:
        return None
    return vector["cost_usd"] / total


def _place(way: Row, line: Row, gpu: dict[str, str]) -> str:
    lanes = [str(way[end]) for end in ("prefill", "lane") if way.get(end)]
    names = list(dict.fromkeys(gpu.get(lane, clean(lane)) for lane in lanes))
    if names:
        return " + ".join(names)
    kind = clean(way.get("way") or line.get("served_by") or "")
    return f"{clean(line['model'])} API" if kind == "api" else kind or "not known"


def _key(line: Row) -> tuple:
    return line.get("class"), line.get("period"), line.get("model"), line.get("autonomy")


def _busiest(streams: list[Row]) -> tuple[list[Row], str | None]:
    """Take the period in which most tokens flow: how long each lasts is not in a result."""
    total: dict[str | None, float] = {}
    for s in streams:
        total[s["period"]] = total.get(s["period"], 0.0) + s["tokens"]
    if len(total) < 2:
        return streams, None
    top = max(total, key=lambda period: total[period])
    return [s for s in streams if s["period"] == top], top


def _few(streams: list[Row], place: int) -> list[Row]:
    """Keep the largest things of a column; the others are one. Changes the streams' paths."""
    size: dict[str, float] = {}
    for s in streams:
        size[s["path"][place]] = size.get(s["path"][place], 0.0) + s["tokens"]
    if len(size) > MOST[place]:
        kept = sorted(size, key=lambda name: -size[name])[: MOST[place] - 1]
        for s in streams:
            if s["path"][place] not in kept:
                s["path"][place] = OTHERS
    return streams


def _links(streams: Sequence[Row]) -> list[Row]:
    by: dict[tuple[int, str, str], Row] = {}
    for s in streams:
        for column, (source, target) in enumerate(zip(s["path"], s["path"][1:], strict=False)):
            empty = {"column": column, "source": source, "target": target, "size": 0.0, "usd": 0.0}
            link = by.setdefault((column, source, target), empty)
            link["size"] += s["tokens"]
            link["usd"] += s["usd"]
    return list(by.values())


def _sizes(links: Sequence[Row]) -> dict[tuple[int, str], float]:
    size: dict[tuple[int, str], float] = {}
    for link in links:
        if link["column"] == 0:
            at = (0, link["source"])
            size[at] = size.get(at, 0.0) + link["size"]
        at = (link["column"] + 1, link["target"])
        size[at] = size.get(at, 0.0) + link["size"]
    return size


def _passing(link: Row, end: str, size: dict[tuple[int, str], float]) -> str:
    at = (link["column"] + (end == "target"), link[end])
    return f"{link[end]}: {short(size[at])} tokens/h"


def _shades(prices: Sequence[float]) -> tuple[Callable[[float], int], list[str]]:
    """Cut prices into shades at quarters of their spread, on the scale of their logarithm."""
    low, high = min(prices), max(prices)
    if low <= 0 or high / low < 1.05:
        return (lambda _: SHADES - 1), [f"about {money(high, 2)} a million"] * SHADES
    ratio = (high / low) ** (1 / SHADES)
    ends = [low * ratio ** (i + 1) for i in range(SHADES)]
    texts = [money(low, 2), *(money(end, 2) for end in ends)]
    keys = [f"{a} – {b} a million" for a, b in zip(texts, texts[1:], strict=False)]

    def step(price: float) -> int:
        return next((i for i, end in enumerate(ends) if price <= end), SHADES - 1)

    return step, keys
