"""Training × routing from its other end: as if every model had been trained already.

The rounds begin with models as they are, and where nobody uses a model untrained, nobody
trains it. From the other end a model is used as if trained, and the rounds say whether it is
worth it. Both ends are answers that agree with themselves; the better one is kept. That is a
second look, not a proof: for that there is the search over all capabilities (``globally``).
"""

from __future__ import annotations

from allocate.models.loader import Loaded
from allocate.models.stack import advance
from allocate.solver.agreement import Round, moved
from allocate.solver.answer import Request, answer_to
from allocate.solver.exact.amounts import Point
from allocate.solver.exact.globally import goods_at, own_value, restarted

_TRAINED = 0.9  # of the most that training can add: all of it would take tokens without end
_BACK = 0.02  # of its numbers: so near to the answer that there is, it would end there


def second_start(loaded: Loaded, found: Round, request: Request) -> Round | None:
    """A round that is worth more than ``found``, from trained models; None if there is none."""
    goods = goods_at(loaded, found)
    if goods is None:
        return None
    placed = goods.placed(found.answer.program, found.answer.allocation)
    prices = goods.prices(found.answer.program, found.answer.duals, goods.worth(placed))
    amounts = _TRAINED * goods.most
    answer = answer_to(goods.at(amounts), prices, request, warm=True, said={"phase": "training"})
    if not answer.certificate.feasible:
        return None
    certificate = answer.certificate
    point = Point(amounts, answer.duals, certificate.primal, certificate.dual, answer.allocation)
    other = None
    for other in restarted(loaded, found, goods, point, request):
        implied = advance(other.built, other.answer.allocation)
        if moved(found.built.state, implied) <= _BACK:
            return None
    if other is None:
        return None
    value = own_value(goods, found, request)[2]
    reached = goods_at(loaded, other)
    better = reached is not None and own_value(reached, other, request)[2] > value * (
        1.0 + request.tolerance
    )
    return other if better else None
