"""A scaling law that somebody else fitted, as ``parameter,value``."""

from __future__ import annotations

import math
from typing import Any

from allocate.errors import DataError, Problem
from allocate.models.calibration import settings
from allocate.models.calibration.naming import rounded
from allocate.models.calibration.result import Calibration, Options, Parameter
from allocate.models.calibration.training.tables import Tables


def put(out: Calibration, found: Tables, asset: dict[str, Any], options: Options) -> None:
    """A law that somebody fitted: error = ((N0/N)^β + B0/(E + C0))^α at one model size."""
    law = found.law
    if not law:
        return
    sizes = [k.removeprefix("B0_") for k in law if k.startswith("B0_")]
    size = options.settings.get("size", sizes[-1] if sizes else "")
    needed = ("N0", "beta", "alpha", f"B0_{size}", f"C0_{size}")
    missing = [name for name in needed if name not in law]
    if missing:
        hint = f"choose with `--option size=`: {', '.join(sizes)}"
        message = f"the law has no {', '.join(missing)}"
        raise DataError([Problem("CAL005", message, found.sources[0].name, hint=hint)])
    count = settings.number(options, "parameters", _parameters(size), 1.0)
    if not count:
        message = f"the size `{size}` does not say how many parameters"
        raise DataError([Problem("CAL009", message, "--option parameters")])
    values = {
        "floor": (law["N0"] / count) ** law["beta"], "b": law[f"B0_{size}"],
        "c": law[f"C0_{size}"], "power": law["alpha"],
    }  # fmt: skip
    about = {
        "method": "a fit by others, without intervals", "rows": int(law.get("n_points", 0)),
        "goodness": {"r2": law.get("r2")}, "seen": None,
    }  # fmt: skip
    for field, value in values.items():
        out.parameters.append(Parameter(f"gain.{field}", value, math.nan, math.nan, "1", about))
    asset["gain"] = {"form": "scaling_law"} | {k: rounded(v, 7) for k, v in values.items()}
    samples = settings.number(options, "samples", None, 1.0)
    if samples:
        asset["gain"]["samples"] = samples
    else:
        out.notes.append("samples at index 1 are yours to set: `--option samples=51200`")


def _parameters(size: str) -> float:
    """Read ``32B`` or ``1p5B`` as a number of parameters; 0 where it is none."""
    try:
        return float(size.casefold().removesuffix("b").replace("p", ".")) * 1e9
    except ValueError:
        return 0.0
