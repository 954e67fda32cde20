"""What engines write themselves: vLLM's benchmark results and its Prometheus metrics.

Formats: ``vllm bench serve --save-result`` (vllm/benchmarks/serve.py) and the text exposition
of ``/metrics`` with the ``vllm:`` prefix (docs.vllm.ai, usage/metrics). Of a benchmark only
the totals and the summary of times are read; ``generated_texts`` and other lists are never
looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from allocate.models.calibration import reading
from allocate.models.calibration.lanes import rows
from allocate.models.calibration.naming import shown
from allocate.models.calibration.reading import fail

_SAMPLE = re.compile(r"^(vllm:[a-z0-9_]+)(?:\{(.*)\})?\s+(\S+)(?:\s+(-?\d+))?\s*$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_PER_TOKEN = (
    "vllm:request_time_per_output_token_seconds",
    "vllm:time_per_output_token_seconds",
    "vllm:inter_token_latency_seconds",
)
MAX_METRICS = 1 << 26
"""Bytes of a file of metrics; one scrape is some 100 KB."""


def is_benchmark(document: Any) -> bool:
    """Whether a JSON document is a result of ``vllm bench serve``."""
    keys = ("total_output_tokens", "model_id", "completed")
    return isinstance(document, dict) and all(key in document for key in keys)


def benchmark(path: Path, settings: Mapping[str, str]) -> tuple[list[dict[str, Any]], int]:
    """Read results of ``vllm bench serve``: rows and how many runs completed nothing."""
    out, failed = [], 0
    for line, document in _documents(path):
        if not is_benchmark(document):
            hint = "one of `vllm bench serve --save-result`"
            fail("CAL002", "this is not a benchmark's result", path, line, hint=hint)
        completed = _number(document, "completed", path, line)
        if not completed:
            failed += 1
            continue
        record: dict[str, Any] = {"file": path.name, "line": line}
        record["isl"] = (_number(document, "total_input_tokens", path, line) or 0.0) / completed
        record["osl"] = (_number(document, "total_output_tokens", path, line) or 0.0) / completed
        for time in ("ttft", "tpot"):
            middle = _number(document, f"median_{time}_ms", path, line)
            record[f"{time}_ms"] = middle or _number(document, f"mean_{time}_ms", path, line)
        record["concurrency"] = _in_flight(document, record, completed, path, line)
        record["model"], record["engine"] = document["model_id"], "vllm"
        for name in (*rows.NAMES, *rows.SIZES):  # what --metadata key=value said
            said = next((document[a] for a in rows.ALIASES[name] if a in document), None)
            if name not in ("model", "engine") and said not in (None, ""):
                record[name] = said
            record.setdefault(name, settings.get(name))
        out.append(record)
    return out, failed


def _in_flight(
    document: dict[str, Any], record: dict[str, Any], completed: float, path: Path, line: int
) -> float | None:
    """Mean requests in flight: throughput × mean time in the system (Little's law)."""
    rate = _number(document, "request_throughput", path, line)
    duration = _number(document, "duration", path, line)
    rate = rate or (completed / duration if duration else None)
    mean = _number(document, "mean_e2el_ms", path, line)
    if mean is None and record["ttft_ms"] and record["tpot_ms"]:
        mean = record["ttft_ms"] + record["tpot_ms"] * max(0.0, record["osl"] - 1.0)
    limit = _number(document, "max_concurrency", path, line)
    found = rate * mean / 1e3 if rate and mean else None
    if limit and found:  # a short run ramps up and drains, which lowers its mean
        return limit if found > 0.5 * limit else found
    return limit or found


def _documents(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line, document): one, a list, or several after each other (--append-result)."""
    first = reading.first_line(path).strip()
    whole = first in ("{", "[") or not first.endswith("}")
    if not whole:
        yield from reading.json_lines(path)
        return
    document = reading.read_json(path)
    for entry in document if isinstance(document, list) else [document]:
        yield 1, entry


def _number(document: dict[str, Any], key: str, path: Path, line: int) -> float | None:
    value = document.get(key)
    if value is None or isinstance(value, int | float) and not isinstance(value, bool):
        return None if value is None else float(value)
    fail("CAL006", f"`{key}` is `{shown(value)}`, not a number", path, line)


# --- Prometheus -----------------------------------------------------------------------------


def is_metrics(text: str) -> bool:
    """Whether a text is vLLM's metrics."""
    return any(_SAMPLE.match(line) for line in text.splitlines())


def metrics(
    paths: Sequence[Path], settings: Mapping[str, str]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Read scrapes, in the order given: each pair of neighbours is one row.

    A single scrape counts since the engine started. Counters that fall mean a restart: the
    later scrape then stands for itself.
    """
    dropped: dict[str, int] = {}
    before: dict[str, dict[str, float]] = {}
    out, single = [], {}
    for path in paths:
        for line, scrape in _scrapes(path):
            for model, now in scrape.items():
                last = before.get(model)
                before[model] = now
                if last is None:
                    single[model] = (path, line, now)
                    continue
                grown = _difference(last, now)
                row = _row(grown, [last, now], model, path, line, settings)
                if row is None:
                    reason = "nothing was served between two scrapes"
                    dropped[reason] = dropped.get(reason, 0) + 1
                else:
                    out.append(row)
    seen = {row["model"] for row in out}
    for model, (path, line, now) in single.items():
        row = None if model in seen else _row(now, [now], model, path, line, settings)
        if row is not None:
            out.append(row)
    return out, dropped


def _scrapes(path: Path) -> Iterator[tuple[int, dict[str, dict[str, float]]]]:
    """Yield each scrape of a file: by model, sums of samples over engines and labels."""
    with reading.open_bytes(path) as file:
        raw = file.read(MAX_METRICS + 1)
    if len(raw) > MAX_METRICS:
        fail("CAL004", f"the metrics are larger than {MAX_METRICS >> 20} MiB", path)
    scrape: dict[str, dict[str, float]] = {}
    seen: set[str] = set()
    start, any_sample = 1, False
    for number, line in enumerate(reading.decode(raw, path).splitlines(), 1):
        sample = _SAMPLE.match(line)
        if not sample:
            continue
        name, labels, text, stamp = sample.groups()
        key = line[: sample.start(3)]
        if key in seen:  # the same series again: the next scrape begins
            yield start, scrape
            scrape, seen, start = {}, set(), number
        seen.add(key)
        pairs = dict(_LABEL.findall(labels or ""))
        try:
            value = float(text)
        except ValueError:
            fail("CAL006", f"the sample `{text[:40]}` is not a number", path, number)
        if "le" in pairs or not math.isfinite(value):
            continue
        any_sample = True
        of = scrape.setdefault(pairs.get("model_name", ""), {})
        of[name] = of.get(name, 0.0) + value
        if stamp:
            of["seconds"] = float(stamp) / 1e3
    if not any_sample:
        fail("CAL002", "there are no vLLM metrics in the file", path)
    yield start, scrape


def _difference(last: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    total = "vllm:generation_tokens_total"
    if now.get(total, 0.0) < last.get(total, 0.0):
        return now
    return {name: value - last.get(name, 0.0) for name, value in now.items()}


def _row(
    grown: dict[str, float],
    ends: list[dict[str, float]],
    model: str,
    path: Path,
    line: int,
    settings: Mapping[str, str],
) -> dict[str, Any] | None:
    first = grown.get("vllm:time_to_first_token_seconds_count", 0.0)
    done = grown.get("vllm:request_success_total") or first
    tokens = grown.get("vllm:generation_tokens_total", 0.0)
    per_token = next((n for n in _PER_TOKEN if grown.get(f"{n}_count")), None)
    if not done or not tokens or not first or per_token is None:
        return None
    running = [
        end["vllm:num_requests_running"] for end in ends if "vllm:num_requests_running" in end
    ]
    waiting = [end.get("vllm:num_requests_waiting", 0.0) for end in ends]
    flight = (sum(running) + sum(waiting)) / len(running) if running else None
    spent = grown.get("vllm:e2e_request_latency_seconds_sum")
    if spent and len(ends) == 2 and grown.get("seconds"):  # Little's law over the interval
        flight = spent / grown["seconds"]
    record: dict[str, Any] = {name: settings.get(name) for name in (*rows.NAMES, *rows.SIZES)}
    return record | {
        "model": model or settings.get("model"),
        "engine": "vllm",
        "isl": grown.get("vllm:prompt_tokens_total", 0.0) / done,
        "osl": tokens / done,
        "concurrency": flight,
        "ttft_ms": 1e3 * grown["vllm:time_to_first_token_seconds_sum"] / first,
        "tpot_ms": 1e3 * grown[f"{per_token}_sum"] / grown[f"{per_token}_count"],
        "file": path.name,
        "line": line,
    }
