"""``calibrate lanes``: engine measurements → step and prefill times of deployments.

Reads the public TTFT/TPOT table of aiconfigurator, Splitwise's step times, results of
``vllm bench serve``, vLLM's Prometheus metrics and any CSV by ``--map``; geometry (a table
or a model's ``config.json``) and GPU data sheets beside them, or alone for a roofline.

Two things come of measurements. A *lane* per configuration: the four coefficients that
``solve`` uses. And a *smoothed surface* of all of them (``surface``), which says what a load,
model or GPU that was not measured would take; it scores and completes, lanes are its short form.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from allocate.errors import DataError, Problem
from allocate.models.calibration.lanes import rows, sources
from allocate.models.calibration.result import Calibration, Options

__all__ = ["FIELDS", "OPTIONS", "calibrate", "check", "detects"]

FIELDS = rows.FIELDS
OPTIONS = {
    name: f"{what}: keeps only these rows, and stands where the source does not say"
    for name, what in rows.FIELDS.items()
    if name in (*rows.NAMES, *rows.SIZES)
} | {"load": "fewest and most requests in flight that lanes are fitted to, as 4:64; default all"}


def detects(path: Path) -> str | None:
    """Know a file by its header, its keys or its metric names."""
    return sources.recognise(path)


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Fit every configuration that the files measure; without measurements, a roofline."""
    from allocate.models.calibration.lanes import measured, predicted

    found = sources.read(paths, options)
    if found.frame.height:
        return measured.calibrate(found, options)
    if found.books.models or found.books.gpus or "model" in options.settings:
        return predicted.calibrate(found, options)
    dropped = ", ".join(f"{n} with {reason}" for reason, n in found.dropped.items())
    message = "no row can be fitted" + (f": {dropped}" if dropped else "")
    hint = "name what the file does not say, as in `--option gpu=h100_sxm`"
    raise DataError([Problem("CAL007", message, str(paths[0]), hint=hint)])


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Score the predictions against measurements that the fit did not see."""
    from allocate.models.calibration.lanes import measured

    found = sources.read(paths, options)
    if not found.frame.height:
        message = "no row of it can be compared"
        raise DataError([Problem("CAL007", message, str(paths[0]))])
    return measured.check(calibration, found)
