"""How the use of rows bends with the prices: the Hessian of what many pairs earn.

What a pair of member and arm uses of a row is a sum of monomials, a quantity times a feature
of the member, and which rows they fall on depends on its group and arm alone (a *cell*). So
the products of monomials are summed by cell first, and only these sums meet the rows.
"""

from __future__ import annotations

import numpy as np

from allocate.models.stream import Columns, Stream


def add_curvature(
    hessian: np.ndarray,
    stream: Stream,
    columns: Columns,
    weight: np.ndarray,
) -> None:
    """Add Σ weight · B' C B of the columns, B the rows used per unit of each quantity.

    ``hessian`` [rows, rows] is added to; ``weight`` [n] requests an hour.
    """
    used = np.flatnonzero(weight > 0)
    if not len(used):
        return
    monomials = stream.monomials
    columns = Columns(*(c[used] for c in columns))
    curvature = stream.curvatures(columns) * weight[used, None, None]
    cell = columns.arm * len(stream.rows) + stream.group[columns.member]
    order = np.lexsort((cell, monomials.kind[columns.arm]))
    kind = monomials.kind[columns.arm[order]]
    padded = np.zeros(np.add(hessian.shape, 1))  # row −1 is the last, dropped
    for at in np.split(order, np.flatnonzero(np.diff(kind)) + 1):
        _add_kind(padded, stream, columns.member[at], cell[at], curvature[at])
    hessian += padded[:-1, :-1]


def _add_kind(
    padded: np.ndarray,
    stream: Stream,
    member: np.ndarray,
    cell: np.ndarray,
    curvature: np.ndarray,
) -> None:
    """Pairs [n] in the order of their cells, on arms with the same monomials."""
    monomials = stream.monomials
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    arm, group = np.divmod(cell[first], len(stream.rows))
    kind = monomials.kind[arm[0]]
    what = [  # a request itself does not bend
        (m, y - 1, stream.features[member, f])
        for m, (y, f) in enumerate(
            zip(monomials.quantity[kind], monomials.feature[kind], strict=True)
        )
        if y > 0
    ]
    product = np.zeros((len(first), len(what), len(what)))
    for i, (_, y, left) in enumerate(what):
        for j, (_, z, right) in enumerate(what[: i + 1]):
            total = np.add.reduceat(curvature[:, y, z] * (left * right), first)
            product[:, i, j] = product[:, j, i] = total
    slots, weights = monomials.by_arm
    weight = weights[arm][:, [m for m, *_ in what]]
    by_slot = weight.transpose(0, 2, 1) @ product @ weight
    rows = stream.rows[group[:, None], slots[arm]]  # a slot that is none has no weight
    np.add.at(padded, (rows[:, :, None], rows[:, None, :]), by_slot)
