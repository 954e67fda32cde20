"""A bundle of a given effort at constant returns, where one price has many best responses.

With Σα = 1 effort is a cone: along the ray of best proportions, t_j ∝ α_j/p_j, it costs the
same whatever there is of it. On a straight piece of the success curve a request is then
either indifferent or at one of the ends of the piece: a kink, or the first cap on the ray.
No best response tells the two ends apart; a curve with a target is one of them,

    log t_j = log(α_j/p_j) + ℓ,    ℓ = min( ℓ(target), ℓ at the first cap ),

whether that pays or not. What a bundle brings is what the whole success curve says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from allocate.models.curves.namespace import namespace
from allocate.models.curves.response import Response
from allocate.models.limits import TINY

if TYPE_CHECKING:
    from allocate.models.curves.request import RequestCurve

Array = Any
_FAR = 1e3  # of a logarithm


def aimed(
    curve: RequestCurve,
    target: float,
    value: Array,
    prices: Array,
    wrong_price: Array,
    factor: Array,
    difficulty: Array,
) -> Response:
    """The bundle of effort ``target`` (over the difficulty), or as much as a cap allows.

    Arguments and result as in ``RequestCurve.best_response``. A use that verifies and is no
    part of effort gets what is best for it.
    """
    xp = namespace(value, prices, wrong_price, factor, difficulty)
    shapes = map(np.shape, (value, wrong_price, factor, difficulty))
    shape = np.broadcast_shapes(*shapes, prices.shape[:-1])
    effort, risk, caps = curve.effort, curve.risk, curve.caps
    with np.errstate(all="ignore"):
        price = [xp.clip(prices[..., j], TINY, 1.0 / TINY) for j in range(len(caps))]
        used = [j for j, a in enumerate(effort.exponents) if a > 0]
        share = {j: np.log(effort.exponents[j]) - xp.log(price[j]) for j in used}
        level = -xp.log(difficulty) + xp.zeros(shape)
        for j in used:
            level = level + effort.exponents[j] * (share[j] - np.log(effort.references[j]))
        ell = (np.log(target) - level) / effort.total
        for j in used:
            ell = xp.minimum(ell, np.log(caps[j]) - share[j])
        ell = xp.clip(ell, -_FAR, _FAR)
        tokens = [xp.zeros(shape) for _ in caps]
        for j in used:
            tokens[j] = xp.minimum(xp.exp(share[j] + ell), caps[j])
        v = risk.use if risk.verifiable else None
        if v is not None and v not in used:
            averted = wrong_price * risk.relief(xp.zeros(())) / price[v]
            s = xp.maximum(xp.log(xp.clip(averted, TINY, 1.0 / TINY)), 0.0)
            tokens[v] = xp.minimum(risk.tokens * s + xp.zeros(shape), caps[v])
        bundle = xp.stack(tokens, -1)
        success, wrong = curve.outcome(bundle, factor, difficulty)
        success, wrong = success + xp.zeros(shape), wrong + xp.zeros(shape)
        worth = xp.where(value * factor > 0, value * success, 0.0)
        profit = worth - wrong_price * wrong - (prices * bundle).sum(-1)
    return Response(bundle, success, wrong, profit, ell)
