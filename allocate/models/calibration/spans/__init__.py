"""``calibrate spans``: agent traces → tokens by use, cache reads, retries and human waits.

Reads OpenTelemetry GenAI spans as OTLP JSON (new and old attribute names, OpenInference's
too), one document or one a line, and Langfuse's observations. A trace is a request. No text
of a prompt, an answer or an argument is read.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibrated import Driver
from allocate.models.calibration.grounds import ground
from allocate.models.calibration.naming import unique_slugs
from allocate.models.calibration.reading import fail, source
from allocate.models.calibration.result import Calibration, Options, Parameter
from allocate.models.calibration.spans.figures import TOKEN_USES, figures
from allocate.models.calibration.spans.formats import read_spans, recognise
from allocate.models.calibration.spans.requests import Requests, gather
from allocate.models.calibration.spans.rules import STEMS, USES, Rules
from allocate.models.calibration.spans.speed import speeds

__all__ = ["FIELDS", "OPTIONS", "calibrate", "check", "detects"]

FIELDS: dict[str, str] = {}
OPTIONS = {
    "class": "attribute (Langfuse: key of metadata) that names the class of a request",
    **{use: f"words that mark a tool or span as {use}: word,word" for use in STEMS},
}
LONGEST_S = 1e9
"""Thirty years: no log is longer, and times in ms or s lie further from those in ns."""


def detects(path: Path) -> str | None:
    """Know a file by the keys at its beginning."""
    return recognise(path)


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Count what requests spend their tokens and time on."""
    rules = _rules(options)
    dropped: Counter[str] = Counter()
    requests, sources, used = _read(paths, options, rules, dropped)
    cost = speeds(requests)
    parameters = figures(requests) + cost
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
    measured = {p.name: p for p in figures(later)}
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
            "within_interval": bool(abs(p.value - other.value) <= reach)
            if reach == reach
            else None,
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
    """Requests, the sources with all spans that they hold, and how many of these are used."""
    counts: Counter[Path] = Counter()
    unread: Counter[str] = Counter()

    def each(path: Path) -> Any:
        before = unread.total()
        for span in read_spans(path, options.settings.get("class"), unread):
            counts[path] += 1
            yield span
        counts[path] += unread.total() - before

    spans = itertools.chain.from_iterable(each(path) for path in paths)
    requests = gather(spans, rules, dropped, options.seed)
    dropped.update(unread)
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
    return requests, sources, counts.total() - dropped.total()


def _fragment(requests: Requests, parameters: list[Parameter]) -> dict[str, Any]:
    values = {p.name: float(f"{p.value:.6g}") for p in parameters}
    uses: dict[str, Any] = {"read": {"kind": "input"}} | {u: {"kind": "output"} for u in USES}
    kept = [use for use in TOKEN_USES if values[f"{use}_tokens"] > 0]
    for use in kept:
        uses[use]["reference_tokens"] = values[f"{use}_tokens"]
    names = unique_slugs(sorted(set(requests.models) - {"unknown"}))
    models = {}
    for model in names:
        speed = {
            key: values[f"models.{model}.{key}"]
            for key in ("tpot_ms", "ttft_s")
            if f"models.{model}.{key}" in values
        }
        models[names[model]] = {"label": model} | ({"api": speed} if speed else {})
    fragment: dict[str, Any] = {"token_uses": {use: uses[use] for use in kept}}
    return fragment | ({"models": models} if models else {})


def _grounds(fragment: dict[str, Any], parameters: list[Parameter]) -> dict[str, dict[str, Any]]:
    """What the fragment's numbers rest on."""
    found = {p.name: p for p in parameters}
    out: dict[str, dict[str, Any]] = {}

    def put(path: str, value: float, p: Parameter) -> None:
        own = p.fit.get("seen") if path.startswith("token_uses") else None
        of: Driver | None = "value" if own else None
        out[path] = ground(value, p.low, p.high, p.unit, p.fit, of, own)

    for use, given in fragment["token_uses"].items():
        if "reference_tokens" in given:
            number = given["reference_tokens"]
            put(f"token_uses.{use}.reference_tokens", number, found[f"{use}_tokens"])
    for name, model in fragment.get("models", {}).items():
        for key, value in model.get("api", {}).items():
            put(f"models.{name}.api.{key}", value, found[f"models.{model['label']}.{key}"])
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
    notes += _cache_notes(requests)
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


def _cache_notes(requests: Requests) -> list[str]:
    """What is known of caches, and what a config takes instead of the share."""
    if not requests.column("cache_input").any():
        return ["No call says what it read from a cache: cache_hit is not known, not 0."]
    notes = [
        "cache_hit is a share of all input tokens, that of a config one of prefix tokens: the "
        "fragment leaves it out, and `allocate init --from` turns it into both."
    ]
    silent = requests.column("silent").sum()
    if silent:
        share = silent / requests.column("calls").sum()
        notes.append(
            f"{share:.1%} of calls do not say what they read from a cache: cache_hit is that of "
            "the others, and all input of these counts as fresh, so that read_tokens may be too "
            "high and cached_tokens too low."
        )
    return notes
