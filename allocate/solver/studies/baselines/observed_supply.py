"""What the table says of supply: how old rollouts are, and how many replicas run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocate.models.program import Allocation, Program, Row
from allocate.solver.studies.baselines.observed_table import Observed
from allocate.solver.studies.ground import Ground

_ROUNDING = 1e-6  # of a number of replicas


def aged(program: Program, observed: Observed, assumed: list[str]) -> Program:
    """The program in which rollouts are as old as the table says, in the mean.

    A mean between two ages of the config is a mixture of both; that needs the amount of tokens.
    """
    for asset, age in observed.staleness.items():
        makers: dict[float, list[int]] = {}
        for i, a in enumerate(program.activities):
            if a.labels.get("asset") == asset and a.labels.get("input") == "rollout":
                makers.setdefault(a.labels["staleness"], []).append(i)
        if makers:
            tokens = observed.training.get(asset, {}).get("rollout")
            mix = _mixture(asset, age, sorted(makers), tokens is not None, assumed)
            for known, ids in makers.items():
                name = f"{asset} rollouts {known:g} versions old as logged"
                if known not in mix:
                    program = _at_most(program, ids, name, 0.0)
                elif len(mix) > 1:
                    program = _at_most(program, ids, name, mix[known] * (tokens or 0.0))
    return program


def _mixture(
    asset: str, age: float, ages: list[float], told: bool, assumed: list[str]
) -> dict[float, float]:
    """Shares of the config's ages that have a mean age."""
    below = max((a for a in ages if a <= age), default=ages[0])
    above = min((a for a in ages if a >= age), default=ages[-1])
    if below < age < above and told:
        share = (age - below) / (above - below)
        return {below: 1.0 - share, above: share}
    nearest = min((below, above), key=lambda a: abs(a - age))
    if nearest != age:
        assumed.append(f"staleness {age:g} of `{asset}`: as {nearest:g}, the nearest of the config")
    return {nearest: 1.0}


def _at_most(program: Program, ids: list[int], name: str, most: float) -> Program:
    """No more than so many tokens an hour from some activities together."""
    activities = list(program.activities)
    for i in ids:
        activities[i] = replace(activities[i], uses=(*activities[i].uses, (len(program.rows), 1.0)))
    rows = (*program.rows, Row(name, "token/h", most))
    return replace(program, rows=rows, activities=tuple(activities))


def staffed(
    ground: Ground, observed: Observed, allocation: Allocation, assumed: list[str]
) -> Allocation:
    """The allocation with the replicas that the table says run, whether they are needed or not.

    Where requests need more than there are, the config and the logs disagree, and that is said.
    """
    program, levels = ground.program, allocation.levels.copy()
    for name in dict.fromkeys(lane for lane, _ in observed.replicas):
        for t, named in enumerate(ground.built.periods):
            if (count := observed.running(name, named)) is None:
                continue
            mine = np.array(
                [
                    i
                    for i, a in enumerate(program.activities)
                    if a.labels.get("deployment") == name
                    and a.labels.get("period") == t
                    and "utilisation" in a.labels
                ],
                int,
            )
            if len(mine):
                where = f"`{name}`" if len(ground.built.periods) == 1 else f"`{name}`, {named}"
                spare = program.capacity - program.usage(allocation._replace(levels=levels))
                busy = observed.busy(name, named)
                _grow(program, levels, spare, mine, count, busy, where, assumed)
    return allocation._replace(levels=levels)


def _grow(
    program: Program,
    levels: np.ndarray,
    spare: np.ndarray,
    mine: np.ndarray,
    count: float,
    busy: float | None,
    where: str,
    assumed: list[str],
) -> None:
    """Let more replicas run, at the speed that most of them have, as far as there is room."""
    labels = [program.activities[i].labels for i in mine]
    share = labels[0]["share"]
    have = float(levels[mine].sum())
    more = count * share - have
    if more < -_ROUNDING * have:
        need = f"{have / share:.3g} replicas of {where} are needed for what is served"
        assumed.append(f"{need}, the table has {count:g}: as many as are needed")
    if more <= 0:
        return
    at = int(np.argmax(levels[mine]))
    if have <= 0 and busy is not None:
        at = int(np.argmin([abs(entry["utilisation"] - busy) for entry in labels]))
    i = int(mine[at])
    room = min((spare[r] / v for r, v in program.activities[i].uses if v > 0), default=np.inf)
    if room < more * (1.0 - _ROUNDING):
        fit = f"{(have + max(room, 0.0)) / share:.3g} of {count:g}"
        assumed.append(f"{fit} replicas of {where} fit the config's capacities")
    levels[i] += min(more, max(room, 0.0))
