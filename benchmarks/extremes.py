"""Instances at the edge: all arms tie, nothing pays, capacity just met, or not enough of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.drawing import Config
from benchmarks.instances import draw

SHORTAGES = ("calls", "gpus", "money", "minutes", "risk", "seconds")


# --- degenerate ---------------------------------------------------------------------------


def identical(classes: int, seed: int | Sequence[int]) -> Config:
    """Every class the same, every model the same, one scarce row: all arms tie."""
    rng = np.random.default_rng(seed)
    model = {"quality": 0.5, "api": {"output_usd_per_mtok": 2.0, "requests_per_minute": 30.0}}
    item = {"rate_per_s": 1.0, "value_usd": 1.0, "output_tokens": 1000.0}
    count = int(rng.integers(2, 6))
    return {
        "version": 1,
        "models": {f"m{i}": dict(model) for i in range(count)},
        "classes": {f"c{i}": dict(item) for i in range(classes)},
    }


def ties(classes: int, seed: int | Sequence[int]) -> Config:
    """Classes of a few kinds only and own GPUs at three equal deployments: mass ties."""
    config = draw(classes, seed, ("api", "gpu", "budget"), 0.5)
    items = list(config["classes"].values())
    for i, name in enumerate(config["classes"]):
        config["classes"][name] = dict(items[i % min(3, len(items))])
    place = next(iter(config["deployments"].values()))
    config["deployments"] = {f"d{i}": dict(place) for i in range(3)}
    for model in config["models"].values():
        if "api" not in model and model is not config["models"][place["model"]]:
            model["cost_per_task_usd"] = 0.0
    return config


def exact(classes: int, seed: int | Sequence[int]) -> Config:
    """Nothing may be declined and the calls there are are the calls there must be."""
    config = _forced(classes, seed)
    total = math.fsum(k["rate_per_s"] for k in config["classes"].values())
    config["models"]["m0"]["api"]["requests_per_minute"] = total * 60
    return config


def worthless(classes: int, seed: int | Sequence[int]) -> Config:
    """Nothing pays, or just pays: classes worth exactly what they cost, or less."""
    config = _forced(classes, seed)
    rng = np.random.default_rng(seed)
    api = config["models"]["m0"]["api"]
    for item in config["classes"].values():
        cost = item["output_tokens"] * 1e-6 * api["output_usd_per_mtok"]
        item["value_usd"] = cost / 0.5 * float(rng.choice([0.0, 0.5, 1.0]))
        item["decline"] = True
    return config


def zeros(classes: int, seed: int | Sequence[int]) -> Config:
    """Nobody arrives in some classes, some capacities are 0."""
    config = draw(classes, seed, ("api", "gpu", "humans", "budget"), 1.0)
    rng = np.random.default_rng(seed)
    for item in config["classes"].values():
        if rng.random() < 0.5:
            item["rate_per_s"] = 0.0
    next(iter(config["gpus"].values()))["available"] = 0.0
    config["humans"]["minutes_per_h"] = 0.0
    return config


DEGENERATE: dict[str, Callable[[int, int | Sequence[int]], Config]] = {
    "identical": identical,
    "ties": ties,
    "exact": exact,
    "worthless": worthless,
    "zeros": zeros,
}


# --- infeasible ---------------------------------------------------------------------------


def _forced(classes: int, seed: int | Sequence[int]) -> Config:
    rng = np.random.default_rng(seed)
    return {
        "version": 1,
        "models": {"m0": {"quality": 0.5, "api": {"output_usd_per_mtok": 3.0, "ttft_s": 1.0}}},
        "classes": {
            f"c{i}": {
                "rate_per_s": float(10 ** rng.uniform(-3, 1)),
                "value_usd": float(10 ** rng.uniform(-3, 1)),
                "output_tokens": float(10 ** rng.uniform(1, 4)),
                "decline": False,
            }
            for i in range(classes)
        },
    }


def short(classes: int, seed: int | Sequence[int], of: str, share: float) -> Config:
    """What may not be declined needs more than there is: ``share`` of the least need."""
    config = _forced(classes, seed)
    items = config["classes"].values()
    total = math.fsum(k["rate_per_s"] for k in items)
    written = math.fsum(k["rate_per_s"] * k["output_tokens"] for k in items)
    model = config["models"]["m0"]
    if of == "calls":
        model["api"]["requests_per_minute"] = share * total * 60
    elif of == "gpus":
        del model["api"]
        config["gpus"] = {"h100": {"available": share * written * 1e-4}}
        config["deployments"] = {
            "d0": {"model": "m0", "gpu": "h100", "alpha_ms": 8.0, "beta_ms": 0.1}
        }
    elif of == "money":
        config["budgets"] = {"money_usd": share * written * 3600 * 3e-6}
    elif of == "minutes":
        config["autonomy"] = {"confirm": {"human_minutes": 2.0, "risk_factor": 0.1}}
        config["humans"] = {"minutes_per_h": share * total * 7200}
    elif of == "risk":
        model["wrong_action_rate"] = 0.1
        config["limits"] = {"risk_per_h": share * total * 360}
    elif of == "seconds":
        config["limits"] = {"latency": {"mean": {"mean_s": share * 1.0}}}
    return config
