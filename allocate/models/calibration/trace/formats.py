"""Request logs in their published formats → blocks of arrival times and token counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from allocate.models.calibration.mapping import choose
from allocate.models.calibration.reading import csv_frames, fail, first_line, json_lines
from allocate.models.calibration.trace.clock import Clock

FIELDS = {
    "timestamp": "when the request came: a date or a number",
    "input_tokens": "length of its prompt",
    "output_tokens": "tokens that were generated",
}
ALIASES = {
    "timestamp": (
        "TIMESTAMP",
        "arrived_at",
        "arrival_timestamp",
        "arrival_time",
        "arrival_time_s",
        "timestamp_ms",
        "time",
        "start_time",
    ),
    "input_tokens": (
        "ContextTokens",
        "num_prefill_tokens",
        "prompt_size",
        "Request tokens",
        "input_tokens",
        "prompt_tokens",
        "input_length",
        "num_input_tokens",
    ),
    "output_tokens": (
        "GeneratedTokens",
        "num_decode_tokens",
        "token_size",
        "Response tokens",
        "output_tokens",
        "completion_tokens",
        "output_length",
        "num_output_tokens",
    ),
}
_KNOWN = (
    ("Azure LLM inference trace (CSV)", {"TIMESTAMP", "ContextTokens", "GeneratedTokens"}),
    ("BurstGPT trace (CSV)", {"Timestamp", "Request tokens", "Response tokens"}),
    ("Vidur processed trace (CSV)", {"arrived_at", "num_prefill_tokens", "num_decode_tokens"}),
    ("Splitwise-sim trace (CSV)", {"arrival_timestamp", "prompt_size", "token_size"}),
)
_MOONCAKE = {"timestamp", "input_length", "output_length"}
MOST_TOKENS = 1e8
_RECORDS = 50_000


@dataclass
class Requests:
    """A block of requests: columns ``time`` (s), ``input`` and ``output`` (tokens)."""

    frame: pl.DataFrame
    rows: int


def recognise(path: Path) -> str | None:
    """Say which format a file is, from its first line."""
    line = first_line(path)
    if line.lstrip().startswith("{"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not _MOONCAKE <= record.keys():
            return None
        if "chat_id" in record:
            return "Qwen-Bailian trace (JSON lines, times in s)"
        return "Mooncake trace (JSON lines, times in ms)"
    header = {name.strip().strip('"') for name in line.split(",")}
    return next((name for name, columns in _KNOWN if columns <= header), None)


def read_requests(
    path: Path, columns: Mapping[str, str], unit: str | None, dropped: Counter[str]
) -> Iterator[tuple[Requests, Clock]]:
    """Yield the requests of a file in blocks; rows that cannot be used are counted.

    Args:
        path: the file.
        columns: field → column, from ``--map``.
        unit: of times that are numbers; None tells it from the format and the values.
        dropped: reason → rows, added to.
    """
    clock = Clock(path, unit)
    named: dict[str, str] | None = None
    for line, frame in _frames(path, columns):
        if named is None:
            named = choose(frame.columns, ALIASES, columns, path, tuple(FIELDS))
            column = named["timestamp"].casefold()
            if unit is None:
                clock.unit = next((u for u in ("ms", "us", "ns") if column.endswith(f"_{u}")), None)
            if unit is None and _is_mooncake(frame.columns):
                clock.unit = "s" if "chat_id" in frame.columns else "ms"
        yield _block(frame, named, clock, line, dropped), clock


def _is_mooncake(columns: list[str]) -> bool:
    return set(columns) >= _MOONCAKE


def _frames(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, pl.DataFrame]]:
    if not first_line(path).lstrip().startswith("{"):
        yield from csv_frames(path)
        return
    wanted: set[str] | None = None
    start, batch = 1, []
    for line, record in json_lines(path):
        if wanted is None:
            wanted = _wanted(record, columns)
        batch.append({key: _cell(record.get(key)) for key in wanted})
        if len(batch) == _RECORDS:
            yield start, _frame(batch, wanted)
            start, batch = line + 1, []
    if wanted is None:
        fail("CAL003", "the file holds no lines", path)
    if batch:
        yield start, _frame(batch, wanted)


def _wanted(record: dict[str, Any], columns: Mapping[str, str]) -> set[str]:
    """Keys worth keeping: never a text that somebody wrote."""
    names = {name.casefold() for known in ALIASES.values() for name in known} | {"timestamp"}
    marks = {"hash_ids", "chat_id"}
    mapped = set(columns.values())
    return {k for k in record if k.casefold() in names or k in mapped or k in marks}


def _cell(value: Any) -> str | None:
    return None if value is None or isinstance(value, list | dict | bool) else str(value)


def _frame(batch: list[dict[str, Any]], wanted: set[str]) -> pl.DataFrame:
    return pl.DataFrame(batch, schema=dict.fromkeys(sorted(wanted), pl.String))


def _block(
    frame: pl.DataFrame, named: dict[str, str], clock: Clock, line: int, dropped: Counter[str]
) -> Requests:
    block = pl.DataFrame({
        "time": clock.seconds(frame[named["timestamp"]], line),
        "input": _tokens(frame[named["input_tokens"]]),
        "output": _tokens(frame[named["output_tokens"]]),
    })  # fmt: skip
    reasons = {
        "no readable time": pl.col("time").is_null(),
        "input tokens are not a number": pl.col("input").is_null(),
        "output tokens are not a number": pl.col("output").is_null(),
        "negative tokens": (pl.col("input") < 0) | (pl.col("output") < 0),
        "more than 100 million tokens": pl.max_horizontal("input", "output") > MOST_TOKENS,
        "no tokens at all": (pl.col("input") == 0) & (pl.col("output") == 0),
    }
    for reason, wrong in reasons.items():
        kept = block.filter(~wrong)
        if kept.height < block.height:
            dropped[reason] += block.height - kept.height
        block = kept
    return Requests(block, frame.height)


def _tokens(texts: pl.Series) -> pl.Series:
    numbers = texts.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite().fill_null(True), None)
