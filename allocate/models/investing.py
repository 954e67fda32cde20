"""Config → ``Shared``: the capability of every trained model as a public good.

The program is that of ``stack``; instead of being paid a given worth, capability supplies a
row that asks for it, and requests see the amount asked for. Where less is made than asked
for, the shortfall pays the most that capability could ever be worth, so that every point
of the box has an answer and no best point has a shortfall.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from allocate.models.blocks import Activity, Row
from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.goods import Good, Shared
from allocate.models.program import Program
from allocate.models.stack import build
from allocate.models.state import State
from allocate.models.stream import Stream

_ENDLESS = 1e30  # effort beyond which no gain grows


def shared(config: Config, classes: Classes, grid: State) -> Shared | None:
    """The program with capability as public goods, on the menu of a state; None without any."""
    if config.training is None:
        return None
    models = list(dict.fromkeys(a.model for a in config.training.assets.values()))
    one = _requests(config, classes, grid, dict.fromkeys(models, 1.0))
    two = _requests(config, classes, grid, dict.fromkeys(models, 2.0))
    unit = sp.csr_matrix(two.coefficients - one.coefficients)
    units = {m: _of_model(unit, one, m) for m in models}
    most = {m: _most_worth(one, u) for m, u in units.items()}
    worth = {m: w for m, w in most.items() if w > 0}
    program = build(config, classes, replace(grid, capability={}, worth=worth)).program
    none = replace(one, coefficients=sp.csr_matrix(one.coefficients - unit))
    program = replace(program, streams=(none, *program.streams[1:]))
    return _asked_for(program, units, worth)


def _requests(
    config: Config, classes: Classes, grid: State, capability: dict[str, float]
) -> Stream:
    return build(config, classes, replace(grid, capability=capability, worth={})).program.streams[0]


def _of_model(unit: sp.csr_matrix, stream: Stream, model: str) -> sp.csr_matrix:
    """The part of the coefficients that belongs to arms of one model."""
    own = np.array([a.labels.get("model") == model for a in stream.arms])
    rows = stream.n_quantities * stream.features.shape[1]
    kept = np.tile(own, rows).astype(float)
    out = sp.csr_matrix(sp.diags(kept) @ unit)
    out.eliminate_zeros()
    return out


def _most_worth(stream: Stream, unit: sp.csr_matrix) -> float:
    """The most that a unit could bring an hour: every request on the arm that gains most."""
    price = np.array([s.own_price for s in stream.slots])
    n = stream.n_quantities, stream.features.shape[1], len(stream.arms)
    per_feature = -(unit @ price).reshape(n)[0]  # of a request, [F, A]
    gain = np.where(stream.menu[stream.group], stream.features @ per_feature, 0.0)
    return float(stream.rate @ np.maximum(gain.max(axis=1, initial=0.0), 0.0))


def _most_made(stream: Stream, model: str) -> float:
    """What all assets of a model can add with inputs without end."""
    own = [a.technology for a in stream.arms if a.labels.get("model") == model]
    return float(sum(stream.technologies[i].success.value(_ENDLESS) for i in own))


def _asked_for(
    program: Program, units: dict[str, sp.csr_matrix], worth: dict[str, float]
) -> Shared | None:
    """Rows that ask for the goods, supplied by what makes them or by paying for less."""
    rows, activities = list(program.rows), list(program.activities)
    made: dict[str, list[int]] = {}
    for i, a in enumerate(activities):
        if a.labels.get("gain"):
            made.setdefault(a.labels["model"], []).append(i)
    goods = []
    for number, (model, makers) in enumerate(made.items()):
        row, room = len(rows), activities[makers[0]].labels["room"]
        room = min(room, _most_made(program.streams[-1], model))
        rows.append(Row(f"capability asked of {model}", "success point"))
        for i in makers:
            uses = (*activities[i].uses, (row, -1.0))
            activities[i] = replace(activities[i], uses=uses, cost=0.0)
        activities.append(
            Activity(
                f"capability missing of {model}",
                ((row, -1.0),),
                worth[model],
                "training",
                upper=2.0 * room,
                loose=True,
                labels={"short": number},
            )
        )
        goods.append(Good(model, room, row, 0, units[model], worth[model]))
    if not goods:
        return None
    return Shared(replace(program, rows=tuple(rows), activities=tuple(activities)), tuple(goods))
