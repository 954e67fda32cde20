"""A lane from geometry and data sheets alone: a roofline, marked as such."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from allocate.errors import DataError, Problem
from allocate.models.calibration.grounds import ground, together
from allocate.models.calibration.lanes import fit, fragment
from allocate.models.calibration.lanes.hardware import (
    WEIGHT_BYTES,
    Machine,
    known_format,
    machine,
    number_format,
)
from allocate.models.calibration.lanes.sources import Sources
from allocate.models.calibration.naming import gpu_name, rounded, slug
from allocate.models.calibration.result import Calibration, Options, Parameter
from allocate.models.calibration.settings import refuse

FACTOR = (0.65, 2.1)
"""5th and 95th percentile of measured over roofline TPOT in the public TTFT/TPOT table."""
_BATCHES = np.array([1.0, 256.0])
_CONTEXTS = np.array([1024.0, 16384.0])
_MIXES = np.array([0.0, 8.0])


def calibrate(found: Sources, options: Options) -> Calibration:
    """Give a lane to every model and GPU named, on the fewest GPUs that hold the weights."""
    settings = options.settings
    precision = settings.get("precision")
    if precision is not None and known_format(precision) is None:
        hint = f"it takes {', '.join(WEIGHT_BYTES)}"
        refuse("precision", precision, "is no format of weights that is known", hint)
    models = [settings["model"]] if "model" in settings else list(found.books.models)
    gpus = [settings["gpu"]] if "gpu" in settings else list(found.books.gpus)
    if not gpus or not models:
        missing = "GPU" if not gpus else "model"
        hint = f"name one with `--option {missing.casefold()}=NAME`"
        raise DataError(
            [Problem("CAL007", f"no {missing} is named", found.files[0].name, hint=hint)]
        )
    if len(models) * len(gpus) > fragment.MOST:
        message = f"{len(models)} models on {len(gpus)} GPUs are more than {fragment.MOST} lanes"
        hint = "choose with `--option model=NAME --option gpu=NAME`"
        raise DataError([Problem("CAL009", message, found.files[0].name, hint=hint)])
    out = Calibration("lanes", ", ".join(found.formats), 0, found.dropped, [], {}, {}, found.files)
    out.state["books"] = found.books
    records: list[dict[str, Any]] = []
    unknown: list[str] = []
    for model in models:
        for gpu in gpus:
            replica = _replica(found, model, gpu, dict(settings))
            if replica is None:
                unknown.append(f"{model} on {gpu}")
                continue
            records.append(_add(out, model, gpu, replica))
    if not records:
        message = f"no roofline for {', '.join(unknown[:5])}: geometry or data sheet is missing"
        raise DataError([Problem("CAL007", message, found.files[0].name)])
    out.tables["deployments"] = pl.DataFrame(records)
    out.notes.append(
        "roofline: computed from geometry and data sheets, nothing was measured; on the public "
        "TTFT/TPOT table rooflines are off by 20 % in the median and 52 % at the 90th percentile"
    )
    if unknown:
        out.notes.append(f"left out, geometry or data sheet missing: {', '.join(unknown[:8])}")
    return out


def _replica(found: Sources, model: str, gpu: str, settings: dict[str, str]) -> Machine | None:
    """Take the size asked for, else the smallest power of two that holds the weights and KV."""
    precision = settings.get("precision")
    sizes = [float(settings[name]) for name in ("tp", "pp", "dp") if name in settings]
    if sizes:
        groups = float(settings.get("dp", 1))
        return machine(found.books, model, gpu, precision, float(np.prod(sizes)), groups)
    for gpus in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0):
        replica = machine(found.books, model, gpu, precision, gpus)
        if replica is None:
            return None
        size = WEIGHT_BYTES[number_format(precision, model)] * replica.weights.total
        if replica.kv_memory_bytes() > 0.2 * size:
            return replica
    return None


def _add(out: Calibration, model: str, gpu: str, replica: Machine) -> dict[str, Any]:
    """Add one lane's parameters, fragment and row."""
    value = fit.roofline(replica, _BATCHES, _CONTEXTS, _MIXES)
    name = fragment.name(model, gpu, replica.gpus, replica.attention_groups)
    about = {"method": "roofline", "rows": 0, "goodness": None, "seen": None}
    for field, unit, number in zip(fit.NAMES, fit.UNITS, value, strict=True):
        low, high = FACTOR[0] * number, FACTOR[1] * number
        out.parameters.append(
            Parameter(f"{name}.{field}", float(number), float(low), float(high), unit, about)
        )
    fields: dict[str, Any] = {
        "model": slug(model),
        "gpu": gpu_name(gpu),
        "gpus_per_replica": replica.gpus,
    }
    fields |= {f: rounded(float(v)) for f, v in zip(fit.NAMES, value, strict=True)}
    paths = [f"deployments.{name}.{field}" for field in fit.NAMES]
    tied = together(paths)
    for path, field, unit in zip(paths, fit.NAMES, fit.UNITS, strict=True):
        number = fields[field]
        ends = FACTOR[0] * number, FACTOR[1] * number
        out.grounds[path] = ground(number, *ends, unit, about, correlation=tied[path])
    fields |= fragment.memory(replica)
    out.fragment.setdefault("gpus", {})[gpu_name(gpu)] = {"label": gpu}
    out.fragment.setdefault("deployments", {})[name] = fields
    out.fragment.setdefault("assumed", {})[f"deployments.{name}"] = (
        "roofline: times from geometry and data sheet, not measured"
    )
    return {"deployment": name, "method": "roofline"} | fields
