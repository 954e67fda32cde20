"""A calibration of lanes from measurements: lanes, surfaces, tables and a fragment."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibration import settings
from allocate.models.calibration.lanes import checking, fit, fragment, rows, surface
from allocate.models.calibration.lanes.hardware import Books
from allocate.models.calibration.lanes.lane import (
    METHOD,
    Lane,
    first_token,
    grounds_of,
    key,
    notes_of,
)
from allocate.models.calibration.lanes.sources import Sources
from allocate.models.calibration.naming import gpu_name
from allocate.models.calibration.result import Calibration, Options, Parameter

_SCALES = {"tpot": surface.TPOT, "ttft": surface.TTFT}


def calibrate(found: Sources, options: Options) -> Calibration:
    """Fit lanes and surfaces to the rows of the sources."""
    frame, books = _thinned(found.frame, found.dropped, options.seed), found.books
    lanes, short = _lanes(_loads(frame, options), books)
    surfaces = _surfaces(frame, books)
    blocks = checking.levels(frame)
    out = _left_out(surfaces, blocks)
    chosen = _chosen(lanes)
    notes = notes_of(lanes, chosen, short, blocks)
    by_key = {key(lane): lane.fit for lane in lanes}
    return Calibration(
        "lanes",
        ", ".join(found.formats),
        frame.height,
        found.dropped,
        [p for lane in _shown_first(lanes, chosen) for p in _parameters(lane)],
        {"deployments": _lane_table(lanes, chosen), "times": _times(frame, by_key, surfaces, out)},
        _fragment(chosen),
        found.files,
        notes,
        _own_check(frame, blocks, out),
        {path: entry for lane in chosen for path, entry in grounds_of(lane).items()},
        {"frame": frame, "books": books, "surfaces": surfaces, "lanes": by_key},
    )


def check(calibration: Calibration, found: Sources) -> dict[str, Any]:
    """Score a calibration against the rows of other sources."""
    state = calibration.state
    if "frame" not in state:  # a roofline: nothing was fitted
        state = state | {"frame": rows.frame([]), "surfaces": {}, "lanes": {}}
    frame: pl.DataFrame = state["frame"]
    books = Books(
        state["books"].models | found.books.models, state["books"].gpus | found.books.gpus
    )
    same = [*rows.CONFIGURATION, "isl", "osl", "concurrency", "tpot_ms"]
    other = found.frame.join(frame.select(same), on=same, how="anti", nulls_equal=True)
    design = surface.Design.of(other, books)
    if not frame.height:
        out: dict[str, Any] = {"rows": other.height}
        for time, column in checking.TIMES.items():
            true = other[column].cast(pl.Float64).to_numpy().astype(float)
            out[time] = checking.errors(design.roofline[column], true)
    elif other.height:
        out = checking.score(frame, other, design, state["surfaces"], state["lanes"])
    else:
        out = {"rows": 0}
        calibration.notes.append(
            "the check compared nothing: the fit used every row of it; name measurements that "
            "are not among the sources"
        )
    out["rows_used_by_the_fit_too"] = found.frame.height - other.height
    return out | {"rows_dropped": found.dropped, "files": [s.to_dict() for s in found.files]}


def _thinned(frame: pl.DataFrame, dropped: dict[str, int], seed: int) -> pl.DataFrame:
    """Keep what the surface can hold; what is left out is drawn evenly."""
    if frame.height <= surface.MOST:
        return frame
    dropped[f"more than {surface.MOST} rows; drawn evenly"] = frame.height - surface.MOST
    return frame.sample(surface.MOST, seed=seed, shuffle=True)


def _loads(frame: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Rows within the loads that lanes are asked for; the surface takes all."""
    text = options.settings.get("load")
    if text is None:
        return frame
    ends = [part.strip() for part in text.split(":")]
    good = len(ends) == 2 and all(part.isascii() and part.isdigit() for part in ends)
    if not good or float(ends[0]) > float(ends[1]):
        hint = "write the fewest and the most requests in flight, as load=4:64"
        settings.refuse("load", text, "is no range", hint)
    return frame.filter(pl.col("concurrency").is_between(float(ends[0]), float(ends[1])))


def _lanes(frame: pl.DataFrame, books: Books) -> tuple[list[Lane], int]:
    """Fit each configuration; also how many had too little to fit."""
    out, short, names = [], 0, dict[str, int]()
    for _, group in frame.group_by(rows.CONFIGURATION, maintain_order=True):
        machine = surface.machines_of(group.head(1), books)[0]
        fitted = fit.fit(group, machine)
        if fitted is None:
            short += 1
            continue
        gpus = float(surface.replica_gpus(group.head(1), books)[0])
        row = group.row(0, named=True)
        name = fragment.name(row["model"], row["gpu"], gpus, row["dp"])
        names[name] = names.get(name, 0) + 1
        suffix = f"_{names[name]}" if names[name] > 1 else ""
        out.append(Lane(name + suffix, group, machine, gpus, fitted))
    return out, short


def _surfaces(frame: pl.DataFrame, books: Books) -> dict[str, surface.Surface]:
    design = surface.Design.of(frame, books)
    out = {}
    for time, column in checking.TIMES.items():
        true = frame[column].cast(pl.Float64).to_numpy().astype(float)
        if column == "ttft_ms" and not np.isfinite(true).all():
            continue  # a source without first-token times
        out[time] = surface.Surface.fit(design, true, column, _SCALES[time])
    return out


def _left_out(surfaces: dict[str, surface.Surface], blocks: list[Any]) -> dict[str, surface.Floats]:
    """Predict each level of each configuration from everything but that level."""
    if not blocks:
        return {}
    return {time: fitted.left_out(blocks) for time, fitted in surfaces.items()}


def _chosen(lanes: list[Lane]) -> list[Lane]:
    """Choose one lane a deployment for the fragment: that with most rows, then the newest."""
    best: dict[tuple[Any, ...], Lane] = {}
    for lane in lanes:
        of = (*lane.frame.select(rows.PAIR).row(0), lane.gpus, lane.frame["dp"][0])
        if of not in best or lane.fit.rows > best[of].fit.rows:
            best[of] = lane
    ranked = sorted(best.values(), key=lambda lane: -lane.fit.rows)
    return ranked[: fragment.MOST]


def _shown_first(lanes: list[Lane], chosen: list[Lane]) -> list[Lane]:
    """Order lanes with those of the fragment first."""
    names = {lane.name for lane in chosen}
    return [*chosen, *(lane for lane in lanes if lane.name not in names)]


def _parameters(lane: Lane) -> list[Parameter]:
    goodness = {
        "median_relative_error": lane.fit.median_error,
        "p90_relative_error": lane.fit.p90_error,
    }
    seen = {
        "alpha_ms": ("batch", lane.fit.batch),
        "beta_ms": ("batch", lane.fit.batch),
        "gamma_ms_per_ktok": ("context tokens", lane.fit.context),
        "delta_ms_per_ktok": ("prompt tokens", _range(lane.frame["isl"])),
    }
    result = []
    for i, (name, unit) in enumerate(zip(fit.NAMES, fit.UNITS, strict=True)):
        of, span = seen[name]
        method = METHOD + ("; leans on the roofline" if lane.fit.open[i] else "")
        about = {"method": method, "rows": lane.fit.rows, "goodness": goodness, "seen": list(span)}
        about |= {"of": of}
        value, low, high = (float(v[i]) for v in (lane.fit.value, lane.fit.low, lane.fit.high))
        result.append(Parameter(f"{lane.name}.{name}", value, low, high, unit, about))
    top = lane.fit.batch[1]
    about = {
        "method": "largest batch measured",
        "rows": lane.fit.rows,
        "seen": list(lane.fit.batch),
    }
    result.append(Parameter(f"{lane.name}.max_batch", top, top, float("inf"), "1", about))
    result += first_token(lane)
    for name, value in fragment.memory(lane.machine).items():
        about = {"method": "geometry and data sheet, 8-bit KV below 16-bit weights", "rows": 0}
        unit = "byte/token" if name.startswith("kv_bytes") else "GB"
        low = value if unit == "byte/token" else 0.9 * value
        high = 2 * value if unit == "byte/token" else 1.1 * value
        result.append(Parameter(f"{lane.name}.{name}", value, low, high, unit, about))
    return result


def _range(column: pl.Series) -> tuple[float, float]:
    values = column.to_numpy().astype(float)
    return float(values.min()), float(values.max())


def _lane_table(lanes: list[Lane], chosen: list[Lane]) -> pl.DataFrame:
    """One row a configuration, with intervals."""
    picked = {lane.name for lane in chosen}
    records = []
    for lane in lanes:
        record: dict[str, Any] = {"deployment": lane.name, "in_fragment": lane.name in picked}
        record |= lane.frame.select(rows.CONFIGURATION).row(0, named=True)
        record |= {"gpus": lane.gpus, "rows": lane.fit.rows}
        for i, name in enumerate(fit.NAMES):
            record |= {name: float(lane.fit.value[i]), f"{name}_low": float(lane.fit.low[i])}
            record |= {f"{name}_high": float(lane.fit.high[i])}
            record |= {f"{name}_leans_on_roofline": bool(lane.fit.open[i])}
        record |= {"batch_low": lane.fit.batch[0], "batch_high": lane.fit.batch[1]}
        record |= {"median_relative_error": lane.fit.median_error}
        record |= {"p90_relative_error": lane.fit.p90_error} | fragment.memory(lane.machine)
        records.append(record)
    return pl.DataFrame(records, infer_schema_length=None)


def _times(
    frame: pl.DataFrame, lanes: dict[Any, fit.LaneFit], surfaces: dict[str, surface.Surface],
    out: dict[str, surface.Floats],
) -> pl.DataFrame:  # fmt: skip
    """Rows of the sources beside what the lane says and the surface says without them."""
    form = checking.lane_times(frame, lanes)
    columns = []
    for time in surfaces:
        columns.append(pl.Series(f"{time}_lane_ms", form[time]).fill_nan(None))
        if time in out:
            columns.append(pl.Series(f"{time}_left_out_ms", out[time]).fill_nan(None))
    return frame.drop("file", "line").with_columns(columns)


def _fragment(chosen: list[Lane]) -> dict[str, Any]:
    deployments, gpus, assumed = {}, {}, {}
    for lane in chosen:
        row = lane.frame.row(0, named=True)
        fields = fragment.deployment(row["model"], row["gpu"], lane.gpus, lane.fit)
        deployments[lane.name] = fields | fragment.memory(lane.machine)
        gpus[gpu_name(row["gpu"])] = {"label": row["gpu"]}
        if "kv_bytes_per_token" in deployments[lane.name]:
            path = f"deployments.{lane.name}"
            assumed[f"{path}.kv_bytes_per_token"] = "8-bit KV where weights are below 16 bits"
            assumed[f"{path}.kv_memory_gb"] = "0.9 of the memory holds weights and KV"
        for name, leans in zip(fit.NAMES, lane.fit.open, strict=True):
            if leans:
                reason = "the measurements leave it open: from the roofline"
                assumed[f"deployments.{lane.name}.{name}"] = reason
    return {"gpus": gpus, "deployments": deployments, "assumed": assumed}


def _own_check(
    frame: pl.DataFrame, blocks: list[Any], out: dict[str, surface.Floats]
) -> dict[str, Any] | None:
    """Errors with each concurrency level left out in turn; None where levels are too few."""
    if not blocks:
        return None
    held = np.concatenate(blocks)
    result: dict[str, Any] = {
        "method": "each concurrency level left out in turn",
        "rows": len(held),
    }
    for time, values in out.items():
        true = frame[checking.TIMES[time]].cast(pl.Float64).to_numpy().astype(float)
        result[time] = checking.errors(values[held], true[held])
    return result
