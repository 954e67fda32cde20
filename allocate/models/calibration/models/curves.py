"""Leaderboard runs → success curves, tokens by use, and what verifying is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibration.models import fragment, held_out, leaderboard, power_law, tries
from allocate.models.calibration.models import scores as score_only
from allocate.models.calibration.models.leaderboard import Family
from allocate.models.calibration.models.scores import Score
from allocate.models.calibration.result import Calibration, Options, Parameter, Source
from allocate.models.calibration.statistics import proportion

_METHOD = "failures c·Y^-s, binomial likelihood, slope s shared by partial pooling"


def calibrate(
    runs: list[dict[str, Any]],
    dropped: dict[str, int],
    sources: list[Source],
    recognised: str,
    options: Options,
) -> Calibration:
    """Fit a curve to each model that has token counts, and pool what is common.

    Args:
        runs: as ``leaderboard.read`` gives them, at least one.
        dropped: rows that are none of them, by reason.
        sources: the files.
        recognised: their formats.
        options: may set ``exponent``.
    """
    families = leaderboard.named(leaderboard.families(runs))
    pooled = power_law.slopes([family.counts() for family in families.values()])
    fits = {name: power_law.fit(f.counts(), pooled) for name, f in families.items()}
    scored = score_only.of(runs, families)
    verify = tries.second_tries(families)
    out = Calibration(
        "models", recognised, len(runs), dropped, [], {}, {}, sources,
        _notes(families, fits, pooled, runs),
        state={"families": families, "fits": fits, "pooled": pooled},
    )  # fmt: skip
    for name, family in families.items():
        out.parameters += _curve_parameters(name, family, fits[name], pooled)
    out.parameters += tries.time_parameters(families)
    out.parameters += [score.parameter(name) for name, score in scored.items()]
    out.parameters += tries.verify_parameters(verify)
    out.tables["success"] = _success_table(families, fits, scored)
    if verify:
        rows = [{"model": name} | one for name, own in verify.items() for one in own]
        out.tables["second_try"] = pl.DataFrame(rows)
    fragment.put(out, families, fits, verify, scored, options)
    held = held_out.left_out(families)
    if held is not None:
        out.tables["left_out"] = pl.DataFrame(held.pop("each"))
        out.check = held
    return out


def _curve_parameters(
    name: str, family: Family, fit: power_law.Fit, pooled: power_law.Slope
) -> list[Parameter]:
    """The curve's numbers; the exponent only where some data tell it."""
    counts = family.counts()
    measured = counts.solved / counts.cases
    off = 100 * float(np.median(np.abs(fit.success(counts.tokens) - measured)))
    about = {
        "method": _METHOD, "rows": len(counts.tokens), "goodness": {"median_error_points": off},
        "seen": [float(counts.tokens.min()), float(counts.tokens.max())],
        "of": "completion tokens per task",
    }  # fmt: skip
    out = [Parameter(f"{name}.success.coefficient", *fit.coefficient, "1", about)]
    if counts.wide or pooled.models:
        out.append(Parameter(f"{name}.success.exponent", *fit.exponent, "1", about))
    return out


def _success_table(
    families: Mapping[str, Family], fits: Mapping[str, power_law.Fit], scored: Mapping[str, Score]
) -> pl.DataFrame:
    """Every run with its score, and what the curve says there; scores alone at the end."""
    records: list[dict[str, Any]] = []
    for name, family in families.items():
        counts = family.counts()
        for k, run in enumerate(family.runs):
            share, low, high = proportion(counts.solved[k], counts.cases[k])
            tokens = float(counts.tokens[k])
            ends = fits[name].interval(tokens)
            records.append({
                "model": name, "run": run["model"], "tasks": counts.cases[k],
                "completion_tokens": tokens, "multiple": tokens / fits[name].reference,
                "success": share, "low": low, "high": high,
                "curve": float(fits[name].success(np.array([tokens]))[0]), "curve_low": ends[0],
                "curve_high": ends[1],
            } | _cost(run))  # fmt: skip
    empty = dict.fromkeys(("completion_tokens", "multiple", "curve", "curve_low", "curve_high"))
    for name, score in scored.items():
        for run in score.runs:
            share, low, high = proportion(run["score"] / 100 * run["tasks"], run["tasks"])
            about = {"model": name, "run": run["model"], "tasks": run["tasks"]}
            records.append(
                about | empty | {"success": share, "low": low, "high": high} | _cost(run)
            )
    return pl.DataFrame(records, infer_schema_length=None)


def _cost(run: Mapping[str, Any]) -> dict[str, float | None]:
    usd = run["cost_usd"]
    return {
        "usd_per_task": usd / run["tasks"] if usd else None,
        "seconds_per_task": run["seconds"],
    }


def _notes(
    families: Mapping[str, Family], fits: Mapping[str, power_law.Fit], pooled: power_law.Slope,
    runs: list[dict[str, Any]],
) -> list[str]:  # fmt: skip
    notes = [_law(families, pooled)] if families else []
    falling = [name for name, fit in fits.items() if fit.falls]
    if falling:
        notes.append(
            f"the data disagree with a rising curve, beyond counting error: {', '.join(falling)}"
        )
    several = {name: f for name, f in families.items() if len(f.runs) > 1}
    fewer = [name for name, family in several.items() if not family.counts().wide]
    if fewer:
        notes.append(f"efforts that wrote about as many tokens, so no slope: {', '.join(fewer)}")
    bare = sum(run["completion_tokens"] is None for run in runs)
    if bare:
        notes.append(f"{bare} runs have no token counts: a score each, and no curve")
    free = sum(run["free"] for run in runs)
    if free:
        notes.append(f"{free} runs say a cost of 0, which is taken as not known")
    if several:
        notes.append(
            "tpot_ms holds queueing at the provider; it is not put into the fragment, where an "
            "API without prices would be free"
        )
    return notes


def _law(families: Mapping[str, Family], pooled: power_law.Slope) -> str:
    """How failures fall with tokens, or that the data do not tell it."""
    if pooled.models:
        return (
            f"failures fall with tokens to the power {pooled.mean:.2f}, the mean of "
            f"{pooled.models} models, spread {pooled.spread:.2f} between them"
        )
    told = sum(family.counts().wide for family in families.values())
    return (
        f"{told or 'no'} model{'' if told == 1 else 's'} ran at efforts that differ in tokens, 3 "
        "are needed to tell how failures fall with tokens: curves start from the power "
        f"{pooled.mean:g} of a public board, which these data did not tell"
    )
