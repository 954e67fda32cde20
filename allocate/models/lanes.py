"""Lanes of a deployment: plain or with its draft, named by family and speed, and their menu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from allocate.models.config import Config, Deployment
from allocate.models.curves import Lane, speed_grid

DEFAULT_TIERS = 8
DEFAULT_PREFILL_TIERS = 6
FASTEST, SLOWEST = 1e-4, 0.9999  # utilisations between which a menu grows by itself
CLOSEST = 1e-6  # utilisation of the fastest tier that a hard limit may ask for
_FINEST = 2e-4  # tiers nearer than this in logit utilisation are one tier
_SAME = 1e-7  # … and where scarcities meet, which is not smooth
_OUTWARD = 2.0  # logit from an end of the menu to the next tier beyond it


def family(deployment: str, draft: bool) -> str:
    """Name of all speeds of a deployment, or of the deployment with its draft."""
    return f"{deployment}+draft" if draft else deployment


def family_of(lane: str) -> str:
    """The lane family of a lane's name, which ends in `` @ `` and its speed."""
    return lane.rpartition(" @ ")[0]


def lane_key(family_: str, utilisation: float) -> str:
    """How the rows and slots of a lane begin."""
    return f"{family_}@{utilisation:.9g}"


def lanes(name: str, d: Deployment) -> dict[str, Lane]:
    """By family, the lane of a deployment, and with its draft model: make or buy."""
    lane = Lane(
        d.alpha_ms / 1e3, d.beta_ms / 1e3, d.gamma_ms_per_ktok / 1e6, d.delta_ms_per_ktok / 1e6
    )
    out = {family(name, False): lane}
    if d.draft is not None:
        s = d.draft
        out[family(name, True)] = lane.with_draft(
            s.alpha_ms / 1e3, s.beta_ms / 1e3, s.tokens, s.acceptance, s.verify_overhead
        )
    return out


def deployments(config: Config) -> dict[str, str]:
    """Deployment of every lane family."""
    return {fam: name for name, d in config.deployments.items() for fam in lanes(name, d)}


def listed(config: Config) -> set[str]:
    """Lane families whose speeds the user listed: these and no others."""
    fixed = {
        name
        for name, d in config.deployments.items()
        if d.tpot_ms is not None or d.utilisations is not None
    }
    return {fam for fam, name in deployments(config).items() if name in fixed}


def floor_ms(name: str, d: Deployment) -> float:
    """Time per token of an empty batch in ms, with the draft model if that is faster."""
    return 1e3 * min(lane.alpha for lane in lanes(name, d).values())


def speeds(
    config: Config,
    grid: Mapping[str, Sequence[float]] | None,
    needed: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, list[float]]:
    """Utilisation of every tier by lane family: of ``grid`` where it has one, else the first.

    ``needed``: tiers that hard limits ask for; they join whatever else the menu has.
    """
    out: dict[str, list[float]] = {}
    for name, d in config.deployments.items():
        for fam, lane in lanes(name, d).items():
            tiers = (grid or {}).get(fam) or _first(d, lane)
            out[fam] = sorted({*tiers, *(needed or {}).get(fam, ())})
    return out


def _first(d: Deployment, lane: Lane) -> list[float]:
    """The tiers that the user listed, or an even grid."""
    if d.stage == "prefill":
        return list(d.utilisations or _even(DEFAULT_PREFILL_TIERS))
    if d.tpot_ms is not None:
        return [float(lane.utilisation(t / 1e3)) for t in d.tpot_ms if t / 1e3 > lane.alpha]
    return _even(DEFAULT_TIERS)


def _even(count: int) -> list[float]:
    return [round(float(u), 9) for u in speed_grid(count)]


def refined(
    config: Config,
    menu: Mapping[str, Sequence[float]],
    used: Mapping[str, Sequence[float]],
    needed: Mapping[str, Sequence[float]] | None = None,
    better: Mapping[str, Mapping[float, Sequence[float]]] | None = None,
) -> dict[str, list[float]]:
    """The menu with tiers added near every tier in use; idle tiers added before are dropped.

    ``used``: by family, utilisations of the tiers that have replicas, whoever they serve.
    ``better``: by family and such a utilisation, the logits of those that are wanted there.
    Where it says nothing, new tiers stand half and an eighth of the way to the neighbours in
    logit utilisation, where a lane's cost per unit of work (r/u and λτ/(1 − u)) is evenly
    curved, and one step beyond an end in use. Tiers that the user listed stay as they are; so
    do ``needed`` ones.
    """
    first = speeds(config, None, needed)
    out = {fam: list(tiers) for fam, tiers in menu.items()}
    fixed = listed(config)
    for fam, active in used.items():
        if fam not in fixed:
            known = (better or {}).get(fam, {})
            out[fam] = _around(np.array(sorted(menu[fam])), active, first[fam], known)
    return out


def _around(
    grid: np.ndarray,
    active: Sequence[float],
    first: Sequence[float],
    better: Mapping[float, Sequence[float]],
) -> list[float]:
    """The first menu, the active tiers, their neighbours, and new ones between and beyond."""
    at = logit(grid)
    kept, fresh = set(first), []
    for u in active:
        i = int(np.argmin(np.abs(grid - u)))
        kept.add(float(grid[i]))
        wanted = better.get(float(grid[i]))
        for x in wanted or ():
            if np.abs(at - x).min() > _SAME:
                fresh.append(x)
        for j in (i - 1, i + 1):
            if 0 <= j < len(grid):
                kept.add(float(grid[j]))
                if wanted is not None:
                    continue
                step = at[j] - at[i]
            else:
                step = _beyond(at[i], j - i)
                fresh += [at[i] + step] if step else []
            if abs(step) > _FINEST:
                fresh += [at[i] + f * step for f in (0.5, 0.125)]
    fresh_u = {round(float(1.0 / (1.0 + np.exp(-x))), 9) for x in fresh}
    return sorted(kept | fresh_u)


def _beyond(end: float, way: int) -> float:
    """From an end of the menu to the next tier beyond it, in logit; 0 if there is none."""
    low, high = logit(np.array([FASTEST, SLOWEST]))
    room = end - low if way < 0 else high - end
    return way * min(_OUTWARD, room) if room > _FINEST else 0.0


def apart(tiers: Sequence[float]) -> list[float]:
    """Of increasing utilisations, those that are not within a hair of the one before."""
    out: list[float] = []
    for u in tiers:
        if not out or logit(np.array([out[-1], u])) @ [-1.0, 1.0] > _FINEST:
            out.append(u)
    return out


def logit(u: np.ndarray) -> np.ndarray:
    """log(u/(1 − u))."""
    return np.log(u) - np.log1p(-u)
