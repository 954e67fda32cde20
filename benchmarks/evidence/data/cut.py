"""Cut the small tables of this folder from the full public files.

    python cut.py SOURCE

SOURCE is a folder with the full tables (README.md says where each comes from). Rows and columns
are only selected and renamed here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

HERE = Path(__file__).parent


def routellm(source: Path) -> None:
    """Right or wrong of two models on 15,361 questions."""
    pl.read_csv(source / "models/routellm_per_query.csv.gz").select(
        "benchmark", "subject", "prompt_chars", "gpt4_correct", "mixtral_correct"
    ).write_csv(HERE / "routellm_per_query.csv.gz", compression="gzip")


def routerarena(source: Path) -> None:
    """Score and cost of two models on 809 queries."""
    pl.read_csv(source / "models/routerarena_per_query.csv").select(
        "dataset", "haiku3_score", "haiku3_cost_usd", "gemini2flash_score", "gemini2flash_cost_usd"
    ).write_csv(HERE / "routerarena_per_query.csv")


def aider(source: Path) -> None:
    """What one try and two tries solve, tokens and cost of a run."""
    whole = pl.read_csv(source / "models/aider_polyglot.csv")
    known = [  # 0 means unknown in these columns
        pl.when(pl.col(c) > 0).then(pl.col(c)).alias(c) for c in ("completion_tokens", "total_cost")
    ]
    whole.select(
        "board", "model", "reasoning_effort", "editor_model", "test_cases", "pass_num_1",
        "pass_num_2", *known,
    ).write_csv(HERE / "aider_two_tries.csv")  # fmt: skip


def review(source: Path) -> None:
    """Tasks solved and USD spent by policies with and without a reviewer."""
    pl.read_csv(source / "models/litellm_router_study_policies.csv").select(
        "benchmark", "policy", "solved", "tasks", "inference_cost_usd", "cost_is_lower_bound",
        "gained_vs_sol", "lost_vs_sol",
    ).write_csv(HERE / "review_policies.csv")  # fmt: skip


if __name__ == "__main__":
    for cut in (routellm, routerarena, aider, review):
        cut(Path(sys.argv[1]))
