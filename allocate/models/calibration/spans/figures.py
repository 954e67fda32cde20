"""Spans of requests → the figures of ``calibrate spans``, each with its interval and scatter."""

from __future__ import annotations

from typing import Any

import numpy as np

from allocate.models.calibration.result import LEVEL, Parameter
from allocate.models.calibration.spans.requests import Requests
from allocate.models.calibration.spans.rules import USES
from allocate.models.calibration.statistics import Floats, jackknife, slices

TOKEN_USES = ("read", *USES)
GROUPS = 60
_PER_REQUEST = {
    "calls_per_request": ("calls", "call"),
    "retries_per_request": ("retries", "retry"),
    "human_waits_per_request": ("waits", "wait"),
    "tool_s_per_request": ("tool_s", "s"),
}
_UNKNOWN = float("nan")


def figures(requests: Requests) -> list[Parameter]:
    """Means of requests and shares of calls, with 90 % intervals; what no call says is left out."""
    column = requests.column
    found = [_mean(f"{use}_tokens", "token", column(use)) for use in TOKEN_USES]
    cached, asked = column("cached"), column("cache_input")
    if asked.any():
        told = asked > 0  # the others do not say what a cache had, which is not that it had nothing
        found.append(_mean("cache_hit", "1", cached[told], asked[told], most=1.0))
        found.append(_mean("cached_tokens", "token", cached))
    found += [_mean(name, unit, column(of)) for name, (of, unit) in _PER_REQUEST.items()]
    if requests.last > requests.first:
        found.append(_rate(requests))
    found.append(_mean("failed_call_share", "1", column("failed"), column("calls"), most=1.0))
    if column("waits").any():
        found.append(_mean("human_wait_s", "s", column("waited_s"), column("waits")))
    return found


def _mean(
    name: str, unit: str, values: Floats, over: Floats | None = None, most: float = np.inf
) -> Parameter:
    """Mean of requests, or a ratio of sums, with its interval over groups of requests.

    What never happened in n requests may happen up to −ln(1 − level)/n times in one. ``goodness``
    says how far single requests lie from it: the root mean square, relative to the mean.
    """
    count = len(values)
    groups = min(count, GROUPS)
    group = np.arange(count) * groups // count
    weight = np.ones(count) if over is None else over
    each = np.divide(values, weight, out=np.zeros(count), where=weight > 0)
    fit: dict[str, Any] = {
        "method": f"mean over requests, jackknife over {groups} groups",
        "rows": count,
        "seen": [float(each.min()), float(each.max())],
    }
    if not values.any():
        fit["method"] = "never seen; the interval is that of no event in so many tries"
        high = float(-np.log(1 - LEVEL) / max(weight.sum(), 1.0))
        return Parameter(name, 0.0, 0.0, min(high, most), unit, fit)
    value = float(values.sum() / weight.sum())
    scatter = np.sqrt(np.mean((values - value * weight) ** 2)) / values.mean()
    fit["goodness"] = {"relative_scatter": float(scatter)}
    if groups < 2:
        fit["method"] = "a single request says it: no interval"
        return Parameter(name, value, _UNKNOWN, _UNKNOWN, unit, fit)
    top = np.bincount(group, values, minlength=groups)
    bottom = np.bincount(group, weight, minlength=groups)
    ends = jackknife(lambda w: (w @ top) / max(w @ bottom, 1e-300), groups)
    value, low, high = (float(end) for end in ends)
    return Parameter(name, value, max(low, 0.0), min(high, most), unit, fit)


def _rate(requests: Requests) -> Parameter:
    """Requests per second, over slices of time; ``goodness`` is the scatter of the slices."""
    groups = slices(len(requests.rows))
    span = requests.last - requests.first
    since = (requests.column("start_s") - requests.first) / span
    group = np.clip((since * groups).astype(int), 0, groups - 1)
    counts = np.bincount(group, minlength=groups) * requests.count / len(requests.rows)
    rates = counts * groups / span
    rate, low, high = (float(end) for end in jackknife(lambda w: (w @ rates) / w.sum(), groups))
    fit = {
        "method": f"requests over time, jackknife over {groups} slices of {span / groups:.4g} s",
        "rows": requests.count,
        "goodness": {"relative_scatter": float(rates.std() / rates.mean())},
        "seen": [float(rates.min()), float(rates.max())],
        "of": "requests per s in a slice",
    }
    return Parameter("requests_per_s", rate, max(low, 0.0), high, "request/s", fit)
