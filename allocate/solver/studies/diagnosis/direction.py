"""Whether a wrong model is too dear or too poor: which price its router cannot have seen.

AL101 is the program with ΔC held at zero in the router, AL102 the one with V at zero. Where the
right model is cheaper and brings no more, only the first would have chosen the other; where it
is dearer, only the second. Where it is cheaper *and* brings more value, what is done averts
risk or waiting, and both inequalities of the paper hold. Then that blindness counts which
explains the choice better: under which the choice misses less of what such a router could have
had. Where both explain it alike they cannot be told apart, and the finding says so.
"""

from __future__ import annotations

import numpy as np

from allocate.solver.studies.diagnosis.view import PARTS, Pairs, View

_VALUE, _COST = PARTS.index("value"), PARTS.index("cost")
_SAME = 1e-6  # of the money that a request moves: blind regrets that differ by less are equal


def for_value(
    view: View, now: Pairs, then: Pairs, allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Say of changes of model whether they are for value (AL102) rather than money (AL101).

    Args:
        view: where the amounts are priced.
        now: requests as they are, [n].
        then: as they would be; arm -1 is declined.
        allowed: [n, A] arms that the router could have chosen, all other decisions as they are.

    Returns:
        [n] it is for value; [n] it may as well be the other.
    """
    value, cost, _ = _change(now, then)
    dearer, unclear = cost > 0, np.zeros(len(cost), bool)
    both = np.flatnonzero((value > 0) & (cost <= 0))
    if len(both):
        by_cost, by_value = _blind_regrets(view, now.at(both), allowed[both])
        same = _SAME * np.abs(now.parts[both]).sum(axis=1)
        dearer[both] = by_value < by_cost - same
        unclear[both] = np.abs(by_value - by_cost) <= same
    return dearer, unclear


def _change(now: Pairs, then: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What value, money, and waiting, risk and oversight together grow by, USD per request."""
    change = then.parts - now.parts
    value, cost = change[:, _VALUE], change[:, _COST]
    return value, cost, change[:, 1:].sum(axis=1) - cost


def _blind_regrets(view: View, now: Pairs, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[n], [n] by how much what is done misses the best of a router without ΔC, and without V.

    Every model is taken as it is best used at the true prices: the router alone is blind.
    """
    ground, n = view.ground, len(now.member)
    by_cost, by_value = np.zeros(n), np.zeros(n)
    profits = view.stream.profits(view.duals, now.member)
    for model in np.unique(ground.model_of[ground.model_of >= 0]):
        other = (ground.model_of == model) & (ground.model_of[now.arm] != model)[:, None]
        worth = np.where(allowed & other, profits, -np.inf)
        some = np.flatnonzero(np.isfinite(worth.max(axis=1)))
        if not len(some):
            continue
        arm, member = worth[some].argmax(axis=1), now.member[some]
        there = view.priced(member, arm, view.tokens_of(member, arm))
        value, cost, rest = _change(now.at(some), there)
        by_cost[some] = np.maximum(by_cost[some], value - rest)
        by_value[some] = np.maximum(by_value[some], -cost - rest)
    return by_cost, by_value
