"""Recompute every derived number of coding_agent.yaml and fleet.yaml from the tables here.

    python derive.py            prints "dotted path = value" for both configs

``derive("coding_agent")`` and ``derive("fleet")`` return {dotted config path: value}. Only
NumPy and SciPy are used, nothing of the product. README.md says where the tables come from.
"""

from __future__ import annotations

import csv
import math
import sys
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import brentq, least_squares

HERE = Path(__file__).parent
QWEN235, QWEN32, R1 = "Qwen/Qwen3-235B-A22B-FP8", "Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-R1"
WEIGHT_GB = {QWEN235: 235.0, QWEN32: 32.8, R1: 671.0}  # parameters in 1e9, one byte each (fp8)
MEMORY_SHARE = 0.9  # of a GPU's memory given to weights and KV

# Judgements that derived numbers rest on; each stands under `assumed` of the config too.
WRONG_PER_FAILURE = 0.2  # share of failed tasks in which the agent also does harm
QWEN_PLAN_SHARE = 0.4  # of a no-think model's first try that is planning in text
SPLIT = {  # trace cluster → class → share of the cluster's requests
    "short": {"ask": 0.5, "draft_short": 0.5},
    "mid": {"draft_mid": 0.5, "commit_mid": 0.5},
    "long": {"commit_long": 0.6, "deploy_long": 0.4},
}
RL_STEPS, RL_BATCH, RL_GROUP = 100, 512, 16  # AReaL's batch and group, a tenth of its steps
MFU = 0.4  # share of peak arithmetic that training reaches
ACTIVE_PARAMETERS = 22e9  # of Qwen3-235B-A22B
DRAFT_TOKENS = 5


@cache
def table(name: str) -> list[dict[str, str]]:
    """Rows of a table of this folder."""
    with open(HERE / f"{name}.csv", newline="") as f:
        return list(csv.DictReader(f))


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    """One column as numbers."""
    return np.array([float(r[name]) for r in rows])


# --- models ----------------------------------------------------------------------------------


def aider(model: str) -> dict[str, float]:
    """Cases of the run; score after one and two tries; tokens and seconds per case."""
    row = next(r for r in table("aider_polyglot") if r["model"] == model)
    cases = float(row["test_cases"])
    out = {
        "cases": cases,
        "first": float(row["pass_rate_1"]) / 100,
        "second": float(row["pass_rate_2"]) / 100,
        "seconds": float(row["seconds_per_case"]),
    }
    if row["prompt_tokens"]:
        out["prompt"] = float(row["prompt_tokens"]) / cases
        out["completion"] = float(row["completion_tokens"]) / cases
    out["recovered"] = (out["second"] - out["first"]) / (1 - out["first"])
    # Every case gets one try; those that fail get a second, which has read the test's errors.
    out["second_share"] = (1 - out["first"]) / (2 - out["first"])
    return out


def bundle(row: dict[str, float], plan_share: float) -> dict[str, float]:
    """Tokens per use: the second try is verifying, the first is planning and editing."""
    first = row["completion"] * (1 - row["second_share"])
    return {
        "read": row["prompt"],
        "plan": first * plan_share,
        "edit": first * (1 - plan_share),
        "verify": row["completion"] * row["second_share"],
    }


def api_price(model: str) -> dict[str, float]:
    """List prices, per million tokens."""
    row = next(r for r in table("litellm_prices") if r["model"] == model)
    return {
        "input_usd_per_mtok": float(row["input_usd_per_token"]) * 1e6,
        "cached_input_usd_per_mtok": float(row["cache_read_usd_per_token"]) * 1e6,
        "output_usd_per_mtok": float(row["output_usd_per_token"]) * 1e6,
    }


def tpot_ms(rows: list[dict[str, float]]) -> float:
    """Slope of seconds over completion tokens per case."""
    x, y = [r["completion"] for r in rows], [r["seconds"] for r in rows]
    return float(np.polyfit(x, y, 1)[0]) * 1e3


def fact(metric: str, statistic: str, group: str = "all", source: str = "") -> float:
    """One figure on coding agents."""
    return float(
        next(
            r["value"]
            for r in table("agent_facts")
            if (r["metric"], r["statistic"], r["group"]) == (metric, statistic, group)
            and r["source"].startswith(source)
        )
    )


# --- serving ---------------------------------------------------------------------------------


@cache
def lane(model: str, system: str, tp: int) -> dict[str, float]:
    """Step time of a mixed lane: alpha + b (beta + gamma·context + delta·isl/osl).

    Relative residuals with a robust loss, since rows of one configuration differ by more than
    noise (container images are not a column). Context is isl + osl/2, in 1000 tokens.
    """
    rows = [
        r
        for r in table("silicon_ttft_tpot")
        if (r["model"], r["system"], int(r["tp_size"])) == (model, system, tp)
    ]
    b, isl, osl, y = (column(rows, c) for c in ("concurrency", "isl", "osl", "tpot_ms"))
    design = np.stack([np.ones_like(b), b, b * (isl + osl / 2) / 1e3, b * isl / osl / 1e3], axis=1)

    def residual(logs: np.ndarray) -> np.ndarray:
        return np.log(design @ np.exp(logs) / y)

    low, high = np.log([0.1, 1e-6, 1e-7, 1e-4]), np.log([100, 10, 10, 1000])
    starts = np.log([[5, 0.1, 0.01, 20], [10, 0.3, 0.05, 60], [5, 0.05, 0.001, 5]])
    fits = [
        least_squares(
            residual, s, loss="soft_l1", f_scale=0.05, bounds=(low, high), xtol=1e-12, ftol=1e-12
        )
        for s in starts
    ]
    best = min(fits, key=lambda f: f.cost)
    alpha, beta, gamma, delta = np.exp(best.x)
    error = np.abs(np.exp(residual(best.x)) - 1)
    return {
        "alpha_ms": float(alpha),
        "beta_ms": float(beta),
        "gamma_ms_per_ktok": float(gamma) if gamma > 1e-6 else 0.0,  # at its bound: none
        "delta_ms_per_ktok": float(delta),
        "max_batch": float(b.max()),
        "rows": len(rows),
        "median_error": float(np.median(error)),
        "p90_error": float(np.quantile(error, 0.9)),
    }


def spec(system: str) -> dict[str, float]:
    """Figures of a GPU type."""
    row = next(r for r in table("gpu_specs") if r["system"] == system)
    return {k: float(v) for k, v in row.items() if k != "system" and v}


def gpu_price(accelerator: str) -> float:
    """Cheapest on-demand price of a GPU in an 8-GPU node."""
    rows = table("gpu_prices")
    return min(
        float(r["on_demand_usd_per_gpu_hour"])
        for r in rows
        if r["accelerator"] == accelerator and r["gpus"] == "8"
    )


def kv_bytes(model: str, tp: int) -> float:
    """Bytes of a token's KV in FP8, half of BF16, over all GPUs of a replica.

    Heads (or the MLA latent) that tensor parallelism cannot split are stored several times.
    """
    row = next(r for r in table("model_geometry") if r["model"] == model)
    splits = 1 if row["kv_lora_rank"] else int(row["num_kv_heads"])
    return float(row["kv_bytes_per_token_bf16_full_attention"]) / 2 * max(1, tp / splits)


def kv_memory_gb(model: str, system: str, tp: int) -> float:
    """Memory that weights leave for KV, per replica, 1 GB = 1e9 bytes."""
    return tp * spec(system)["mem_capacity_bytes"] / 1e9 * MEMORY_SHARE - WEIGHT_GB[model]


def deployment(model: str, system: str, tp: int, stage: str = "mixed") -> dict[str, float]:
    """Fields of a deployment at one stage."""
    fit = lane(model, system, tp)
    keys = {
        "mixed": ("alpha_ms", "beta_ms", "gamma_ms_per_ktok", "delta_ms_per_ktok", "max_batch"),
        "prefill": ("delta_ms_per_ktok",),
        "decode": ("alpha_ms", "beta_ms", "gamma_ms_per_ktok", "max_batch"),
    }[stage]
    out = {k: fit[k] for k in keys}
    out["gpus_per_replica"] = tp
    out["kv_bytes_per_token"] = kv_bytes(model, tp)
    out["kv_memory_gb"] = kv_memory_gb(model, system, tp)
    if stage == "decode":
        out["kv_transfer_ms_per_ktok"] = (
            kv_bytes(model, 1) * 1e3 / spec(system)["inter_node_bw_bytes_per_s"] * 1e3
        )
    return out


def draft(alpha_ms: float) -> dict[str, float]:
    """Acceptance and time of a draft step, from accepted length and speed-up at batch 1.

    EAGLE on Mixtral-8x7B, the only mixture of experts in the table.
    """
    row = next(r for r in table("speculative_facts") if r["target_model"] == "Mixtral-8x7B")
    length, speedup = float(row["accept_length_tau"]), float(row["speedup"])
    accept = brentq(lambda a: (1 - a ** (DRAFT_TOKENS + 1)) / (1 - a) - length, 0.01, 0.99)
    # one round = one step of the model + the draft steps = length / speedup plain steps
    return {"acceptance": accept, "alpha_ms": alpha_ms * (length / speedup - 1) / DRAFT_TOKENS}


# --- traces ----------------------------------------------------------------------------------


def azure() -> dict[str, dict[str, float]]:
    """Rate and mean tokens per length cluster of the Azure code trace."""
    rows = table("azure_code_minutes")
    seconds = sum(float(r["seconds"]) for r in rows if r["cluster"] == "short")
    out = {}
    for name in SPLIT:
        part = [r for r in rows if r["cluster"] == name]
        n = column(part, "requests").sum()
        out[name] = {
            "rate": n / seconds,
            "context": column(part, "context_tokens").sum() / n,
            "generated": column(part, "generated_tokens").sum() / n,
        }
    return out


def azure_total() -> dict[str, float]:
    """The same over all clusters."""
    parts = azure().values()
    rate = sum(p["rate"] for p in parts)
    return {
        "rate": rate,
        "context": sum(p["rate"] * p["context"] for p in parts) / rate,
        "generated": sum(p["rate"] * p["generated"] for p in parts) / rate,
    }


def burst(per_minute: np.ndarray) -> float:
    """The 90th percentile of the busy minutes over their mean."""
    return float(np.quantile(per_minute, 0.9) / per_minute.mean())


def azure_burst() -> float:
    """Burst head-room of the Azure code trace, whole minutes only."""
    rows = [r for r in table("azure_code_minutes") if float(r["seconds"]) == 60]
    n, minute = column(rows, "requests"), column(rows, "minute").astype(int)
    return burst(np.bincount(minute, weights=n))


def mooncake(trace: str) -> dict[str, float]:
    """Rate, mean tokens and burst head-room of a Mooncake trace."""
    rows = [r for r in table("mooncake_minutes") if r["trace"] == trace]
    full_minutes = [r for r in rows if 60 * (int(r["minute"]) + 1) <= float(r["trace_seconds"])]
    first = {k: float(v) for k, v in rows[0].items() if k.startswith("trace_")}
    n = first["trace_requests"]
    prefix = 512 * first["trace_full_blocks"] / n
    return {
        "rate": n / first["trace_seconds"],
        "prefix": prefix,
        "fresh": first["trace_input_tokens"] / n - prefix,
        "output": first["trace_output_tokens"] / n,
        "burst": burst(column(full_minutes, "requests")),
    }


def reuse_points(trace: str, at: tuple[int, ...]) -> list[list[float]]:
    """Share of complete blocks last used at most so many seconds ago."""
    rows = [r for r in table("mooncake_reuse_gaps") if r["trace"] == trace]
    blocks = column(rows, "blocks")
    gap = [float("inf") if not r["gap_s_at_most"].isdigit() else float(r["gap_s_at_most"])
           for r in rows]  # fmt: skip
    return [[float(t), float(blocks[np.array(gap) <= t].sum() / blocks.sum())] for t in at]


# --- training --------------------------------------------------------------------------------


def scaling_law(size: str, parameters: float) -> dict[str, float]:
    """Fitted law of error against RL samples, at one model size."""
    p = {r["parameter"]: float(r["value"]) for r in table("qwen25_scaling_fit")}
    return {
        "floor": (p["N0"] / parameters) ** p["beta"],
        "b": p[f"B0_{size}"],
        "c": p[f"C0_{size}"],
        "power": p["alpha"],
        "samples": RL_STEPS * RL_BATCH,
    }


def staleness() -> list[dict[str, float]]:
    """Score gained over the base model, relative to no staleness; cost from training hours."""
    runs = {r["setting"]: r for r in table("areal_sync_async") if "1.5B" in r["model"]}
    base = float(runs["base"]["aime24"])
    score = {
        (r["max_staleness_eta"], r["algorithm"]): float(r["score"])
        for r in table("areal_staleness")
        if r["benchmark"] == "AIME24"
    }
    hours = {k: float(runs[k]["training_hours"]) for k in ("synchronous", "asynchronous")}
    slow = hours["synchronous"] / hours["asynchronous"]
    fresh = score["0", "naive_ppo"] - base
    out = []
    for eta in (0, 1, 2, 4, 8):
        got = score[str(eta), "decoupled_ppo" if eta else "naive_ppo"]
        # hours are known at 0 and at 4 (the asynchronous run): a straight line between them
        out.append({
            "versions": eta, "efficiency": (got - base) / fresh,
            "cost": 1 + (slow - 1) * max(0.0, 1 - eta / 4),
        })  # fmt: skip
    return out


# --- the two configs -------------------------------------------------------------------------

QWEN_RUNS = (
    "Qwen3 235B A22B diff, no think, Alibaba API",
    "Qwen3-235B-A22B whole with VLLM, bfloat16, recommended /no_think settings",
)
AGENT_LANES = {
    "h100_mixed": ("h100_sxm", 4, "mixed"),
    "h100_prefill": ("h100_sxm", 4, "prefill"),
    "h100_decode": ("h100_sxm", 8, "decode"),
    "h200_mixed": ("h200_sxm", 4, "mixed"),
}


def agent_bundles() -> dict[str, dict[str, float]]:
    """Tokens per use of the three models of coding_agent.yaml."""
    low, medium = (aider(f"gpt-5 ({e})") for e in ("low", "medium"))
    chat, reasoner = (aider(f"DeepSeek-V3.2-Exp ({e})") for e in ("Chat", "Reasoner"))
    return {
        "gpt5": bundle(medium, 1 - low["completion"] / medium["completion"]),
        "deepseek": bundle(reasoner, 1 - chat["completion"] / reasoner["completion"]),
        "qwen": bundle(aider(QWEN_RUNS[0]), QWEN_PLAN_SHARE),
    }


def taus() -> list[float]:
    """Tokens of the second try that leave e^-1 of the failures, by model."""
    runs = [aider(n) for n in ("gpt-5 (medium)", "DeepSeek-V3.2-Exp (Reasoner)", QWEN_RUNS[0])]
    return [
        b["verify"] / -math.log(1 - r["recovered"])
        for b, r in zip(agent_bundles().values(), runs, strict=True)
    ]


def calls() -> float:
    """Model calls of a request."""
    steps = (
        fact("counts", "tool-started steps per session, mean"),
        fact("counts", "user-started steps per session, mean"),
    )
    return sum(steps) / fact("counts", "requests per session, mean")


def again() -> float:
    """Tokens of a prompt that are read again, over those that are new."""
    hit = fact("prefix_cache_hit", "token-weighted", source="TraceLab")
    return hit / (1 - hit)


def coding_agent() -> dict[str, object]:
    """Derived numbers of coding_agent.yaml."""
    out: dict[str, object] = {}

    def put(path: str, values: dict[str, object]) -> None:
        out.update({f"{path}.{k}": v for k, v in values.items()})

    low, medium, high = (aider(f"gpt-5 ({e})") for e in ("low", "medium", "high"))
    chat, reasoner = (aider(f"DeepSeek-V3.2-Exp ({e})") for e in ("Chat", "Reasoner"))
    qwen, qwen_best = (aider(name) for name in QWEN_RUNS)
    bundles = agent_bundles()
    for name, values in bundles.items():
        put(f"models.{name}.reference_tokens", values)
    out["models.gpt5.success.points"] = [
        [r["completion"] / medium["completion"], r["second"]] for r in (low, medium, high)
    ]
    out["models.deepseek.success.points"] = [
        [r["completion"] / reasoner["completion"], r["second"]] for r in (chat, reasoner)
    ]
    ceiling = qwen_best["second"]
    out["models.qwen.success.ceiling"] = ceiling
    out["models.qwen.success.scale"] = -1 / math.log(1 - qwen["second"] / ceiling)
    for name, row in (("gpt5", medium), ("deepseek", reasoner), ("qwen", qwen)):
        out[f"models.{name}.wrong_action_rate"] = WRONG_PER_FAILURE * (1 - row["second"])
        out[f"models.{name}.latency_per_task_s"] = fact("request_time_share", "tools") * fact(
            "request_time", "p50"
        )
    put("models.gpt5.api", api_price("gpt-5"))
    put("models.deepseek.api", api_price("deepseek/deepseek-reasoner"))
    out["models.gpt5.api.tpot_ms"] = tpot_ms([low, medium, high])
    out["models.deepseek.api.tpot_ms"] = tpot_ms([chat, reasoner])
    for name in ("gpt5", "deepseek"):
        out[f"models.{name}.api.ttft_s"] = fact(
            "residual_ttft", "median at 12k input tokens", "codex"
        )
    out["models.gpt5.api.cache_hit"] = fact("prefix_cache_hit", "token-weighted", "codex")
    out["models.deepseek.api.cache_hit"] = fact(
        "prefix_cache_hit", "token-weighted", source="DeepSeek"
    )
    out["token_uses.verify.risk_tokens"] = math.exp(np.mean(np.log(taus())))

    out["autonomy.confirm.wait_s"] = fact("human_wait", "p50")
    out["autonomy.multi_party.wait_s"] = fact("AskUserQuestion_wait", "mean (784 calls, 243 h)")
    out["autonomy.human.wait_s"] = fact("human_wait", "p90")

    for name in ("h100", "h200"):
        out[f"gpus.{name}.price_usd_per_h"] = gpu_price(f"{name.upper()}-SXM")
    for name, where in AGENT_LANES.items():
        put(f"deployments.{name}", deployment(QWEN235, *where))
        out[f"deployments.{name}.burst_headroom"] = azure_burst()
    put(
        "deployments.h200_mixed.draft",
        draft(lane(QWEN235, "h200_sxm", 4)["alpha_ms"]) | {"tokens": DRAFT_TOKENS},
    )

    seconds = (60, 300, 3600)
    out["caching.retention_s"] = [0, *seconds]
    out["caching.reuse.agent.points"] = [
        [s, fact("cache_retention_tradeoff", f"hit rate at idle eviction {s} s")] for s in seconds
    ]
    out["caching.sharing.system_prompt.hit"] = fact(
        "prefix_cache_hit", "tool-started steps", "claude"
    )

    for name, part in azure().items():
        for k, share in SPLIT[name].items():
            put(
                f"classes.{k}",
                {
                    "rate_per_s": part["rate"] * share / calls(),
                    "prompt_tokens": part["context"],
                    "prefix_tokens": part["context"] * again(),
                    "output_tokens": part["generated"] * calls(),
                    "calls": calls(),
                },
            )

    put("training.assets.rl.gain", scaling_law("32B", 32e9))
    rollout = RL_STEPS * RL_BATCH * RL_GROUP * qwen["completion"]
    out["training.assets.rl.rollout.reference_tokens"] = rollout
    out["training.assets.rl.verifier.reference_tokens"] = rollout * qwen["second_share"]
    out["training.assets.rl.update.reference_tokens"] = rollout
    speed = MFU * spec("h200_sxm")["bf16_flops"] / (6 * ACTIVE_PARAMETERS)
    out["training.assets.rl.update.tokens_per_gpu_s"] = speed
    out["training.assets.sft.update.tokens_per_gpu_s"] = speed
    out["training.assets.rl.staleness"] = staleness()
    return out


MODELS = {"small": QWEN32, "medium": QWEN235, "large": R1}
FLEET_RUNS = {"small": "Qwen3 32B", "medium": QWEN_RUNS[0], "large": "DeepSeek R1 (0528)"}
FLEET_LANES = {
    "small_h100": ("small", "h100_sxm", 1),
    "small_h100_tp2": ("small", "h100_sxm", 2),
    "medium_h100": ("medium", "h100_sxm", 4),
    "medium_h200": ("medium", "h200_sxm", 4),
    "large_h200": ("large", "h200_sxm", 8),
}
FLEET_TRACES = {"chat": "conversation_first30min", "agent": "synthetic"}
FLEET_EXPONENT = 0.9
REUSE_AT = (15, 60, 300, 600)
NIGHT_H, MORNING_H, PEAK_H, EVENING_H = 8, 4, 6, 6
MORNING, EVENING = 1.10, 1.05


def fleet() -> dict[str, object]:
    """Derived numbers of fleet.yaml."""
    out: dict[str, object] = {}
    rows = {name: aider(run) for name, run in FLEET_RUNS.items()}
    for name, row in rows.items():
        out[f"models.{name}.success.points"] = [[1.0, row["second"]]]
    medium = rows["medium"]["completion"]
    # the small model's own token count on the board is not usable: its sibling's stands in
    for name, tokens in (
        ("small", medium),
        ("medium", medium),
        ("large", rows["large"]["completion"]),
    ):
        out[f"models.{name}.reference_tokens.answer"] = tokens
    for name in ("h100", "h200"):
        out[f"gpus.{name}.price_usd_per_h"] = gpu_price(f"{name.upper()}-SXM")

    conversation, agent = (mooncake(trace) for trace in FLEET_TRACES.values())
    total = azure_total()
    phi = conversation["burst"]
    for name, (model, system, tp) in FLEET_LANES.items():
        for k, v in deployment(MODELS[model], system, tp).items():
            out[f"deployments.{name}.{k}"] = v
        out[f"deployments.{name}.burst_headroom"] = phi
    for name, trace in FLEET_TRACES.items():
        out[f"caching.reuse.{name}.points"] = reuse_points(trace, REUSE_AT)
    out["caching.retention_s"] = [0, *REUSE_AT]

    for name, stream in (("complete", total), ("chat", conversation), ("agent", agent)):
        out[f"classes.{name}.rate_per_s"] = stream["rate"]
        tokens = stream["generated"] if name == "complete" else stream["output"]
        # effort that the middle model reaches with the trace's mean output
        out[f"classes.{name}.difficulty"] = (tokens / medium) ** FLEET_EXPONENT
    out["classes.complete.prompt_tokens"] = total["context"]
    for name, stream in (("chat", conversation), ("agent", agent)):
        out[f"classes.{name}.prompt_tokens"] = stream["fresh"]
        out[f"classes.{name}.prefix_tokens"] = stream["prefix"]

    peak = fact("nodes", "peak", source="DeepSeek") / fact("nodes", "mean", source="DeepSeek")
    hours = {"night": NIGHT_H, "morning": MORNING_H, "peak": PEAK_H, "evening": EVENING_H}
    night = (24 - MORNING_H * MORNING - PEAK_H * peak - EVENING_H * EVENING) / NIGHT_H
    for name, scale in (
        ("night", night), ("morning", MORNING), ("peak", peak), ("evening", EVENING)
    ):  # fmt: skip
        out[f"periods.{name}.hours"] = hours[name]
        out[f"periods.{name}.demand_scale"] = scale
    return out


def derive(config: str = "coding_agent") -> dict[str, object]:
    """{dotted config path: value} of one config."""
    return {"coding_agent": coding_agent, "fleet": fleet}[config]()


def main(names: list[str]) -> None:
    """Print them, and the errors of the fits."""
    for name in names or ["coding_agent", "fleet"]:
        print(f"# {name}.yaml")
        for path, value in derive(name).items():
            print(f"{path} = {value}")
    print("# fits of the step time: rows, median and 90th percentile of the relative error")
    for key in sorted({(r["model"], r["system"], int(r["tp_size"])) for r in
                       table("silicon_ttft_tpot")}):  # fmt: skip
        fit = lane(*key)
        print(key, fit["rows"], f"{fit['median_error']:.3f}", f"{fit['p90_error']:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
