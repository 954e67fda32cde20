"""Known parameters lie in the stated intervals nine times in ten, for fits not tested elsewhere.

Each test draws data with noise, calibrates them and counts. Bounds are those of a binomial
count: a fit whose intervals hold 90 % passes, one whose intervals hold 75 % does not.
"""

import json

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from allocate.models.calibration import lanes, models, spans
from allocate.models.calibration.models import outcomes
from allocate.models.calibration.result import LEVEL, Options


def judge(held, tries):
    """No count may be too low for 90 %, nor all of them together below 85 %."""
    assert min(held.values()) >= binom.ppf(0.01, tries, LEVEL), held
    assert sum(held.values()) >= 0.85 * tries * len(held), held


def inside(found, truth, held):
    by_name = {p.name: p for p in found.parameters}
    for name, wanted in truth.items():
        held[name] = held.get(name, 0) + (by_name[name].low <= wanted <= by_name[name].high)


# --- models --------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["whole", "within"])
def test_correlation_of_failures_with_hard_and_easy_classes(column):
    """Failures are rare in one class and the rule in another: not Fisher's normal scores."""
    rng = np.random.default_rng(5)
    easy, same, queries, tries, hits = np.array([0.2, 0.4, 0.6, 0.8]), 0.4, 400, 200, 0
    mean = easy.mean()
    both = same * np.mean(easy * (1 - easy)) + np.mean(easy**2) - mean**2
    truth = {"whole": both / (mean * (1 - mean)), "within": same}[column]
    ends = {"whole": ("low", "high"), "within": ("within_low", "within_high")}[column]
    for _ in range(tries):
        kind = rng.integers(0, 4, queries)
        shared, one = rng.random(queries) < same, rng.random(queries)
        a, b = (np.where(shared, one, rng.random(queries)) < easy[kind] for _ in range(2))
        table = {"class": kind.astype(str), "query": range(queries), "a": a * 1.0, "b": b * 1.0}
        row = outcomes.correlations(pl.DataFrame(table)).row(0, named=True)
        hits += row[ends[0]] <= truth <= row[ends[1]]
    assert binom.ppf(0.01, tries, LEVEL) <= hits <= binom.ppf(0.999, tries, LEVEL), hits / tries


def board(rng, path, count):
    """A leaderboard whose second tries, seconds and scores come of known numbers."""
    head = "model,test_cases,pass_rate_1,pass_rate_2,prompt_tokens,completion_tokens"
    lines, tpot = [head + ",seconds_per_case,total_cost"], {}
    for m in range(count):
        tau = 1500 * np.exp(rng.normal(0, 0.4))
        tpot[f"m{m}.tpot_ms"] = rng.uniform(10, 40)
        for effort, tokens in (("low", 2000), ("medium", 5000), ("high", 12000)):
            first = 0.4 + 0.05 * np.log(tokens / 2000)
            failed = rng.binomial(225, 1 - first)
            second = tokens * (1 - first) / (2 - first)
            fixed = rng.binomial(failed, 1 - np.exp(-second / tau))
            clock = (5 + tpot[f"m{m}.tpot_ms"] * tokens / 1e3) * np.exp(rng.normal(0, 0.1))
            shares = 100 - failed / 2.25, 100 - (failed - fixed) / 2.25
            lines.append(
                f"m{m} ({effort}),225,{shares[0]:.6f},{shares[1]:.6f},"
                f"{450 * tokens},{225 * tokens},{clock:.6f},1"
            )
    path.write_text("\n".join(lines) + "\n")
    return tpot


@pytest.mark.parametrize("count", [2, 5])
def test_second_tries_and_clocks_of_a_leaderboard(tmp_path, count):
    rng, tries = np.random.default_rng(3), 60
    tau, clocks = 0, 0
    for _ in range(tries):
        tpot = board(rng, tmp_path / "board.csv", count)
        found = models.calibrate([tmp_path / "board.csv"], Options())
        held = {}
        inside(found, {"verify.risk_tokens": 1500.0}, held)
        tau += held.pop("verify.risk_tokens")
        known = {p.name for p in found.parameters}
        inside(found, {k: v for k, v in tpot.items() if k in known}, held)
        clocks += sum(held.values()) / len(held)
    assert tau >= binom.ppf(0.01, tries, LEVEL), tau / tries
    assert 0.84 <= clocks / tries <= 0.97


def test_two_efforts_of_one_model_say_nothing_of_scatter(tmp_path):
    """Two points always lie on a line: no interval is better than one without width."""
    board(np.random.default_rng(0), tmp_path / "board.csv", 1)
    lines = (tmp_path / "board.csv").read_text().splitlines()
    (tmp_path / "board.csv").write_text("\n".join(lines[:3]) + "\n")
    found = models.calibrate([tmp_path / "board.csv"], Options()).to_dict()
    (clock,) = [p for p in found["parameters"] if p["name"] == "m0.tpot_ms"]
    assert clock["value"] > 0
    assert (clock["low"], clock["high"]) == (None, None)


def test_shares_of_outcomes(tmp_path):
    rng, tries, held = np.random.default_rng(7), 100, {}
    truth = {"a.quality": 0.93, "b.quality": 0.55}
    for _ in range(tries):
        scores = rng.random((120, 2)) < list(truth.values())
        rows = "".join(f"q{i},{int(x)},{int(y)}\n" for i, (x, y) in enumerate(scores))
        (tmp_path / "o.csv").write_text("query,a_correct,b_correct\n" + rows)
        inside(models.calibrate([tmp_path / "o.csv"], Options()), truth, held)
    judge(held, tries)


# --- lanes ---------------------------------------------------------------------------------


def test_step_and_prompt_times_measured_alone(tmp_path):
    """Splitwise's table: decoding without prefill, and prompts timed by themselves."""
    rng, tries, held = np.random.default_rng(2), 80, {}
    alpha, beta, gamma, delta = 40.0, 0.2, 0.05, 150.0
    name = "llama2_70b_a100_80gb_x8"
    truth = {f"{name}.alpha_ms": alpha, f"{name}.beta_ms": beta}
    truth |= {f"{name}.gamma_ms_per_ktok": gamma, f"{name}.delta_ms_per_ktok": delta}
    head = "model,hardware,prompt_size,batch_size,token_size,prompt_time,token_time,tensor_parallel"
    for _ in range(tries):
        lines = [head]
        for prompt in (512, 2048, 8192):
            for batch in (1, 4, 16, 64):
                noise = np.exp(rng.normal(0, 0.03, 2))
                first = (20 + delta * prompt * batch / 1e3) * noise[0]
                step = (alpha + batch * (beta + gamma * (prompt + 64) / 1e3)) * noise[1]
                lines.append(f"llama2-70b,a100-80gb,{prompt},{batch},128,{first},{step},8")
        (tmp_path / "steps.csv").write_text("\n".join(lines) + "\n")
        inside(lanes.calibrate([tmp_path / "steps.csv"], Options()), truth, held)
    judge(held, tries)


# --- spans ---------------------------------------------------------------------------------


def attribute(key, value):
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": key, "value": {kind: str(value)}}


def span(trace, start, seconds, name, **values):
    return {
        "traceId": trace,
        "name": name,
        "startTimeUnixNano": str(int(1e9 * start)),
        "endTimeUnixNano": str(int(1e9 * (start + seconds))),
        "attributes": [attribute(f"gen_ai.{k.replace('__', '.')}", v) for k, v in values.items()],
    }


def request(draw, i, at):
    """Planner, editor and reviewer, with lengths of known mean; a tool that takes a while."""
    out = []
    for name, mean in (("planner", 60), ("editor", 200), ("reviewer", 90)):
        wrote, read = (int(m * draw.lognormal(0, 0.4)) for m in (mean, 500))
        usage = {"usage__input_tokens": read, "usage__output_tokens": wrote}
        out.append(span(f"t{i}", at, 1, name, operation__name="chat", request__model="m", **usage))
        at += 1
    took = float(draw.exponential(4.0))
    return [*out, span(f"t{i}", at, took, "execute_tool grep", tool__name="grep")]


@pytest.mark.slow
def test_uses_rates_and_tools_of_traces(tmp_path):
    growth = np.exp(0.08)  # mean of the lognormal factor
    truth = {
        "read_tokens": 1500 * growth, "plan_tokens": 60 * growth, "edit_tokens": 200 * growth,
        "verify_tokens": 90 * growth, "tool_s_per_request": 4.0, "requests_per_s": 0.05,
    }  # fmt: skip
    tries, held = 40, {}
    for seed in range(tries):
        draw = np.random.default_rng(seed)
        starts = np.cumsum(draw.exponential(20.0, 120))
        parts = [s for i, at in enumerate(starts) for s in request(draw, i, float(at))]
        text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": parts}]}]})
        (tmp_path / "s.json").write_text(text)
        inside(spans.calibrate([tmp_path / "s.json"], Options()), truth, held)
    judge(held, tries)
