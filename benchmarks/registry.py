"""The registry: a name, what must come out, and how the config is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks import extremes, instances
from benchmarks.drawing import Config

Seed = int | Sequence[int]


@dataclass(frozen=True)
class Instance:
    """A kind of config; ``build(classes, seed)`` draws one."""

    name: str
    what: str
    build: Callable[[int, Seed], Config]
    expect: Literal["optimal", "infeasible"] = "optimal"


def _drawn(name: str, what: str, *traits: str, slack: float = 1.0) -> Instance:
    return Instance(name, what, lambda n, seed: instances.draw(n, seed, traits, slack))


def _mixed(slack: float, name: str, what: str) -> Instance:
    """Traits at random: each with the same chance, at least one way to serve."""

    def build(classes: int, seed: Seed) -> Config:
        rng = np.random.default_rng([*np.atleast_1d(seed).tolist(), 77])
        traits = [t for t in instances.TRAITS if rng.random() < 0.35]
        if not {"api", "gpu"} & set(traits):
            traits.append("api")
        return instances.draw(classes, seed, traits, slack)

    return Instance(name, what, build)


def _short(of: str) -> Instance:
    def build(classes: int, seed: Seed) -> Config:
        share = float(np.random.default_rng(seed).choice([0.3, 0.9, 0.999]))
        return extremes.short(classes, seed, of, share)

    what = f"{of} for 30, 90 or 99.9 % of what may not be declined"
    return Instance(f"short-{of}", what, build, expect="infeasible")


_ALL = [
    _drawn("api", "models behind APIs, rate caps", "api"),
    _drawn("api-effort", "token uses on APIs under a money budget", "api", "uses", "budget"),
    _drawn("own", "models on own GPUs", "gpu"),
    _drawn("own-caches", "own GPUs with prefix caches and periods", "gpu", "caches", "periods"),
    _drawn("both", "APIs and own GPUs, token uses", "api", "gpu", "uses"),
    _drawn("humans", "reviewers, risk priced and limited", "api", "uses", "humans", "risk"),
    _drawn("tail", "CVaR of losses, people", "api", "humans", "risk", "tail"),
    _drawn("tenants", "tenants' and the whole budget", "api", "tenants", "budget"),
    _drawn("latency", "mean-latency limits on own GPUs and APIs", "api", "gpu", "latency"),
    _drawn("shares", "shares of models, from above and below", "api", "uses", "shares"),
    _drawn("training", "capability as capital", "api", "uses", "training"),
    _drawn("wide", "nine orders of magnitude, APIs and budgets", "api", "uses", "budget", "wide"),
    _drawn("wide-own", "nine orders of magnitude, own GPUs", "api", "gpu", "latency", "wide"),
    _drawn("wide-risk", "nine orders, people and risk", "api", "humans", "risk", "tail", "wide"),
    _mixed(1.0, "mixed", "a third of all traits at random"),
    _mixed(0.1, "mixed-tight", "the same, capacities a tenth"),
    _mixed(30.0, "mixed-slack", "the same, capacities thirtyfold"),
    *(
        Instance(name, (build.__doc__ or "").strip().rstrip("."), build)
        for name, build in extremes.DEGENERATE.items()
    ),
    *(_short(of) for of in extremes.SHORTAGES),
]

REGISTRY: dict[str, Instance] = {one.name: one for one in _ALL}
