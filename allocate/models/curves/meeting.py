"""Where what effort earns meets what earnings buy: the scalar equation of a best response.

In the notation of ``response.py``: log t_j = log(α_j/p_j) + ℓ, up to the cap, so that effort
bought is a concave line in ℓ with a bend at every cap, z = log y = level + growth·ℓ between
the bends, and the success curve knows where it meets what effort earns (``balance``): a
closed form but for scaling laws. The verifying use alone is not a line in ℓ; but ℓ is
explicit in s,

    ℓ = log(p_v τ/α_v) + log s + log(1 − A e^{−s}),     A = w·rate/(p_v τ),  s > log A,

so s is found by tangents: the line through log s(ℓ) here, where the curve meets it, and s
there. As the curve itself is taken exactly, three or four tangents do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from allocate.models.curves.effort import Effort
from allocate.models.curves.namespace import namespace
from allocate.models.curves.risk import ResidualRisk
from allocate.models.curves.roots import FAR, settle
from allocate.models.curves.success import SuccessCurve

Array = Any
_CLOSE, _CLOSE_AT_BENDS = 1e-8, 1e-13  # a step over a bend is not quadratically good


class Facing(NamedTuple):
    """What a request faces, in logarithms; arrays of one shape (``bends``: a tuple of them)."""

    value: Array  # log V f
    level: Array  # log y of the uses that do not verify, at ℓ = 0 and without caps
    price: Array  # log(p_v τ/α_v)
    floor: Array  # max(log A, 0)
    log_a: Array  # min(log A, 0)
    bends: tuple[Array, ...]  # ℓ at which each capped use that does not verify meets its cap


class Meeting:
    """The fixed part of (1): curves, caps and which use does what."""

    def __init__(
        self,
        success: SuccessCurve,
        effort: Effort,
        risk: ResidualRisk,
        caps: tuple[float, ...],
    ):
        self.success, self.effort, self.risk, self.caps = success, effort, risk, caps
        self.verify = risk.use if risk.verifiable else None
        alphas = effort.exponents if not success.flat else (0.0,) * len(caps)
        self.others = [j for j, a in enumerate(alphas) if a > 0 and j != self.verify]
        self.capped = [j for j in self.others if np.isfinite(caps[j])]
        self.weights = tuple(alphas[j] for j in self.capped)
        self.growth = float(sum(alphas[j] for j in self.others))
        self.priced = [j for j, a in enumerate(alphas) if a > 0]
        self.earns = bool(self.priced)
        self.alpha = self.per_s = self.log_cap = 0.0
        if self.verify is not None and alphas[self.verify] > 0:
            self.alpha = alphas[self.verify]
            # log of the verifying use's references a unit of s, and of the s at its cap
            self.per_s = float(np.log(risk.tokens / effort.references[self.verify]))
            self.log_cap = float(np.log(caps[self.verify] / risk.tokens))

    # --- where effort and revenue meet -------------------------------------------------------

    def balance(self, value: Array, level: Array, growth: Array) -> Array:
        """ℓ on the line z = level + growth·ℓ (see ``SuccessCurve.balance``)."""
        return self.success.balance(value, level, growth)

    def _line(self, ell: Array, level: Array, bends: tuple[Array, ...]) -> tuple[Array, Array]:
        """(level, growth) of the uses that do not verify, around ℓ."""
        xp, growth = namespace(ell), self.growth
        for weight, bend in zip(self.weights, bends, strict=False):
            full = ell >= bend
            level = level + xp.where(full, weight * bend, 0.0)
            growth = growth - xp.where(full, weight, 0.0)
        return level, growth

    def _bent(self, f: Facing) -> tuple[Array, ...]:
        """ℓ with caps: a bend is passed if at the bend effort would earn more than that."""
        xp = namespace(f.value)
        level, growth, least = f.level, self.growth + 0.0 * f.level, -np.inf
        for weight, bend in zip(self.weights, f.bends, strict=True):
            at, slope = self._line(bend, f.level, f.bends)
            passed = self.balance(f.value, at + slope * bend, 0.0 * bend) >= bend
            level = level + xp.where(passed, weight * bend, 0.0)
            growth = growth - xp.where(passed, weight, 0.0)
            least = xp.maximum(least, xp.where(passed, bend, -np.inf))
        growth = xp.where(growth < 1e-14, 0.0, growth)  # what rounding leaves of 0
        ell = xp.maximum(self.balance(f.value, level, growth), least)
        return ell, 0.0 * ell

    def _past(self, ell: Array, bends: tuple[Array, ...]) -> Array:
        out = namespace(ell).zeros(ell.shape, bool)
        for bend in bends:
            out = out | (ell > bend)
        return out

    def without_verifying(self, f: Facing) -> tuple[Array, ...]:
        """(ℓ, nothing) where the uses of ``f.level`` are all that effort needs."""
        ell = self.balance(f.value, f.level, self.growth)
        return _redo(self._past(ell, f.bends), (ell, 0.0 * ell), self._bent, f)

    # --- the use that verifies -----------------------------------------------------------------

    def _at(self, x: Array, f: Facing) -> tuple[Array, ...]:
        """(log s, ℓ, d log s/dx, dℓ/dx) at s = floor + e^x."""
        xp = namespace(x)
        w = xp.exp(x)
        s = f.floor + w
        kept = -xp.expm1(f.log_a - w)
        log_s, slope = xp.log(s), w / s
        return log_s, log_s + xp.log(kept) + f.price, slope, slope + w * (1.0 / kept - 1.0)

    def _tangent(self, x: Array, data: tuple) -> Array:
        value, level, price, floor, log_a, *bends = data
        f = Facing(value, level, price, floor, log_a, tuple(bends))
        log_s, ell, slope, rise = self._at(x, f)
        level, growth = self._line(ell, f.level, f.bends)
        per_ell = slope / rise
        level = level + self.alpha * (log_s + self.per_s - per_ell * ell)
        return x + (self.balance(f.value, level, growth + self.alpha * per_ell) - ell) / rise

    def _start(self, f: Facing) -> Array:
        """X to start from: as if nothing could be averted, then roughly with that."""
        xp = namespace(f.value)
        level = f.level + self.alpha * (self.per_s - f.price)
        ell = self.balance(f.value, level, self.growth + self.alpha)
        c = xp.exp(xp.clip(ell - f.price, -0.5 * FAR, 0.5 * FAR))
        # s(1 − A e^{−s}) = c with e^{−w} taken for 1/(1 + w): a quadratic in w
        b = f.floor - xp.expm1(f.log_a) - c
        root = xp.abs(b) + xp.sqrt(b * b + 4.0 * c)
        return xp.log(xp.where(b > 0, 2.0 * c / root, 0.5 * root))

    def _solved(self, f: Facing, start: Array) -> tuple[Array, ...]:
        data = (*f[:5], *f.bends)
        bent = bool(f.bends or self.success.kinks)
        x = settle(self._tangent, data, start, _CLOSE_AT_BENDS if bent else _CLOSE)
        log_s, ell, _, _ = self._at(x, f)
        return ell, log_s

    def _with_caps(self, f: Facing) -> tuple[Array, ...]:
        ell, log_s = self._solved(f, self._start(f))
        return _redo(log_s > self.log_cap, (ell, log_s), self._verify_at_cap, f)

    def _verify_at_cap(self, f: Facing) -> tuple[Array, ...]:
        fixed = f._replace(level=f.level + self.alpha * (self.log_cap + self.per_s))
        return self.without_verifying(fixed)[0], self.log_cap + 0.0 * f.level

    def with_verifying(self, f: Facing) -> tuple[Array, ...]:
        """(ℓ, log s)."""
        if namespace(f.value) is not np:
            return self._with_caps(f)
        free = f._replace(bends=())  # few requests reach a cap
        ell, log_s = self._solved(free, self._start(free))
        past = self._past(ell, f.bends) | (log_s > self.log_cap)
        return _redo(past, (ell, log_s), self._with_caps, f)

    def solve(self, f: Facing) -> tuple[Array, Array, Array]:
        """(ℓ, log s, z = log y); log s means something if the verifying use is an effort."""
        ell, log_s = self.without_verifying(f) if self.alpha == 0 else self.with_verifying(f)
        z = f.level + self.growth * ell
        for weight, bend in zip(self.weights, f.bends, strict=True):
            z = z - weight * namespace(ell).maximum(ell - bend, 0.0)
        if self.alpha > 0:
            z = z + self.alpha * (namespace(ell).minimum(log_s, self.log_cap) + self.per_s)
        return ell, log_s, z


def _redo(
    where: Array, old: tuple[Array, ...], again: Callable[[Facing], tuple[Array, ...]], f: Facing
) -> tuple[Array, ...]:
    """``old`` with the elements ``where`` computed again: NumPy only those, JAX all or none."""
    xp = namespace(where)
    if xp is not np:
        from jax import lax

        def mixed() -> tuple[Array, ...]:
            return tuple(xp.where(where, b, a) for a, b in zip(old, again(f), strict=True))

        return lax.cond(xp.any(where), mixed, lambda: old)
    if not where.any():
        return old
    plain = {name: a[where] for name, a in f._asdict().items() if name != "bends"}
    part = Facing(**plain, bends=tuple(b[where] for b in f.bends))
    for a, b in zip(old, again(part), strict=True):
        a[where] = b
    return old
