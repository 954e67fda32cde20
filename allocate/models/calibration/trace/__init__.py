"""``calibrate trace``: request logs → request classes, rates, bursts and the shape of a day.

Reads Azure's LLM inference traces, BurstGPT's, Vidur's and Splitwise-sim's CSV, Mooncake's
and Qwen-Bailian's JSON lines, and any CSV or JSON lines by ``--map``. Counts and times only:
a text that somebody wrote is never kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibration import settings
from allocate.models.calibration.grounds import ground
from allocate.models.calibration.result import Calibration, Options, Parameter
from allocate.models.calibration.statistics import Floats, jackknife
from allocate.models.calibration.trace import arrivals, lengths
from allocate.models.calibration.trace.clock import UNITS
from allocate.models.calibration.trace.formats import FIELDS, recognise
from allocate.models.calibration.trace.queue import Service, foresee
from allocate.models.calibration.trace.stream import Log, read_log

__all__ = ["FIELDS", "OPTIONS", "calibrate", "check", "detects"]

OPTIONS = {
    "from_s": "use requests from this many seconds after the first on",
    "until_s": "use requests before this many seconds after the first",
    "check_from_s": "the same for --check",
    "check_until_s": "the same for --check",
    "time_unit": "s, ms, us or ns: what a number in the time column counts",
    "classes": "how many request classes; default as many as explain 75 % of log lengths",
    "periods": "parts of the day, 1 to 6; default 4 where the log covers 20 hours",
    "burst_window_s": "seconds in which a burst is counted; default 60",
    "busy": "share of the time that the simulated server of --check is busy; default 0.5",
}


def detects(path: Path) -> str | None:
    """Know a file by its header or the keys of its first line."""
    return recognise(path)


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Fit request classes, rates and bursts."""
    log = _read(paths, options, "")
    parts = arrivals.cut(log)
    rate, burst = (
        parts.rate(),
        arrivals.burstiness(log, settings.number(options, "burst_window_s", 60.0, 1e-3)),
    )
    table, classes, grounds = _classes(log, options)
    shape = arrivals.hours(log)
    day = _day(shape, settings.whole(options, "periods", 4, 1, 6))
    fragment: dict[str, Any] = {"classes": classes} | ({"periods": day} if day else {})
    tables = {"classes": table, "rates": arrivals.rates_table(log)}
    if shape is not None:
        tables["day"] = pl.DataFrame({"hour": np.arange(arrivals.HOURS), "rate_per_s": shape})
    return Calibration(
        "trace",
        recognise(paths[0]) or "table by its columns",
        log.requests,
        dict(log.dropped),
        _parameters(log, parts, rate, burst),
        tables,
        fragment,
        log.sources,
        _notes(log, burst[0][0], bool(day)),
        grounds=grounds,
        state={"log": log},
    )


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Compare rate, token means, bursts and the wait in a plain queue with another log."""
    log: Log = calibration.state["log"]
    later = _read(paths, options, "check_")
    window = next(p.fit["window_s"] for p in calibration.parameters if p.name == "burstiness")
    parts = arrivals.cut(later)
    measured = {
        "arrival_rate_per_s": parts.rate(),
        "mean_input_tokens": parts.mean("input"),
        "mean_output_tokens": parts.mean("output"),
        "burstiness": arrivals.burstiness(later, window)[0],
    }
    compared: dict[str, Any] = {}
    for parameter in calibration.parameters:
        if parameter.name in measured:
            compared[parameter.name] = _compare(parameter, measured[parameter.name])
    busy = settings.number(options, "busy", 0.5, 0.01, 0.99)
    wait = foresee(log, later, Service(), busy, options.seed)
    return {"requests": later.requests, **compared, "queueing_delay": wait}


def _compare(parameter: Parameter, measured: tuple[float, float, float]) -> dict[str, Any]:
    """Set a parameter beside what was measured; both have an error of their own."""
    value, low, high = measured
    reach = np.hypot((parameter.high - parameter.low) / 2, (high - low) / 2)
    return {
        "predicted": parameter.value,
        "measured": value,
        "relative_error": parameter.value / value - 1 if value else None,
        "within_interval": bool(abs(parameter.value - value) <= reach),
    }


def _read(paths: Sequence[Path], options: Options, prefix: str) -> Log:
    window = {
        name: settings.number(options, prefix + name, 0.0)
        for name in ("from_s", "until_s")
        if prefix + name in options.settings
    }
    unit = settings.choice(options, "time_unit", UNITS)
    return read_log(paths, options.columns, unit, window, options.seed)


def _classes(
    log: Log, options: Options
) -> tuple[pl.DataFrame, dict[str, dict[str, float]], dict[str, dict[str, Any]]]:
    """The table of classes, the same as a section of a config, and what its numbers rest on."""
    inputs, outputs = (log.sample[c].to_numpy() for c in ("input", "output"))
    wanted = settings.whole(options, "classes", None, 1, 100)
    labels = lengths.cluster(inputs, outputs, wanted, options.seed)
    count = int(labels.max()) + 1
    groups = len(arrivals.cut(log).requests)
    at = arrivals.slice_of(log.sample["time"].to_numpy(), log, groups) * count + labels
    n, i, o = (
        np.bincount(at, weights, minlength=groups * count).reshape(groups, count)
        for weights in (np.ones(len(inputs)), inputs, outputs)
    )
    scale = log.requests / len(inputs) * groups / log.span
    per_s, low, high = jackknife(lambda w: scale * (w @ n) / w.sum(), groups)
    mean_in, mean_out = (jackknife(lambda w, x=x: _ratio(w @ x, w @ n), groups) for x in (i, o))
    names = lengths.names(list(mean_in[0]), list(mean_out[0]))
    table = pl.DataFrame({
        "name": names,
        "requests": n.sum(axis=0) * log.requests / len(inputs),
        "rate_per_s": per_s, "rate_low": np.maximum(low, 0.0), "rate_high": high,
        "prompt_tokens": mean_in[0], "prompt_low": mean_in[1], "prompt_high": mean_in[2],
        "output_tokens": mean_out[0], "output_low": mean_out[1], "output_high": mean_out[2],
    })  # fmt: skip
    columns = ("rate_per_s", "prompt_tokens", "output_tokens")
    section = {
        row["name"]: {column: _short(row[column]) for column in columns}
        for row in table.iter_rows(named=True)
    }
    return table, section, _grounds(log, table, labels, groups)


def _grounds(log: Log, table: pl.DataFrame, labels: Any, groups: int) -> dict[str, dict[str, Any]]:
    """Intervals and ranges of the classes' numbers; errors of one class go their own ways."""
    ends = _seen(log)
    share = table["rate_per_s"] / table["rate_per_s"].sum()
    sample = {"prompt": log.sample["input"].to_numpy(), "output": log.sample["output"].to_numpy()}
    out: dict[str, dict[str, Any]] = {}
    for code, row in enumerate(table.iter_rows(named=True)):
        fit = {"method": f"jackknife over {groups} slices of time", "rows": round(row["requests"])}
        path = f"classes.{row['name']}"
        rate = (_short(row["rate_per_s"]), row["rate_low"], row["rate_high"])
        seen = [end * share[code] for end in ends]
        out[f"{path}.rate_per_s"] = ground(*rate, "request/s", fit, "requests_per_s", seen)
        for which, values in sample.items():
            of = values[labels == code]
            about = fit | {"goodness": _scatter(of)}
            span = [float(of.min()), float(of.max())]
            low, high = max(row[f"{which}_low"], 0.0), row[f"{which}_high"]
            number = _short(row[f"{which}_tokens"])
            out[f"{path}.{which}_tokens"] = ground(number, low, high, "token", about, "value", span)
    return out


def _scatter(values: Floats) -> dict[str, float] | None:
    """How far single values lie from their mean: the root mean square, relative to it."""
    return {"relative_scatter": float(np.std(values) / np.mean(values))} if values.any() else None


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _day(shape: Floats | None, count: int) -> dict[str, dict[str, float]]:
    if shape is None or shape.mean() == 0:
        return {}
    return {
        f"h{first:02d}_h{(first + hours) % 24:02d}": {
            "hours": float(hours),
            "demand_scale": _short(rate / shape.mean()),
        }
        for first, hours, rate in arrivals.periods(shape, count)
    }


def _parameters(
    log: Log,
    parts: arrivals.Slices,
    rate: tuple[float, float, float],
    burst: tuple[tuple[float, float, float], float, int],
) -> list[Parameter]:
    sliced = {
        "method": f"jackknife over {len(parts.requests)} slices of {parts.seconds:.4g} s",
        "rows": log.requests,
    }
    sample = {c: log.sample[c].to_numpy() for c in ("input", "output")}
    fit = sliced | {"goodness": _scatter(parts.requests), "seen": _seen(log)}
    found = [Parameter("arrival_rate_per_s", *rate, "request/s", fit)]
    for column, values in sample.items():
        seen = [float(values.min()), float(values.max())]
        fit = sliced | {"goodness": _scatter(values), "seen": seen}
        found.append(Parameter(f"mean_{column}_tokens", *parts.mean(column), "token", fit))
    value, window, count = burst
    fit = {
        "method": f"90th percentile over mean of {count} windows of {window:g} s",
        "rows": log.requests,
        "window_s": window,
    }
    found.append(Parameter("burstiness", *value, "1", fit))
    variation = arrivals.gap_variation(log)
    if variation is not None:
        fit = {"method": "gaps between requests", "rows": log.requests - 1}
        nothing = float("nan")
        found.append(Parameter("gap_variation", variation, nothing, nothing, "1", fit))
    return found


def _seen(log: Log) -> list[float]:
    table = arrivals.rates_table(log)
    rates = table.filter(pl.col("seconds") >= table["seconds"].max())["rate_per_s"].to_numpy()
    return [float(rates.min()), float(rates.max())]


def _notes(log: Log, burst: float, day: bool) -> list[str]:
    notes = []
    if not day:
        notes.append(
            f"The log covers {log.span / 3600:.2g} hours: too short for a day's profile, so no "
            "periods are given."
        )
    elif not log.absolute:
        notes.append("Times are no dates: hours of the day count from the first request.")
    if burst > 1:
        notes.append(
            f"burstiness {burst:.3g} is what `burst_headroom` of a deployment takes: capacity "
            "for the busiest tenth of windows over the mean."
        )
    if not log.in_order:
        notes.append("The rows are not in order of time; gap_variation is not given.")
    if log.longest_gap > 0.1 * log.span:
        notes.append(
            f"There is a gap of {log.longest_gap:,.0f} s without requests, which the mean rate "
            "includes: check that nothing is missing."
        )
    if log.sample.height < log.requests:
        notes.append(
            f"Classes come from {log.sample.height:,} requests drawn evenly from the log; rates "
            "and means from all."
        )
    return notes
