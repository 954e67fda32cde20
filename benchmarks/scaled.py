"""The two real examples with any number of classes: each class split as the traces are.

A minute of a public trace stands for a group of users. It says how many requests they make
and how long their prompts and answers are against the trace's mean; a class is split over
pairs of minutes, one for rate and prompt, one for difficulty (an answer's length). Its rate,
mean prompt and mean difficulty stay what they were, and so do all capacities. Groups may be
empty: some minutes are. The worth of a request is spread by 10 %, so that no two classes are
the same. The classes of the example remain, with their share of the rate: its limits name them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from allocate.models.loader import Loaded, load
from benchmarks.drawing import Config

EXAMPLES = Path(__file__).parent.parent / "examples"
_TRACE = {  # class of an example → (table, column that says which part, the part)
    "ask": ("azure_code_minutes.csv", "cluster", "short"),
    "draft_short": ("azure_code_minutes.csv", "cluster", "short"),
    "draft_mid": ("azure_code_minutes.csv", "cluster", "mid"),
    "commit_mid": ("azure_code_minutes.csv", "cluster", "mid"),
    "commit_long": ("azure_code_minutes.csv", "cluster", "long"),
    "deploy_long": ("azure_code_minutes.csv", "cluster", "long"),
    "complete": ("azure_code_minutes.csv", "cluster", "short"),
    "chat": ("mooncake_minutes.csv", "trace", "conversation_first30min"),
    "agent": ("mooncake_minutes.csv", "trace", "synthetic"),
    "batch": ("azure_code_minutes.csv", "cluster", "long"),
}
_JITTER = 0.1  # spread of a request's worth, as a logarithm
_SCALED = ("rate_per_s", "value_usd", "prompt_tokens", "difficulty")


def build(folder: Path, name: str, classes: int, rows: int, seed: int) -> Loaded:
    """An example with ``classes`` classes as a loaded config; ``rows`` by tenants with budgets.

    ``rows`` are those that the tenants' budgets may bring the program to, above its own.
    """
    config: Config = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    rng = np.random.default_rng(seed)
    own: dict[str, Config] = config["classes"]
    if classes < len(own):
        raise ValueError(f"{name} has {len(own)} classes at least")
    for section in ("scenarios", "assumed"):
        config.pop(section, None)
    counts = np.full(len(own), classes // len(own))
    counts[: classes % len(own)] += 1
    parts = [
        _split(rng, label, item, int(n) - 1)
        for (label, item), n in zip(own.items(), counts, strict=True)
    ]
    table = pl.concat(parts, how="diagonal_relaxed")
    if len(table):
        if rows:
            table = _budgets(rng, config, table, rows)
        table.write_parquet(folder / "classes.parquet")
        config["class_table"] = {"path": "classes.parquet"}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return load(path)


def _minutes(label: str) -> pl.DataFrame:
    """Requests, tokens in and tokens out per request of each minute, over the trace's means."""
    table, column, part = _TRACE[label]
    frame = pl.read_csv(EXAMPLES / "data" / table).filter(pl.col(column) == part)
    if "context_tokens" not in frame.columns:  # counted by trace only: every minute is alike
        return frame.select("requests", prompt=pl.lit(1.0), answer=pl.lit(1.0))
    n = pl.col("requests")
    per = [
        (pl.col(tokens) / n / (pl.col(tokens).sum() / n.sum())).alias(kind)
        for tokens, kind in (("context_tokens", "prompt"), ("generated_tokens", "answer"))
    ]
    return frame.select("requests", *per).with_columns(
        pl.col("prompt", "answer").fill_nan(1.0).fill_null(1.0)
    )


def _split(rng: np.random.Generator, label: str, item: Config, more: int) -> pl.DataFrame:
    """``more`` classes split off one; the one keeps its part of the rate."""
    if more == 0:
        return pl.DataFrame()
    minutes = _minutes(label)
    requests = minutes["requests"].to_numpy().astype(float)
    at, hard = rng.integers(len(requests), size=(2, more))
    kept = item["rate_per_s"] / (more + 1)
    weight = requests[at] * requests[hard]  # how likely the pair is, if the two go apart
    weight = weight if weight.any() else np.ones(more)
    rate = (item["rate_per_s"] - kept) * weight / weight.sum()
    item["rate_per_s"] = kept
    prompt, answer = minutes["prompt"].to_numpy()[at], minutes["answer"].to_numpy()[hard]
    columns: dict[str, Any] = {
        "rate_per_s": rate,
        "value_usd": item["value_usd"] * np.exp(rng.normal(0.0, _JITTER, more)),
        "prompt_tokens": item["prompt_tokens"] * prompt / np.average(prompt, weights=weight),
        "difficulty": item.get("difficulty", 1.0) * answer / np.average(answer, weights=weight),
    }
    for field, value in item.items():
        if field not in _SCALED:
            columns[field] = [value] * more
    return pl.DataFrame(columns)


def _budgets(
    rng: np.random.Generator, config: Config, table: pl.DataFrame, rows: int
) -> pl.DataFrame:
    """More tenants, each with a budget between 0.6 and 60 % of what its requests are worth."""
    names = np.array([f"t{i}" for i in range(rows)])
    tenant = names[rng.integers(rows, size=len(table))]
    worth = 3600 * table["rate_per_s"].to_numpy() * table["value_usd"].to_numpy()
    worth = worth * config.get("demand", {}).get("scale", 1.0)
    for name in names:
        money = worth[tenant == name].sum() * 10 ** rng.uniform(-2.2, -0.2)
        config["tenants"][str(name)] = {"money_usd": float(money) + 1e-6}
    return table.with_columns(pl.Series("tenant", tenant))
