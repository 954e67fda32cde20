"""The effort index of a bundle of complementary token uses, the paper's (8).

Y = Π_j (t_j / reference_j)^{α_j}, Σα ≤ 1, dimensionless. Concave on t ≥ 0: a weighted
geometric mean of the t_j and of the constant 1 (weight 1 − Σα). As a flow, with T = x·t,
x·Y(T/x) = x^{1−Σα} Π (T_j/reference_j)^{α_j} is a weighted geometric mean of x and T,
hence jointly concave: one power cone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allocate.models.curves.namespace import namespace

Array = Any


@dataclass(frozen=True)
class Effort:
    """Exponents and reference tokens of J uses, in the program's order of uses."""

    exponents: tuple[float, ...]
    references: tuple[float, ...]

    @property
    def total(self) -> float:
        """Σα."""
        return float(sum(self.exponents))

    def value(self, tokens: Array) -> Array:
        """Y of ``tokens`` [..., J]; 0 if a use with α > 0 gets nothing."""
        xp = namespace(tokens)
        y = xp.ones(tokens.shape[:-1])
        for j, (a, r) in enumerate(zip(self.exponents, self.references, strict=True)):
            if a > 0:
                y = y * (tokens[..., j] / r) ** a
        return y

    def cone(self, requests: Any, tokens: list[Any], effort: Any) -> list:
        """CVXPY constraints for effort ≤ requests^{1−Σα} Π (tokens_j/reference_j)^{α_j}.

        ``requests`` and ``effort`` are vectors, ``tokens`` one vector a use.
        """
        import cvxpy as cp

        used = [j for j, a in enumerate(self.exponents) if a > 0]
        factors = [tokens[j] / self.references[j] for j in used]
        weights = [self.exponents[j] for j in used]
        if not used:
            return [effort <= requests]
        if 1.0 - self.total > 1e-12:
            factors.append(requests)
            weights.append(1.0 - self.total)
        if len(factors) == 1:
            return [effort <= factors[0]]
        if len(factors) == 2:
            return [cp.PowCone3D(factors[0], factors[1], effort, weights[0])]
        # a chain of three-dimensional power cones: every solver with power cones takes it
        rows, running, weight = [], factors[0], weights[0]
        for i in range(1, len(factors)):
            share = weight / (weight + weights[i])
            step = effort if i == len(factors) - 1 else cp.Variable(requests.shape, nonneg=True)
            rows.append(cp.PowCone3D(running, factors[i], step, share))
            running, weight = step, weight + weights[i]
        return rows


def of_multiple(multiple: Array, total: float) -> Array:
    """Y of a multiple c of the reference bundle, c^Σα, for exponents that sum to ``total``."""
    return multiple**total
