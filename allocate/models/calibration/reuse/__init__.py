"""``calibrate reuse``: prefix hashes of requests → hit ratio against time kept and memory.

Reads Mooncake's traces (``timestamp`` in ms, ``input_length``, ``output_length``,
``hash_ids``) and Qwen-Bailian's (in s, with ``chat_id`` and ``type``), one JSON object a
line. A hash stands for a block of tokens with all that comes before it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibration import settings
from allocate.models.calibration.grounds import ground
from allocate.models.calibration.reading import fail, first_line
from allocate.models.calibration.result import COMPARED_NOTHING, Calibration, Options, Parameter
from allocate.models.calibration.reuse.accesses import FIELDS, Accesses, read_accesses
from allocate.models.calibration.reuse.curve import Curve, Seen, fit, look_back
from allocate.models.calibration.reuse.judge import judge
from allocate.models.calibration.statistics import NORMAL, Floats, jackknife, slices
from allocate.models.calibration.trace.clock import UNITS
from allocate.models.curves.reuse import Reuse

__all__ = ["FIELDS", "OPTIONS", "calibrate", "check", "detects"]

OPTIONS = {
    "from_s": "use requests from this time on (seconds on the file's clock)",
    "until_s": "use requests before this time",
    "check_from_s": "the same for --check",
    "check_until_s": "the same for --check",
    "time_unit": "s, ms, us or ns: what a number in the time column counts",
    "name": "name of the reuse profile in the fragment; default `trace`",
}
TIERS_S = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0)
RATE_SLICES = 6
METHOD = "product limit with censoring, weights halving twice over the log, concave majorant"


def detects(path: Path) -> str | None:
    """Know a file by the keys of its first line."""
    try:
        record = json.loads(first_line(path))
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("hash_ids"), list):
        return None
    return _format(record)


def _format(record: dict[str, Any]) -> str:
    if "chat_id" in record:
        return "Qwen-Bailian trace (JSON lines, times in s)"
    return "Mooncake hash trace (JSON lines, times in ms)"


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Fit hit curves against time kept and against blocks held."""
    windows, unit, name = _settings(options)
    log = read_accesses(paths, options.columns, windows, unit)
    seen = look_back(log)
    if not seen.found.any():
        hint = "the hashes may be unique to each request"
        fail("CAL007", "no block is ever used again", paths[0], hint=hint)
    tiers = np.array(TIERS_S)
    cut = (log.times, log.start, log.span)
    by_time = fit(seen.gap, seen.found, *cut, tiers)
    by_blocks = fit(seen.depth, seen.found, *cut, np.array(options.blocks, float))
    grouped = _grouped(log, seen, tiers)
    curves = {name: by_time} | {f"{name}_{k}": c for k, c in grouped.items()}
    recognised = detects(paths[0]) or "JSON lines by --map"
    return Calibration(
        "reuse",
        recognised,
        log.requests,
        dict(log.dropped),
        _parameters(log, by_time, by_blocks, options),
        {"time": _time_table(curves), "memory": _memory_table(log, by_time, by_blocks, options)},
        {
            "caching": {
                "retention_s": [0.0, *(t for t in (60.0, 300.0, 3600.0) if t <= log.span)],
                "reuse": {key: {"points": _points(curve)} for key, curve in curves.items()},
            }
        },
        log.sources,
        _notes(log, by_time, by_blocks, options),
        grounds={f"caching.reuse.{key}.points": _ground(curve) for key, curve in curves.items()},
        state={"log": log, "by_blocks": by_blocks},
    )


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Compare with the hits of an LRU cache over requests that were not used."""
    windows, unit, _ = _settings(options, "check_")
    later = read_accesses(paths, options.columns, windows, unit)
    out = judge(calibration.state["log"], calibration.state["by_blocks"], later, options.blocks)
    if all(row["predicted"] is None for row in out["sizes"]):
        calibration.notes.append(
            f"{COMPARED_NOTHING}: the log touches fewer blocks than the caches asked for; give "
            "smaller ones with --blocks"
        )
    return out


def _settings(options: Options, prefix: str = "") -> tuple[dict[str, float], float | None, str]:
    windows = {
        name: settings.number(options, prefix + name, 0.0)
        for name in ("from_s", "until_s")
        if prefix + name in options.settings
    }
    unit = settings.choice(options, "time_unit", UNITS)
    name = settings.config_name(options, "name", "trace")
    return windows, UNITS[unit] if unit else None, name


def _grouped(log: Accesses, seen: Seen, tiers: Floats) -> dict[str, Curve]:
    """A curve for each group with enough hits to tell."""
    curves = {}
    for code, name in enumerate(log.names):
        part = log.groups == code
        if seen.found[part].sum() >= 100:
            curves[name] = fit(
                seen.gap[part], seen.found[part], log.times[part], log.start, log.span, tiers
            )
    return curves


def _parameters(log: Accesses, time: Curve, memory: Curve, options: Options) -> list[Parameter]:
    def put(name: str, at: tuple[float, float, float], curve: Curve, unit: str = "1") -> Parameter:
        fit = {
            "method": METHOD,
            "rows": curve.accesses,
            "goodness": {"largest_gap_to_data": curve.bend},
            "seen": [0.0, curve.reach],
        }
        return Parameter(name, *at, unit, fit)

    found = [
        put(f"hit_ratio_{blocks}_blocks", memory.at(blocks), memory)
        for blocks in options.blocks
        if blocks <= memory.reach
    ]
    found += [
        put(f"hit_ratio_{kept:g}_s", time.at(kept), time) for kept in TIERS_S if kept <= time.reach
    ]
    decay, low, high = (3600 * rate for rate in time.decay)
    found.append(put("depreciation_per_h", (decay, max(low, 0.0), high), time, "1/h"))
    counted: dict[str, Any] = {"method": "count over span, slices of time", "rows": log.requests}
    found.append(Parameter("blocks_per_s", *_rate(log), "block/s", counted))
    if log.block_tokens:
        size = float(log.block_tokens)
        counted = {"method": "prompt length over hashes", "rows": log.requests}
        found.append(Parameter("block_tokens", size, size, size, "token", counted))
    return found


def _rate(log: Accesses) -> tuple[float, float, float]:
    """Blocks asked for per second.

    Uses of a block follow each other for longer than a slice of time: the interval is at least
    that of blocks that come and go independently, each with all its uses (compound Poisson). Few
    long slices see what requests have in common.
    """
    groups = min(RATE_SLICES, slices(log.requests))
    group = np.minimum((groups * (log.times - log.start) / log.span).astype(int), groups - 1)
    counts = np.bincount(group, minlength=groups) / log.share
    ends = jackknife(lambda w: (w @ counts) / (w.sum() * log.span / groups), groups)
    rate, low, high = (float(end) for end in ends)
    uses = np.unique(log.keys, return_counts=True)[1].astype(float)
    alone = NORMAL * float(np.sqrt((uses**2).sum())) / log.share / log.span
    return rate, max(min(low, rate - alone), 0.0), max(high, rate + alone)


def _points(curve: Curve, most: int = 14) -> list[list[float]]:
    """Points of a concave curve for a config, on the curve, at round times."""
    times = [t for t in (1.0, 3.0, *TIERS_S) if t < curve.reach]
    kept = sorted({*times, curve.reach})[-most:]
    points = [(0.0, 0.0)]
    for t in kept:
        point = (float(f"{t:.6g}"), round(float(curve.values(np.array(t))), 6))
        # Rounding must not bend a straight piece the wrong way: its inner points go.
        while len(points) > 1 and _is_straight(points[-2], points[-1], point):
            points.pop()
        points.append(point)
    return [list(point) for point in points[1:]]


def _ground(curve: Curve) -> dict[str, Any]:
    """What the points of a curve rest on."""
    points = _points(curve)
    low, high = zip(*(curve.at(x)[1:] for x, _ in points), strict=True)
    heights = [y for _, y in points]
    low, high = np.minimum(low, heights), np.maximum(high, heights)
    fit = {
        "method": METHOD,
        "rows": curve.accesses,
        "goodness": {"largest_gap_to_data": curve.bend},
    }
    return ground(
        heights, low.tolist(), high.tolist(), "1", fit, "retention_s", [0, curve.reach], most=1.0
    )


def _is_straight(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    chord = a[1] + (c[1] - a[1]) * (b[0] - a[0]) / (c[0] - a[0])
    return b[1] - chord < 5e-6


def _time_table(curves: dict[str, Curve]) -> pl.DataFrame:
    rows = [
        {"group": name, "kept_s": kept, "hit_ratio": y, "low": low, "high": high}
        for name, curve in curves.items()
        for kept in sorted({*(t for t in TIERS_S if t < curve.reach), curve.reach})
        for y, low, high in [curve.at(kept)]
    ]
    return pl.DataFrame(rows)


def _memory_table(log: Accesses, time: Curve, memory: Curve, options: Options) -> pl.DataFrame:
    """Hit ratio against blocks, with the time that a cache of that size keeps them."""
    reuse = Reuse(tuple(time.x), tuple(time.y))
    kept = np.append(0.0, time.x)
    rate = len(log.times) / log.share / log.span
    held = rate * np.array([reuse.held(k) for k in kept[:: max(1, len(kept) // 60)]])
    ages = kept[:: max(1, len(kept) // 60)]
    grid = np.unique(np.round(np.geomspace(100, max(memory.reach, 200), 24)))
    grid = np.union1d(grid, [b for b in options.blocks if b <= memory.reach])
    rows = []
    for blocks in grid:
        y, low, high = memory.at(float(blocks))
        row = {"blocks": int(blocks), "hit_ratio": y, "low": low, "high": high}
        row["kept_s"] = float(np.interp(blocks, held, ages)) if blocks <= held[-1] else None
        rows.append(row)
    return pl.DataFrame(rows, schema_overrides={"kept_s": pl.Float64})


def _notes(log: Accesses, time: Curve, memory: Curve, options: Options) -> list[str]:
    notes = [
        f"A block without an earlier use counts as censored at the log's {log.span:,.0f} s; "
        "no ratio is given beyond that."
    ]
    too_large = [b for b in options.blocks if b > memory.reach]
    if too_large:
        listed = ", ".join(f"{b:,}" for b in too_large)
        notes.append(f"The log touches {memory.reach:,.0f} blocks: nothing is said of {listed}.")
    for what, curve in (("time", time), ("memory", memory)):
        if curve.bend > 0.01:
            notes.append(
                f"The data disagree with concavity in {what}: they lie up to "
                f"{100 * curve.bend:.1f} points below the curve, mostly at short gaps."
            )
    if log.share < 1:
        notes.append(
            f"Blocks were sampled at 1 in {1 / log.share:.0f}, to bound memory; intervals do "
            "not include that."
        )
    notes.append(
        "depreciation_per_h is how fast the use of a kept block dies away. It is in the curve "
        "already, so drift_per_h is left at 0: equal hashes are equal content."
    )
    return notes
