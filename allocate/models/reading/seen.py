"""Where an answer leaves the range that a calibrated number was seen in.

Each number under ``calibrated`` may say which quantity of an answer its validity depends on, and
between which values of it there were data. Outside, it is an extrapolation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from allocate.models.calibrated import UNITS, Calibrated
from allocate.models.features import class_features
from allocate.models.measured import heights, is_calibrated, value_of
from allocate.models.reading.answered import Answered

_NEAR = 0.01
"""Outside by no more than this share of an end is at the end."""
Table = list[dict[str, Any]]
Span = tuple[float, float]


class Layers(NamedTuple):
    """Tables of an answer that quantities are taken from."""

    router: Table
    autonomy: Table
    serving: Table
    training: Table
    cache: Table


def outside(answer: Answered, layers: Layers) -> Table:
    """Ranges that the answer leaves: one record for all numbers of an item that share a range.

    Returns:
        ``parameters`` (dotted paths), ``of`` (the quantity), ``unit``, ``seen`` and ``answer``
        (the value farthest outside).
    """
    config = answer.built.config
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path, known in config.calibrated.items():
        if known.of is None or known.seen is None:
            continue
        own = known.of == "value"
        if not own and not is_calibrated(config, path, known):
            continue
        span = _span(answer, layers, path, known)
        if span is None:
            continue
        away = farthest(span, (known.seen[0], known.seen[1]))
        if away is None:
            continue
        key = (path.rpartition(".")[0], known.of, *known.seen, path if own else "")
        record = {
            "parameters": [],
            "of": known.of,
            "unit": known.unit if own else UNITS[known.of],
            "seen": list(known.seen),
            "answer": away,
        }
        found.setdefault(key, record)["parameters"].append(path)
    return list(found.values())


def farthest(span: Span, seen: Span) -> float | None:
    """The end of a span that is farthest outside of a range, in proportion; None inside it."""
    low, high = seen
    below = (low - span[0]) / max(abs(low), 1e-12)
    above = (span[1] - high) / max(abs(high), 1e-12)
    if max(below, above) <= _NEAR:
        return None
    return span[0] if below > above else span[1]


def _span(answer: Answered, layers: Layers, path: str, known: Calibrated) -> Span | None:
    """Least and most of a number's quantity in an answer; None where it has none."""
    section, name, *_ = [*path.split("."), "", ""]
    match known.of:
        case "value":
            there = heights(value_of(answer.built.config, path))
            values = [] if there is None else [v for v in there.tolist() if v > 0]  # 0: not used
        case "requests_per_s":
            values = list(_arrivals(layers.router, name))
        case "batch":
            values = [
                r["batch"] for r in layers.serving if _deployment(r) == name and r.get("batch")
            ]
        case "context_tokens" | "prompt_tokens":
            values = list(_means(answer, name, known.of))
        case "output_tokens":
            values = list(_written(answer, layers.autonomy, name))
        case "retention_s":
            profile = path.split(".")[2] if section == "caching" else ""
            values = [
                r["retention_s"]
                for r in layers.cache
                if r["profile"] == profile and r["retention_s"] > 0
            ]
        case "index" | "versions":
            asset = path.split(".")[2] if name == "assets" else ""
            rows = [r for r in layers.training if r["asset"] == asset]
            values = [v for r in rows if (v := _trained(answer, r, known.of)) is not None]
        case _:
            values = []
    return (min(values), max(values)) if values else None


def _arrivals(router: Table, name: str) -> Iterator[float]:
    """Arrivals of a class a second, in each period and scenario."""
    sums: dict[tuple[Any, ...], float] = {}
    for line in router:
        if line["class"] == name:
            when = (line.get("period"), line.get("scenario"))
            sums[when] = sums.get(when, 0.0) + line["requests_per_s"]
    yield from sums.values()


def _deployment(lane: dict[str, Any]) -> str:
    """The deployment of a lane of the serving table."""
    return str(lane["lane"]).rpartition(" @ ")[0].removesuffix("+draft")


def _means(answer: Answered, name: str, of: str) -> Iterator[float]:
    """Mean context of a decoded token, or mean prompt of a call, on a deployment."""
    classes, stream, flows = answer.built.classes, answer.stream, answer.flows
    tiers = {t.name: t.deployment for t in answer.built.tiers}
    wanted = "tier" if of == "context_tokens" else "prefill"
    total = weight = 0.0
    features = class_features(answer.built.config, classes)
    nothing = np.zeros(len(classes))
    written = _output_tokens(answer)
    for i, (member, arm, x) in enumerate(zip(flows.member, flows.arm, flows.requests, strict=True)):
        labels = stream.arms[arm].labels
        if labels["way"] != "own" or tiers.get(labels.get(wanted) or labels["tier"]) != name:
            continue
        c = int(stream.origin[member])
        if of == "context_tokens":
            share = x * (features.get("output", nothing)[c] + written[i])
            total += share * features.get("context", nothing)[c]
        else:
            share = x * classes.calls[c]
            shared = features.get("shared", nothing)[c]
            whole = classes.prompt_tokens[c] + classes.prefix_tokens[c] / classes.calls[c] + shared
            total += share * whole
        weight += share
    if weight > 0:
        yield float(total / weight)


def _output_tokens(answer: Answered) -> np.ndarray:
    """[flows] tokens that are bought as output, per request."""
    uses = answer.built.config.token_uses.values()
    tokens = answer.flows.tokens[:, : len(uses)]
    return tokens @ np.array([u.kind == "output" for u in uses], float)


def _written(answer: Answered, autonomy: Table, name: str) -> Iterator[float]:
    """Output tokens of a request that a model serves, by line of the autonomy table."""
    kinds = {n: u.kind for n, u in answer.built.config.token_uses.items()}
    for line in autonomy:
        spent = [v for n, v in line["tokens"].items() if kinds.get(n) == "output"]
        if line["model"] == name and spent:
            yield sum(spent)


def _trained(answer: Answered, row: dict[str, Any], of: str) -> float | None:
    """Index of training, or how stale its rollouts are."""
    if of == "versions":
        return row["staleness"]
    section = answer.built.config.training
    if section is None:
        return None
    asset, index = section.assets[row["asset"]], 1.0
    for kind in ("rollout", "verifier", "update"):
        made = getattr(asset, kind)
        if made is not None:
            window = row[f"{kind}_tokens"] / section.depreciation_per_h
            index *= (window / made.reference_tokens) ** made.exponent
    return index if index > 0 else None


def sentence(record: dict[str, Any], places: Mapping[str, str]) -> str:
    """Say one record in words, with where its numbers stand."""
    first, *more = record["parameters"]
    names = ", ".join([first, *(path.rpartition(".")[2] for path in more)])
    low, high = record["seen"]
    unit = f" {record['unit']}" if record["unit"] else ""
    seen = f"from {low:.5g} to {high:.5g}" if high > low else f"at {low:.5g}"
    are, have = ("are", "have") if more else ("is", "has")
    used = "" if record["of"] == "value" else " used at"
    at = places.get(first, first)
    return (
        f"extrapolated: {names} {are}{used} {record['answer']:.5g}{unit}, and {have} been seen "
        f"{seen} only" + (f" ({at})" if at != first else "")
    )
