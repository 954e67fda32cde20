"""90 % intervals of the derived numbers, as the section ``calibrated`` of the two configs.

    python intervals.py fleet        prints the section; rebuild.py writes it

``allocate solve --samples`` draws from them. The numbers are those of derive.py; how far each may
be off is told with the estimators of ``allocate calibrate``. Not here, because the tables do not
tell it: facts of others without an interval, prices, token counts, fitted laws, single scores of
training runs. README.md says more.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import derive  # noqa: E402

from allocate.models.calibration.grounds import correlations, ground, together  # noqa: E402
from allocate.models.calibration.statistics import UPPER, jackknife, proportion  # noqa: E402
from allocate.models.calibration.trace.arrivals import quantile_interval  # noqa: E402

TERMS = ("alpha_ms", "beta_ms", "gamma_ms_per_ktok", "delta_ms_per_ktok")
OF = ("batch", "batch", "context_tokens", "prompt_tokens")
Entries = dict[str, dict[str, Any]]
Ends = tuple[float, float, float]


def source(*names: str) -> str:
    """Tables that a number comes from, each with the beginning of its hash."""
    hashes = [hashlib.sha256((HERE / f"{n}.csv").read_bytes()).hexdigest()[:16] for n in names]
    return ", ".join(f"{n}.csv sha256:{h}" for n, h in zip(names, hashes, strict=True))


def about(method: str, rows: float) -> dict[str, Any]:
    """How a number was found."""
    return {"method": method, "rows": rows}


# --- serving ---------------------------------------------------------------------------------


def lane_errors(key: tuple[str, str, int]) -> tuple[dict[str, float], np.ndarray, dict[str, Any]]:
    """A fit of derive.py, the covariance of its four terms and the ranges of its rows.

    Sandwich covariance of the robust fit of logarithms, each error over what its leverage leaves.
    A term at its bound of 0 has none.
    """
    fit = derive.lane(*key)
    rows = [
        r
        for r in derive.table("silicon_ttft_tpot")
        if (r["model"], r["system"], int(r["tp_size"])) == key
    ]
    b, isl, osl, y = (derive.column(rows, c) for c in ("concurrency", "isl", "osl", "tpot_ms"))
    context = isl + osl / 2
    design = np.stack([np.ones_like(b), b, b * context / 1e3, b * isl / osl / 1e3], axis=1)
    value = np.array([fit[name] for name in TERMS])
    predicted = design @ value
    on = value > 0
    slope = design[:, on] / predicted[:, None]
    off = np.log(predicted / y)
    weight = (1 + (off / 0.05) ** 2) ** -0.5  # of the soft-L1 loss of derive.lane
    pull = slope * np.sqrt(weight)[:, None]
    inverse = np.linalg.inv(pull.T @ pull)
    leverage = np.einsum("ij,jk,ik->i", pull, inverse, pull)
    errors = slope * (weight * off / np.maximum(1 - leverage, 0.05))[:, None]
    out = np.zeros((4, 4))
    out[np.ix_(on, on)] = inverse @ (errors.T @ errors) @ inverse
    spans = {
        "batch": [b.min(), b.max()],
        "context_tokens": [context.min(), context.max()],
        "prompt_tokens": [isl.min(), isl.max()],
        "reach": student.ppf(UPPER, len(y) - on.sum()),
    }
    return fit, out, spans


def lanes(where: dict[str, tuple[tuple[str, str, int], str]]) -> Entries:
    """Step times of deployments; those of one fit are off together."""
    out: Entries = {}
    by_fit: dict[tuple[str, str, int], list[tuple[str, int]]] = {}
    for name, (key, stage) in where.items():
        terms = {"mixed": range(4), "prefill": (3,), "decode": range(3)}[stage]
        by_fit.setdefault(key, []).extend((f"deployments.{name}.{TERMS[i]}", i) for i in terms)
    for key, members in by_fit.items():
        fit, covariance, spans = lane_errors(key)
        members = [(path, i) for path, i in members if fit[TERMS[i]] > 0]
        at = [i for _, i in members]
        tied = correlations([path for path, _ in members], covariance[np.ix_(at, at)])
        fitted = about("robust least squares of logarithms, sandwich interval", fit["rows"])
        fitted["goodness"] = {"median_relative_error": fit["median_error"]}
        for path, i in members:
            value, half = fit[TERMS[i]], spans["reach"] * math.sqrt(covariance[i, i])
            unit = "ms/ktok" if TERMS[i].endswith("ktok") else "ms"
            out[path] = ground(
                value, max(value - half, 0.0), value + half, unit, fitted, OF[i],  # type: ignore[arg-type]
                spans[OF[i]], tied[path], normal=True,
            ) | {"source": source("silicon_ttft_tpot")}  # fmt: skip
    return out


def bursts(names: list[str], counts: np.ndarray, table: str) -> Entries:
    """Burst head-room: one error for every deployment."""
    paths = [f"deployments.{name}.burst_headroom" for name in names]
    tied = together(paths)
    value = derive.burst(counts)
    low, high = (end / counts.mean() for end in quantile_interval(counts))
    found = about("90th percentile over mean of minutes, order statistics", len(counts))
    ends = value, max(min(low, value), 1.0), max(high, value)
    return {
        path: ground(*ends, "1", found, correlation=tied[path], least=1.0)
        | {"source": source(table)}
        for path in paths
    }


# --- models ----------------------------------------------------------------------------------


def share(row: dict[str, float]) -> Ends:
    """A score of the board, as it is published, with its counting error."""
    score, cases = row["second"], row["cases"]
    return (score, *proportion(round(score * cases), cases)[1:])


def points(name: str, rows: list[dict[str, float]]) -> Entries:
    """Heights of a model's success points."""
    value, low, high = zip(*map(share, rows), strict=True)
    found = about("share solved, Wilson interval", min(r["cases"] for r in rows))
    entry = ground(list(value), list(low), list(high), "1", found, most=1.0)
    return {f"models.{name}.success.points": entry | {"source": source("aider_polyglot")}}


def wrong(name: str, row: dict[str, float], tied: str | None) -> Entries:
    """Wrong actions are a share of failures: they fall as the score rises."""
    value, low, high = (derive.WRONG_PER_FAILURE * (1 - s) for s in share(row))
    found = about("failures, Wilson interval; their share that does harm is assumed", row["cases"])
    entry = ground(value, high, low, "1", found, correlation={tied: -1.0} if tied else None, most=1)
    return {f"models.{name}.wrong_action_rate": entry | {"source": source("aider_polyglot")}}


def saturating(name: str, one: dict[str, float], best: dict[str, float]) -> Entries:
    """Ceiling and scale of a curve through one score, by the delta method."""
    at = np.array([one["second"], best["second"]])
    spread = np.array([(h - low) / 2 for _, low, h in map(share, (one, best))])

    def scale(q: np.ndarray) -> float:
        return -1 / math.log(1 - q[0] / q[1])

    step = 1e-6
    slope = [(scale(at + step * e) - scale(at - step * e)) / (2 * step) for e in np.eye(2)]
    to = np.array([[0.0, 1.0], slope])
    covariance = to @ np.diag(spread**2) @ to.T
    paths = [f"models.{name}.success.{field}" for field in ("ceiling", "scale")]
    tied = correlations(paths, covariance)
    half = np.sqrt(np.diag(covariance))
    found = about("two scores of the board, Wilson intervals", one["cases"] + best["cases"])
    value = scale(at)
    return {
        path: ground(
            v, max(v - h, 0.0), v + h, "1", found, correlation=tied[path], normal=True, most=most
        )
        | {"source": source("aider_polyglot")}
        for path, v, h, most in zip(paths, (at[1], value), half, (1.0, math.inf), strict=True)
    }


def risk_tokens(taus: list[float]) -> Entries:
    """Tokens of a second try: the mean over models, whose verifying differs."""
    logs = np.log(taus)
    reach = student.ppf(UPPER, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs))
    ends = (float(np.exp(logs.mean() + d)) for d in (0.0, -reach, reach))
    entry = ground(*ends, "token", about("geometric mean over models, Student's t", len(taus)))
    return {"token_uses.verify.risk_tokens": entry | {"source": source("aider_polyglot")}}


# --- traces ----------------------------------------------------------------------------------


def over_minutes(estimate: Callable[[np.ndarray], float], minutes: int) -> Ends:
    """A number of a trace with its interval over a dozen slices of its minutes."""
    groups = min(12, minutes)
    of = np.arange(minutes) * groups // minutes
    value, low, high = jackknife(lambda w: estimate(w[of]), groups)
    return float(value), max(float(low), 0.0), float(high)


def azure_minutes(cluster: str | None) -> dict[str, np.ndarray]:
    """Sums by minute of a length cluster, or of all."""
    rows = derive.table("azure_code_minutes")
    count = 1 + max(int(r["minute"]) for r in rows)
    out = {k: np.zeros(count) for k in ("requests", "context_tokens", "generated_tokens")}
    out["seconds"] = np.zeros(count)
    for r in rows:
        if r["cluster"] == "short":
            out["seconds"][int(r["minute"])] = float(r["seconds"])
        if cluster in (None, r["cluster"]):
            for k in ("requests", "context_tokens", "generated_tokens"):
                out[k][int(r["minute"])] += float(r[k])
    return out


def azure_ends(cluster: str | None) -> dict[str, Ends]:
    """Rate and mean tokens of a cluster, each with its interval."""
    sums = azure_minutes(cluster)
    count = len(sums["seconds"])

    def ratio(top: str, bottom: str) -> Ends:
        return over_minutes(lambda w: float((w @ sums[top]) / (w @ sums[bottom])), count)

    return {
        "rate_per_s": ratio("requests", "seconds"),
        "prompt_tokens": ratio("context_tokens", "requests"),
        "output_tokens": ratio("generated_tokens", "requests"),
    }


def traced(paths: dict[str, float], ends: Ends, unit: str, table: str, minutes: int) -> Entries:
    """Numbers that are one figure of a trace times a known factor: off together."""
    tied = together(list(paths))
    found = about(f"jackknife over slices of {minutes} minutes", minutes)
    return {
        path: ground(*(factor * end for end in ends), unit, found, correlation=tied[path])
        | {"source": source(table)}
        for path, factor in paths.items()
    }


def reuse(name: str, trace: str, at: tuple[int, ...]) -> Entries:
    """Heights of a reuse profile, over minutes of the trace."""
    rows = [r for r in derive.table("mooncake_reuse_gaps") if r["trace"] == trace]
    minute = np.unique(derive.column(rows, "minute"), return_inverse=True)[1]
    blocks = derive.column(rows, "blocks")
    gap = np.array([float(g) if (g := r["gap_s_at_most"]).isdigit() else math.inf for r in rows])
    count = int(minute.max()) + 1
    whole = np.bincount(minute, blocks, minlength=count)
    ends = []
    for t in at:
        kept = np.bincount(minute, blocks * (gap <= t), minlength=count)
        ends.append(over_minutes(lambda w, k=kept: float((w @ k) / (w @ whole)), count))
    value, low, high = zip(*ends, strict=True)
    found = about(f"share of blocks, jackknife over slices of {count} minutes", blocks.sum())
    entry = ground(
        value, low, np.minimum(high, 1.0), "1", found, "retention_s", [0, max(at)], most=1.0
    )
    return {f"caching.reuse.{name}.points": entry | {"source": source("mooncake_reuse_gaps")}}


# --- the two configs -------------------------------------------------------------------------


def coding_agent() -> Entries:
    """Intervals of coding_agent.yaml."""
    low, medium, high = (derive.aider(f"gpt-5 ({e})") for e in ("low", "medium", "high"))
    chat, reasoner = (derive.aider(f"DeepSeek-V3.2-Exp ({e})") for e in ("Chat", "Reasoner"))
    qwen, best = (derive.aider(name) for name in derive.QWEN_RUNS)
    out = points("gpt5", [low, medium, high]) | points("deepseek", [chat, reasoner])
    out |= saturating("qwen", qwen, best)
    for name, row in (("gpt5", medium), ("deepseek", reasoner)):
        out |= wrong(name, row, f"models.{name}.success.points")
    out |= wrong("qwen", qwen, None)
    out |= risk_tokens(derive.taus())
    out |= lanes({k: ((derive.QWEN235, s, n), st) for k, (s, n, st) in derive.AGENT_LANES.items()})
    full = [r for r in derive.table("azure_code_minutes") if float(r["seconds"]) == 60]
    minutes = np.bincount(
        derive.column(full, "minute").astype(int), weights=derive.column(full, "requests")
    )
    out |= bursts(list(derive.AGENT_LANES), minutes, "azure_code_minutes")
    calls, again = derive.calls(), derive.again()
    for cluster, split in derive.SPLIT.items():
        ends = azure_ends(cluster)
        rates = {f"classes.{k}.rate_per_s": s / calls for k, s in split.items()}
        prompts = {f"classes.{k}.prompt_tokens": 1.0 for k in split}
        prompts |= {f"classes.{k}.prefix_tokens": again for k in split}
        written = {f"classes.{k}.output_tokens": calls for k in split}
        for paths, figure, unit in (
            (rates, "rate_per_s", "request/s"),
            (prompts, "prompt_tokens", "token"),
            (written, "output_tokens", "token"),
        ):
            out |= traced(paths, ends[figure], unit, "azure_code_minutes", len(minutes))
    return out


def fleet() -> Entries:
    """Intervals of fleet.yaml."""
    out: Entries = {}
    for name, run in derive.FLEET_RUNS.items():
        out |= points(name, [derive.aider(run)])
    out |= lanes({
        name: ((derive.MODELS[model], system, size), "mixed")
        for name, (model, system, size) in derive.FLEET_LANES.items()
    })  # fmt: skip
    rates = {}
    for name, trace in derive.FLEET_TRACES.items():
        rows = [r for r in derive.table("mooncake_minutes") if r["trace"] == trace]
        span = float(rows[0]["trace_seconds"])
        n = derive.column(rows, "requests")
        seconds = np.clip(span - 60 * np.arange(len(n)), 0, 60)
        rates[name] = n[seconds == 60]
        ends = over_minutes(lambda w, n=n, s=seconds: float((w @ n) / (w @ s)), len(n))
        path = f"classes.{name}.rate_per_s"
        out |= traced({path: 1.0}, ends, "request/s", "mooncake_minutes", len(n))
        out |= reuse(name, trace, derive.REUSE_AT)
    out |= bursts(list(derive.FLEET_LANES), rates["chat"], "mooncake_minutes")
    ends = azure_ends(None)
    minutes = len(azure_minutes(None)["seconds"])
    for figure, unit in (("rate_per_s", "request/s"), ("prompt_tokens", "token")):
        path = f"classes.complete.{figure}"
        out |= traced({path: 1.0}, ends[figure], unit, "azure_code_minutes", minutes)
    tokens = derive.aider(derive.FLEET_RUNS["medium"])["completion"]
    hard = tuple((end / tokens) ** derive.FLEET_EXPONENT for end in ends["output_tokens"])
    path = "classes.complete.difficulty"
    out |= traced({path: 1.0}, hard, "1", "azure_code_minutes", minutes)  # type: ignore[arg-type]
    return out


def intervals(config: str) -> Entries:
    """{dotted path: entry of ``calibrated``} of one config."""
    return {"coding_agent": coding_agent, "fleet": fleet}[config]()


def main(names: list[str]) -> None:
    """Print them."""
    for name in names or ["coding_agent", "fleet"]:
        print(f"# {name}.yaml")
        for path, entry in intervals(name).items():
            print(f"{path}: {entry['value']} ({entry['low']} to {entry['high']})")


if __name__ == "__main__":
    main(sys.argv[1:])
