"""Program → program: the same terms with decisions held, menus narrowed or spending limited.

Every restricted program here is the user's own with fewer choices, so what it allows the
joint program allows too, and its welfare is welfare under the same true costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from allocate.models.curves import Constant, Effort, RequestCurve, ResidualRisk
from allocate.models.keys import distinct
from allocate.models.program import Allocation, Program, Row
from allocate.models.stream import Flows, Stream
from allocate.solver.certificate import row_scales

_ROUNDING = 1e-7  # of all that passes through a row
MACHINES = ("money", "training")  # accounts that the money budget covers
SPENDING = (*MACHINES, "oversight")  # everything that somebody is paid for


def spending(program: Program, allocation: Allocation, accounts: Sequence[str]) -> float:
    """USD per hour paid from some accounts; the price of a variance is not a payment."""
    total = 0.0
    for stream, flows in zip(program.streams, allocation.flows, strict=True):
        _, cost = stream.slot_use(flows)
        paid = [s for s, slot in enumerate(stream.slots) if slot.account in accounts]
        total += float(flows.requests @ cost[:, paid].sum(axis=1)) if paid else 0.0
    return total + sum(
        a.cost * float(level)
        for a, level in zip(program.activities, allocation.levels, strict=True)
        if a.account in accounts and a.cost > 0
    )


def limited(program: Program, name: str, accounts: Sequence[str], capacity: float) -> Program:
    """One more row: what is paid from some accounts stays within ``capacity``, USD per hour."""
    number = len(program.rows)
    activities = tuple(
        replace(a, uses=(*a.uses, (number, a.cost))) if a.account in accounts and a.cost > 0 else a
        for a in program.activities
    )
    streams = tuple(_metered(s, name, accounts, number) for s in program.streams)
    return replace(
        program,
        rows=(*program.rows, Row(name, "USD/h", capacity)),
        activities=activities,
        streams=streams,
    )


def discounted(program: Program, accounts: Sequence[str], factor: float) -> Program:
    """The program with what is paid from some accounts counted at a part of its price."""
    streams = tuple(
        replace(
            s,
            slots=tuple(
                replace(slot, own_price=factor * slot.own_price)
                if slot.account in accounts
                else slot
                for slot in s.slots
            ),
        )
        for s in program.streams
    )
    activities = tuple(
        replace(a, cost=factor * a.cost) if a.account in accounts and a.cost > 0 else a
        for a in program.activities
    )
    return replace(program, streams=streams, activities=activities)


def _metered(stream: Stream, name: str, accounts: Sequence[str], row: int) -> Stream:
    """The stream with a slot that counts what its requests pay from some accounts."""
    price = np.array([s.own_price if s.account in accounts else 0.0 for s in stream.slots])
    if not price.any():
        return stream
    column = sp.csr_matrix(stream.coefficients @ price[:, None])
    slot = replace(stream.slots[0], name=name, unit="USD", own_price=0.0, account=None)
    return replace(
        stream,
        slots=(*stream.slots, slot),
        rows=np.column_stack([stream.rows, np.full(len(stream.rows), row)]),
        coefficients=sp.csr_matrix(sp.hstack([stream.coefficients, column])),
    )


def regrouped(stream: Stream, allowed: np.ndarray) -> Stream:
    """The stream with the arms of every member cut to ``allowed`` [K, A]."""
    first, group = distinct([stream.group, *np.packbits(allowed, axis=1).T])
    old = stream.group[first]
    menu = stream.menu[old] & allowed[first]
    return replace(stream, group=group, menu=menu, rows=stream.rows[old])


def with_menu(stream: Stream, allowed: np.ndarray) -> Stream:
    """The stream with fewer open arms; ``allowed`` is [K, A]."""
    narrowed = regrouped(stream, allowed)
    live = np.flatnonzero(narrowed.menu.any(axis=0))
    return narrowed if len(live) in (0, len(stream.arms)) else narrowed.narrowed(live)


def divided(program: Program, parent: np.ndarray, rate: np.ndarray, allowed: np.ndarray) -> Program:
    """Requests whose amounts are decided: parts of members that must be served, each its way.

    ``parent`` [P] is the member of every part, ``rate`` [P] its requests per hour,
    ``allowed`` [P, A] its open arms. The rest of every member is declined.
    """
    stream = program.streams[0]
    served = np.bincount(parent, rate, len(stream.rate))
    declined = float(stream.penalty @ np.maximum(stream.rate - served, 0.0))
    parts = replace(stream.part(parent, rate), decline_cost=np.full(len(parent), np.inf))
    offsets = (*program.offsets, ("value", -declined)) if declined else program.offsets
    streams = (with_menu(parts, allowed), *program.streams[1:])
    return replace(program, streams=streams, offsets=offsets)


def frozen(stream: Stream, tokens: np.ndarray) -> Stream:
    """The stream with tokens given, [K, technologies, J]: only the way is left to choose.

    What a member's tokens bring and use then belongs to the request itself. A feature for
    every (feature, quantity, technology) in use carries the member's own amounts.
    """
    n_k, n_f, n_a = len(stream.rate), stream.features.shape[1], len(stream.arms)
    everyone = np.arange(n_k)
    amounts = np.empty((n_k, len(stream.technologies), stream.n_quantities))
    for i, technology in enumerate(stream.technologies):
        amounts[:, i, 0], amounts[:, i, 1:-2] = 1.0, tokens[:, i]
        amounts[:, i, -1], amounts[:, i, -2] = technology.outcome(
            tokens[:, i], stream.factor_of(i, everyone), stream.difficulty_of(everyone)
        )
    c = stream.coefficients.tocoo()
    quantity, rest = np.divmod(c.row, n_f * n_a)
    feature, arm = np.divmod(rest, n_a)
    keys = np.column_stack([feature, quantity, stream.technology_of[arm]])
    unique, column = np.unique(keys, axis=0, return_inverse=True)
    features = stream.features[:, unique[:, 0]] * amounts[:, unique[:, 2], unique[:, 1]]
    trivial = RequestCurve(Constant(0.0), Effort((0.0,), (1.0,)), ResidualRisk(0.0), (1.0,))
    return replace(
        stream,
        features=features,
        technologies=(trivial,),
        arms=tuple(replace(a, technology=0) for a in stream.arms),
        coefficients=sp.csr_matrix(
            (c.data, (column.ravel() * n_a + arm, c.col)),
            shape=(4 * len(unique) * n_a, len(stream.slots)),
        ),
        factor={},
        difficulty=None,
    )


def held(
    program: Program, flows: Sequence[Flows | None], levels: np.ndarray, fixed: np.ndarray
) -> tuple[Program, np.ndarray]:
    """Some streams (those with flows) and activities at given amounts, the rest still free.

    What they use leaves the rows' capacities and what they cost leaves the objective.
    Returns the program and the numbers of the activities that it keeps.
    """
    parts = [
        Flows.empty(s.n_uses) if f is None else f
        for s, f in zip(program.streams, flows, strict=True)
    ]
    gone = Allocation(tuple(parts), np.where(fixed, levels, 0.0))
    silent = tuple(
        s if f is not None else replace(s, decline_cost=np.zeros(len(s.rate)))
        for s, f in zip(program.streams, flows, strict=True)
    )
    bare = replace(program, streams=silent)
    spent, left = bare.accounts(gone), np.flatnonzero(~fixed)
    offsets = [("value", spent.pop("value"))] + [(name, -usd) for name, usd in spent.items()]
    capacity = program.capacity - program.usage(gone)
    # rounding must not leave a row short that was kept, nor one that nothing is left to use
    gross = row_scales(program, gone)
    rounding = (capacity < 0) & (capacity > -_ROUNDING * gross) & (program.capacity >= 0)
    capacity = np.where(rounding, 0.0, capacity)
    number = {int(old): new for new, old in enumerate(left)}
    rest = replace(
        program,
        rows=tuple(
            replace(r, capacity=float(c)) for r, c in zip(program.rows, capacity, strict=True)
        ),
        streams=tuple(s for s, f in zip(program.streams, flows, strict=True) if f is None),
        activities=tuple(program.activities[i] for i in left),
        terms=tuple(
            replace(t, activities=tuple(number[i] for i in t.activities))
            for t in program.terms
            if not any(fixed[i] for i in t.activities)
        ),
        resources=(),
        counts=(),
        offsets=tuple((name, usd) for name, usd in offsets if usd),
    )
    return rest, left
