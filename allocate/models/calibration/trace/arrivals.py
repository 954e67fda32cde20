"""Rates, bursts and the shape of a day, from counts in bins of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from allocate.models.calibration.statistics import LOWER, UPPER, Floats, jackknife, slices
from allocate.models.calibration.trace.stream import Log

BURST_S = 60.0
BURST_QUANTILE = 0.9
HOURS = 24
DAY_S = 86400.0
LEAST_DAY_S = 20 * 3600.0
MOST_ROWS = 96


@dataclass(frozen=True)
class Slices:
    """Sums in equal slices of the log's time."""

    seconds: float
    requests: Floats
    input: Floats
    output: Floats

    def mean(self, column: str) -> tuple[float, float, float]:
        """Mean tokens of a request with its interval."""
        sums, counts = getattr(self, column), self.requests
        return _three(jackknife(lambda w: (w @ sums) / max(w @ counts, 1e-300), len(counts)))

    def rate(self) -> tuple[float, float, float]:
        """Requests per second with its interval: its slices hold the bursts together."""
        counts = self.requests
        return _three(jackknife(lambda w: (w @ counts) / (w.sum() * self.seconds), len(counts)))


def _three(ends: tuple[Floats, Floats, Floats]) -> tuple[float, float, float]:
    value, low, high = (float(end) for end in ends)
    return value, max(low, 0.0), high


def cut(log: Log, count: int | None = None) -> Slices:
    """Cut a log into equal slices of time."""
    count = count or slices(log.requests)
    at = slice_of(_middle(log), log, count)
    sums = (
        np.bincount(at, log.bins[name].to_numpy(), minlength=count).astype(np.float64)
        for name in ("requests", "input", "output")
    )
    return Slices(log.span / count, *sums)


def slice_of(times: Floats, log: Log, count: int) -> NDArray[np.int64]:
    """Which of ``count`` slices each time falls into."""
    return np.clip(((times - log.first) / log.span * count).astype(np.int64), 0, count - 1)


def _middle(log: Log) -> Floats:
    return (log.bins["bin"].to_numpy() + 0.5) * log.width


def per_second(log: Log) -> tuple[Floats, float]:
    """Requests in each bin from the first to the last, empty ones too, and a bin's seconds."""
    index = log.bins["bin"].to_numpy()
    counts = np.zeros(int(index[-1] - index[0]) + 1)
    counts[index - index[0]] = log.bins["requests"].to_numpy()
    return counts, float(log.width)


def burstiness(log: Log, window_s: float) -> tuple[tuple[float, float, float], float, int]:
    """φ: requests in a busy window over the mean, at the 90th percentile of whole windows.

    Returns:
        The value with its interval; the window used, in seconds (shorter where the log has
        fewer than 20 of the one asked for); and how many there were.
    """
    counts, width = per_second(log)
    per = max(1, round(min(window_s, log.span / 20) / width))
    windows = counts[: len(counts) // per * per].reshape(-1, per).sum(axis=1)
    mean = float(windows.mean())
    busy = (float(np.quantile(windows, BURST_QUANTILE)), *quantile_interval(windows))
    value, low, high = (max(1.0, count / mean) for count in busy)
    return (value, low, high), per * width, len(windows)


def quantile_interval(counts: Floats) -> tuple[float, float]:
    """Interval of ``BURST_QUANTILE`` from order statistics (binomial, no shape assumed).

    Windows that go together count for fewer: n(1 − ρ)/(1 + ρ) with their correlation ρ.
    """
    from scipy.stats import binom

    apart = counts - counts.mean()
    spread = float(apart @ apart)
    together = max(0.0, float(apart[1:] @ apart[:-1]) / spread) if spread else 0.0
    number = max(2, round(len(counts) * (1 - together) / (1 + together)))
    low, high = binom.ppf([LOWER, UPPER], number, BURST_QUANTILE)
    levels = np.clip([(low - 1) / (number - 1), high / (number - 1)], 0.0, 1.0)
    least, most = np.quantile(counts, levels)
    return float(least), float(most)


def gap_variation(log: Log) -> float | None:
    """Coefficient of variation of the gaps between requests; None where rows are not in order."""
    if not log.in_order:
        return None
    count = log.requests - 1
    mean = log.span / count
    return float(np.sqrt(max(log.gap_squares / count / mean**2 - 1, 0.0)))


def rates_table(log: Log) -> pl.DataFrame:
    """Rate and mean tokens in parts of a round length: at most ``MOST_ROWS`` of them."""
    sizes = (60, 300, 900, 3600, 14400, DAY_S, 7 * DAY_S, 28 * DAY_S)
    size = max(next((s for s in sizes if log.span / s <= MOST_ROWS), sizes[-1]), log.width)
    count = int(np.ceil(log.span / size)) or 1
    at = np.clip(((_middle(log) - log.first) // size).astype(int), 0, count - 1)
    n, i, o = (
        np.bincount(at, log.bins[c].to_numpy(), minlength=count)
        for c in ("requests", "input", "output")
    )
    start = np.arange(count) * size
    seconds = np.minimum(size, log.span - start)
    some = n > 0
    nothing = np.full(count, np.nan)
    return pl.DataFrame({
        "start_s": start.astype(float),
        "seconds": seconds,
        "requests": n,
        "rate_per_s": np.divide(n, seconds, out=nothing.copy(), where=seconds > 0),
        "mean_input_tokens": np.divide(i, n, out=nothing.copy(), where=some),
        "mean_output_tokens": np.divide(o, n, out=nothing.copy(), where=some),
    }).fill_nan(None)  # fmt: skip


def hours(log: Log) -> Floats | None:
    """Mean rate in each hour of the day (UTC, or from the start), or None for a short log."""
    if log.span < LEAST_DAY_S:
        return None
    since = 0.0 if log.absolute else log.first
    at = ((_middle(log) - since) % DAY_S // 3600).astype(int)
    counts = np.bincount(at, log.bins["requests"].to_numpy(), minlength=HOURS).astype(np.float64)
    # How long each hour was watched: walk the log's span in steps of a minute.
    steps = np.arange(log.first, log.last, 60.0)
    minutes = np.bincount(((steps - since) % DAY_S // 3600).astype(int), minlength=HOURS)
    watched = 60.0 * minutes.astype(np.float64)
    seen = watched > 600
    if seen.sum() < HOURS:
        counts, watched = _fill(counts, watched, seen)
    return counts / watched


def _fill(counts: Floats, watched: Floats, seen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Give hours that were not watched the rate between their neighbours."""
    at = np.arange(HOURS)
    rate = np.interp(at, at[seen], counts[seen] / watched[seen], period=HOURS)
    return np.where(seen, counts, rate * 3600), np.where(seen, watched, 3600.0)


def periods(rates: Floats, count: int) -> list[tuple[int, int, float]]:
    """Cut the day into ``count`` parts of even rate, by least squares.

    Returns:
        (first hour, hours, mean rate) of each part; a part may run over midnight.
    """
    best: tuple[float, list[tuple[int, int, float]]] = (np.inf, [])
    for turn in range(HOURS):
        left, ends = _segments(np.roll(rates, -turn), count)
        if left < best[0] - 1e-12:
            parts = [
                ((a + turn) % HOURS, b - a, float(np.roll(rates, -turn)[a:b].mean()))
                for a, b in zip([0, *ends[:-1]], ends, strict=True)
            ]
            best = (left, parts)
    return sorted(best[1])


def _segments(values: Floats, count: int) -> tuple[float, list[int]]:
    """Least squared distance to ``count`` means, and where the segments end (Bellman 1961)."""
    n = len(values)
    sums, squares = (np.append(0.0, np.cumsum(v)) for v in (values, values**2))

    def cost(a: int, b: int) -> float:
        return float(squares[b] - squares[a] - (sums[b] - sums[a]) ** 2 / (b - a))

    table: list[dict[int, tuple[float, list[int]]]] = [{0: (0.0, [])}]
    for _ in range(count):
        row = {}
        for b in range(len(table), n + 1):
            options = [(v + cost(a, b), [*e, b]) for a, (v, e) in table[-1].items() if a < b]
            row[b] = min(options)
        table.append(row)
    return table[count][n]
