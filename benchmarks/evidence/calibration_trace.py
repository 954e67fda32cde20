"""Out of sample: rate, tokens and waits of the second half of a request log, from the first.

    python benchmarks/evidence/calibration_trace.py [LOG] [--half SECONDS] [--out FILE]

LOG is Azure's trace of a coding service, by default that in tests/data, cut at 1,718 s. Waits are
those of a plain queue, one server, first come first served, at three loads.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from allocate.models.calibration import trace
from allocate.models.calibration.result import Options

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "tests" / "data" / "trace" / "azure_code_2023.csv.gz"
BUSY = (0.3, 0.5, 0.7)


def main() -> None:
    """Fit, judge and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path, nargs="?", default=LOG)
    parser.add_argument("--half", type=float, default=1718.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    text = json.dumps(held_out(given.log, given.half), indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)


def held_out(log: Path, half: float) -> dict[str, Any]:
    """Fit requests before a time; compare with those after it, at each load."""
    out: dict[str, Any] = {"queueing_delay": {}}
    for busy in BUSY:
        window = {"until_s": str(half), "check_from_s": str(half), "busy": str(busy)}
        options = Options(settings=window)
        found = trace.calibrate([log], options)
        judged = trace.check(found, [log], options)
        out["queueing_delay"][f"busy {busy:g}"] = judged.pop("queueing_delay")
        out |= judged
    return out


if __name__ == "__main__":
    main()
