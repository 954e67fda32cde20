"""Sums over a log of any length: counts in bins of time, gaps, and a sample of requests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from allocate.models.calibration.reading import fail, source
from allocate.models.calibration.result import Source
from allocate.models.calibration.statistics import Floats
from allocate.models.calibration.trace.formats import read_requests

MOST_BINS = 1 << 20
SAMPLE = 200_000
_EMPTY = {"bin": pl.Int64, "requests": pl.Int64, "input": pl.Float64, "output": pl.Float64}


@dataclass
class Log:
    """What is kept of a log; its size does not grow with the log's."""

    width: int = 1
    """Seconds in a bin of time, a power of two."""
    bins: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_EMPTY))
    sample: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema=dict.fromkeys(("time", "input", "output", "key"), pl.Float64)
        )
    )
    """Requests drawn evenly, all of them up to ``SAMPLE``, in time order once read."""
    requests: int = 0
    first: float = math.inf
    last: float = -math.inf
    longest_gap: float = 0.0
    gap_squares: float = 0.0
    in_order: bool = True
    absolute: bool = False
    dropped: Counter[str] = field(default_factory=Counter)
    sources: list[Source] = field(default_factory=list)

    @property
    def span(self) -> float:
        """Seconds from the first request to the last."""
        return self.last - self.first

    def add(self, block: pl.DataFrame, draw: np.random.Generator) -> None:
        """Take in a block of requests."""
        if not block.height:
            return
        times = block["time"].to_numpy()
        self._gaps(times)
        self.requests += block.height
        self.first, self.last = min(self.first, times.min()), max(self.last, times.max())
        new = _binned(block, self.width)
        self.bins = _summed(pl.concat([self.bins, new]))
        while self.bins.height > MOST_BINS:
            self.width *= 2
            self.bins = _summed(self.bins.with_columns(pl.col("bin") // 2))
        keyed = block.with_columns(key=pl.Series(draw.random(block.height)))
        self.sample = pl.concat([self.sample, keyed])
        if self.sample.height > SAMPLE:
            self.sample = self.sample.bottom_k(SAMPLE, by="key")

    def _gaps(self, times: Floats) -> None:
        if self.requests:
            times = np.append(self.last, times)
        gaps = np.diff(times)
        if len(gaps):
            self.in_order &= bool(gaps.min() >= 0)
            self.longest_gap = max(self.longest_gap, float(gaps.max()))
            self.gap_squares += float(gaps @ gaps)


def _binned(block: pl.DataFrame, width: int) -> pl.DataFrame:
    return _summed(
        block.select(
            bin=(pl.col("time") / width).floor().cast(pl.Int64),
            requests=pl.lit(1, pl.Int64),
            input="input",
            output="output",
        )
    )


def _summed(bins: pl.DataFrame) -> pl.DataFrame:
    return bins.group_by("bin").agg(pl.col("requests", "input", "output").sum())


def read_log(
    paths: Sequence[Path],
    columns: Mapping[str, str],
    unit: str | None,
    window: Mapping[str, float],
    seed: int,
) -> Log:
    """Read a log, possibly in several files on one clock.

    Args:
        paths: the files.
        columns: field → column, from ``--map``.
        unit: of times that are numbers, or None.
        window: ``from_s`` and ``until_s``, seconds from the first request.
        seed: of the sample.
    """
    log, draw = Log(), np.random.default_rng(seed)
    origin: float | None = None
    for path in paths:
        rows = 0
        for requests, clock in read_requests(path, columns, unit, log.dropped):
            rows += requests.rows
            log.absolute |= clock.absolute
            block = requests.frame
            if origin is None and block.height:
                origin = float(block["time"][0])
            log.add(_within(block, origin or 0.0, window, log.dropped), draw)
        log.sources.append(source(path, rows))
    if log.requests < 20 or log.span <= 0:
        message = f"{log.requests} usable requests within {max(log.span, 0):g} s are too few"
        reasons = ", ".join(f"{reason}: {count}" for reason, count in log.dropped.items())
        hint = f"rows left out: {reasons}" if reasons else "give a longer log"
        fail("CAL007", message, paths[0], hint=hint)
    log.bins = log.bins.sort("bin")
    log.sample = log.sample.sort("time")
    return log


def _within(
    block: pl.DataFrame, origin: float, window: Mapping[str, float], dropped: Counter[str]
) -> pl.DataFrame:
    if not window:
        return block
    since = pl.col("time") - origin
    low, high = window.get("from_s", -math.inf), window.get("until_s", math.inf)
    kept = block.filter((since >= low) & (since < high))
    dropped["outside the window asked for"] += block.height - kept.height
    return kept
