"""Random configs for the success table: one seed, one instance, every section of the schema.

An instance is a plain dict that ``allocate.models.loader.load_dict`` accepts. ``draw`` makes
one from *traits*, each of which adds one section or one difficulty. What must come out is
known by construction: everything may be declined and no limit is from below, or what is
needed is a given multiple of what there is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks import limits
from benchmarks.drawing import Config, Draw

TRAITS = (
    "api",  # models bought per token
    "gpu",  # models on own GPUs
    "caches",  # reuse profiles, retention tiers, sometimes a shared prefix
    "humans",  # autonomy levels, reviewers' time
    "uses",  # token uses: effort bought, success curves
    "risk",  # wrong actions, their price, envelopes
    "tail",  # CVaR over loss scenarios
    "budget",  # money
    "tenants",  # money of tenants
    "latency",  # price and mean limits
    "shares",  # shares of models
    "periods",  # parts of the day
    "training",  # capability as capital
    "wide",  # money, tokens and rates over nine orders of magnitude
)


def draw(
    classes: int,
    seed: int | Sequence[int],
    traits: Sequence[str],
    slack: float = 1.0,
) -> Config:
    """A random config with these traits; ``slack`` < 1 is tight, > 1 is ample."""
    d = Draw(classes, np.random.default_rng(seed), traits, slack)
    for section in (_periods, _uses, _models, _gpus, _autonomy, _tenants, _classes):
        section(d)
    d.config["demand"] = {"scale": d.uniform(0.5, 2.0)}
    for section in limits.SECTIONS:
        section(d)
    return d.config


# --- what there is ------------------------------------------------------------------------


def _periods(d: Draw) -> None:
    if "periods" in d.traits:
        names = ["night", "day", "peak"][: int(d.rng.integers(2, 4))]
        d.config["periods"] = {
            name: {"hours": float(d.rng.integers(2, 13)), "demand_scale": d.log(0.2, 3)}
            for name in names
        }


def _uses(d: Draw) -> None:
    if "uses" not in d.traits:
        return
    names = ["read", "plan", "edit", "verify"][: int(d.rng.integers(1, 5))]
    shares = d.rng.dirichlet(np.ones(len(names))) * d.uniform(0.3, 0.98)
    d.config["token_uses"] = {}
    for name, exponent in zip(names, shares, strict=True):
        use: Config = {
            "kind": "input" if name == "read" else "output",
            "exponent": float(exponent),
            "reference_tokens": d.around(1000 * d.tokens),
        }
        if name == "verify" and "risk" in d.traits:
            use["risk_tokens"] = d.around(1500 * d.tokens)
        if d.chance(0.3):
            use["max_tokens"] = use["reference_tokens"] * d.log(1, 30)
        d.config["token_uses"][name] = use


def _success(d: Draw, ceiling: float) -> Config:
    form = ("saturating", "power", "table")[int(d.rng.integers(3))]
    if form == "saturating":
        return {"form": form, "ceiling": ceiling, "scale": d.log(0.1, 2)}
    if form == "power":
        short = ceiling * d.uniform(0.1, 0.5)
        return {"form": form, "ceiling": ceiling, "coefficient": short, "exponent": d.log(0.1, 2)}
    points = [[0.3, 0.55 * ceiling], [1.0, 0.9 * ceiling], [3.0, ceiling]]
    return {"form": form, "points": points, "hull": True}


def _models(d: Draw) -> None:
    own, api = "gpu" in d.traits, "api" in d.traits
    count = int(d.rng.integers(1, 6)) if d.n > 1 else int(d.rng.integers(2, 5))
    d.config["models"] = {}
    for i in range(count):
        ceiling = d.uniform(0.3, 0.99)
        model: Config = {"latency_per_task_s": d.uniform(0, 5)}
        if "uses" in d.traits and d.chance(0.8):
            model["success"] = _success(d, ceiling)
        else:
            model["quality"] = ceiling
        if "risk" in d.traits or "tail" in d.traits:
            model["wrong_action_rate"] = d.log(1e-3, 0.2)
        if api and (not own or i == 0 or d.chance(0.5)):
            price = d.around(3 * ceiling**4 * d.money / d.tokens)
            model["api"] = {
                "input_usd_per_mtok": price,
                "output_usd_per_mtok": price * d.uniform(1, 5),
                "tpot_ms": d.uniform(5, 40) / d.tokens,
                "ttft_s": d.uniform(0.2, 2),
            }
            if d.chance(0.4):
                model["api"] |= {
                    "cached_input_usd_per_mtok": 0.1 * price,
                    "cache_hit": d.uniform(0.1, 0.95),
                }
        d.config["models"][f"m{i}"] = model


def _gpus(d: Draw) -> None:
    if "gpu" not in d.traits:
        return
    names = ["h100", "h200"][: int(d.rng.integers(1, 3))]
    d.config["gpus"] = {
        g: {"available": 0.0, "price_usd_per_h": d.around(3 * d.money, 0.3)} for g in names
    }
    bare = [m for m, model in d.config["models"].items() if "api" not in model]
    chosen = bare or [next(iter(d.config["models"]))]
    d.config["deployments"] = {}
    for i, model in enumerate(chosen):
        alpha = d.uniform(4, 20) / d.tokens
        item: Config = {
            "model": model,
            "gpu": names[i % len(names)],
            "gpus_per_replica": float(2 ** int(d.rng.integers(0, 4))),
            "alpha_ms": alpha,
            "beta_ms": d.uniform(0.05, 0.4) / d.tokens,
            "gamma_ms_per_ktok": d.uniform(0, 0.05) / d.tokens**2,
            "delta_ms_per_ktok": d.uniform(10, 80) / d.tokens,
            "burst_headroom": d.uniform(1, 2),
        }
        if d.chance(0.75):
            tiers = alpha * np.sort(d.rng.uniform(1.1, 8, size=int(d.rng.integers(1, 5))))
            item["tpot_ms"] = [float(t) for t in tiers]
        if d.chance(0.5):
            item["max_batch"] = float(d.rng.integers(16, 256))
        if d.chance(0.6):
            item["kv_memory_gb"] = d.uniform(20, 400)
            item["kv_bytes_per_token"] = d.uniform(5e4, 3e5) / d.tokens
        if d.chance(0.15):
            item["draft"] = {"alpha_ms": 0.2 * alpha, "tokens": 4, "acceptance": 0.7}
        d.config["deployments"][f"d{i}"] = item


def _autonomy(d: Draw) -> None:
    if "humans" not in d.traits:
        return
    levels: Config = {"free": {}}
    levels["confirm"] = {
        "human_minutes": d.uniform(0.5, 3),
        "wait_s": d.uniform(10, 300),
        "risk_factor": d.uniform(0.1, 0.5),
    }
    if d.chance(0.5):
        levels["human"] = {
            "human_minutes": d.uniform(5, 40),
            "wait_s": d.uniform(100, 3000),
            "human_success": d.uniform(0.7, 1),
            "human_wrong_action_rate": 0.01,
        }
    d.config["autonomy"] = levels
    d.config["humans"] = {"cost_usd_per_h": d.around(60 * d.money, 0.3)}


def _tenants(d: Draw) -> None:
    if "tenants" in d.traits:
        d.config["tenants"] = {f"t{i}": {} for i in range(int(d.rng.integers(1, 5)))}


# --- what is asked for --------------------------------------------------------------------


def _classes(d: Draw) -> None:
    c = d.config
    tenants, periods = list(c.get("tenants", {})), list(c.get("periods", {}))
    c["classes"] = {}
    for i in range(d.n):
        output = d.around(800 * d.tokens)
        item: Config = {
            "rate_per_s": d.around(d.rate / d.n),
            "output_tokens": output,
            "prompt_tokens": d.around(2000 * d.tokens),
            # worth between a tenth and a thousand times what its tokens roughly cost
            "value_usd": d.log(0.1, 1000) * 1e-6 * 5 * output * d.money / d.tokens,
            "difficulty": d.log(0.3, 3),
        }
        if tenants:
            item["tenant"] = tenants[int(d.rng.integers(len(tenants)))]
        if "risk" in d.traits or "tail" in d.traits:
            item |= {
                "loss": d.log(0.1, 10),
                "irreversible_loss": d.log(0.01, 1),
                "action": ("draft", "commit", "deploy")[int(d.rng.integers(3))],
            }
        if periods and d.chance(0.3):
            item["periods"] = d.some(periods)
        if d.chance(0.2):
            item["models"] = d.some(list(c["models"]))
        if d.chance(0.1):
            item["decline_cost_usd"] = item["value_usd"] * d.uniform(0, 0.5)
        if d.chance(0.1):
            item["calls"] = float(d.rng.integers(2, 10))
        if "training" in d.traits:
            item["trainability"] = d.uniform(0, 1)
        c["classes"][f"c{i}"] = item
    _sizes(d)


def _sizes(d: Draw) -> None:
    """Capacities of GPUs, APIs, people and tenants, from a rough demand."""
    c = d.config
    rates = {k: item["rate_per_s"] for k, item in c["classes"].items()}
    for place in c.get("deployments", {}).values():
        busy = sum(
            rates[k]
            * (
                item["output_tokens"] * (place["beta_ms"] + place["alpha_ms"] / 32)
                + item["prompt_tokens"] * place["delta_ms_per_ktok"] / 1000
            )
            / 1000
            for k, item in c["classes"].items()
        )
        gpu = c["gpus"][place["gpu"]]
        share = place["gpus_per_replica"] / len(c["deployments"])
        gpu["available"] += d.capacity(busy * place["burst_headroom"] * share)
    for model in c["models"].values():
        if "api" in model and d.chance(0.3):
            minute = 60 / len(c["models"])
            model["api"]["requests_per_minute"] = d.capacity(minute * sum(rates.values()))
            total = sum(
                rates[k] * (item["output_tokens"] + item["prompt_tokens"])
                for k, item in c["classes"].items()
            )
            model["api"]["tokens_per_minute"] = d.capacity(minute * total)
    if "humans" in c:
        c["humans"]["minutes_per_h"] = d.capacity(3600 * sum(rates.values()))
    for name in c.get("tenants", {}):
        bill = sum(
            rates[k] * item["value_usd"] * 3600 * 0.1
            for k, item in c["classes"].items()
            if item["tenant"] == name
        )
        if bill > 0 and d.chance(0.7):
            c["tenants"][name]["money_usd"] = d.capacity(bill)
