"""Small configs with trained models: increasing returns, and random ones."""

from typing import Any

import numpy as np

GAINS = ("saturating", "scaling_law", "cobb_douglas")


def two_optima(price: float = 600.0) -> dict[str, Any]:
    """Nobody uses the cheap model as it is; trained, everybody would."""
    values = [0.5, 0.8, 1.0, 1.5, 2.0]
    return {
        "version": 1,
        "models": {
            "own": {"quality": 0.5, "cost_per_task_usd": 0.3},
            "bought": {"quality": 0.8, "cost_per_task_usd": 0.5},
        },
        "classes": {f"c{i}": {"rate_per_s": 1, "value_usd": v} for i, v in enumerate(values)},
        "training": {
            "depreciation_per_h": 0.001,
            "assets": {
                "sft": {
                    "model": "own",
                    "kind": "sft",
                    "gain": {"form": "saturating", "ceiling": 0.45, "scale": 1},
                    "rollout": {
                        "exponent": 0.9,
                        "reference_tokens": 1e9,
                        "price_usd_per_mtok": price,
                    },
                }
            },
        },
    }


def random(seed: int, models: int) -> dict[str, Any]:
    """A few classes, ``models`` that can be trained, and an API."""
    rng = np.random.default_rng(1000 * models + seed)

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    of = {
        f"m{i}": {"quality": between(0.4, 0.8), "cost_per_task_usd": between(0.05, 0.5)}
        for i in range(models)
    }
    of["api"] = {"quality": between(0.6, 0.9), "cost_per_task_usd": between(0.3, 1.0)}
    classes = {
        f"c{k}": {
            "rate_per_s": between(0.2, 2.0),
            "value_usd": float(np.exp(rng.normal(0.0, 0.8))),
            "trainability": between(0.3, 1.0),
        }
        for k in range(int(rng.integers(3, 12)))
    }
    assets = {
        f"a{i}": {
            "model": f"m{i}",
            "gain": gain(GAINS[int(rng.integers(3))], between(0.1, 0.4), between(0.5, 2.0)),
            "rollout": {
                "exponent": between(0.4, 0.9),
                "reference_tokens": 1e9,
                "price_usd_per_mtok": float(np.exp(between(np.log(30), np.log(1000)))),
            },
            "gain_std": between(0.0, 0.3),
        }
        for i in range(models)
    }
    training = {"depreciation_per_h": 0.001, "risk_aversion": between(0, 2000), "assets": assets}
    return {"version": 1, "models": of, "classes": classes, "training": training}


def gain(form: str, ceiling: float, scale: float) -> dict[str, Any]:
    """A gain of one form."""
    if form == "saturating":
        return {"form": form, "ceiling": ceiling, "scale": scale}
    if form == "cobb_douglas":
        return {"form": form, "scale": ceiling}
    return {"form": form, "floor": 0.01, "b": 338.0, "c": 4333.0, "power": 0.2, "samples": 51200.0}
