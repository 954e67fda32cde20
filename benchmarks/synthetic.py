"""The size family: any number of classes, arms and coupling rows; router, autonomy and lanes.

Half of the models run on own lanes that share two GPU types, half are bought; every model
may act freely or have its wrong actions confirmed by a person, and may verify. Rows are
the two GPU types, the reviewers, the lanes' own rows, and tenants' budgets up to the count
asked for. Nothing but the class table grows with the classes. The linear variant has one token
use at constant returns, straight-line success curves and no verification.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from allocate.models.loader import Loaded, load
from benchmarks.drawing import Config

_LANE_ROWS = 2  # busy time and batch of every own lane


def write(
    folder: Path,
    classes: int,
    arms: int = 16,
    rows: int = 40,
    seed: int = 0,
    linear: bool = False,
    change: Callable[[Config, dict], None] | None = None,
) -> Path:
    """Write ``config.yaml`` and ``classes.parquet`` into a folder; returns the config's path.

    ``change`` may alter the config and the columns of the classes before they are written.
    """
    rng = np.random.default_rng(seed)
    config = _config(rng, arms // 2, rows)
    if linear:
        _straighten(config)
    columns = _columns(rng, classes, len(config.get("tenants", {})))
    _size(rng, config, columns)
    if change is not None:
        change(config, columns)
    pl.DataFrame(columns).write_parquet(folder / "classes.parquet")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def build(
    folder: Path,
    classes: int,
    arms: int = 16,
    rows: int = 40,
    seed: int = 0,
    linear: bool = False,
) -> Loaded:
    """The instance as a loaded config."""
    return load(write(folder, classes, arms, rows, seed, linear))


def _straighten(config: Config) -> None:
    """Curves as lines through four points of what they were, and one token use."""
    config["token_uses"] = {"work": {"exponent": 1.0, "reference_tokens": 1500}}
    effort = np.array([0.25, 0.5, 1.0, 2.0])
    for model in config["models"].values():
        curve = model["success"]
        score = -curve["ceiling"] * np.expm1(-effort / curve["scale"])
        points = [[float(y), float(q)] for y, q in zip(effort, score, strict=True)]
        model["success"] = {"form": "table", "points": points}


def _config(rng: np.random.Generator, n_models: int, rows: int) -> Config:
    skill = np.sort(rng.uniform(0.35, 0.97, n_models))
    own = [i for i in range(n_models) if i % 2 == 0][: max(1, n_models // 2)]
    if rows < 12:  # few rows: one own lane, the rest is bought
        own = own[:1]
    models: Config = {}
    for i in range(n_models):
        price = 0.15 * np.exp(3.5 * skill[i]) * rng.uniform(0.7, 1.4)
        model: Config = {
            "success": {"form": "saturating", "ceiling": float(skill[i]), "scale": 0.4},
            "wrong_action_rate": float(0.12 * (1.05 - skill[i])),
        }
        if i not in own:
            model["api"] = {
                "input_usd_per_mtok": float(price),
                "output_usd_per_mtok": float(4 * price),
                "tpot_ms": float(rng.uniform(6, 25)),
                "ttft_s": float(rng.uniform(0.3, 1.5)),
            }
        models[f"m{i}"] = model
    deployments = {}
    for n, i in enumerate(own):
        alpha = float(rng.uniform(6, 16))
        deployments[f"lane{i}"] = {
            "model": f"m{i}",
            "gpu": ("h100", "h200")[n % 2],
            "gpus_per_replica": float(2 ** (i % 3)),
            "alpha_ms": alpha,
            "beta_ms": float(rng.uniform(0.05, 0.2)),
            "delta_ms_per_ktok": float(rng.uniform(10, 50)),
            "max_batch": 64.0,
            "tpot_ms": [2.5 * alpha],
        }
    used = sorted({d["gpu"] for d in deployments.values()})
    fixed = len(used) + 1 + _LANE_ROWS * len(own)
    tenants = max(0, rows - fixed)
    config: Config = {
        "version": 1,
        "models": models,
        "gpus": {g: {"available": 1.0, "price_usd_per_h": 2.5} for g in used},
        "deployments": deployments,
        "token_uses": {
            "work": {"exponent": 0.8, "reference_tokens": 1500},
            "verify": {"exponent": 0.0, "risk_tokens": 800},
        },
        "autonomy": {
            "free": {},
            "confirm": {"human_minutes": 1.0, "wait_s": 60.0, "risk_factor": 0.2},
        },
        "humans": {"minutes_per_h": 1.0, "cost_usd_per_h": 60.0},
        "prices": {"risk_usd": 1.0, "latency_usd_per_s": 1e-4},
        "class_table": {"path": "classes.parquet"},
    }
    if tenants:
        config["tenants"] = {f"t{i}": {"money_usd": 1.0} for i in range(tenants)}
    return config


def _columns(rng: np.random.Generator, n: int, tenants: int) -> dict:
    value = np.exp(rng.normal(np.log(0.05), 1.2, n))
    columns = {
        "rate_per_s": np.exp(rng.normal(0.0, 1.0, n)) * 100.0 / n,
        "value_usd": value,
        "loss": value * np.exp(rng.normal(np.log(2.0), 1.0, n)),
        "prompt_tokens": np.exp(rng.normal(np.log(2000.0), 0.8, n)),
        "difficulty": np.exp(rng.normal(0.0, 0.5, n)),
    }
    if tenants:
        columns["tenant"] = np.array([f"t{i}" for i in range(tenants)])[
            rng.integers(tenants, size=n)
        ]
    return columns


def _size(rng: np.random.Generator, config: Config, columns: dict) -> None:
    """Capacities that bind for about half of the rows."""
    demand = columns["rate_per_s"].sum()
    for gpu in config["gpus"].values():
        gpu["available"] = float(demand * rng.uniform(0.05, 0.3))
    config["humans"]["minutes_per_h"] = float(demand * 3600 * rng.uniform(0.005, 0.03))
    if "tenants" in config:
        bill = columns["rate_per_s"] * columns["value_usd"] * 3600
        for name, tenant in config["tenants"].items():
            at = columns["tenant"] == name
            tenant["money_usd"] = float(bill[at].sum() * 10 ** rng.uniform(-2.2, -0.5) + 1e-6)
