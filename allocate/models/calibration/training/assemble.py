"""Puts what the tables of training runs say into parameters, tables and a fragment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from allocate.errors import DataError, Problem
from allocate.models.calibration import settings
from allocate.models.calibration.result import Calibration, Options
from allocate.models.calibration.training import ages, law, rollouts, runs, tables
from allocate.models.calibration.training.tables import ASSET
from allocate.models.config import TrainingAsset

KINDS: tuple[str, ...] = get_args(TrainingAsset.model_fields["kind"].annotation)
"""Kinds of training asset that a config knows."""


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Fit every curve that the tables hold."""
    name, fields = _named(options)
    found = tables.read(paths, options)
    out = Calibration(
        "training", ", ".join(found.formats), found.used, found.dropped, [], {}, {}, found.sources
    )
    out.state["bases"] = tables.bases(options, found)
    asset: dict[str, Any] = {}
    for put in (runs.put, law.put, rollouts.put, ages.put):
        put(out, found, asset, options)
    if not out.parameters:
        message = "nothing could be fitted"
        hint = (
            "a curve needs four points; staleness needs a score at 0 and that of the untrained "
            "model, as `--option base=29.3`; training hours need a table of scores beside them"
        )
        if out.notes:
            message += ": " + "; ".join(out.notes)
        raise DataError([Problem("CAL007", message, str(paths[0]), hint=hint)])
    if asset and "gain" not in asset:
        out.fragment, out.grounds = {}, {}
        out.notes.append(
            "no gain was calibrated, so the fragment is empty: name its table beside this one"
        )
    elif asset:
        out.fragment.setdefault("training", {})["assets"] = {name: fields | asset}
        at = f"training.assets.{name}."
        out.grounds = {p.replace(ASSET, at): _moved(e, at) for p, e in out.grounds.items()}
    return out


def _moved(entry: dict[str, Any], at: str) -> dict[str, Any]:
    """An entry whose correlations name the asset."""
    tied = entry.get("correlation")
    if not tied:
        return entry
    return entry | {"correlation": {p.replace(ASSET, at): v for p, v in tied.items()}}


def _named(options: Options) -> tuple[str, dict[str, str]]:
    """Name of the asset and what it says besides its curves."""
    fields = {
        "model": settings.config_name(options, "model", "model"),
        "kind": settings.choice(options, "kind", KINDS, "rl"),
    }
    return settings.config_name(options, "asset", "rl"), fields
