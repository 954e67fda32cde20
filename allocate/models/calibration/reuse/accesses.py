"""Block hashes of requests → accesses in order, as arrays whose size is bounded.

Past ``MOST`` accesses, only blocks whose hash lies below a falling threshold are kept: a
sample of blocks with all their accesses (SHARDS: Waldspurger et al., FAST 2015), whose
distances are scaled by the sampling rate.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allocate.models.calibration.naming import shown
from allocate.models.calibration.reading import fail, json_lines, source
from allocate.models.calibration.result import Source

MOST = 4_000_000
BATCH = 1 << 18
MAX_GROUPS = 8
FIELDS = {
    "timestamp": "when the request came",
    "hash_ids": "list of its blocks' hashes, from the start of the prompt",
    "input_tokens": "length of its prompt",
    "group": "what kind of request it is; each gets its own curve",
}
_NAMES = {
    "timestamp": ("timestamp", "time", "arrived_at"),
    "hash_ids": ("hash_ids", "block_hashes"),
    "input_tokens": ("input_length", "input_tokens", "prompt_tokens"),
    "group": ("type", "group"),
}


@dataclass
class Accesses:
    """Accesses in time order; ``keys`` are mixed hashes, ``share`` the part of blocks kept."""

    times: NDArray[np.float64]
    keys: NDArray[np.uint64]
    groups: NDArray[np.int8]
    names: list[str]
    share: float = 1.0
    requests: int = 0
    tokens: float = 0.0
    block_tokens: int | None = None
    start: float = 0.0
    end: float = 0.0
    dropped: Counter[str] = field(default_factory=Counter)
    sources: list[Source] = field(default_factory=list)

    @property
    def span(self) -> float:
        """Seconds from the start to the last request."""
        return self.end - self.start


@dataclass
class _Keeper:
    """Gathers accesses and thins them when there are too many."""

    most: int = MOST
    limit: int = 2**64 - 1
    share: float = 1.0
    held: int = 0
    parts: list[tuple[Any, Any, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)

    def add(self, time: float, ids: Sequence[Any], group: int) -> None:
        self.times.append(time)
        self.sizes.append(len(ids))
        self.groups.append(group)
        self.ids.extend(ids)
        if len(self.ids) >= BATCH:
            self.flush()

    def flush(self) -> None:
        keys = _mix(_numbers(self.ids))
        times = np.repeat(np.array(self.times), self.sizes)
        groups = np.repeat(np.array(self.groups, dtype=np.int8), self.sizes)
        keep = keys <= np.uint64(self.limit)
        self.parts.append((times[keep], keys[keep], groups[keep]))
        self.held += int(keep.sum())
        self.times, self.sizes, self.groups, self.ids = [], [], [], []
        while self.held > self.most:
            self.limit //= 2
            self.share /= 2
            self.parts = [tuple(a[p[1] <= np.uint64(self.limit)] for a in p) for p in self.parts]  # type: ignore[misc]
            self.held = sum(len(p[0]) for p in self.parts)

    def arrays(self) -> tuple[Any, Any, Any]:
        self.flush()
        times, keys, groups = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        if np.any(np.diff(times) < 0):
            order = np.argsort(times, kind="stable")
            times, keys, groups = times[order], keys[order], groups[order]
        return times, keys, groups


def read_accesses(
    paths: Sequence[Path],
    columns: Mapping[str, str],
    settings: Mapping[str, float],
    unit_s: float | None = None,
    most: int = MOST,
) -> Accesses:
    """Read the block hashes of requests; times in seconds.

    Args:
        paths: files with one JSON object a line.
        columns: field → key, from ``--map``.
        settings: ``from_s`` and ``until_s`` keep requests from and before these times.
        unit_s: seconds in a unit of time; None takes milliseconds where Mooncake's names
            stand, else seconds.
        most: accesses kept before blocks are sampled.
    """
    keeper = _Keeper(most)
    result = Accesses(np.empty(0), np.empty(0, np.uint64), np.empty(0, np.int8), [])
    sizes: Counter[int] = Counter()
    low, high = settings.get("from_s", -math.inf), settings.get("until_s", math.inf)
    start, end = math.inf, -math.inf
    for path in paths:
        rows = 0
        keys: dict[str, str] | None = None
        scale = 1.0
        for line, record in json_lines(path):
            if keys is None:
                keys = _keys(record, columns, path, line)
                scale = unit_s or (1e-3 if "chat_id" not in record else 1.0)
            rows += 1
            time, ids, reason = _request(record, keys)
            if reason:
                result.dropped[reason] += 1
                continue
            time *= scale
            if not low <= time < high:
                result.dropped["outside the window asked for"] += 1
                continue
            start, end = min(start, time), max(end, time)
            tokens = _number(record.get(keys.get("input_tokens", "")))
            if tokens is not None and tokens > 0:
                sizes[_block_size(tokens, len(ids))] += 1
                result.tokens += tokens
            group = _group(record.get(keys.get("group", "")), result)
            result.requests += 1
            keeper.add(time, ids, group)
        result.sources.append(source(path, rows))
    if result.requests < 2 or end <= start:
        fail("CAL007", "fewer than two requests with times and hashes are left", paths[0])
    result.times, result.keys, result.groups = keeper.arrays()
    result.share, result.start, result.end = keeper.share, start, end
    result.block_tokens = _agreed(sizes)
    return result


def _keys(record: dict[str, Any], columns: Mapping[str, str], path: Path, line: int) -> dict:
    found = {}
    for name, known in _NAMES.items():
        wanted = (columns[name],) if name in columns else known
        key = next((k for k in wanted if k in record), None)
        if key is not None:
            found[name] = key
        elif name in columns or name in ("timestamp", "hash_ids"):
            there = ", ".join(shown(key) for key in list(record)[:12])
            hint = f"name it with `--map {name}=KEY`; this line has {there}"
            fail("CAL005", f"there is no key for {name}", path, line, 1, hint)
    return found


def _request(record: dict[str, Any], keys: dict[str, str]) -> tuple[float, list[Any], str]:
    time = _number(record.get(keys["timestamp"]))
    ids = record.get(keys["hash_ids"])
    if time is None:
        return 0.0, [], "no readable time"
    if not isinstance(ids, list):
        return 0.0, [], "no list of hashes"
    if not ids:
        return 0.0, [], "no complete block"
    if not all(isinstance(i, int | str) for i in ids):
        return 0.0, [], "a hash is neither a number nor a text"
    return time, ids, ""


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good and abs(value) < 1e300 else None


def _group(value: Any, result: Accesses) -> int:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return -1
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in str(value))[:40]
    if name not in result.names:
        if len(result.names) == MAX_GROUPS:
            return -1
        result.names.append(name)
    return result.names.index(name)


def _block_size(tokens: float, count: int) -> int:
    """The power of two that makes ``count`` blocks of ``tokens``; 0 where none does."""
    for size in (16, 32, 64, 128, 256, 512, 1024, 2048):
        if count in (math.ceil(tokens / size), math.floor(tokens / size)):
            return size
    return 0


def _agreed(sizes: Counter[int]) -> int | None:
    """Block size of most requests; short prompts fit several, so that the largest count wins."""
    if not sizes:
        return None
    size, count = sizes.most_common(1)[0]
    return size if size and count > 0.5 * sizes.total() else None


def _numbers(ids: list[Any]) -> NDArray[np.uint64]:
    """Hashes as 64-bit numbers: whole numbers by value, texts by BLAKE2b."""
    try:
        return np.array(ids, dtype=np.int64).astype(np.uint64)
    except (ValueError, OverflowError, TypeError):
        return np.array([_hash(i) for i in ids], dtype=np.uint64)


def _hash(value: int | str) -> int:
    if isinstance(value, int) or (value.isascii() and value.isdigit() and len(value) < 19):
        return int(value) % 2**64  # as the quick way has it
    digest = hashlib.blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _mix(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread keys evenly and one to one over 64 bits (splitmix64's finaliser)."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
