"""Small configs in which GPUs are bought, for the tests of commitments and scenarios."""

from __future__ import annotations

from typing import Any

import numpy as np

from allocate.models.loader import load_dict
from allocate.solver.solution import Solution
from allocate.solver.solve import solve

PER_GPU = 5.0  # requests a second that a GPU of ``bought`` answers


def bought(**gpu: Any) -> dict[str, Any]:
    """10 requests/s of 100 tokens on one deployment at one speed: two GPUs' work."""
    return {
        "version": 1,
        "models": {"m": {"quality": 1.0}},
        "gpus": {"g": gpu},
        "deployments": {
            "d": {
                "model": "m",
                "gpu": "g",
                "alpha_ms": 10,
                "beta_ms": 0.5,
                "max_batch": 20,
                "tpot_ms": [40],
            }
        },
        "classes": {"k": {"rate_per_s": 10, "value_usd": 0.01, "output_tokens": 100}},
    }


def scenarios(**scale: tuple[float, float]) -> dict[str, Any]:
    """name=(probability, demand scale) as the section of a config."""
    listed = {n: {"probability": p, "demand_scale": s} for n, (p, s) in scale.items()}
    return {"scenarios": listed}


def solved(config: dict[str, Any]) -> Solution:
    """The certified answer."""
    out = solve(load_dict(config), ranges=False)
    assert out.status == "optimal"
    return out


def reserved(solution: Solution) -> float:
    """GPUs reserved, of the one type there is."""
    (line,) = solution.layers.capacity()["reservations"]
    return line["gpus"]


def drawn(seed: int) -> dict[str, Any]:
    """A random config: periods, scenarios, all ways to buy, work that waits, tails, a budget."""
    rng = np.random.default_rng(seed)

    def maybe(chance: float = 0.5) -> bool:
        return bool(rng.random() < chance)

    def about(size: float) -> float:
        return float(size * np.exp(rng.normal(0.0, 0.4)))

    gpu: dict[str, Any] = {"on_demand": {"price_usd_per_h": about(3.5)}}
    if maybe(0.85):
        gpu["reserved"] = {"price_usd_per_h": about(2.0)}
        if maybe(0.3):
            gpu["reserved"] |= {"committed": about(0.5), "available": about(4.0) + 1.0}
    if maybe(0.6):
        gpu["on_demand"]["available"] = about(2.0)
    if maybe():
        gpu["spot"] = {
            "price_usd_per_h": about(1.3),
            "available": about(1.0),
            "interruptions_per_h": 0.2 * rng.random(),
            "lost_h": rng.random(),
            "interruption_usd": rng.random(),
        }
    if maybe(0.3):
        gpu |= {"available": about(1.0), "price_usd_per_h": about(1.0)}
    out = bought(**gpu)
    out["tenants"] = {"studio": {}}
    per_request = 3.0 / (3600 * PER_GPU)
    out["classes"] = {
        f"k{i}": {
            "rate_per_s": about(8.0),
            "value_usd": about(1.5 * per_request),
            "output_tokens": about(100.0),
            **({"tenant": "studio"} if maybe(0.4) else {}),
            **(
                {"max_defer_h": float(rng.integers(4, 24)), "defer_usd_per_h": about(1e-6)}
                if maybe(0.4)
                else {}
            ),
        }
        for i in range(3)
    }
    if maybe(0.8):
        out["periods"] = {
            name: {
                "hours": float(hours),
                "demand_scale": about(1.0),
                **({"gpu_price_scale": about(1.0)} if maybe(0.3) else {}),
            }
            for name, hours in (("night", 8), ("day", 10), ("evening", 6))[: rng.integers(2, 4)]
        }
    if maybe(0.8):
        chance = rng.dirichlet([3.0] * int(rng.integers(2, 4)))
        out["uncertainty"] = {
            "scenarios": {
                f"s{i}": {
                    "probability": float(p),
                    "demand_scale": about(1.0),
                    **({"classes": {"k0": about(1.0)}} if maybe(0.3) else {}),
                    **({"tenants": {"studio": about(1.0)}} if maybe(0.3) else {}),
                    **(
                        {"gpus": {"g": {"price_scale": about(1.0), "available_scale": about(0.8)}}}
                        if maybe(0.4)
                        else {}
                    ),
                }
                for i, p in enumerate(chance)
            }
        }
        if maybe(0.3):
            out["uncertainty"]["cost_tail"] = {"beta": 0.6, "price_usd": 0.3}
        if maybe(0.3):
            tail = {"beta": 0.6, "price_usd": per_request}
            out["uncertainty"]["unmet_tail"] = tail
    if maybe(0.25):
        out["budgets"] = {"money_usd": about(20.0)}
    return out
