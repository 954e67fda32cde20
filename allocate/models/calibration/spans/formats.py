"""Agent traces in OTLP JSON or Langfuse's export → spans with counts and times only.

Attributes are taken by name from the lists below; whatever else a span carries, such as the
text of a prompt, an answer or a tool's arguments, is passed over.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from allocate.models.calibration.private import without_paths
from allocate.models.calibration.reading import fail, head, json_lines, read_json

# New names first (OpenTelemetry GenAI), then deprecated ones and those of OpenInference.
_INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
          "llm.usage.prompt_tokens")  # fmt: skip
_OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens",
           "llm.token_count.completion", "llm.usage.completion_tokens")  # fmt: skip
_CACHED = ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
           "gen_ai.usage.input_tokens.cached",
           "llm.token_count.prompt_details.cache_read")  # fmt: skip
_MODEL = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name")
_TOOL = ("gen_ai.tool.name", "tool.name")
_AGENT = ("gen_ai.agent.name",)
_OPERATION = ("gen_ai.operation.name", "llm.request.type")
_KIND = ("openinference.span.kind", "traceloop.span.kind")
_CALLS = {"chat", "text_completion", "generate_content", "completion", "llm"}
_SENTENCE = "a sentence"
_HEX = re.compile(r"[^0-9A-Za-z_.:-]+")


@dataclass(frozen=True, slots=True)
class Span:
    """One step of an agent. Times in seconds since 1970, tokens as counted by the provider."""

    trace: str
    kind: str
    """``call`` of a model, ``tool``, or ``other``."""
    name: str
    """Tool, agent or span name; only compared with rules."""
    start: float
    end: float
    model: str | None
    input: float | None
    """All input tokens, those read from a cache too."""
    cached: float | None
    output: float | None
    failed: bool
    label: str | None = None
    """Class of the request, where an attribute says it."""


def recognise(path: Path) -> str | None:
    """Say which format a file is, from its beginning."""
    start = head(path).decode("utf-8", "replace")
    if not start.lstrip("\ufeff \n\r\t").startswith(("{", "[")):
        return None
    if re.search(r'"(resourceSpans|resource_spans)"\s*:', start):
        return "OpenTelemetry spans (OTLP JSON)"
    if '"traceId"' in start and re.search(r'"type"\s*:\s*"[A-Z]+"', start):
        return "Langfuse observations (JSON)"
    return None


def read_spans(path: Path, label: str | None, dropped: Counter[str]) -> Iterator[Span]:
    """Yield the spans of a file; what cannot be used is counted by reason.

    Args:
        path: one JSON document, or one a line, which is streamed.
        label: attribute that names the class of a request, or None.
        dropped: reason → spans, added to.
    """
    for document in _documents(path):
        for record, is_otel in _records(document, dropped):
            span = _otel(record, label) if is_otel else _langfuse(record, label)
            if isinstance(span, str):
                dropped[span] += 1
                continue
            if span.label == _SENTENCE:  # names hold no spaces
                hint = "name an attribute that holds a kind of request, such as `bugfix`"
                fail("CAL009", f"`{label}` holds sentences, not classes", path, hint=hint)
            yield span


def _documents(path: Path) -> Iterator[Any]:
    start = head(path).removeprefix(b"\xef\xbb\xbf").lstrip()
    first, newline, _ = start.partition(b"\n")
    try:
        whole_line = bool(newline) and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        whole_line = False
    if whole_line:
        yield from (record for _, record in json_lines(path))
    else:
        yield read_json(path)


def _records(document: Any, dropped: Counter[str]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Find spans (True: of OpenTelemetry) in what a document may be."""
    if isinstance(document, list):
        for item in document:
            yield from _records(item, dropped)
        return
    if not isinstance(document, dict):
        dropped["not an object"] += 1
        return
    resources = _either(document, "resourceSpans", "resource_spans")
    inner = document.get("data") or document.get("observations")
    if isinstance(resources, list):
        for resource in resources:
            for scope in _items(resource, "scopeSpans", "scope_spans",
                                "instrumentationLibrarySpans"):  # fmt: skip
                yield from ((span, True) for span in _items(scope, "spans"))
    elif isinstance(inner, list):
        yield from _records(inner, dropped)
    elif "traceId" in document and "type" in document:
        yield document, False
    else:
        dropped["neither a span nor an observation"] += 1


def _either(record: Mapping[str, Any], *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _items(record: Any, *names: str) -> list[Mapping[str, Any]]:
    found = _either(record, *names) if isinstance(record, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


# --- OpenTelemetry ---------------------------------------------------------------------------


def _otel(record: Mapping[str, Any], label: str | None) -> Span | str:
    trace = _either(record, "traceId", "trace_id")
    start = _number(_either(record, "startTimeUnixNano", "start_time_unix_nano"))
    end = _number(_either(record, "endTimeUnixNano", "end_time_unix_nano"))
    if not isinstance(trace, str) or not trace:
        return "no trace id"
    if start is None or end is None or end < start:
        return "no readable times"
    wanted = {*_INPUT, *_OUTPUT, *_CACHED, *_MODEL, *_TOOL, *_AGENT, *_OPERATION, *_KIND}
    attributes = {
        item["key"]: _value(item.get("value"))
        for item in _items(record, "attributes")
        if item.get("key") in wanted or (label and item.get("key") == label)
    }
    read, wrote, cached = (
        _number(_either(attributes, *names)) for names in (_INPUT, _OUTPUT, _CACHED)
    )
    status = record.get("status")
    code = status.get("code") if isinstance(status, dict) else None
    span_name = str(record.get("name") or "")
    tool = _either(attributes, *_TOOL)
    name = without_paths(str(tool or _either(attributes, *_AGENT) or span_name))
    return Span(
        trace,
        _kind(attributes, tool, span_name, read is not None or wrote is not None),
        name[:200],
        start / 1e9,
        end / 1e9,
        _text(_either(attributes, *_MODEL)),
        _with_cached(read, cached),
        cached,
        wrote,
        code in (2, "STATUS_CODE_ERROR"),
        _label(attributes.get(label)) if label else None,
    )


def _kind(attributes: Mapping[str, Any], tool: Any, name: str, counted: bool) -> str:
    operation = str(_either(attributes, *_OPERATION) or "").casefold()
    kind = str(_either(attributes, *_KIND) or "").casefold()
    if tool is not None or operation == "execute_tool" or kind == "tool":
        return "tool"
    if name.startswith("execute_tool "):
        return "tool"
    if operation in _CALLS or kind == "llm":
        return "call"
    # Agents and workflows repeat the sums of their calls.
    return "call" if counted and not operation and not kind else "other"


def _with_cached(read: float | None, cached: float | None) -> float | None:
    """The convention counts cached tokens as input; where they are more, they were left out."""
    return read + cached if read is not None and cached and cached > read else read


def _value(value: Any) -> Any:
    """A scalar of OTLP's AnyValue; lists and maps may hold text and are not looked at."""
    if not isinstance(value, dict):
        return None
    return _either(value, "stringValue", "intValue", "doubleValue", "boolValue", "string_value",
                   "int_value", "double_value", "bool_value")  # fmt: skip


# --- Langfuse --------------------------------------------------------------------------------

_CACHE_READ = ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read", "cached")


def _langfuse(record: Mapping[str, Any], label: str | None) -> Span | str:
    trace, start = record.get("traceId"), _time(record.get("startTime"))
    if not isinstance(trace, str) or not trace:
        return "no trace id"
    if start is None:
        return "no readable times"
    end = _time(record.get("endTime"))
    kind = str(record.get("type", "")).upper()
    if kind in ("EVENT", "AGENT", "CHAIN", "EMBEDDING"):
        return f"{kind.lower()}: holds no call"
    details, usage = record.get("usageDetails"), record.get("usage")
    cached = None
    if isinstance(details, dict) and details:
        # Every key is a part of the total, so that `input` leaves out what was cached.
        cached = _number(_either(details, *_CACHE_READ))
        parts = {k: _number(v) for k, v in details.items()}
        read = sum(v for k, v in parts.items() if v and (k.startswith("input") or "cache" in k))
        read = read if "input" in parts else None
        wrote = parts.get("output")
    elif isinstance(usage, dict):
        read, wrote = (_number(_either(usage, *n)) for n in
                       (("input", "promptTokens"), ("output", "completionTokens")))  # fmt: skip
    else:
        read = wrote = None
    metadata = record.get("metadata")
    named = metadata.get(label) if label and isinstance(metadata, dict) else None
    return Span(
        trace,
        "call" if kind == "GENERATION" else "tool" if kind in ("TOOL", "RETRIEVER") else "other",
        without_paths(str(record.get("name") or ""))[:200],
        start,
        max(end if end is not None else start, start),
        _text(record.get("model")),
        read,
        cached,
        wrote,
        record.get("level") == "ERROR",
        _label(named),
    )


def _time(value: Any) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _number(value: Any) -> float | None:
    """A count or time, also written as text (OTLP writes 64-bit numbers so); else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _text(value: Any) -> str | None:
    """A short name of plain characters, of a path its last part; or None."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    return _HEX.sub("_", without_paths(str(value)))[:60].strip("_") or None


def _label(value: Any) -> str | None:
    """The same of a class's name; ``_SENTENCE`` where somebody wrote more than a name."""
    text = str(value)
    return _SENTENCE if len(text) > 60 or len(text.split()) > 6 else _text(value)
