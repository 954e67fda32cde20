"""Small configs that every solver test builds on, and how to solve and change them."""

import copy
from typing import Any

from allocate.models.loader import load_dict
from allocate.solver.solution import Solution
from allocate.solver.solve import solve

HOURLY = 1 / 3600  # a rate of one request an hour


def solved(config: dict[str, Any], **options: Any) -> Solution:
    """The certified answer of a config; a test that gets another has failed."""
    solution = solve(load_dict(config), ranges=False, **options)
    assert solution.status == "optimal", solution.certificate
    return solution


def changed(config: dict[str, Any], **values: Any) -> dict[str, Any]:
    """A copy with values at dotted paths, written with ``__`` for the dots, replaced."""
    out = copy.deepcopy(config)
    for path, value in values.items():
        put(out, path.replace("__", "."), value)
    return out


def put(config: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for key in above:
        config = config.setdefault(key, {})
    config[last] = value


def got(config: dict[str, Any], path: str) -> Any:
    for key in path.split("."):
        config = config[key]
    return config


def price(solution: Solution, resource: str) -> float:
    return next(p.value for p in solution.prices if p.resource == resource)


def router(solution: Solution) -> dict[tuple[str, str | None], float]:
    """(class, model) → share of the class's requests, over all autonomy levels."""
    out: dict[tuple[str, str | None], float] = {}
    for line in solution.layers.router:
        key = (line["class"], line["model"])
        out[key] = out.get(key, 0.0) + line["share"]
    return out


def two_models(
    value: float = 10.0,
    quality: tuple[float, float] = (0.7, 0.9),
    cost: tuple[float, float] = (1.0, 5.0),
    wrong: tuple[float, float] = (0.05, 0.01),
    rho: float = 0.0,
) -> dict[str, Any]:
    """The paper's worked example: USD/h reads as USD per task."""
    models = {
        name: {"quality": q, "cost_per_task_usd": c, "wrong_action_rate": w}
        for name, q, c, w in zip(("cheap", "frontier"), quality, cost, wrong, strict=True)
    }
    return {
        "version": 1,
        "prices": {"risk_usd": rho},
        "models": models,
        "classes": {"task": {"rate_per_s": HOURLY, "value_usd": value}},
    }


def api_and_humans() -> dict[str, Any]:
    """Two APIs, three autonomy levels, three classes of two tenants; no GPUs."""
    return {
        "version": 1,
        "prices": {"latency_usd_per_s": 0.001, "risk_usd": 1.0, "irreversible_risk_usd": 2.0},
        "token_uses": {
            "plan": {"exponent": 0.3, "reference_tokens": 300},
            "edit": {"exponent": 0.4, "reference_tokens": 600},
            "verify": {
                "exponent": 0.1,
                "reference_tokens": 300,
                "risk_tokens": 3000,
                "max_tokens": 1500,
            },
        },
        "models": {
            "cheap": {
                "success": {"form": "saturating", "ceiling": 0.75},
                "wrong_action_rate": 0.1,
                "api": {"input_usd_per_mtok": 0.3, "output_usd_per_mtok": 2, "tpot_ms": 8},
            },
            "strong": {
                "success": {"form": "saturating", "ceiling": 0.95, "scale": 0.8},
                "wrong_action_rate": 0.04,
                "api": {
                    "input_usd_per_mtok": 3,
                    "output_usd_per_mtok": 15,
                    "tpot_ms": 20,
                    "ttft_s": 0.8,
                },
            },
        },
        "autonomy": {
            "free": {},
            "confirm": {"human_minutes": 1.0, "wait_s": 10, "risk_factor": 0.3},
            "human": {"human_minutes": 20.0, "human_success": 0.97, "wait_s": 600},
        },
        "humans": {"cost_usd_per_h": 12},
        "tenants": {"alpha": {}, "beta": {}},
        "classes": {
            "ask": {
                "rate_per_s": 0.2,
                "value_usd": 0.1,
                "prompt_tokens": 1500,
                "loss": 0.1,
                "tenant": "alpha",
            },
            "commit": {
                "rate_per_s": 0.05,
                "value_usd": 2.0,
                "prompt_tokens": 5000,
                "loss": 40,
                "irreversible_loss": 2,
                "action": "commit",
                "difficulty": 1.5,
                "tenant": "beta",
            },
            "deploy": {
                "rate_per_s": 0.01,
                "value_usd": 12.0,
                "prompt_tokens": 8000,
                "loss": 20,
                "irreversible_loss": 1000,
                "action": "deploy",
                "difficulty": 2.0,
                "tenant": "beta",
            },
        },
    }


def fleet() -> dict[str, Any]:
    """Own GPUs and an API with fixed speed tiers, so that one solve is one program."""
    return {
        "version": 1,
        "prices": {"latency_usd_per_s": 0.002, "risk_usd": 1},
        "token_uses": {
            "edit": {"exponent": 0.5, "reference_tokens": 500},
            "verify": {"exponent": 0.2, "reference_tokens": 200, "risk_tokens": 2000},
        },
        "models": {
            "own": {
                "success": {"form": "saturating", "ceiling": 0.8},
                "wrong_action_rate": 0.1,
            },
            "api": {
                "success": {"form": "saturating", "ceiling": 0.95},
                "wrong_action_rate": 0.05,
                "api": {
                    "input_usd_per_mtok": 3,
                    "output_usd_per_mtok": 40,
                    "tpot_ms": 10,
                    "ttft_s": 0.5,
                },
            },
        },
        "gpus": {"h100": {"available": 3, "price_usd_per_h": 2.5}},
        "deployments": {
            "own_h100": {
                "model": "own",
                "gpu": "h100",
                "alpha_ms": 8,
                "beta_ms": 0.3,
                "gamma_ms_per_ktok": 0.05,
                "delta_ms_per_ktok": 30,
                "max_batch": 64,
                "kv_memory_gb": 40,
                "kv_bytes_per_token": 160000,
                "tpot_ms": [9, 12, 16, 25],
            }
        },
        "classes": {
            "easy": {"rate_per_s": 2, "value_usd": 0.1, "prompt_tokens": 1000, "loss": 0.2},
            "hard": {
                "rate_per_s": 0.5,
                "value_usd": 1,
                "prompt_tokens": 3000,
                "loss": 5,
                "difficulty": 1.5,
            },
        },
    }


def everything() -> dict[str, Any]:
    """Own GPUs, an API, reviewers and a budget, all scarce."""
    out = fleet()
    out["autonomy"] = {
        "free": {},
        "confirm": {"human_minutes": 1.0, "wait_s": 5, "risk_factor": 0.2},
    }
    out["humans"] = {"minutes_per_h": 600, "cost_usd_per_h": 6}
    out["budgets"] = {"money_usd": 70.0}
    out["classes"]["hard"]["loss"] = 20
    return out
