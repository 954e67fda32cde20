"""Out of sample: step and first-token times of loads, models and GPUs that were left out.

    python benchmarks/evidence/calibration_lanes.py TABLE [--out FILE]

TABLE is the public TTFT/TPOT table (ai-dynamo/aiconfigurator, `silicon_sample.csv`). Held out,
in turn: every concurrency level of every configuration that has four or more (edges too); and
every (model, GPU) pair whole, together with other models of the same architecture on that GPU,
since the table repeats rows under two names. Beside the prediction: the lane form alone, the
nearest measured point and the roofline.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from allocate.models.calibration import lanes
from allocate.models.calibration.lanes import checking, fit, rows, surface
from allocate.models.calibration.result import Options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    calibration = lanes.calibrate([given.table], Options())
    frame = calibration.state["frame"]
    design = surface.Design.of(frame, calibration.state["books"])
    levels = checking.levels(frame)
    result: dict[str, Any] = {
        "rows": frame.height,
        "aims": {
            "unseen level, TPOT": {"median": 0.025, "p90": 0.12},
            "unseen pair, TPOT": {"median": 0.15},
        },
        "unseen level": held_out(calibration, design, levels, True),
        "unseen level, inner levels only": held_out(
            calibration, design, inner(frame, levels), True
        ),
        "unseen model and GPU": held_out(calibration, design, pairs(frame, design), False),
    }
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)


def inner(frame: Any, levels: list[Any]) -> list[Any]:
    """Levels between the lowest and the highest of their configuration."""
    flight = frame["concurrency"].to_numpy()
    of: dict[Any, list[Any]] = {}
    for block in levels:
        of.setdefault(frame.select(rows.CONFIGURATION).row(int(block[0])), []).append(block)
    out = []
    for blocks in of.values():
        at = [flight[b[0]] for b in blocks]
        out += [b for b, x in zip(blocks, at, strict=True) if min(at) < x < max(at)]
    return out


def pairs(frame: Any, design: surface.Design) -> list[Any]:
    """Rows of each architecture on each GPU."""
    labels = np.char.add(
        design.labels["architecture"].astype(str), frame["gpu"].to_numpy().astype(str)
    )
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def held_out(
    calibration: Any, design: surface.Design, blocks: list[Any], lane: bool
) -> dict[str, Any]:
    """Errors over blocks that are left out one at a time."""
    frame = calibration.state["frame"]
    held = np.concatenate(blocks)
    number = np.full(frame.height, -1)
    for i, block in enumerate(blocks):
        number[block] = i
    apart = (number[:, None] == number[None, :]) & (number[:, None] >= 0)
    near = checking.nearest(frame, frame, apart)
    forms = lane_form(calibration, blocks) if lane else None
    out: dict[str, Any] = {"blocks": len(blocks), "rows": len(held)}
    for time, column in checking.TIMES.items():
        true = frame[column].to_numpy().astype(float)[held]
        smoothed = calibration.state["surfaces"][time].left_out(blocks)
        out[time] = {
            "prediction": checking.errors(smoothed[held], true),
            "nearest measured point": checking.errors(near[time][held], true),
            "roofline": checking.errors(design.roofline[column][held], true),
        }
        if forms is not None:
            out[time]["lane form alone"] = checking.errors(forms[time][held], true)
    return out


def lane_form(calibration: Any, blocks: list[Any]) -> dict[str, Any]:
    """Times that a lane fitted without its block says."""
    frame = calibration.state["frame"]
    machines = surface.machines_of(frame, calibration.state["books"])
    configuration = design_codes(frame)
    out = {time: np.full(frame.height, np.nan) for time in checking.TIMES}
    for block in blocks:
        train = np.setdiff1d(np.flatnonzero(configuration == configuration[block[0]]), block)
        fitted = fit.fit(frame[train], machines[block[0]])
        if fitted is None:
            continue
        gone = frame[block]
        at = [gone[n].to_numpy().astype(float) for n in ("isl", "osl", "mix", "concurrency")]
        out["tpot"][block] = fit.tpot_in_flight(fitted.value, *at)
        out["ttft"][block] = fit.ttft_ms(fitted.value, *at)
    return out


def design_codes(frame: Any) -> Any:
    labels = ["|".join(map(str, row)) for row in frame.select(rows.CONFIGURATION).iter_rows()]
    return np.unique(labels, return_inverse=True)[1]


if __name__ == "__main__":
    main()
