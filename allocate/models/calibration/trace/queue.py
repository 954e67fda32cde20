"""A plain simulated queue, to score a calibrated arrival process on what matters: waiting.

One server, first come first served. Work is prefill time plus decode time of a request, and
the server's speed is such that the calibration's mean load keeps it busy a given share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from allocate.models.calibration.statistics import LOWER, UPPER, Floats
from allocate.models.calibration.trace.arrivals import BURST_S, per_second
from allocate.models.calibration.trace.stream import Log

DRAWS = 400
MOST_REQUESTS = 20_000_000  # over all draws


@dataclass(frozen=True)
class Service:
    """Seconds of work in a request, before the server's speed."""

    prefill_s_per_token: float = 5e-5
    decode_s_per_token: float = 2e-2

    def work(self, inputs: Floats, outputs: Floats) -> Floats:
        """Seconds of work of each request."""
        return self.prefill_s_per_token * inputs + self.decode_s_per_token * outputs


def waits(times: Floats, work: Floats) -> Floats:
    """Seconds each request waits before it is served (Lindley 1952); times in order."""
    if len(times) < 2:
        return np.zeros(len(times))
    steps = work[:-1] - np.diff(times)
    walk = np.append(0.0, np.cumsum(steps))
    return walk - np.minimum.accumulate(walk)


def foresee(log: Log, later: Log, service: Service, busy: float, seed: int) -> dict[str, Any]:
    """Predict the mean wait over ``later``'s length from ``log`` alone, and compare.

    Arrivals are drawn as runs of ``BURST_S`` seconds of the log's counts, which keeps bursts
    (a moving-block bootstrap: Künsch 1989), from a pool that is itself drawn from the log:
    another log of that length would have held other runs. Lengths are drawn from its requests.

    Returns:
        Mean wait predicted (median of the draws) with the interval that holds ``LEVEL`` of
        them, that of Poisson arrivals at the same rate and lengths, and what ``later`` gives;
        ``measured_at_same_load_s`` is that with the server slowed or sped up so that
        ``later`` keeps it as busy: the error that is left is in the bursts, not in the rate.
    """
    sample = log.sample
    work = service.work(sample["input"].to_numpy(), sample["output"].to_numpy())
    speed = busy / (log.requests / log.span * work.mean())
    work = work * speed
    draw = np.random.default_rng(seed)
    draws = int(np.clip(MOST_REQUESTS * log.span / log.requests / later.span, 20, DRAWS))
    burst = [_one_wait(log, work, later.span, draw) for _ in range(draws)]
    low, middle, high = np.quantile(burst, [LOWER, 0.5, UPPER])
    rows = later.sample
    real = service.work(rows["input"].to_numpy(), rows["output"].to_numpy()) * speed
    whole = rows.height == later.requests  # a thinned log has no queue
    measured = float(waits(rows["time"].to_numpy(), real).mean()) if whole else None
    load = float(real.sum() / later.span)
    scaled = waits(rows["time"].to_numpy(), real * busy / load).mean() if whole else None
    return {
        "busy_share": busy,
        "predicted_mean_wait_s": float(middle),
        "low": float(low),
        "high": float(high),
        "measured_mean_wait_s": measured,
        "relative_error": None if not measured else float(middle) / measured - 1,
        "within_interval": None if measured is None else bool(low <= measured <= high),
        "measured_at_same_load_s": None if scaled is None else float(scaled),
        "poisson_mean_wait_s": _pollaczek(log.requests / log.span, work),
    }


def _one_wait(log: Log, work: Floats, span: float, draw: np.random.Generator) -> float:
    counts, width = per_second(log)
    run = max(1, min(round(BURST_S / width), len(counts) // 4 or 1))
    blocks = int(np.ceil(span / width / run))
    pool = draw.integers(0, len(counts) - run + 1, size=max(1, len(counts) // run))
    starts = pool[draw.integers(0, len(pool), size=blocks)]
    drawn = counts[(starts[:, None] + np.arange(run)).ravel()][: int(np.ceil(span / width))]
    total = int(drawn.sum())
    if not total:
        return 0.0
    bins = np.repeat(np.arange(len(drawn)), drawn.astype(int))
    times = np.sort((bins + draw.random(total)) * width)
    return float(waits(times, work[draw.integers(0, len(work), size=total)]).mean())


def _pollaczek(rate: float, work: Floats) -> float:
    """Mean wait with Poisson arrivals: λE[S²] / 2(1 − ρ) (Pollaczek 1930)."""
    load = rate * work.mean()
    return float(rate * (work**2).mean() / (2 * (1 - load)))
