"""Limits and prices of a random instance, sized by a rough worth of what is asked for."""

from __future__ import annotations

import numpy as np

from benchmarks.drawing import Config, Draw


def _welfare(d: Draw) -> float:
    """USD per hour, roughly: what all successes would be worth."""
    return 3600 * sum(k["rate_per_s"] * k["value_usd"] for k in d.config["classes"].values())


def _losses(d: Draw, kind: str) -> float:
    """Losses per hour, roughly, if nobody looked."""
    wrong = np.mean([m.get("wrong_action_rate", 0) for m in d.config["models"].values()])
    classes = d.config["classes"].values()
    return float(3600 * wrong * sum(k["rate_per_s"] * k.get(kind, 0) for k in classes))


# --- limits and prices --------------------------------------------------------------------


def _caches(d: Draw) -> None:
    if "caches" not in d.traits:
        return
    caching: Config = {
        "retention_s": [0.0, 60.0, 600.0],
        "reuse": {
            "chat": {"points": [[60.0, d.uniform(0.2, 0.5)], [600.0, d.uniform(0.5, 0.9)]]},
            "agent": {"points": [[60.0, 0.8], [600.0, 0.95]], "drift_per_h": d.uniform(0, 0.2)},
        },
    }
    if d.chance(0.3):
        caching["sharing"] = {"system": {"tokens": 1000 * d.tokens, "hit": 0.95}}
    d.config["caching"] = caching
    for item in d.config["classes"].values():
        if d.chance(0.7):
            item["prefix_tokens"] = d.around(5000 * d.tokens)
            item["reuse"] = "chat" if d.chance(0.5) else "agent"
            if "sharing" in caching and d.chance(0.5):
                item["sharing"] = "system"


def _risk(d: Draw) -> None:
    if "risk" not in d.traits:
        return
    worth = _welfare(d) / max(_losses(d, "loss"), 1e-300)
    d.config.setdefault("prices", {})["risk_usd"] = worth * d.log(0.01, 2)
    limits = d.config.setdefault("limits", {})
    if d.chance(0.5):
        limits["risk_per_h"] = d.capacity(0.5 * _losses(d, "loss"))
    if d.chance(0.5):
        limits["irreversible_risk_per_h"] = d.capacity(0.5 * _losses(d, "irreversible_loss"))


def _tail(d: Draw) -> None:
    if "tail" not in d.traits:
        return
    tail: Config = {
        "beta": float(d.rng.choice([0.8, 0.9, 0.95, 0.99])),
        "scenarios": {
            "normal": {"probability": 0.9},
            "incident": {"probability": 0.06, "factors": {"deploy": 8.0, "commit": 2.0}},
            "blind": {"probability": 0.04, "factor": 3.0},
        },
    }
    worth = _welfare(d) / max(_losses(d, "loss"), 1e-300)
    if d.chance(0.6):
        tail["max_loss_per_h"] = d.capacity(_losses(d, "loss"))
    if d.chance(0.6) or "max_loss_per_h" not in tail:
        tail["price_usd"] = worth * d.log(0.001, 0.3)
    d.config.setdefault("limits", {})["tail_risk"] = tail


def _latency(d: Draw) -> None:
    if "latency" not in d.traits:
        return
    classes = d.config["classes"]
    typical = _welfare(d) / (3600 * sum(k["rate_per_s"] for k in classes.values()))
    d.config.setdefault("prices", {})["latency_usd_per_s"] = typical * d.log(1e-4, 0.03)
    if d.chance(0.7):
        limit: Config = {"mean_s": d.log(3, 60) * max(d.slack, 0.5)}
        if d.chance(0.5):
            limit["classes"] = d.some(list(classes))
        d.config.setdefault("limits", {})["latency"] = {"mean": limit}


def _budget(d: Draw) -> None:
    if "budget" in d.traits:
        d.config["budgets"] = {"money_usd": d.capacity(0.1 * _welfare(d))}


def _shares(d: Draw) -> None:
    """At most, always; at least, only where nothing else could be in its way."""
    if "shares" not in d.traits:
        return
    c = d.config
    names = list(c["models"])
    shares: Config = {"most": {"models": [names[-1]], "max_share": d.uniform(0.05, 0.8)}}
    caps = ("requests_per_minute", "tokens_per_minute")
    apis = {m: model["api"] for m, model in c["models"].items() if "api" in model}
    free = [m for m, api in apis.items() if not any(cap in api for cap in caps)]
    limiting = {"budget", "tenants", "latency", "risk", "tail"} & d.traits
    if free and not limiting and free[0] != names[-1] and d.chance(0.7):
        shares["least"] = {"models": [free[0]], "min_share": d.uniform(0.05, 0.5)}
        for item in c["classes"].values():
            item.pop("models", None)
    c.setdefault("limits", {})["shares"] = shares


def _training(d: Draw) -> None:
    if "training" not in d.traits:
        return
    c = d.config
    window = 24 * 30.0
    assets: Config = {}
    for i, model in enumerate(list(c["models"])[: int(d.rng.integers(1, 3))]):
        ceiling = d.uniform(0.01, 0.08)
        cost = ceiling * _welfare(d) * d.log(0.1, 2) * window / len(c["models"])  # USD a window
        price = d.log(0.5, 20) * d.money / d.tokens
        asset: Config = {
            "model": model,
            "kind": ("rl", "sft", "dpo")[int(d.rng.integers(3))],
            "gain": {"form": "saturating", "ceiling": ceiling, "scale": d.log(0.3, 2)},
        }
        for kind, exponent in (("rollout", 0.5), ("update", 0.4)):
            asset[kind] = {
                "exponent": exponent,
                "reference_tokens": max(cost / price * 1e6 / 2, 1e-6),
                "price_usd_per_mtok": price,
            }
        if d.chance(0.5):
            asset["verifier"] = {**asset["update"], "exponent": 0.1}
            asset["verifier_noise"] = 0.1
        if d.chance(0.5):
            asset["gain_std"] = d.uniform(0.05, 0.4)
        if d.chance(0.4):
            asset["staleness"] = [
                {"versions": 0, "efficiency": 1.0, "cost": 2.5},
                {"versions": 4, "efficiency": 0.9, "cost": 1.0},
            ]
        assets[f"a{i}"] = asset
    c["training"] = {
        "depreciation_per_h": 1 / window,
        "assets": assets,
        "risk_aversion": _welfare(d) * d.log(0.01, 1) if d.chance(0.5) else 0.0,
    }


SECTIONS = (_caches, _risk, _tail, _latency, _budget, _shares, _training)
