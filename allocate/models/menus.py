"""Menus: which arms are open to which classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from allocate.models.builder import Use
from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.curves import RequestCurve


@dataclass(frozen=True)
class Choice:
    """One arm before it is numbered. ``first_token`` is seconds a call, or a serving way."""

    model: str | None
    level: str
    technology: int
    curve: RequestCurve
    labels: dict
    uses: tuple[Use, ...]
    tpot: float
    first_token: Any


def menu_of(
    config: Config, classes: Classes, choices: Sequence[Choice]
) -> tuple[np.ndarray, np.ndarray]:
    """([M, A] open arms of every distinct menu, [classes] → menu)."""
    c = classes
    prefix = (c.prefix_tokens > 0) & (c.reuse.codes >= 0)
    hard, hard_id = _hard_limits(config, c, choices)
    keys = np.stack(
        [c.models.codes, c.autonomy.codes, c.action.codes, prefix, c.sharing.codes >= 0, hard_id], 1
    )
    unique, menu = np.unique(keys, axis=0, return_inverse=True)
    menus = np.zeros((len(unique), len(choices)), bool)
    for i, (models, levels, action, has_prefix, has_shared, h) in enumerate(unique):
        allowed_models = None if models < 0 else set(c.models.labels[models])
        allowed_levels = None if levels < 0 else set(c.autonomy.labels[levels])
        for a, x in enumerate(choices):
            level = config.autonomy[x.level]
            menus[i, a] = (
                (x.model is None or allowed_models is None or x.model in allowed_models)
                and (allowed_levels is None or x.level in allowed_levels)
                and (level.actions is None or c.action.labels[action] in level.actions)
                and (has_prefix or not x.labels.get("retention_s"))
                and (has_shared or not x.labels.get("shared_prefix"))
                and hard[h, a]
            )
    return menus, menu.ravel()


def _hard_limits(
    config: Config, c: Classes, choices: Sequence[Choice]
) -> tuple[np.ndarray, np.ndarray]:
    """Arms fast enough for each class, as distinct rows: ([H, A], [classes] → row)."""
    limited = ~(np.isnan(c.max_tpot_ms) & np.isnan(c.max_ttft_s))
    ids = np.zeros(len(c), np.int64)
    if not limited.any():
        return np.ones((1, len(choices)), bool), ids
    at = np.flatnonzero(limited)
    tpot = np.array([1e3 * x.tpot for x in choices])
    fast = tpot <= np.where(np.isnan(c.max_tpot_ms), np.inf, c.max_tpot_ms)[at, None] * (1 + 1e-12)
    most = np.where(np.isnan(c.max_ttft_s), np.inf, c.max_ttft_s)[at]
    for a, x in enumerate(choices):
        fast[:, a] &= _first_token(config, c, at, x.first_token) <= most * (1 + 1e-12)
    rows, inverse = np.unique(np.packbits(fast, axis=1), axis=0, return_inverse=True)
    ids[at] = inverse.ravel() + 1
    table = np.unpackbits(rows, axis=1, count=len(choices)).astype(bool)
    return np.vstack([np.ones((1, len(choices)), bool), table]), ids


def _first_token(config: Config, c: Classes, at: np.ndarray, way: Any) -> np.ndarray | float:
    """Seconds to the first token of one call."""
    if isinstance(way, float):
        return way
    missed = c.prompt_tokens[at] + c.prefix_tokens[at]
    for code, profile in enumerate(c.reuse.labels):
        hit = way.profile_hits.get(profile, 0.0) if way.cached > 0 else 0.0
        missed = missed - np.where(c.reuse.codes[at] == code, hit * c.prefix_tokens[at], 0.0)
    for code, group in enumerate(c.sharing.labels):
        section = config.caching.sharing[group]
        found = section.hit if way.shared else 0.0
        missed = missed + np.where(c.sharing.codes[at] == code, (1 - found) * section.tokens, 0.0)
    return way.ttft_per_token * missed / c.calls[at]
