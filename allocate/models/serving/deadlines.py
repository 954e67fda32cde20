"""Speeds that hard limits ask for: of every lane, the slowest that just keeps them.

``max_tpot_ms`` and ``max_ttft_s`` close arms. A menu without a tier at a limit could close
all arms of a class that a faster speed serves well, so these tiers stand in every menu that
the user does not list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from allocate.models.classes import Classes
from allocate.models.config import Config, Deployment
from allocate.models.curves import Lane, Reuse
from allocate.models.features import class_features
from allocate.models.lanes import CLOSEST, SLOWEST, apart, lanes, listed
from allocate.models.serving.ways import prompt_shares, uncached_shares

_MOST = 8  # tiers of one lane family: of more limits, so many, the strictest among them


def needed(config: Config, classes: Classes, reuse: Mapping[str, Reuse]) -> dict[str, list[float]]:
    """By lane family, utilisations at which some class's hard limit is just kept.

    The strictest that can be kept of each kind (time per token; time to the first token
    without a cache, and with the best) is always there.
    """
    if np.all(np.isnan(classes.max_tpot_ms)) and np.all(np.isnan(classes.max_ttft_s)):
        return {}
    features, fixed = class_features(config, classes), listed(config)
    out = {}
    for name, d in config.deployments.items():
        allowed = np.array([*(d.model in labels for labels in classes.models.labels), True])
        able = allowed[classes.models.codes] & (classes.rate_per_s > 0)
        for fam, lane in lanes(name, d).items():
            if fam not in fixed:
                limits = _limits(config, classes, features, reuse, d, lane)
                out[fam] = _few([u[able & np.isfinite(u)] for u in limits])
    return {fam: tiers for fam, tiers in out.items() if tiers}


def _limits(
    config: Config,
    c: Classes,
    features: Mapping[str, np.ndarray],
    reuse: Mapping[str, Reuse],
    d: Deployment,
    lane: Lane,
) -> Iterator[np.ndarray]:
    """[classes] utilisation at which each limit is just kept, one array a kind of limit."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if d.stage != "prefill":
            yield np.asarray(lane.utilisation(c.max_tpot_ms / 1e3))
        if d.stage == "decode":
            return
        best = max(config.caching.retention_s) if reuse and d.kv_memory_gb is not None else 0.0
        caches = {(0.0, False), (best, d.kv_memory_gb is not None)}
        moved = _tokens(features, prompt_shares(config), len(c))
        for transfer in _transfers(config, d):
            left = c.max_ttft_s * c.calls - transfer * moved
            for kept, shared in sorted(caches):
                shares = uncached_shares(config, reuse, kept, shared)
                yield 1.0 - lane.delta * _tokens(features, shares, len(c)) / left


def _transfers(config: Config, d: Deployment) -> list[float]:
    """Seconds that moving the KV of a prompt token takes, of every place that decodes."""
    if d.stage == "mixed":
        return [0.0]
    others = config.deployments.values()
    found = {
        o.kv_transfer_ms_per_ktok / 1e6
        for o in others
        if o.model == d.model and o.stage == "decode"
    }
    return sorted(found)


def _tokens(features: Mapping[str, np.ndarray], shares: Mapping[str, float], n: int) -> np.ndarray:
    """[classes] tokens of a request, of the features that have a share."""
    return sum((s * features[f] for f, s in shares.items() if f in features), np.zeros(n))


def _few(kinds: Sequence[np.ndarray]) -> list[float]:
    """At most so many of the tiers that limits ask for, the strictest of every kind first."""
    kinds = [_rounded_down(u[(u >= CLOSEST) & (u <= SLOWEST)]) for u in kinds]
    strictest = apart(sorted({float(u.min()) for u in kinds if len(u)}))
    others = apart(sorted({float(x) for u in kinds for x in u} | set(strictest)))
    others = [u for u in others if u not in strictest]
    room = max(0, _MOST - len(strictest))
    if len(others) > room:
        others = [others[i] for i in np.linspace(0, len(others) - 1, room).astype(int)]
    return sorted({*strictest, *others})


def _rounded_down(u: np.ndarray) -> np.ndarray:
    """As many digits as a lane's name has, never above the limit."""
    scale = 10.0 ** (8.0 - np.floor(np.log10(u)))
    return np.floor(u * scale) / scale
