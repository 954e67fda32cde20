"""``calibrate training``: training runs → gain curve, worth of stale rollouts, depreciation.

Reads score against steps, samples or tokens; score against staleness; training hours with and
without staleness; score against the age of a training; and fitted laws as ``parameter,value``.
Scores are shares of 1 or percent, told by their size.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from allocate.models.calibration import reading
from allocate.models.calibration.result import Calibration, Options
from allocate.models.calibration.training.formats import kind

__all__ = ["FIELDS", "OPTIONS", "calibrate", "check", "detects"]

FIELDS = {
    "samples": "samples, steps or tokens trained on",
    "score": "score, a share of 1 or %",
    "versions": "model versions that rollouts may be behind; inf for no limit",
    "age_h": "hours since the training ended",
    "algorithm": "training algorithm",
    "benchmark": "benchmark",
    "run": "what tells runs apart",
    "setting": "base, synchronous or asynchronous",
    "training_hours": "hours of a run",
}
OPTIONS = {
    "base": "score of the untrained model, as 29.3 or AIME24=29.3|AIME25=24",
    "model": "model of the config that is trained; default model",
    "asset": "name of the training asset; default rl",
    "kind": "sft, dpo or rl; default rl",
    "algorithm": "keep only this algorithm",
    "benchmark": "keep only this benchmark",
    "run": "keep only this run",
    "size": "column of a fitted law's sizes, as 32B",
    "parameters": "parameters of the model in a fitted law, as 32e9; default from size",
    "samples": "samples at index 1 of the asset; default the largest seen",
    "async_versions": "versions behind of the asynchronous run; default 4",
}


def detects(path: Path) -> str | None:
    """Know a table by its header."""
    if path.suffix == ".parquet":
        return None
    line = reading.first_line(path)
    if not line or line.strip()[:1] in ("{", "["):
        return None
    return kind([name.strip() for name in next(csv.reader([line]), [])])


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Fit every curve that the tables hold."""
    from allocate.models.calibration.training import assemble

    return assemble.calibrate(paths, options)


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Score the curves against other runs."""
    from allocate.models.calibration.training import checking

    return checking.check(calibration, paths, options)
