"""Lanes of a deployment: plain or with its draft, named by family and speed, and their menu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from allocate.models.config import Config, Deployment
from allocate.models.curves import Lane, speed_grid

DEFAULT_TIERS = 8
DEFAULT_PREFILL_TIERS = 6
_FINEST = 2e-4  # tiers nearer than this in logit utilisation are one tier


def family(deployment: str, draft: bool) -> str:
    """Name of all speeds of a deployment, or of the deployment with its draft."""
    return f"{deployment}+draft" if draft else deployment


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


def floor_ms(name: str, d: Deployment) -> float:
    """Time per token of an empty batch in ms, with the draft model if that is faster."""
    return 1e3 * min(lane.alpha for lane in lanes(name, d).values())


def speeds(config: Config, grid: Mapping[str, Sequence[float]] | None) -> dict[str, list[float]]:
    """Utilisation of every tier by lane family: of ``grid`` where it has one, else the first."""
    out: dict[str, list[float]] = {}
    for name, d in config.deployments.items():
        for fam, lane in lanes(name, d).items():
            if grid and fam in grid:
                out[fam] = sorted(grid[fam])
            elif d.stage == "prefill":
                first = np.round(speed_grid(DEFAULT_PREFILL_TIERS), 9)
                out[fam] = list(d.utilisations or first)
            elif d.tpot_ms is not None:
                fast_enough = [t / 1e3 for t in d.tpot_ms if t / 1e3 > lane.alpha]
                out[fam] = [float(lane.utilisation(t)) for t in fast_enough]
            else:
                out[fam] = [round(float(u), 9) for u in speed_grid(DEFAULT_TIERS)]
    return out


def refined(
    config: Config, menu: Mapping[str, Sequence[float]], used: Mapping[str, Sequence[float]]
) -> dict[str, list[float]]:
    """The menu with tiers added near every tier in use; idle tiers added before are dropped.

    ``used``: by family, utilisations of the tiers that have replicas, whoever they serve.
    New tiers stand half and an eighth of the way to the neighbours in logit utilisation,
    where a lane's cost per unit of work (r/u and λτ/(1 − u)) is evenly curved. Tiers that
    the user listed stay as they are.
    """
    first = speeds(config, None)
    out = {fam: list(tiers) for fam, tiers in menu.items()}
    listed = {
        fam
        for name, d in config.deployments.items()
        for fam in lanes(name, d)
        if d.tpot_ms is not None or d.utilisations is not None
    }
    for fam, active in used.items():
        if fam not in listed:
            out[fam] = _around(np.array(sorted(menu[fam])), active, first[fam])
    return out


def _around(grid: np.ndarray, active: Sequence[float], first: Sequence[float]) -> list[float]:
    """The first menu, the active tiers, their neighbours, and new ones between."""
    logit = np.log(grid) - np.log1p(-grid)
    kept, fresh = set(first), []
    for u in active:
        i = int(np.argmin(np.abs(grid - u)))
        kept.add(float(grid[i]))
        for j in (i - 1, i + 1):
            if not 0 <= j < len(grid):
                continue
            kept.add(float(grid[j]))
            step = logit[j] - logit[i]
            if abs(step) > _FINEST:
                fresh += [logit[i] + f * step for f in (0.5, 0.125)]
    fresh_u = [float(1.0 / (1.0 + np.exp(-x))) for x in fresh]
    return sorted({round(u, 9) for u in (*kept, *fresh_u)})
