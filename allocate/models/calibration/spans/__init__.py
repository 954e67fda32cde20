"""``calibrate spans``: agent traces → tokens by use, cache reads, retries and human waits.

Reads OpenTelemetry GenAI spans as OTLP JSON (new and old attribute names, OpenInference's
too), one document or one a line, and Langfuse's observations. A trace is a request. No text
of a prompt, an answer or an argument is read.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibrated import Driver
from allocate.models.calibration.grounds import ground
from allocate.models.calibration.naming import slug
from allocate.models.calibration.reading import fail, source
from allocate.models.calibration.result import LEVEL, Calibration, Options, Parameter
from allocate.models.calibration.spans.formats import read_spans, recognise
from allocate.models.calibration.spans.requests import Requests, gather
from allocate.models.calibration.spans.rules import STEMS, USES, Rules
from allocate.models.calibration.spans.speed import speeds
from allocate.models.calibration.statistics import Floats, jackknife, slices

__all__ = ["FIELDS", "OPTIONS", "calibrate", "check", "detects"]

FIELDS: dict[str, str] = {}
OPTIONS = {
    "class": "attribute (Langfuse: key of metadata) that names the class of a request",
    **{use: f"words that mark a tool or span as {use}: word,word" for use in STEMS},
}
GROUPS = 60
LONGEST_S = 1e9
"""Thirty years: no log is longer, and times in ms or s lie further from those in ns."""
TOKEN_USES = ("read", *USES)
_PER_REQUEST = {
    "calls_per_request": ("calls", "call"),
    "retries_per_request": ("retries", "retry"),
    "human_waits_per_request": ("waits", "wait"),
    "tool_s_per_request": ("tool_s", "s"),
}


def detects(path: Path) -> str | None:
    """Know a file by the keys at its beginning."""
    return recognise(path)


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Count what requests spend their tokens and time on."""
    rules = _rules(options)
    dropped: Counter[str] = Counter()
    requests, sources, used = _read(paths, options, rules, dropped)
    cost = speeds(requests)
    parameters = _parameters(requests) + cost
    fragment = _fragment(requests, parameters)
    return Calibration(
        "spans",
        recognise(paths[0]) or "JSON spans",
        used,
        dict(dropped),
        parameters,
        {"observed": _observed(requests)},
        fragment,
        sources,
        _notes(requests, rules),
        grounds=_grounds(fragment, parameters),
    )


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Compare each figure with that of other traces; both have an error of their own."""
    dropped: Counter[str] = Counter()
    later, _, _ = _read(paths, options, _rules(options), dropped)
    measured = {p.name: p for p in _parameters(later)}
    compared: dict[str, Any] = {"requests": later.count}
    for p in calibration.parameters:
        other = measured.get(p.name)
        if other is None:
            continue
        reach = np.hypot((p.high - p.low) / 2, (other.high - other.low) / 2)
        compared[p.name] = {
            "predicted": p.value,
            "measured": other.value,
            "relative_error": p.value / other.value - 1 if other.value else None,
            "within_interval": bool(abs(p.value - other.value) <= reach),
        }
    return compared


def _rules(options: Options) -> Rules:
    words = {use: options.settings[use] for use in STEMS if use in options.settings}
    added = {
        use: tuple(word.strip().lower() for word in text.split(",") if word.strip())
        for use, text in words.items()
    }
    return Rules(added)


def _read(
    paths: Sequence[Path], options: Options, rules: Rules, dropped: Counter[str]
) -> tuple[Requests, list[Any], int]:
    counts: Counter[Path] = Counter()

    def each(path: Path) -> Any:
        for span in read_spans(path, options.settings.get("class"), dropped):
            counts[path] += 1
            yield span

    spans = itertools.chain.from_iterable(each(path) for path in paths)
    requests = gather(spans, rules, dropped, options.seed)
    if requests.count < 2:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        fail("CAL007", f"{requests.count} requests with a model call are too few", paths[0],
             hint=f"left out: {reasons}" if reasons else "give more traces")  # fmt: skip
    if not any(requests.column(column).any() for column in ("input", *USES)):
        hint = "the spans need gen_ai.usage.input_tokens and output_tokens"
        fail("CAL005", "no model call says how many tokens it used", paths[0], hint=hint)
    if requests.last - requests.first > LONGEST_S:
        hint = "startTimeUnixNano and endTimeUnixNano count nanoseconds since 1970"
        fail("CAL008", "the spans lie decades apart: their times mix units", paths[0], hint=hint)
    sources = [source(path, counts[path]) for path in paths]
    return requests, sources, sum(counts.values()) - dropped["in a trace without a model call"]


def _mean(values: Floats, over: Floats | None = None) -> tuple[float, float, float]:
    """Mean of requests, or a ratio of sums, with its interval over groups of requests.

    What never happened in n requests may happen up to −ln(1 − level)/n times in one.
    """
    count = len(values)
    groups = min(count, GROUPS)
    group = np.arange(count) * groups // count
    weight = np.ones(count) if over is None else over
    if not values.any():
        return 0.0, 0.0, float(-np.log(1 - LEVEL) / max(weight.sum(), 1.0))
    top = np.bincount(group, values, minlength=groups)
    bottom = np.bincount(group, weight, minlength=groups)
    ends = jackknife(lambda w: (w @ top) / max(w @ bottom, 1e-300), groups)
    value, low, high = (float(end) for end in ends)
    return value, max(low, 0.0), high


def _rate(requests: Requests) -> tuple[float, float, float]:
    """Requests per second, over slices of time."""
    groups = slices(len(requests.rows))
    span = requests.last - requests.first
    since = (requests.column("start_s") - requests.first) / span
    group = np.clip((since * groups).astype(int), 0, groups - 1)
    counts = np.bincount(group, minlength=groups) * requests.count / len(requests.rows)
    ends = jackknife(lambda w: (w @ counts) / (w.sum() * span / groups), groups)
    rate, low, high = (float(end) for end in ends)
    return rate, max(low, 0.0), high


def _parameters(requests: Requests) -> list[Parameter]:
    def put(name: str, ends: tuple[float, float, float], unit: str, seen: Floats) -> Parameter:
        fit = {
            "method": f"mean over requests, jackknife over {min(len(seen), GROUPS)} groups",
            "rows": requests.count,
            "seen": [float(seen.min()), float(seen.max())],
        }
        return Parameter(name, *ends, unit, fit)

    found = []
    for use in TOKEN_USES:
        values = requests.column(use)
        found.append(put(f"{use}_tokens", _mean(values), "token", values))
    read = requests.column("input")
    if requests.cached_known and read.any():
        cached = requests.column("cached")
        found.append(put("cache_hit", _mean(cached, read), "1", cached / np.maximum(read, 1)))
    for name, (column, unit) in _PER_REQUEST.items():
        values = requests.column(column)
        found.append(put(name, _mean(values), unit, values))
    if requests.last > requests.first:
        found.append(put("requests_per_s", _rate(requests), "request/s", np.zeros(1)))
    waits, calls = requests.column("waits"), requests.column("calls")
    failed = requests.column("failed")
    found.append(put("failed_call_share", _mean(failed, calls), "1", failed / calls))
    if waits.any():
        waited = requests.column("waited_s")
        found.append(put("human_wait_s", _mean(waited, waits), "s", waited))
    return found


def _fragment(requests: Requests, parameters: list[Parameter]) -> dict[str, Any]:
    values = {p.name: float(f"{p.value:.6g}") for p in parameters}
    uses: dict[str, Any] = {"read": {"kind": "input"}} | {u: {"kind": "output"} for u in USES}
    kept = [use for use in TOKEN_USES if values[f"{use}_tokens"] > 0]
    for use in kept:
        uses[use]["reference_tokens"] = values[f"{use}_tokens"]
    models = {}
    for model in sorted(set(requests.models) - {"unknown"}):
        speed = {
            key: values[f"models.{model}.{key}"]
            for key in ("tpot_ms", "ttft_s")
            if f"models.{model}.{key}" in values
        }
        if "cache_hit" in values:
            speed["cache_hit"] = values["cache_hit"]
        if speed:
            models[slug(model)] = {"label": model, "api": speed}
    fragment: dict[str, Any] = {"token_uses": {use: uses[use] for use in kept}}
    return fragment | ({"models": models} if models else {})


def _grounds(fragment: dict[str, Any], parameters: list[Parameter]) -> dict[str, dict[str, Any]]:
    """What the fragment's numbers rest on."""
    found = {p.name: p for p in parameters}
    out: dict[str, dict[str, Any]] = {}

    def put(path: str, value: float, p: Parameter, most: float = math.inf) -> None:
        own = p.fit.get("seen") if path.startswith("token_uses") else None
        of: Driver | None = "value" if own else None
        out[path] = ground(value, p.low, p.high, p.unit, p.fit, of, own, most=most)

    for use, given in fragment["token_uses"].items():
        if "reference_tokens" in given:
            number = given["reference_tokens"]
            put(f"token_uses.{use}.reference_tokens", number, found[f"{use}_tokens"])
    for name, model in fragment.get("models", {}).items():
        for key, value in model["api"].items():
            p = found.get(f"models.{model['label']}.{key}") or found[key]
            put(f"models.{name}.api.{key}", value, p, 1.0 if key == "cache_hit" else math.inf)
    return out


def _observed(requests: Requests) -> pl.DataFrame:
    """What is done today by class, model and level of autonomy, for ``diagnose``."""
    columns = {name: requests.column(name) for name in (*TOKEN_USES, "cached", "calls", "wall_s")}
    asked = np.where(requests.column("waits") > 0, "asked", "free")
    frame = pl.DataFrame(
        {"class": requests.labels, "model": requests.models, "autonomy": asked, **columns}
    )
    keys = ["class", "model", "autonomy"]
    span = requests.last - requests.first
    share = requests.count / frame.height
    table = frame.group_by(keys).agg(pl.len().alias("requests"), pl.col(list(columns)).mean())
    return (
        table.with_columns(
            requests=pl.col("requests") * share,
            share=pl.col("requests") / pl.col("requests").sum().over("class"),
            requests_per_s=pl.col("requests") * share / span if span > 0 else None,
        )
        .rename({"wall_s": "latency_s", "cached": "cached_tokens"})
        .sort(keys)
        .select(
            *keys,
            "requests",
            "requests_per_s",
            "share",
            *TOKEN_USES,
            "cached_tokens",
            "calls",
            "latency_s",
        )  # fmt: skip
    )


def _notes(requests: Requests, rules: Rules) -> list[str]:
    notes = [
        "read_tokens are fresh input tokens of a request; plan, edit and verify are output "
        "tokens, by the names of calls and of the tools that follow them."
    ]
    if rules.unknown:
        names = ", ".join(f"{name} ({n:,})" for name, n in rules.unknown.most_common(5))
        notes.append(
            f"Tools that no rule knows count as planning: {names}. Mark them with "
            "`--option verify=word` and the like."
        )
    if not requests.cached_known:
        notes.append("No call says what it read from a cache: cache_hit is not known, not 0.")
    missing = requests.column("uncounted").sum() / requests.column("calls").sum()
    if missing > 0:
        notes.append(
            f"{missing:.1%} of calls do not say all their tokens, so that token means are too low."
        )
    if requests.reopened:
        notes.append(
            f"{requests.reopened:,} traces went on after others had filled the memory, and count "
            "as two requests: sort the spans by time."
        )
    return notes
