"""Outcomes and costs of single queries, answered by a cheaper and by a dearer model (`data/`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

DATA = Path(__file__).parent / "data"
_CHARS = 4.0  # characters of a token, about
_ANSWER = 150.0  # tokens of an answer, where the data do not say
_USD = {"gpt4": (10e-6, 30e-6), "mixtral": (0.45e-6, 0.7e-6)}  # list prices by token, in and out


@dataclass(frozen=True)
class Queries:
    """[n] a group that the router knows, scores of the cheaper and dearer model, extra cost."""

    name: str
    group: np.ndarray
    cheap: np.ndarray
    dear: np.ndarray
    extra: np.ndarray

    def at(self, which: np.ndarray) -> Queries:
        """Some of them."""
        parts = (x[which] for x in (self.group, self.cheap, self.dear, self.extra))
        return Queries(self.name, *parts)


def routellm(answer: float = _ANSWER) -> Queries:
    """GPT-4 and Mixtral on MMLU and GSM8K; costs at list prices of an assumed length."""
    t = pl.read_csv(DATA / "routellm_per_query.csv.gz")
    tokens = t["prompt_chars"].to_numpy() / _CHARS
    cost = {m: tokens * a + answer * b for m, (a, b) in _USD.items()}
    extra = cost["gpt4"] - cost["mixtral"]
    cheap, dear = (t[c].to_numpy().astype(float) for c in ("mixtral_correct", "gpt4_correct"))
    return Queries("RouteLLM", _numbered(t["subject"]), cheap, dear, extra / extra.mean())


def routerarena() -> Queries:
    """Claude 3 Haiku and Gemini 2.0 Flash; measured costs. The cheaper one is the better one."""
    t = pl.read_csv(DATA / "routerarena_per_query.csv")
    extra = (t["haiku3_cost_usd"] - t["gemini2flash_cost_usd"]).to_numpy()
    cheap, dear = (t[c].to_numpy() for c in ("gemini2flash_score", "haiku3_score"))
    return Queries("RouterArena", _numbered(t["dataset"]), cheap, dear, extra / extra.mean())


def _numbered(names: pl.Series) -> np.ndarray:
    return np.unique(names.to_numpy(), return_inverse=True)[1]


def outcomes(q: Queries) -> dict[str, float]:
    """What the data say without any assumption."""
    return {
        "queries": len(q.group),
        "groups": int(q.group.max()) + 1,
        "cheaper": float(q.cheap.mean()),
        "dearer": float(q.dear.mean()),
        "only the dearer is better": float((q.dear > q.cheap).mean()),
        "only the cheaper is better": float((q.dear < q.cheap).mean()),
        "dearer call is dearer": float((q.extra > 0).mean()),
    }
