"""Out of sample: the worth of a staleness that was left out, from the others.

    python benchmarks/evidence/calibration_training.py STALENESS HOURS [--out FILE]

STALENESS is AReaL's table of scores against staleness, HOURS that of training hours, which has
the untrained model's score. Each staleness above 0 is left out in turn and read off a straight
line between its neighbours in the isotonic fit of the rest (beyond the last: the last).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from allocate.models.calibration.result import Options
from allocate.models.calibration.training import staleness, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("staleness", type=Path)
    parser.add_argument("hours", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = tables.read([given.staleness, given.hours], Options())
    base = tables.bases(Options(), found.rows["training hours"])["AIME24"]
    result = {
        name: left_out(found.rows["score against staleness"], name, base)
        for name in ("decoupled_ppo", "naive_ppo")
    }
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)


def left_out(rows: list[dict[str, Any]], algorithm: str, base: float) -> dict[str, Any]:
    """Error of efficiency at each staleness, in points of the gain without staleness."""
    mine = [r for r in rows if r["benchmark"] == "AIME24" and np.isfinite(r["versions"])]
    mine = [r for r in mine if r["versions"] == 0 or r["algorithm"] == algorithm]
    versions, score = tables.columns(mine, "versions", "score")
    fresh = score[versions == 0].mean() - base
    each = []
    for level in np.unique(versions[versions > 0]):
        keep = versions != level
        fitted = staleness.fit(versions[keep], score[keep], base)
        said = float(np.interp(np.log1p(level), np.log1p(fitted.versions), fitted.value))
        true = float((score[~keep].mean() - base) / fresh)
        each.append({"versions": float(level), "predicted": said, "measured": true})
    off = [100 * abs(e["predicted"] - e["measured"]) for e in each]
    return {
        "median_error_points": float(np.median(off)),
        "max_error_points": float(np.max(off)),
        "each": each,
    }


if __name__ == "__main__":
    main()
