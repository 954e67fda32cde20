"""One (model, autonomy level) as a request sees it: what tokens bring, and which to buy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from allocate.models.curves.aimed import aimed
from allocate.models.curves.bound import profit_bound
from allocate.models.curves.effort import Effort
from allocate.models.curves.meeting import Meeting
from allocate.models.curves.namespace import namespace
from allocate.models.curves.response import Response, respond
from allocate.models.curves.risk import ResidualRisk
from allocate.models.curves.success import SuccessCurve

Array = Any


@dataclass(frozen=True)
class RequestCurve:
    """Success, effort and residual risk of one (model, autonomy level), with token caps.

    ``target`` is an effort at which a request is held, instead of its best (``aimed.py``).
    """

    success: SuccessCurve
    effort: Effort
    risk: ResidualRisk
    caps: tuple[float, ...]
    target: float | None = None

    @property
    def uses_tokens(self) -> tuple[int, ...]:
        """The token uses that can be worth anything here."""
        used = {j for j, a in enumerate(self.effort.exponents) if a > 0}
        if self.success.flat:
            used = set()
        if self.risk.verifiable:
            used.add(self.risk.use)  # type: ignore[arg-type]
        return tuple(sorted(used))

    # --- value ---------------------------------------------------------------------------

    def outcome(self, tokens: Array, factor: Array = 1.0, difficulty: Array = 1.0) -> tuple:
        """(success, wrong actions) per request for ``tokens`` [..., J]."""
        y = self.effort.value(tokens) / difficulty
        return factor * self.success.value(y), self.risk.value(tokens)

    def marginal(
        self,
        tokens: Array,
        value: Array,
        wrong_price: Array,
        factor: Array = 1.0,
        difficulty: Array = 1.0,
    ) -> tuple[Array, Array]:
        """Least and largest worth in USD of one more token of each use, [..., J].

        They differ only at a kink of the success curve. A use that has nothing while its
        complements have something is worth infinitely much.
        """
        xp = namespace(tokens)
        y = self.effort.value(tokens) / difficulty
        near = 1e-9
        with np.errstate(divide="ignore"):  # the first effort of a power law
            above = self.success.slope(y * (1 + near))
            below = self.success.slope(y * (1 - near), "left")
        sides = []
        for slope in (above, below):
            effort_worth = xp.where(value * factor > 0, value * factor * slope, 0.0)
            revenue = xp.where(y > 0, effort_worth, 0.0) * y
            worth = []
            for j, a in enumerate(self.effort.exponents):
                t = tokens[..., j]
                first = np.inf if a < 1 else effort_worth / difficulty / self.effort.references[j]
                starved = effort_worth > 0
                for k, b in enumerate(self.effort.exponents):
                    starved = starved & (tokens[..., k] > 0) if k != j and b > 0 else starved
                w = a * revenue / xp.where(t > 0, t, 1.0)
                w = xp.where((t <= 0) & starved & (a > 0), first, w)
                if self.risk.verifiable and j == self.risk.use:
                    w = w + wrong_price * self.risk.value(tokens) / self.risk.tokens
                worth.append(w)
            sides.append(xp.stack(worth, -1))
        return sides[0], sides[1]

    # --- best response ---------------------------------------------------------------------

    @cached_property
    def _meeting(self) -> Meeting:
        return Meeting(self.success, self.effort, self.risk, self.caps)

    def best_response(
        self,
        value: Array,
        prices: Array,
        wrong_price: Array,
        factor: Array = 1.0,
        difficulty: Array = 1.0,
    ) -> Response:
        """Solve (1) of ``response.py``, in NumPy or (also under ``jit`` and ``vmap``) in JAX.

        Args:
            value: V, USD per success, any shape S.
            prices: p, USD per token, shape S + (J,); 0 is allowed where the use has a cap.
            wrong_price: w, USD per wrong action, shape S.
            factor: f, shape S.
            difficulty: d, shape S.

        Returns:
            ``Response`` with shapes S (tokens S + (J,)); up to 1e250 tokens where a use costs
            nothing and has no cap.
        """
        if self.target is not None:
            return aimed(self, self.target, value, prices, wrong_price, factor, difficulty)
        return respond(self._meeting, value, prices, wrong_price, factor, difficulty)

    def profit_bound(
        self,
        response: Response,
        value: Array,
        prices: Array,
        wrong_price: Array,
        factor: Array = 1.0,
        difficulty: Array = 1.0,
        enough: Array = -np.inf,
    ) -> np.ndarray:
        """No less than the best profit, USD, shape S, even if ``response`` is not the best.

        A bound that is no higher than ``enough`` need not be any sharper.
        """
        t, ell = response.tokens, response.log_revenue
        least = profit_bound(self, t, ell, value, prices, wrong_price, factor, difficulty, enough)
        return np.maximum(least, response.profit)

    def free_profit(
        self, value: Array, wrong_price: Array, factor: Array = 1.0, easiest: float = 1.0
    ) -> Array:
        """No less than the best profit, USD, as if tokens cost nothing; shape of ``value``.

        ``easiest``: the least difficulty that is asked about.
        """
        caps = np.asarray(self.caps, float)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            most = float(self.success.value(self.effort.value(caps) / easiest))
        verify = self.risk.use if self.risk.verifiable else None
        least = self.risk.rate if verify is None else float(self.risk.remaining(caps[verify]))
        earned = np.maximum(value, 0.0) * factor * max(most, 0.0)
        return earned - np.where(wrong_price > 0, least, self.risk.rate) * wrong_price

    # --- how the response moves --------------------------------------------------------------

    def curvature(
        self,
        response: Response,
        value: Array,
        prices: Array,
        wrong_price: Array,
        factor: Array = 1.0,
        difficulty: Array = 1.0,
    ) -> Array:
        """−∂(tokens, wrong, success)/∂(prices, wrong_price, −value), [..., J+2, J+2].

        The Hessian of the profit as a function of prices: symmetric, positive semidefinite
        (the profit is a maximum of functions affine in the prices).
        """
        n_uses = len(self.caps)
        t = np.asarray(response.tokens)
        shape = t.shape[:-1]
        y = self.effort.value(t) / difficulty
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            m = np.exp(response.log_revenue)
            free = t < np.asarray(self.caps) * (1 - 1e-12)
            # d log t_j = lift_j dℓ + push_j · d(prices, wrong_price)
            lift = np.zeros((*shape, n_uses))
            push = np.zeros((*shape, n_uses, n_uses + 2))
            for j, a in enumerate(self.effort.exponents):
                if self.risk.verifiable and j == self.risk.use:
                    s = t[..., j] / self.risk.tokens
                    threat = wrong_price * self.risk.rate * np.exp(-s)
                    stiff = prices[..., j] * self.risk.tokens - threat + threat * s
                    ok = free[..., j] & (s > 0) & (stiff > 0)
                    per = np.where(ok, 1.0 / np.where(ok, stiff * s, 1.0), 0.0)
                    lift[..., j] = per * a * m
                    push[..., j, j] = -per * self.risk.tokens * s
                    push[..., j, n_uses] = per * s * self.risk.rate * np.exp(-s)
                elif a > 0:
                    ok = free[..., j] & (t[..., j] > 0)
                    lift[..., j] = ok
                    push[..., j, j] = np.where(ok, -1.0 / prices[..., j], 0.0)
            alpha = np.asarray(self.effort.exponents)
            gain = (alpha * lift).sum(-1)
            shift = (alpha[:, None] * push).sum(-2)
            kinks = np.asarray(self.success.kinks)
            at_kink = np.zeros(shape, bool)
            for k in kinks:
                at_kink |= np.abs(y - k) <= 1e-9 * k
            elasticity = (
                np.ones(shape) if len(kinks) else self.success.log_revenue(np.log(y))[1]
            ) * np.ones(shape)
            smooth = np.maximum(1.0 - elasticity * gain, 1e-9)
            d_ell = np.where(
                at_kink[..., None],
                -shift / np.maximum(gain, 1e-12)[..., None],
                elasticity[..., None] * shift / smooth[..., None],
            )
            d_ell[..., n_uses + 1] = np.where(at_kink, 0.0, -1.0 / (value * smooth))
            d_ell = np.where(np.isfinite(d_ell), d_ell, 0.0)
            d_log = lift[..., None] * d_ell[..., None, :] + push
            out = np.zeros((*shape, n_uses + 2, n_uses + 2))
            out[..., :n_uses, :] = -t[..., None] * d_log
            if self.risk.verifiable:
                v = self.risk.use
                wrong = np.asarray(response.wrong)
                s = t[..., v] / self.risk.tokens
                out[..., n_uses, :] = (wrong * s)[..., None] * d_log[..., v, :]
            d_z = gain[..., None] * d_ell + shift
            ratio = np.where(at_kink, 0.0, m / value)
            out[..., n_uses + 1, :] = -np.where(np.isfinite(ratio), ratio, 0.0)[..., None] * d_z
        out = np.where(np.isfinite(out), out, 0.0)
        return 0.5 * (out + np.swapaxes(out, -1, -2))
