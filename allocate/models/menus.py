"""Menus: which arms are open to which classes.

Every restriction is a table, [its cases, arms], and a case for every class; a menu is one
combination of cases, and its arms are those that every table leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from allocate.models.choices import Choice
from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.keys import distinct
from allocate.models.reads import Reads, prompt_tokens
from allocate.models.serving import Way

_HAIR = 1.0 + 1e-12  # of a hard limit: its own rounding is no reason to close an arm


class _Restriction(NamedTuple):
    """[C, A] arms open in each case, and [K] the case of every class, from -1 (the last)."""

    opened: np.ndarray
    case: np.ndarray


def menu_of(
    config: Config,
    classes: Classes,
    choices: Sequence[Choice],
    features: Mapping[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """([M, A] open arms of every distinct menu, [classes] → menu)."""
    c = classes
    models = [_only(labels, [x.model for x in choices]) for labels in c.models.labels]
    levels = [_only(labels, [x.level for x in choices]) for labels in c.autonomy.labels]
    actions = [
        np.array([_allows(config, x.level, action) for x in choices]) for action in c.action.labels
    ]
    plain = np.array([not x.labels.get("retention_s") for x in choices], bool)
    alone = np.array([not x.labels.get("shared_prefix") for x in choices], bool)
    every = np.ones(len(choices), bool)
    prefix = (c.prefix_tokens > 0) & (c.reuse.codes >= 0)
    restrictions = [
        _Restriction(np.array([*models, every]), c.models.codes),
        _Restriction(np.array([*levels, every]), c.autonomy.codes),
        _Restriction(np.array([*actions, every]), c.action.codes),
        _Restriction(np.array([plain, every]), prefix.astype(np.int8)),
        _Restriction(np.array([alone, every]), (c.sharing.codes >= 0).astype(np.int8)),
        *_hard_limits(c, choices, features),
        *_reading_limits(Reads(config, c, features), choices),
    ]
    first, menu = distinct([r.case for r in restrictions])
    menus = np.logical_and.reduce([r.opened[r.case[first]] for r in restrictions])
    return menus, menu


def _only(allowed: Sequence[str], names: Sequence[str | None]) -> np.ndarray:
    """[A] arms of the names that a class allows; a human (no name) is always allowed."""
    return np.array([n is None or n in allowed for n in names], bool)


def _allows(config: Config, level: str, action: str) -> bool:
    actions = config.autonomy[level].actions
    return actions is None or action in actions


# --- hard limits --------------------------------------------------------------------------


def _hard_limits(
    c: Classes, choices: Sequence[Choice], features: Mapping[str, np.ndarray]
) -> list[_Restriction]:
    """Arms fast enough for each class: time per token, and time to the first token."""
    out: list[_Restriction] = []
    if not np.all(np.isnan(c.max_tpot_ms)):
        limit = np.where(np.isnan(c.max_tpot_ms), np.inf, c.max_tpot_ms)
        out.append(_at_most(np.array([1e3 * x.tpot for x in choices]), limit))
    if not np.all(np.isnan(c.max_ttft_s)):
        limit = np.where(np.isnan(c.max_ttft_s), np.inf, c.max_ttft_s)
        out += _first_token_limits(c, choices, limit, features)
    return out


def _at_most(speed: np.ndarray, limit: np.ndarray) -> _Restriction:
    """Arms whose speed [A] is within a limit [K]: as many cases as there are speeds, and one."""
    known, rank = np.unique(speed, return_inverse=True)
    case = np.searchsorted(known, limit * _HAIR, side="right")
    return _Restriction(rank.ravel()[None, :] < np.arange(len(known) + 1)[:, None], case)


def _first_token_limits(
    c: Classes, choices: Sequence[Choice], limit: np.ndarray, features: Mapping[str, np.ndarray]
) -> list[_Restriction]:
    """Arms whose first token comes within a limit [K], in s.

    On arms with the same cache and the same transfer, the wait for a class's first token
    is its uncached prompt times the arm's seconds per token, after the transfer: a bound
    on those seconds.
    """
    kinds: dict[tuple, list[int]] = {}
    for a, x in enumerate(choices):
        way = x.first_token
        same: tuple = ()
        if isinstance(way, Way):
            same = (way.labels["retention_s"], way.labels["shared_prefix"], way.transfer_per_token)
        kinds.setdefault(same, []).append(a)
    out = []
    for arms in kinds.values():
        first = [choices[a].first_token for a in arms]
        speed = np.array([w.ttft_per_token if isinstance(w, Way) else w for w in first])
        like = first[0]
        most = _seconds_per_token(c, like, limit, features) if isinstance(like, Way) else limit
        some = _at_most(speed, most)
        opened = np.ones((len(some.opened), len(choices)), bool)
        opened[:, arms] = some.opened
        out.append(_Restriction(opened, some.case))
    return out


def _reading_limits(reads: Reads, choices: Sequence[Choice]) -> list[_Restriction]:
    """Of the caps on bought input tokens that a way has, each class has the largest it may."""
    ways: dict[tuple, list[int]] = {}
    for a, x in enumerate(choices):
        if x.reads is not None:
            ways.setdefault((x.model, id(x.first_token)), []).append(a)
    if np.all(np.isnan(reads.classes.max_ttft_s)):
        return []
    out = []
    for arms in ways.values():
        caps = np.array([choices[a].reads for a in arms], float)
        known = np.unique(caps)
        like = choices[arms[int(caps.argmax())]]
        assert isinstance(like.first_token, Way)
        room = reads.room(like.first_token, like.curve)
        case = np.searchsorted(known, room * _HAIR, side="right") - 1
        opened = np.ones((len(known) + 1, len(choices)), bool)  # the last: not even the least
        opened[:, arms] = caps == np.append(known, np.nan)[:, None]
        out.append(_Restriction(opened, case))
    return out


def _seconds_per_token(
    c: Classes, way: Way, limit: np.ndarray, features: Mapping[str, np.ndarray]
) -> np.ndarray:
    """[K] most seconds of prefill per uncached token that keep a first-token limit."""
    missed, moved = prompt_tokens(way, features, len(c))
    left = limit * c.calls * _HAIR - way.transfer_per_token * moved
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(missed > 0, left / missed, np.where(left >= 0, np.inf, -1.0))
