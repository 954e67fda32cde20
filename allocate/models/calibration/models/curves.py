"""Leaderboard runs → success curves, tokens by use, and what verifying is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from allocate.errors import DataError, Problem
from allocate.models.calibration import settings
from allocate.models.calibration.grounds import ground
from allocate.models.calibration.models import curve, leaderboard, tries
from allocate.models.calibration.models.leaderboard import Family
from allocate.models.calibration.naming import rounded, slug, unique_slugs
from allocate.models.calibration.result import Calibration, Options, Parameter, Source
from allocate.models.calibration.statistics import proportion
from allocate.models.curves.success import Table

_METHOD = "failures c·Y^-s, binomial likelihood, slope s shared by partial pooling"


def calibrate(
    runs: list[dict[str, Any]],
    dropped: dict[str, int],
    sources: list[Source],
    recognised: str,
    options: Options,
) -> Calibration:
    """Fit a curve to each model that has token counts, and pool what is common."""
    if not runs:
        raise DataError([Problem("CAL007", "no run can be used", sources[0].name)])
    families = _named(leaderboard.families(runs, dropped))
    pooled = curve.slopes([family.counts() for family in families.values()])
    fits = {name: curve.fit(f.counts(), pooled) for name, f in families.items()}
    used = sum(len(f.runs) for f in families.values())
    verify = tries.second_tries(families)
    out = Calibration(
        "models", recognised, used, dropped, [], {}, {}, sources,
        state={"families": families, "fits": fits, "pooled": pooled},
    )  # fmt: skip
    for name, family in families.items():
        out.parameters += _curve_parameters(name, family, fits[name])
    out.parameters += tries.time_parameters(families)
    scores = [run for run in runs if run["completion_tokens"] is None]
    names = unique_slugs(run["model"] for run in scores)
    out.parameters += [_quality(run, names) for run in scores]
    out.parameters += tries.verify_parameters(verify)
    out.tables["success"] = _success_table(families, fits)
    if verify:
        rows = [{"model": name} | one for name, own in verify.items() for one in own]
        out.tables["second_try"] = pl.DataFrame(rows)
    out.fragment = _fragment(families, fits, verify, options)
    out.grounds = _grounds(out.fragment, families, fits, out.parameters)
    if not families:
        for run in scores[:50]:
            share = rounded(run["score"] / 100, 4)
            name, p = names[run["model"]], _quality(run, names)
            out.fragment["models"][name] = {"label": run["model"], "quality": share}
            out.grounds[f"models.{name}.quality"] = ground(share, p.low, p.high, "1", p.fit, most=1)
    out.notes = _notes(families, fits, pooled, runs, used)
    held = left_out(families)
    if held is not None:
        out.tables["left_out"] = pl.DataFrame(held.pop("each"))
        out.check = held
    return out


def _named(families: list[Family]) -> dict[str, Family]:
    """Give each family a name for a config; the variant tells apart those of one name."""
    out: dict[str, Family] = {}
    for family in families:
        run, name = family.runs[0], slug(family.name)
        for more in (run["variant"], run["helper"]):
            if name in out and more:
                name = f"{name}_{slug(more)}"
        base, i = name, 2
        while name in out:
            name, i = f"{base}_{i}", i + 1
        out[name] = family
    return out


def left_out(families: dict[str, Family]) -> dict[str, Any] | None:
    """Predict each effort of each model from its other efforts; None with one effort each."""
    everything = list(families.values())
    rows = []
    for i, family in enumerate(everything):
        counts = family.counts()
        if len(counts.tokens) < 2:
            continue
        others = [f.counts() for j, f in enumerate(everything) if j != i]
        pooled = curve.slopes(others)
        for k in range(len(counts.tokens)):
            rest = counts.without(k)
            predicted = curve.fit(rest, pooled).success(counts.tokens[k : k + 1])[0]
            near = rest.solved / rest.cases
            nearest = near[np.abs(np.log(rest.tokens / counts.tokens[k])).argmin()]
            share, low, high = proportion(counts.solved[k], counts.cases[k])
            rows.append((family.runs[k]["model"], predicted, nearest, share, low, high))
    if not rows:
        return None
    return {"method": "each effort left out in turn"} | _points(rows)


def _points(rows: list[tuple[str, float, float, float, float, float]]) -> dict[str, Any]:
    predicted, nearest, share, low, high = np.array([r[1:] for r in rows]).T
    return {
        "runs": len(rows),
        "success": _errors(predicted, share),
        "nearest_run": _errors(nearest, share),
        "inside_counting_interval": float(np.mean((predicted >= low) & (predicted <= high))),
        "each": [
            {"run": r[0], "predicted": r[1], "measured": r[3], "low": r[4], "high": r[5]}
            for r in rows
        ],
    }


def _errors(predicted: Any, measured: Any) -> dict[str, float]:
    off = 100 * np.abs(np.asarray(predicted) - np.asarray(measured))
    return {
        "median_error_points": float(np.median(off)),
        "p90_error_points": float(np.quantile(off, 0.9)),
        "max_error_points": float(off.max()),
    }


def check(
    calibration: Calibration, runs: list[dict[str, Any]], dropped: dict[str, int]
) -> dict[str, Any]:
    """Score the curves against other runs of the same models."""
    fits: dict[str, curve.Fit] = calibration.state["fits"]
    known = {
        (f.name.casefold(), f.runs[0]["variant"] or "", f.runs[0]["helper"] or ""): (name, f)
        for name, f in calibration.state["families"].items()
    }
    rows, others = [], leaderboard.families(runs, dropped)
    for family in others:
        run = family.runs[0]
        found = known.get((family.name.casefold(), run["variant"] or "", run["helper"] or ""))
        if found is None:
            dropped["a model that was not calibrated"] = dropped.get(
                "a model that was not calibrated", 0
            ) + len(family.runs)
            continue
        counts = family.counts()
        base = found[1].counts()
        for k, one in enumerate(family.runs):
            share, low, high = proportion(counts.solved[k], counts.cases[k])
            predicted = fits[found[0]].success(counts.tokens[k : k + 1])[0]
            near = np.abs(np.log(base.tokens / counts.tokens[k])).argmin()
            rows.append(
                (one["model"], predicted, base.solved[near] / base.cases[near], share, low, high)
            )
    out = {k: v for k, v in _points(rows).items() if k != "each"} if rows else {"runs": 0}
    seconds = tries.check(calibration, tries.second_tries(_named(others)))
    if not rows and not seconds:
        calibration.notes.append(
            "the check compared nothing: no model of it was calibrated, or none has token counts"
        )
    return out | seconds


def _curve_parameters(name: str, family: Family, fit: curve.Fit) -> list[Parameter]:
    counts = family.counts()
    measured = counts.solved / counts.cases
    off = 100 * float(np.median(np.abs(fit.success(counts.tokens) - measured)))
    about = {
        "method": _METHOD, "rows": len(counts.tokens), "goodness": {"median_error_points": off},
        "seen": [float(counts.tokens.min()), float(counts.tokens.max())],
        "of": "completion tokens per task",
    }  # fmt: skip
    return [
        Parameter(f"{name}.success.coefficient", *fit.coefficient, "1", about),
        Parameter(f"{name}.success.exponent", *fit.exponent, "1", about),
    ]


def _quality(run: dict[str, Any], names: dict[str, str]) -> Parameter:
    """Score of a run whose tokens are not known."""
    about = {"method": "share solved, Wilson interval; no token counts", "rows": 1}
    name = names[run["model"]] + (f"_{slug(run['helper'])}" if run["helper"] else "")
    share = proportion(round(run["score"] / 100 * run["tasks"]), run["tasks"])
    return Parameter(f"{name}.quality", *share, "1", about)


def _success_table(families: dict[str, Family], fits: dict[str, curve.Fit]) -> pl.DataFrame:
    records = []
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
                "usd_per_task": run["cost_usd"] / run["tasks"] if run["cost_usd"] else None,
                "seconds_per_task": run["seconds"],
            })  # fmt: skip
    if not records:
        return pl.DataFrame({"model": []})
    return pl.DataFrame(records, infer_schema_length=None)


def _fragment(
    families: dict[str, Family], fits: dict[str, curve.Fit],
    verify: dict[str, list[dict[str, float]]], options: Options,
) -> dict[str, Any]:  # fmt: skip
    """Measured points as a table where there are several efforts, made concave if need be."""
    total = settings.number(options, "exponent", 0.9, 0.01, 1.0)
    models: dict[str, Any] = {}
    assumed: dict[str, str] = {}
    for name, family in list(families.items())[:50]:
        counts = family.counts()
        multiple = counts.tokens / fits[name].reference
        share = counts.solved / counts.cases
        hull = Table.hull(multiple**total, share)
        kept = [
            [rounded(float(m)), rounded(float(q), 4)]
            for m, q in zip(multiple, share, strict=True)
            if any(abs(m**total - e) < 1e-12 for e in hull.efforts)
        ]
        models[name] = {"label": family.name, "success": {"form": "table", "points": kept}}
        tokens = leaderboard.bundle(family)
        if tokens:
            models[name]["reference_tokens"] = {u: rounded(t) for u, t in tokens.items()}
            path = f"models.{name}.reference_tokens"
            assumed[path] = "a second try is verifying; what low effort writes too is editing"
        if len(kept) == 1:
            assumed[f"models.{name}.success"] = "one effort measured: a line to it, flat beyond"
    out: dict[str, Any] = {"models": models, "assumed": assumed}
    if verify:
        middle = rounded(tries.risk_tokens(verify))
        out["token_uses"] = {"verify": {"kind": "output", "risk_tokens": middle}}
        assumed["token_uses.verify.risk_tokens"] = (
            "wrong actions are found as failures are repaired"
        )
    return out


def _grounds(
    fragment: dict[str, Any], families: dict[str, Family], fits: dict[str, curve.Fit],
    parameters: list[Parameter],
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """What the points of the models and the risk tokens rest on."""
    out = {}
    for name, model in fragment["models"].items():
        counts, points = families[name].counts(), model["success"]["points"]
        ends = []
        for multiple, share in points:
            k = int(np.abs(counts.tokens / fits[name].reference - multiple).argmin())
            _, low, high = proportion(counts.solved[k], counts.cases[k])
            ends.append((share, min(low, share), max(high, share)))
        about = {"method": "share solved, Wilson interval", "rows": len(counts.tokens)}
        seen = [float(counts.tokens.min()), float(counts.tokens.max())]
        value, low, high = (list(each) for each in zip(*ends, strict=True))
        out[f"models.{name}.success.points"] = ground(
            value, low, high, "1", about, "output_tokens", seen, most=1.0
        )
    risk = next((p for p in parameters if p.name == "verify.risk_tokens"), None)
    if risk is not None and "token_uses" in fragment:
        path = "token_uses.verify.risk_tokens"
        number = fragment["token_uses"]["verify"]["risk_tokens"]
        out[path] = ground(number, risk.low, risk.high, risk.unit, risk.fit)
    return out


def _notes(
    families: dict[str, Family], fits: dict[str, curve.Fit], pooled: tuple[float, float],
    runs: list[dict[str, Any]], used: int,
) -> list[str]:  # fmt: skip
    notes = [
        f"failures fall with tokens to the power {pooled[0]:.2f} over all models, spread "
        f"{pooled[1]:.2f} between them"
    ]
    falling = [name for name, fit in fits.items() if fit.falls]
    if falling:
        notes.append(
            f"the data disagree with a rising curve, beyond counting error: {', '.join(falling)}"
        )
    fewer = [
        name
        for name, f in families.items()
        if len(f.runs) > 1 and np.ptp(np.log(f.counts().tokens)) < 0.2
    ]
    if fewer:
        notes.append(f"efforts that wrote about as many tokens, so no slope: {', '.join(fewer)}")
    if used < len(runs):
        notes.append(f"{len(runs) - used} runs have no token counts and give no curve")
    if any(len(f.runs) > 1 for f in families.values()):
        notes.append(
            "tpot_ms holds queueing at the provider; it is not put into the fragment, where an "
            "API without prices would be free"
        )
    return notes
