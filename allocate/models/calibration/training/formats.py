"""Which table of a training run a header belongs to, and what its columns are called."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_SIZE = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:[.p]\d+)?)\s*([bm])(?![a-z])", re.IGNORECASE)
_UNITS = {"b": 1e9, "m": 1e6}
ALIASES: dict[str, tuple[str, ...]] = {
    "samples": ("samples", "steps", "step", "tokens", "rollouts"),
    "score": ("score", "accuracy", "pass_rate", "pass@1", "aime24"),
    "versions": ("versions", "max_staleness_eta", "staleness", "max_staleness"),
    "age_h": ("age_h", "age_hours"),
    "algorithm": ("algorithm",),
    "benchmark": ("benchmark",),
    "run": ("run", "model"),
    "setting": ("setting",),
    "training_hours": ("training_hours", "hours"),
}


def kind(header: Sequence[str]) -> str | None:
    """Say which table a header belongs to."""
    names = {name.strip().casefold() for name in header}
    if names == {"parameter", "value"}:
        return "fitted scaling law"
    if "training_hours" in names and "setting" in names:
        return "training hours"
    has_score = names & set(ALIASES["score"])
    if has_score and names & set(ALIASES["versions"]):
        return "score against staleness"
    if has_score and names & set(ALIASES["age_h"]):
        return "score against age"
    if has_score and names & {"samples", "steps", "step", "rollouts"}:
        return "score against training"
    return None


def size(run: str) -> float:
    """Parameters of the model that a run's name tells, as ``R1-Distill-Qwen-1.5B``; else ∞."""
    found = _SIZE.findall(run)
    if not found:
        return math.inf
    count, unit = found[-1]
    return float(count.lower().replace("p", ".")) * _UNITS[unit.lower()]
