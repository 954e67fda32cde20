"""The prices of time and risk in the paper's normalisation (3)."""

from __future__ import annotations

from typing import Any

from allocate.models.reading.answered import Answered


def rates(answer: Answered) -> dict[str, Any]:
    """λ (USD per second) and ρ (USD per unit of loss): duals over the price of a dollar.

    The rows are those that the config's budget and limits are named after.
    """
    dual = {r.name: d for r, d in zip(answer.program.rows, answer.duals, strict=True)}
    dollar = 1.0 + dual.get("budgets.money_usd", 0.0)
    config = answer.built.config
    risk = config.prices.risk_usd
    late = config.prices.irreversible_risk_usd
    late = risk if late is None else late
    served = {
        name: float(dual.get(f"limits.latency.{name}.mean_s", 0.0))
        for name in config.limits.latency
    }
    return {
        "usd": dollar,
        "lambda_usd_per_s": config.prices.latency_usd_per_s / dollar,
        "lambda_of_limits_usd_per_s": {n: v / dollar for n, v in served.items()},
        "rho_usd_per_loss": (risk + dual.get("limits.risk_per_h", 0.0)) / dollar,
        "rho_irreversible_usd_per_loss": (late + dual.get("limits.irreversible_risk_per_h", 0.0))
        / dollar,
    }
