"""Random small instances in which every failure mode can be planted.

An instance has an API and two own models, three levels of autonomy, verification, a prefix
cache, a trainable model and, half of the time, scarce GPUs.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """A random config in which every mode can be planted."""

    def log(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    skill = np.sort(rng.uniform(0.45, 0.95, 3))
    price = log(4, 60)
    names = ["small", "large", "bought"]
    models: dict[str, Any] = {
        name: {
            "success": {"form": "saturating", "ceiling": float(q), "scale": uniform(0.3, 0.6)},
            "wrong_action_rate": log(0.02, 0.12),
        }
        for name, q in zip(names, rng.permutation(skill), strict=True)
    }
    models["bought"]["api"] = {
        "input_usd_per_mtok": price / 4,
        "output_usd_per_mtok": price,
        "tpot_ms": uniform(6, 20),
        "ttft_s": uniform(0.3, 1.0),
    }
    deployments = {}
    for name, size in (("small", 1.0), ("large", 4.0)):
        alpha = uniform(5, 12)
        deployments[f"{name}_lane"] = {
            "model": name,
            "gpu": "h100",
            "gpus_per_replica": size,
            "alpha_ms": alpha,
            "beta_ms": uniform(0.05, 0.2),
            "delta_ms_per_ktok": uniform(15, 50),
            "max_batch": 128,
            "kv_memory_gb": 40 * size,
            "kv_bytes_per_token": log(40e3, 200e3),
            "tpot_ms": [alpha * m for m in (1.3, 2.0, 4.0, 10.0)],
        }
    classes = {
        f"c{i}": {
            "rate_per_s": log(0.3, 3),
            "value_usd": log(0.005, 1.0),
            "latency_usd_per_s": log(1e-5, 2e-3),
            "loss": log(0.1, 8),
            "irreversible_loss": float(rng.choice([0.0, log(0.1, 8)])),
            "action": str(rng.choice(["draft", "commit"])),
            "prompt_tokens": log(200, 2000),
            "prefix_tokens": log(1000, 12000),
            "output_tokens": 200.0,
            "calls": 2.0,
            "reuse": "sessions",
        }
        for i in range(int(rng.integers(2, 5)))
    }
    traffic = sum(c["rate_per_s"] for c in classes.values())
    depreciation, gain = log(0.002, 0.02), uniform(0.05, 0.25)
    # what training is about: reference tokens that cost a share of what the gain may be worth
    stake = 3600 * gain * sum(c["rate_per_s"] * c["value_usd"] for c in classes.values())

    def training_input(exponent: float) -> dict[str, float]:
        price = uniform(0.5, 3)
        tokens = 1e6 * stake * log(0.1, 1.0) / (depreciation * price)
        return {
            "exponent": exponent,
            "reference_tokens": tokens,
            "price_usd_per_mtok": price,
        }

    return {
        "version": 1,
        "prices": {"risk_usd": 1.0},
        "token_uses": {
            "work": {"exponent": uniform(0.5, 0.9), "reference_tokens": 1200},
            "verify": {"exponent": 0.0, "risk_tokens": log(300, 4000)},
        },
        "models": models,
        "autonomy": {
            "free": {},
            "confirm": {
                "human_minutes": log(0.01, 0.3),
                "wait_s": uniform(1, 20),
                "risk_factor": uniform(0.05, 0.3),
            },
            "human": {
                "human_minutes": uniform(5, 20),
                "wait_s": 600.0,
                "human_success": 0.95,
                "human_wrong_action_rate": 0.01,
            },
        },
        "humans": {"cost_usd_per_h": 50.0, "minutes_per_h": traffic * 3600 * log(0.01, 1.0)},
        "gpus": {
            "h100": {
                "available": traffic * (log(1, 6) if rng.random() < 0.5 else 1e3),
                "price_usd_per_h": uniform(2, 4),
            }
        },
        "deployments": deployments,
        "caching": {
            "retention_s": [0, 60, 600, 7200],
            "reuse": {
                "sessions": {
                    "points": [[60, uniform(0.3, 0.6)], [600, 0.8], [7200, 0.85]],
                    "drift_per_h": uniform(0.0, 0.5),
                    "mismatch_per_h": log(1e-3, 0.3),
                }
            },
        },
        "classes": classes,
        "training": {
            "depreciation_per_h": depreciation,
            "assets": {
                "rl": {
                    "model": str(rng.choice(["small", "large"])),
                    "gain": {"form": "saturating", "ceiling": gain, "scale": 1.0},
                    "rollout": training_input(0.6),
                    "update": training_input(0.3),
                    "staleness": [
                        {"versions": 0, "efficiency": 1.0, "cost": uniform(1.1, 1.6)},
                        {"versions": 2, "efficiency": uniform(0.8, 0.95), "cost": 1.05},
                        {"versions": 8, "efficiency": uniform(0.2, 0.6), "cost": 1.0},
                    ],
                }
            },
        },
    }
