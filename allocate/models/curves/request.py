"""The best response of one request to prices: how many tokens each use gets.

    max over t ≥ 0   V·f·q(Y(t)/d) − w·e(t) − Σ_j p_j t_j,      t_j ≤ cap_j            (1)

with success q (``success.py``), effort Y (``effort.py``), wrong actions e (``risk.py``),
V the price of a success, w of a wrong action, p_j of a token; f and d are the class's
factor and difficulty. The objective is jointly concave, so the first-order conditions (2)
are enough. With m = V f q'(y) y (y = Y/d), the money that one more per cent of effort
brings, they read

    p_j t_j = α_j m                                     (uses that do not verify)
    p_v t_v = α_v m + w·rate·s·e^{−s},  s = t_v/τ       (the use that verifies)

so the tokens follow from ℓ = log m alone, effort is nondecreasing in ℓ, and one monotone
scalar equation is left: log y = log Y(t(ℓ)) − log d where ℓ = log V f + log_revenue(log y).
It is solved by Newton steps inside a bracket, all requests at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from allocate.models.curves.effort import Effort
from allocate.models.curves.namespace import namespace
from allocate.models.curves.risk import ResidualRisk
from allocate.models.curves.success import SuccessCurve

Array = Any
_FAR = 300.0  # |log| of efforts and revenues considered: e^±300 is beyond any real number
_STEPS = 100


class Response(NamedTuple):
    """Tokens [..., J] and what they bring, per request; ``log_revenue`` is ℓ = log m."""

    tokens: Array
    success: Array
    wrong: Array
    profit: Array
    log_revenue: Array


@dataclass(frozen=True)
class RequestCurve:
    """Success, effort and residual risk of one (model, autonomy level), with token caps."""

    success: SuccessCurve
    effort: Effort
    risk: ResidualRisk
    caps: tuple[float, ...]

    @property
    def uses_tokens(self) -> tuple[int, ...]:
        """The token uses that can be worth anything here."""
        used = {j for j, a in enumerate(self.effort.exponents) if a > 0}
        if self.success.value(np.array(1e9)) == self.success.value(np.array(1e-9)):
            used = set()
        if self.risk.verifiable:
            used.add(self.risk.use)  # type: ignore[arg-type]
        return tuple(sorted(used))

    @property
    def homogeneous(self) -> bool:
        """Constant returns up to one kink: only the split of a bundle matters, not its size.

        Such a request buys the whole bundle at the kink or nothing; the response returned
        is the whole bundle, and nothing is what declining is.
        """
        return len(self.success.kinks) == 1 and self.effort.total >= 1.0 - 1e-9

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

    def best_response(
        self,
        value: Array,
        prices: Array,
        wrong_price: Array,
        factor: Array = 1.0,
        difficulty: Array = 1.0,
    ) -> Response:
        """Solve (1).

        Args:
            value: V, USD per success, any shape S.
            prices: p, USD per token, shape S + (J,); 0 is allowed where the use has a cap.
            wrong_price: w, USD per wrong action, shape S.
            factor: f, shape S.
            difficulty: d, shape S.

        Returns:
            ``Response`` with shapes S (tokens S + (J,)); infinite tokens where a use costs
            nothing and has no cap.
        """
        xp = namespace(value, prices, wrong_price)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore", under="ignore"):
            log_v = xp.log(value * factor)
            log_p = xp.log(prices)
            log_d = xp.log(difficulty + xp.zeros_like(log_v))
            market = _Market(self, log_p, prices, wrong_price)
            if not any(a > 0 for a in self.effort.exponents):
                ell = xp.full_like(log_v, -np.inf)
            elif self.success.kinks:
                ell = self._kinked(market, log_v, log_d)
            else:
                ell = self._smooth(market, log_v, log_d)
            log_t = market.log_tokens(ell)
            tokens = xp.exp(log_t)
            success, wrong = self.outcome(tokens, factor, difficulty)
            spent = xp.where(tokens > 0, prices * tokens, 0.0).sum(-1)
            brought = xp.where(value * factor > 0, value * success, 0.0)
            profit = brought - wrong_price * wrong - spent
        return Response(tokens, success, wrong, profit, ell)

    def _smooth(self, market: _Market, log_v: Array, log_d: Array) -> Array:
        xp = namespace(log_v)

        def gap(z: Array) -> tuple[Array, Array]:
            revenue, elasticity = self.success.log_revenue(z)
            log_y, growth = market.log_effort(log_v + revenue)
            return z - (log_y - log_d), 1.0 - growth * elasticity

        far = xp.full_like(log_v, _FAR)
        z = _monotone_root(gap, -far, far)
        return log_v + self.success.log_revenue(z)[0]

    def _kinked(self, market: _Market, log_v: Array, log_d: Array) -> Array:
        xp = namespace(log_v)
        kinks = np.log(np.array(self.success.kinks))
        n = len(kinks)
        lines = [self.success.log_revenue(0.0, i)[0] for i in range(n + 1)]  # log slopes
        far = xp.full_like(log_v, _FAR)
        # the first segment at whose right end effort would not rise any further
        segment, at_kink = xp.full_like(log_v, n - 1.0), xp.ones(log_v.shape, bool)
        for i in reversed(range(n)):
            short = kinks[i] - (market.log_effort(log_v + lines[i] + kinks[i])[0] - log_d)
            inside = short >= 0
            segment = xp.where(inside, float(i), segment)
            at_kink = xp.where(inside, False, at_kink)
            if i > 0:  # rising would already stop at this segment's left end: the kink there
                start = market.log_effort(log_v + lines[i] + kinks[i - 1])[0] - log_d
                stop = inside & (kinks[i - 1] - start >= 0)
                segment = xp.where(stop, float(i - 1), segment)
                at_kink = xp.where(stop, True, at_kink)
        if self.homogeneous:
            at_kink = xp.ones(log_v.shape, bool)
        index = segment.astype(int)
        log_slope = xp.asarray(np.array(lines))[index]
        right = xp.asarray(kinks)[index]
        left = xp.where(index > 0, xp.asarray(kinks)[xp.maximum(index - 1, 0)], -far)

        def gap(z: Array) -> tuple[Array, Array]:
            log_y, growth = market.log_effort(log_v + log_slope + z)
            return z - (log_y - log_d), 1.0 - growth

        inside = log_v + log_slope + _monotone_root(gap, left, right)
        if xp is np and not at_kink.any():
            return inside

        def short_of_kink(ell: Array) -> tuple[Array, Array]:
            log_y, growth = market.log_effort(ell)
            return log_y - log_d - right, growth

        after = xp.asarray(np.array([*lines[1:], -np.inf]))[index]
        low = xp.maximum(log_v + after + right, -2 * _FAR)
        high = far * 2 if self.homogeneous else log_v + log_slope + right
        kinked = _monotone_root(short_of_kink, low, high)
        return xp.where(at_kink, kinked, inside)

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


class _Market:
    """Prices that a request faces, and the tokens and effort it would buy at revenue m."""

    def __init__(self, curve: RequestCurve, log_p: Array, prices: Array, wrong_price: Array):
        self.curve, self.log_p = curve, log_p
        xp = namespace(log_p)
        self.log_caps = [np.log(c) if np.isfinite(c) else np.inf for c in curve.caps]
        self.verify = curve.risk.use if curve.risk.verifiable else None
        if self.verify is not None:
            # s(1 − A e^{−s}) = α_v m/(p τ): A is the threat averted per verifying dollar
            tau = curve.risk.tokens
            self.log_price_s = log_p[..., self.verify] + np.log(tau)
            threat = xp.log(wrong_price * curve.risk.rate + 0.0 * prices[..., self.verify])
            self.log_a = xp.where(threat > -np.inf, threat - self.log_price_s, -np.inf)

    def log_tokens(self, ell: Array) -> Array:
        """Log t [..., J] at log revenue ℓ."""
        xp = namespace(ell)
        out = []
        for j, a in enumerate(self.curve.effort.exponents):
            if j == self.verify:
                log_s = self._log_s(ell, a)[0]
                log_t = log_s + np.log(self.curve.risk.tokens)
            elif a > 0:
                log_t = np.log(a) + ell - self.log_p[..., j]
            else:
                log_t = xp.full_like(ell, -np.inf)
            log_t = xp.where(xp.isnan(log_t), -np.inf, log_t)  # no revenue and no price
            out.append(xp.minimum(log_t, self.log_caps[j]))
        return xp.stack(out, -1)

    def log_effort(self, ell: Array) -> tuple[Array, Array]:
        """Log Y and its derivative in ℓ."""
        xp = namespace(ell)
        total, growth = xp.where(xp.isfinite(ell), 0.0, 0.0), xp.where(xp.isfinite(ell), 0.0, 0.0)
        effort = self.curve.effort
        for j, a in enumerate(effort.exponents):
            if a == 0:
                continue
            if j == self.verify:
                log_s, rate = self._log_s(ell, a)
                log_t = log_s + np.log(self.curve.risk.tokens)
            else:
                log_t, rate = np.log(a) + ell - self.log_p[..., j], 1.0
            capped = log_t >= self.log_caps[j]
            log_t = xp.where(capped, self.log_caps[j], log_t)
            total = total + a * (log_t - np.log(effort.references[j]))
            growth = growth + xp.where(capped, 0.0, a * rate)
        return xp.clip(total, -4 * _FAR, 4 * _FAR), growth

    def _log_s(self, ell: Array, alpha: float) -> tuple[Array, Array]:
        """Log s and d log s/dℓ for s(1 − A e^{−s}) = α m/(p τ), the root above log A."""
        xp = namespace(ell)
        floor = xp.maximum(self.log_a, 0.0)
        if alpha == 0:
            return xp.log(floor), 0.0 * ell
        # with s = floor + w: (floor + w)(1 − a e^{−w}) = c, nearly a line in logarithms
        log_c = np.log(alpha) + ell - self.log_price_s
        log_c = xp.clip(xp.where(ell > -np.inf, log_c, -_FAR), -_FAR, _FAR)
        c, log_a = xp.exp(log_c), xp.minimum(self.log_a, 0.0)
        most = 0.5 * (c + xp.sqrt(c * c + 4.0 * c))

        def gap(log_w: Array) -> tuple[Array, Array]:
            w = xp.exp(log_w)
            kept = -xp.expm1(log_a - w)
            growth = w / (floor + w) + w * xp.exp(log_a - w) / kept
            return xp.log(floor + w) + xp.log(kept) - log_c, growth

        high = xp.log(most)
        log_w = _monotone_root(gap, log_c - xp.log(floor + most + 1.0), high, high)
        w = xp.exp(log_w)
        return xp.log(floor + w), w / (floor + w) / gap(log_w)[1]


def _monotone_root(gap: Any, low: Array, high: Array, start: Array | None = None) -> Array:
    """Root of a nondecreasing function in [low, high], or the end nearest to one.

    ``gap(z)`` returns value and derivative. Newton where it stays inside the shrinking
    bracket, bisection where it does not.
    """
    xp = namespace(low)
    z = xp.clip(xp.zeros_like(low), low, high) if start is None else start
    if xp is np:
        low, high = np.array(low, float), np.array(high, float)
        for _ in range(_STEPS):
            low, high, z, move = _bracketed_step(gap, low, high, z)
            if not np.any(move > 1e-15 * np.maximum(1.0, np.abs(z))):
                break
        return z
    from jax import lax

    def step(_: Any, state: tuple) -> tuple:
        return _bracketed_step(gap, *state)[:3]

    return lax.fori_loop(0, _STEPS // 2, step, (low, high, z))[2]


def _bracketed_step(gap: Any, low: Array, high: Array, z: Array) -> tuple:
    xp = namespace(z)
    value, slope = gap(z)
    value = xp.where(xp.isnan(value), 0.0, value)
    low = xp.where(value < 0, xp.maximum(z, low), low)
    high = xp.where(value > 0, xp.minimum(z, high), high)
    newton = z - value / slope
    ok = (newton >= low) & (newton <= high)
    new = xp.where(value == 0, z, xp.where(ok, newton, 0.5 * (low + high)))
    small = xp.abs(value) <= 4e-15 * xp.maximum(1.0, xp.abs(z))  # rounding: no use to go on
    return low, high, new, xp.where(small, 0.0, xp.abs(new - z))
