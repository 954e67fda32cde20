"""``observed``: what the user's own table says is done today, as an allocation of the program.

What the table leaves open is what ``greedy`` would do, and is said under ``assumed``. Where the
config's capacities cannot carry what was logged, requests are turned away first come, first
served, and the share that was is said too: then the config and the logs disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import logit

from allocate.errors import DataError, Problem
from allocate.models.builder import HOUR
from allocate.models.loader import Loaded
from allocate.models.program import Allocation
from allocate.solver.studies.baselines.greedy import Knobs, approved, capped_tokens
from allocate.solver.studies.baselines.observed_sums import covers
from allocate.solver.studies.baselines.observed_supply import aged, staffed
from allocate.solver.studies.baselines.observed_table import (
    Observed,
    Sent,
    by_class,
    read_observed,
)
from allocate.solver.studies.baselines.observed_whole import Whole
from allocate.solver.studies.baselines.settle import Candidates, settle
from allocate.solver.studies.baselines.trainer import as_logged, best_score
from allocate.solver.studies.ground import Ground
from allocate.solver.studies.investment import Investment
from allocate.solver.studies.scene import Scene
from allocate.solver.studies.terms import MACHINES, spending

__all__ = ["Observed", "observe", "read_observed"]
_SHOWN = 5  # classes that a sentence names


def observe(scene: Scene, observed: Observed) -> tuple[Allocation, Investment, dict]:
    """The table's allocation; also what was assumed and what did not fit.

    Raises:
        DataError: a row names something that is closed to its class, or some of a class that may
            not be declined is not in the table.
        LookupError: the limits cannot be kept this way.
    """
    assumed: list[str] = []
    invested = _training(scene, observed, assumed)
    ground, _ = scene.ground(invested)
    parts = _parts(ground, observed, scene.loaded, assumed)
    allocation = _served(ground, parts)
    if allocation is None:
        raise LookupError("what was logged breaks a limit that has to be kept")
    logged, served = sum(p.requests for p in parts), float(allocation.flows[0].requests.sum())
    allocation = staffed(ground, observed, allocation, assumed)
    assumed += _unserved(ground, observed)
    about = {"table": observed.path, "assumed": assumed}
    if served < logged * (1 - 1e-6):
        about["turned_away"] = 1.0 - served / logged
    return allocation, invested, about


def misfits(about: Mapping[str, Any]) -> list[str]:
    """What of the logs the config cannot carry, as a warning; ``about`` is that of ``observe``."""
    if not (share := about.get("turned_away")):
        return []
    said = "of what was logged does not fit the config's capacities: config and logs disagree"
    return [f"{100 * share:.3g} % {said}"]


def _unserved(ground: Ground, observed: Observed) -> list[str]:
    """Classes with requests that no row of a table speaks of; a result speaks of all of them."""
    if observed.path.endswith(".json"):
        return []
    stream, classes = ground.stream, ground.built.classes.names
    told = {row.name for row in observed.sent}
    asked = {int(k) for k in stream.origin[stream.rate > 0]}
    missing = [str(n) for i, n in enumerate(classes) if i in asked and str(n) not in told]
    shown = ", ".join(f"`{n}`" for n in missing[:_SHOWN])
    more = f" and {len(missing) - _SHOWN:,} more classes" if len(missing) > _SHOWN else ""
    return [f"not in the table, so not served: {shown}{more}"] if missing else []


def _served(ground: Ground, parts: list[_Part]) -> Allocation | None:
    """What of the logged requests the config's capacities carry; each row asks for itself."""
    stream = ground.stream
    parent = np.array([p.member for p in parts], int)
    divided = stream.part(parent, np.array([p.requests for p in parts]))
    candidates = Candidates(
        np.arange(len(parts)),
        np.array([p.arm for p in parts], int),
        np.zeros(len(parts), int),
        np.array([p.tokens for p in parts]).reshape(len(parts), stream.n_uses),
    )
    settled = settle(replace(ground.program, streams=(divided,)), candidates)
    if settled is None:
        return None
    flows = settled.flows[0]
    return settled._replace(flows=(flows._replace(member=parent[flows.member]),))


def _training(scene: Scene, observed: Observed, assumed: list[str]) -> Investment:
    if scene.loaded.config.training is None:
        return Investment()
    program = scene.built().program
    if observed.training:
        for asset, spec in scene.loaded.config.training.assets.items():
            if asset not in observed.training:
                assumed.append(f"`{asset}` is not in the table: not trained")
            elif spec.staleness and asset not in observed.staleness:
                _once(assumed, "staleness where empty: what teaches most")
        return as_logged(aged(program, observed, assumed), observed.training)
    share = Knobs().training_share
    assumed.append(f"training is not in the table: {100 * share:g} % of spending, as `greedy`")
    ground, _ = scene.ground(Investment())
    served = _served(ground, _parts(ground, observed, scene.loaded, []))
    if served is None:
        raise LookupError("what was logged breaks a limit that has to be kept")
    return best_score(program, share, spending(ground.program, served, MACHINES))


@dataclass(frozen=True)
class _Part:
    member: int
    arm: int
    requests: float
    tokens: np.ndarray


def _parts(ground: Ground, observed: Observed, loaded: Loaded, assumed: list[str]) -> list[_Part]:
    """Every row as requests per hour on an arm."""
    stream, built = ground.stream, ground.built
    knobs = Knobs()
    usual = capped_tokens(ground, knobs)
    levels = approved(ground, knobs, ground.opened)
    out: list[_Part] = []
    number = {str(name): n for n, name in enumerate(built.classes.names)}
    order = np.argsort(stream.origin, kind="stable")
    start = np.searchsorted(stream.origin[order], np.arange(len(number) + 1))
    whole, told = Whole(ground, observed, loaded), dict(by_class(observed))
    for name in dict.fromkeys([*told, *whole.needed]):
        rows = told.get(name, [])
        for member in order[start[number[name]] : start[number[name] + 1]]:
            period = built.periods[stream.period[member]]
            mine = [r for r in rows if covers(r.period, period)]
            shares = [_share(ground, r, int(member), len(mine), observed.path) for r in mine]
            if sum(shares) > 1.0 + 1e-6:  # nobody can serve more than arrives
                _once(assumed, f"{name}: more than all that arrives; scaled down to it")
                shares = [s / sum(shares) for s in shares]
            if whole.short(int(member), sum(shares)):
                if not whole.scaled(name, int(member), mine, shares):
                    continue
                _once(assumed, f"{name}: shares rounded, scaled up to all of it")
                shares = [s / sum(shares) for s in shares]
            for row, share in zip(mine, shares, strict=True):
                if share <= 0:
                    continue
                if row.model is None and row.autonomy is None:
                    _once(assumed, "model and autonomy where empty: the cheapest that is approved")
                arm = _arm(ground, observed, row, int(member), levels, usual, assumed)
                tokens = usual[member, stream.technology_of[arm]].copy()
                for j, use in enumerate(built.config.token_uses):
                    if use in row.tokens:
                        tokens[j] = min(row.tokens[use], _cap(ground, arm, j))
                    elif row.model is not None:
                        _once(assumed, f"tokens_{use} where empty: as `greedy`")
                out.append(_Part(int(member), arm, share * float(stream.rate[member]), tokens))
    whole.check()
    return out


def _cap(ground: Ground, arm: int, use: int) -> float:
    return ground.stream.technologies[ground.stream.technology_of[arm]].caps[use]


def _once(assumed: list[str], text: str) -> None:
    if text not in assumed:
        assumed.append(text)


def _share(ground: Ground, row: Sent, member: int, rows: int, path: str) -> float:
    if row.share is not None:
        return row.share
    if row.requests_per_s is not None:
        arrivals = ground.stream.rate[member] / HOUR
        share = ground.built.shares[ground.stream.period[member]]
        return row.requests_per_s * share / arrivals if arrivals > 0 else 0.0
    if rows == 1:
        return 1.0
    message = f"class `{row.name}` has several rows and this one says no share"
    hint = "give share, or requests_per_s"
    raise DataError([Problem("OBS003", message, file=path, line=row.line or None, hint=hint)])


def _arm(
    ground: Ground,
    observed: Observed,
    row: Sent,
    member: int,
    levels: np.ndarray,
    usual: np.ndarray,
    assumed: list[str],
) -> int:
    """The open arm that a row describes; what it leaves open is what ``greedy`` does."""
    fine = ground.opened[member].copy()
    if row.went is not None:
        fine &= row.went.arms(ground, int(ground.stream.period[member]))
    if row.model is not None:
        fine &= ground.model_of == ground.models.index(row.model)
    if row.autonomy is not None:
        fine &= ground.level_of == ground.levels.index(row.autonomy)
    elif (fine & levels[member]).any():
        fine &= levels[member]
        _once(assumed, "autonomy where empty: as `greedy`")
    if row.deployment is not None:
        runs = np.array([a.labels.get("deployment") == row.deployment for a in ground.stream.arms])
        fine &= runs
    if not fine.any():
        what = "the result says" if row.went is not None else "this row says"
        message = f"nothing that is open to `{row.name}` is what {what}"
        hint = "the config's models, levels, speed limits and actions decide what is open"
        if row.went is not None:
            hint += "; if the result is of another config, solve this one"
        where = row.line or None
        raise DataError([Problem("OBS003", message, file=observed.path, line=where, hint=hint)])
    own = fine & ground.own
    if (
        row.went is None
        and own.any()
        and (row.deployment is not None or not (fine & ~ground.own).any())
    ):
        fine = own
        period = ground.built.periods[ground.stream.period[member]]
        busy = row.utilisation or observed.busy(row.deployment, period)
        if busy is None:
            busy = Knobs().utilisation
            _once(assumed, "utilisation where empty: as `greedy`")
        kept = Knobs().retention_s if row.retention_s is None else row.retention_s
        for far in (
            np.abs(logit(ground.tiers[:, 1]) - logit(busy)),
            np.abs(ground.retention - kept),
        ):
            fine = fine & (far <= np.min(far[fine]) + 1e-9)
    cost = ground.cost(usual)[member] if fine.sum() > 1 else np.zeros(len(fine))
    return int(np.where(fine, cost, np.inf).argmin())
