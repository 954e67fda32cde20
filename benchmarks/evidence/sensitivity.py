"""Derivatives of the answer against finite differences of answers solved again.

    python -m benchmarks.evidence.sensitivity [CONFIG.yaml ...] [--every N] [--out FILE]

Every number of a config is moved a little to both sides, the optimality conditions are solved
there from the undisturbed answer (Newton's method with a fixed matrix), and the judge certifies
both answers to 1e-9: what is compared with is optimal, however it was found. A derivative to one
side only is compared with the difference on that side. Errors are relative to the derivative, or
to a thousandth of the number itself per 100 % of the parameter where the derivative is less.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import allocate
from allocate.models.narrowing import same_structure
from allocate.models.parameters import Parameter, parameters
from allocate.solver.studies.sensitivity.optimum import Optimum, optimum_of
from allocate.solver.studies.sensitivity.slopes import Side, Slopes

STEPS = (1e-4, 1e-5, 1e-6)  # of a parameter; the next one where the answer bends before
PROVED = 1e-9  # gap of an answer that is compared with
ROUNDS = 12
LEAST = 1e-3  # of a number, for 100 % of a parameter: derivatives below are told from 0 only


def solved(at: Optimum, parameter: Parameter, value: float) -> np.ndarray | None:
    """Welfare, prices and decisions with a parameter at another value; None if not certified."""
    faces = [at.face]
    if len(at.face.weak_rows):
        faces.append(replace(at.face, weak_rows=at.face.weak_rows[:0]))
    if any(p.weak.any() for p in at.face.pairs):
        pairs = tuple(replace(p, weak=np.zeros_like(p.weak)) for p in at.face.pairs)
        faces += [replace(f, pairs=pairs) for f in list(faces)]
    for face in faces:
        home = Optimum(at.loaded, at.narrow, face, at.point, at.numbers)
        there = home.elsewhere(parameter, value)
        if not same_structure(home.base.program, there.base.program):
            return None
        for _ in range(ROUNDS):
            wrong = there.residual(there.base, there.system(), there.point)
            point, numbers = there.moved(home.directions.newton(wrong), 1.0)
            there = Optimum(there.loaded, at.narrow, face, point, numbers)
            left = np.abs(wrong * home.directions.units)[home.directions.strong]
            if left.max(initial=0.0) < 1e-14:
                break
        judged = there.certified
        if abs(judged.relative_gap) <= PROVED and judged.max_violation <= PROVED:
            slopes = Slopes(there)
            told = [*slopes.price_values, *(d.value for d in slopes.told)]
            return np.array([judged.primal, *told])
    return None


def compared(at: Optimum, slopes: Slopes, parameter: Parameter) -> dict[str, Any]:
    """The largest relative error of all derivatives with respect to one parameter."""
    found = slopes.of(parameter)
    out: dict[str, Any] = {"parameter": parameter.path, "value": parameter.value}
    here = np.array([at.certified.primal, *slopes.price_values, *(d.value for d in slopes.told)])
    size = abs(parameter.value) or 1.0
    floor = np.array([1.0, *[1e-6] * len(slopes.resources), *[1e-3] * len(slopes.told)])
    least = LEAST * np.maximum(np.abs(here), floor) / size

    def error(side: Side, difference: np.ndarray) -> float:
        slope = np.concatenate([[side.welfare], side.prices, side.decisions])
        wrong = np.abs(difference - slope) / np.maximum(np.abs(slope), least)
        return float(np.nanmax(np.where(np.isfinite(slope), wrong, np.nan)))

    for relative in STEPS:
        step = relative * size
        ends = {}
        for sign in (1.0, -1.0):
            if step < parameter.room()[0 if sign < 0 else 1]:
                ends[sign] = solved(at, parameter, parameter.value + sign * step)
        up, down = ends.get(1.0), ends.get(-1.0)
        errors = {}
        if found.both is not None and up is not None and down is not None:
            errors["both"] = error(found.both, (up - down) / (2.0 * step))
        if found.above is not None and up is not None:
            errors["above"] = error(found.above, (up - here) / step)
        if found.below is not None and down is not None:
            errors["below"] = error(found.below, (here - down) / step)
        if errors and max(errors.values()) < min(out.get("errors", {"": np.inf}).values()):
            out |= {"errors": errors, "step": relative}
        if errors and max(errors.values()) < 1e-5:
            break
    told = {"both": found.both, "above": found.above, "below": found.below}
    out["given"] = [k for k, v in told.items() if v is not None]
    out["reason"] = found.reason
    return out


def evidence(path: str, every: int = 1) -> dict[str, Any]:
    """Every parameter of one config, or one in so many."""
    solution = allocate.solve(path, ranges=False)
    clock = time.perf_counter()
    at = optimum_of(solution)
    slopes = Slopes(at)
    wanted, left = parameters(solution.loaded)
    lines = []
    for parameter in wanted[::every]:
        lines.append(compared(at, slopes, parameter))
        print(lines[-1], file=sys.stderr, flush=True)
    checked = [max(x["errors"].values()) for x in lines if x.get("errors")]
    smooth = [x["errors"]["both"] for x in lines if "both" in x.get("errors", {})]
    return {
        "config": Path(path).name,
        "parameters": len(wanted),
        "looked_at": len(lines),
        "left_out": [x.path for x in left],
        "smooth": sum("both" in x["given"] for x in lines),
        "one_sided": sum(bool(x["given"]) and "both" not in x["given"] for x in lines),
        "none": [x["parameter"] for x in lines if not x["given"]],
        "compared": len(checked),
        "not_compared": [x["parameter"] for x in lines if x["given"] and not x.get("errors")],
        "largest_error_smooth": max(smooth, default=None),
        "largest_error": max(checked, default=None),
        "over_1e-4": [
            x["parameter"] for x in lines if max(x.get("errors", {"": 0}).values()) > 1e-4
        ],
        "gap_at_the_optimum": at.certified.relative_gap,
        "ties": at.face.weak,
        "seconds": time.perf_counter() - clock,
        "lines": lines,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("configs", nargs="*", default=["examples/reserved.yaml"])
    parser.add_argument("--every", type=int, default=1, help="only one parameter in so many")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = []
    for path in given.configs:
        found.append(evidence(path, given.every))
        print(
            json.dumps({k: v for k, v in found[-1].items() if k != "lines"}, indent=1), flush=True
        )
        if given.out:
            given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
