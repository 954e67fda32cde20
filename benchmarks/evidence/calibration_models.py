"""Out of sample: success of an effort level, and of unseen queries, from the others.

    python benchmarks/evidence/calibration_models.py LEADERBOARD [OUTCOMES ...] [--out FILE]

LEADERBOARD is in Aider's form; each effort of each model with several is left out in turn and
predicted from its other efforts and the other models' slope. OUTCOMES are per query; half the
queries (drawn with a seed) predict the success by class of the other half, and sixty such draws
say how often the correlation of failures in two halves lies within their intervals.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from allocate.models.calibration import models, reading
from allocate.models.calibration.models import held_out, outcomes
from allocate.models.calibration.result import Options

DRAWS = 60
ENDS = (("correlation", "low", "high"), ("within_classes", "within_low", "within_high"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("leaderboard", type=Path)
    parser.add_argument("outcomes", type=Path, nargs="*")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    calibration = models.calibrate([given.leaderboard], Options())
    result: dict[str, Any] = {"effort left out": held_out.left_out(calibration.state["families"])}
    for path in given.outcomes:
        result[f"half of the queries, {path.name}"] = halves(path)
        result[f"correlation of failures, {path.name}"] = correlations(path)
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)


def halves(path: Path) -> dict[str, Any]:
    """Fit on one half of the queries, check on the other."""
    table = reading.read_table(path)
    first = np.random.default_rng(0).random(table.height) < 0.5
    with tempfile.TemporaryDirectory() as folder:
        for name, keep in (("fit.csv", first), ("other.csv", ~first)):
            table.filter(keep).write_csv(Path(folder) / name)
        calibration = models.calibrate([Path(folder) / "fit.csv"], Options())
        check = models.check(calibration, [Path(folder) / "other.csv"], Options())
    return {k: v for k, v in check.items() if k != "files"}


def correlations(path: Path) -> dict[str, Any]:
    """How often two halves' correlations differ by no more than their intervals together."""
    table = outcomes.read(path, reading.read_table(path), {}).frame
    held: dict[str, list[bool]] = {}
    for seed in range(DRAWS):
        first = np.random.default_rng(seed).random(table.height) < 0.5
        halves_of = [outcomes.correlations(table.filter(part)) for part in (first, ~first)]
        for one, other in zip(*(h.iter_rows(named=True) for h in halves_of), strict=True):
            for name, low, high in ENDS:
                reach = np.hypot((one[high] - one[low]) / 2, (other[high] - other[low]) / 2)
                inside = abs(one[name] - other[name]) <= reach
                held.setdefault(f"{one['model']}.{one['other']}.{name}", []).append(bool(inside))
    return {"draws": DRAWS, "within_interval": {k: float(np.mean(v)) for k, v in held.items()}}


if __name__ == "__main__":
    main()
