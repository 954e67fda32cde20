"""Out of sample: hit ratios of an LRU cache over later requests, from earlier ones.

    python benchmarks/evidence/calibration_reuse.py [TRACE] [--out FILE]

TRACE is Mooncake's conversation trace, by default the first 30 minutes in tests/data. Fitted on
the first 20 minutes, and on the first 10; judged over the rest by a cache run plainly. Beside the
prediction: the hits of the same cache over the fitted part, where first uses count as misses and
early requests as much as late ones (no censoring, no weights).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from allocate.models.calibration import reuse
from allocate.models.calibration.result import DEFAULT_BLOCKS, Options
from allocate.models.calibration.reuse.accesses import read_accesses
from allocate.models.calibration.reuse.curve import look_back

ROOT = Path(__file__).resolve().parents[2]
TRACE = ROOT / "tests" / "data" / "reuse" / "mooncake_conversation_first30min.jsonl.gz"
AIM = 1.5
"""Points that each size may be off."""


def main() -> None:
    """Fit, judge and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path, nargs="?", default=TRACE)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result = {
        "aim": {"max_error_points": AIM},
        "first 20 minutes": held_out(given.trace, 1200.0),
        "first 10 minutes": held_out(given.trace, 600.0),
    }
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)


def held_out(trace: Path, until_s: float) -> dict[str, Any]:
    """Fit requests before a time, judge over those after it."""
    options = Options(settings={"until_s": str(until_s), "check_from_s": str(until_s)})
    judged = reuse.check(reuse.calibrate([trace], options), [trace], options)
    depth = look_back(read_accesses([trace], {}, {"until_s": until_s}, None))
    rows = []
    for row in judged["sizes"]:
        plain = float(np.mean(depth.found & (depth.depth <= row["blocks"])))
        rows.append(row | {"plain_error_points": 100 * (plain - row["measured"])})
    assert [row["blocks"] for row in rows] == list(DEFAULT_BLOCKS)
    return {"max_error_points": judged["max_error_points"], "sizes": rows}


if __name__ == "__main__":
    main()
