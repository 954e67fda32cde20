"""What a second try repairs, and seconds per written token, each with an interval over models.

Runs of one model at several efforts are not independent, so both intervals come of models: what
verifying is worth differs between models, and a clock is known as well as lines through at least
three efforts of some model say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from allocate.models.calibration.models import leaderboard
from allocate.models.calibration.models.leaderboard import Family
from allocate.models.calibration.result import Calibration, Parameter
from allocate.models.calibration.statistics import UPPER, compared

Floats = NDArray[np.float64]
APART = 1.2
"""Efforts whose tokens differ by less than this factor give no slope."""


def second_tries(families: Mapping[str, Family]) -> dict[str, list[dict[str, float]]]:
    """Second tries of each model that has any."""
    found = {
        name: [v for run in family.runs if (v := leaderboard.second_try(run))]
        for name, family in families.items()
    }
    return {name: tries for name, tries in found.items() if tries}


def risk_tokens(tries: Mapping[str, Sequence[Mapping[str, float]]]) -> float:
    """Geometric mean over models of what each model's runs give; see ``second_try``."""
    return float(np.exp(np.mean([_log(own) for own in tries.values()])))


def verify_parameters(tries: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Parameter]:
    """Share repaired and τ over models: Student's t, or one model's counting error."""
    if not tries:
        return []
    count = sum(len(own) for own in tries.values())
    about = {"method": "second try that reads the test's errors, mean over models", "rows": count}
    about |= {"goodness": {"models": len(tries)}}
    shares = np.array([np.mean([t["repaired"] for t in own]) for own in tries.values()])
    logs = np.array([_log(own) for own in tries.values()])
    if len(tries) > 1:
        share, tau = _student(shares), np.exp(_student(logs))
    else:
        (own,) = tries.values()
        share = _one(own, "repaired", "repaired_low", "repaired_high")
        tau = _one(own, "risk_tokens", "risk_tokens_low", "risk_tokens_high")
        about["method"] += "; of one model, whose counting error the interval is"
    ends = (float(share[0]), float(max(share[1], 0.0)), float(min(share[2], 1.0)))
    at, low, high = (float(v) for v in tau)
    return [
        Parameter("verify.repaired_share", *ends, "1", about),
        Parameter("verify.risk_tokens", at, low, high, "token", about),
    ]


def check(
    calibration: Calibration, others: Mapping[str, Sequence[Mapping[str, float]]]
) -> dict[str, Any]:
    """What verifying is worth here beside that of other runs; both have an error of their own."""
    mine = {p.name: p for p in calibration.parameters}
    return {
        p.name: compared(mine[p.name], p.value, p.low, p.high)
        for p in verify_parameters(others)
        if p.name in mine
    }


def _log(own: Sequence[Mapping[str, float]]) -> float:
    return float(np.mean(np.log([one["risk_tokens"] for one in own])))


def _student(values: NDArray[Any]) -> Floats:
    reach = student.ppf(UPPER, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() + np.array([0.0, -reach, reach])


def _one(own: Sequence[Mapping[str, float]], *names: str) -> Floats:
    """Geometric means over one model's runs."""
    return np.exp([np.mean(np.log([max(t[name], 1e-9) for t in own])) for name in names])


def time_parameters(families: Mapping[str, Family]) -> list[Parameter]:
    """Time per written token of each model: slope of seconds over tokens between efforts.

    How far seconds scatter about such lines is taken from all models together, relative to
    the seconds, since two efforts of one model always lie on a line.
    """
    timed = {name: found for name, family in families.items() if (found := _timed(family))}
    scatter, free = _scatter(list(timed.values()))
    out = []
    for name, (tokens, seconds) in timed.items():
        weight = (tokens - tokens.mean()) / ((tokens - tokens.mean()) ** 2).sum()
        slope = 1e3 * float(weight @ seconds)
        if slope <= 0:
            continue  # more tokens in less time: the queue, not the model
        about: dict[str, Any] = {
            "method": "slope of seconds over written tokens; scatter as of all models",
            "rows": len(tokens), "seen": [float(tokens.min()), float(tokens.max())],
            "of": "completion tokens per task",
        }  # fmt: skip
        low = high = float("nan")
        if free:
            error = 1e3 * scatter * float(np.sqrt(((weight * seconds) ** 2).sum()))
            reach = float(student.ppf(UPPER, free)) * error
            low, high = max(slope - reach, 0.0), slope + reach
            about["goodness"] = {"relative_scatter": scatter}
        out.append(Parameter(f"{name}.tpot_ms", slope, low, high, "ms/token", about))
    return out


def _timed(family: Family) -> tuple[Floats, Floats] | None:
    """Tokens and seconds per task of a model's runs, where they tell a slope."""
    runs = [r for r in family.runs if r["seconds"]]
    tokens = np.array([r["completion_tokens"] / r["tasks"] for r in runs])
    if len(runs) < 2 or tokens.max() <= APART * tokens.min():
        return None
    return tokens, np.array([r["seconds"] for r in runs], float)


def _scatter(timed: Sequence[tuple[Floats, Floats]]) -> tuple[float, int]:
    """Relative standard deviation of seconds about each model's line, and its freedom."""
    squares = expected = 0.0
    free = 0
    for tokens, seconds in timed:
        if len(tokens) < 3:
            continue
        design = np.stack([np.ones_like(tokens), tokens], axis=1)
        rest = np.eye(len(tokens)) - design @ np.linalg.pinv(design)
        squares += float((((rest @ seconds) / seconds) ** 2).sum())
        expected += float((np.diag(rest @ np.diag(seconds**2) @ rest) / seconds**2).sum())
        free += len(tokens) - 2
    return (float(np.sqrt(squares / expected)), free) if free else (float("nan"), 0)
