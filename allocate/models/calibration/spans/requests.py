"""Spans → requests: one row a trace, with tokens by use, cache reads, retries and waits."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from allocate.models.calibration.spans.formats import Span
from allocate.models.calibration.spans.rules import USES, Rules

OPEN_SPANS = 400_000
ROWS = 200_000
CALLS = 20_000
MOST_MODELS = 50
COLUMNS = (
    "calls", "input", "cached", "cache_input", "silent", "read", "plan", "edit", "verify",
    "retries", "failed", "waits", "waited_s", "tool_s", "wall_s", "uncounted", "start_s",
)  # fmt: skip
"""Of a request. ``cached`` and ``cache_input`` are sums over the calls that say both what they read
and what of it a cache had; ``silent`` is how many calls say only what they read."""


@dataclass
class Requests:
    """Rows of requests; ``at`` draws an even sample of them past ``ROWS``."""

    seed: int
    rows: list[tuple[float, ...]] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    count: int = 0
    first: float = np.inf
    last: float = -np.inf
    reopened: int = 0
    calls: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Model → (output tokens, seconds) of calls, the first ``CALLS`` of each."""

    def __post_init__(self) -> None:
        self._draw = np.random.default_rng(self.seed)

    def add(self, row: tuple[float, ...], model: str, label: str) -> None:
        """Keep a request, or let it take the place of another (Vitter 1985, R)."""
        self.count += 1
        if len(self.rows) < ROWS:
            self.rows.append(row)
            self.models.append(model)
            self.labels.append(label)
        elif (place := int(self._draw.integers(self.count))) < ROWS:
            self.rows[place], self.models[place], self.labels[place] = row, model, label

    def column(self, name: str) -> np.ndarray:
        """One column of the rows."""
        at = COLUMNS.index(name)
        return np.array([row[at] for row in self.rows], dtype=np.float64)


def gather(spans: Iterable[Span], rules: Rules, dropped: Counter[str], seed: int) -> Requests:
    """Join spans to requests; past ``OPEN_SPANS``, those longest untouched are closed."""
    result = Requests(seed)
    waiting: OrderedDict[bytes, list[Span]] = OrderedDict()
    closed: set[bytes] = set()
    held = 0
    for span in spans:
        key = hashlib.blake2b(span.trace.encode("utf-8", "replace"), digest_size=8).digest()
        if key not in waiting:
            result.reopened += key in closed
            waiting[key] = []
        waiting[key].append(span)
        waiting.move_to_end(key)
        held += 1
        while held > OPEN_SPANS and len(waiting) > 1:
            oldest, parts = waiting.popitem(last=False)
            held -= len(parts)
            if len(closed) < 1_000_000:
                closed.add(oldest)
            _close(parts, rules, result, dropped)
    for parts in waiting.values():
        _close(parts, rules, result, dropped)
    return result


def _close(spans: list[Span], rules: Rules, result: Requests, dropped: Counter[str]) -> None:
    spans.sort(key=lambda span: (span.start, span.end))
    calls = [span for span in spans if span.kind == "call"]
    if not calls:
        dropped["in a trace without a model call"] += len(spans)
        return
    tools = [span for span in spans if span.kind == "tool"]
    waits = [span for span in spans if span.kind != "call" and rules.use(span.name) == "human"]
    written = _by_use(calls, tools, rules)
    counted = [(c.input, c.cached) for c in calls if c.input is not None]
    told = [(read, cached) for read, cached in counted if cached is not None]
    output: Counter[str] = Counter()
    for call in calls:
        if call.model:
            output[call.model] += int(call.output or 0) + 1
            times = result.calls.get(call.model)
            if times is None and len(result.calls) < MOST_MODELS:
                times = result.calls[call.model] = []
            if times is not None and len(times) < CALLS and call.output and not call.failed:
                times.append((call.output, call.end - call.start))
    result.first = min(result.first, spans[0].start)
    result.last = max(result.last, spans[-1].start)
    start, end = spans[0].start, max(span.end for span in spans)
    row = (
        float(len(calls)),
        sum(read for read, _ in counted),
        sum(cached for _, cached in told),
        sum(read for read, _ in told),
        float(len(counted) - len(told)),
        sum(read - (cached or 0.0) for read, cached in counted),
        *(written[use] for use in USES),
        float(_retries(calls) + _retries(tools)),
        float(sum(c.failed for c in calls)),
        float(len(waits)),
        sum(w.end - w.start for w in waits),
        sum(t.end - t.start for t in tools if rules.use(t.name) != "human"),
        end - start,
        float(sum(c.output is None or c.input is None for c in calls)),
        start,
    )
    label = next((span.label for span in spans if span.label), "all")
    result.add(row, output.most_common(1)[0][0] if output else "unknown", label)


def _by_use(calls: list[Span], tools: list[Span], rules: Rules) -> dict[str, float]:
    """Share out the tokens that calls wrote.

    The call's own name decides (a planner, a reviewer); else the tools that follow it before
    the next call, in equal parts; reading is decided on, so that it counts as planning. A
    last call without a tool writes the answer: editing. What is left is planning.
    """
    written: dict[str, float] = dict.fromkeys(USES, 0.0)
    at = 0
    for i, call in enumerate(calls):
        until = calls[i + 1].start if i + 1 < len(calls) else np.inf
        while at < len(tools) and tools[at].start < call.start:
            at += 1
        after = at
        uses = []
        while after < len(tools) and tools[after].start < until:
            uses.append(rules.tool(tools[after].name))
            after += 1
        uses = [use for use in uses if use != "human"] or uses  # to ask takes no share
        own = rules.use(call.name)
        if own in USES:
            uses = [own]
        elif not uses:
            uses = ["edit" if i + 1 == len(calls) else "plan"]
        for use in uses:
            written[use if use in USES else "plan"] += (call.output or 0.0) / len(uses)
    return written


def _retries(spans: list[Span]) -> int:
    """How often something that failed was done again, by name."""
    failed: set[str] = set()
    again = 0
    for span in spans:
        again += span.name in failed
        failed.discard(span.name)
        if span.failed:
            failed.add(span.name)
    return again
