"""Success against tokens: a power law of failures, with what other models teach it.

The share of failures falls as a power of tokens: q = 1 − c·Y^{−s}, the curve
``PowerLaw`` with ceiling 1, Y = tokens over the reference run's. Counts of solved tasks are
binomial. A model seen at few efforts borrows the slope s from the others: s is normal around
their mean (empirical Bayes). s ≥ 0, so the curve rises and is concave; a score that falls with
tokens is said to disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from allocate.models.calibration.statistics import NORMAL
from allocate.models.curves.success import PowerLaw

Floats = NDArray[np.float64]
_FLAT = 1e-4
APART = 0.2
"""Logarithm of tokens by which efforts differ at least, to tell a slope."""


class Slope(NamedTuple):
    """Mean and spread of s over models, and how many of them told it; 0: it was set before."""

    mean: float
    spread: float
    models: int = 0


SLOPE = Slope(0.15, 0.15)
"""Where fewer than three models tell: the public Aider board's mean, rounded."""


@dataclass(frozen=True)
class Runs:
    """One model's runs: tokens per case, cases, and how many were solved."""

    tokens: Floats
    cases: Floats
    solved: Floats

    @property
    def wide(self) -> bool:
        """Whether its efforts differ enough in tokens to tell a slope."""
        return len(self.tokens) > 1 and bool(np.ptp(np.log(self.tokens)) > APART)

    def without(self, i: int) -> Runs:
        """All runs but one."""
        keep = np.arange(len(self.tokens)) != i
        return Runs(self.tokens[keep], self.cases[keep], self.solved[keep])


@dataclass(frozen=True)
class Fit:
    """c and s with intervals; ``reference`` is the tokens at which Y = 1."""

    reference: float
    coefficient: tuple[float, float, float]
    exponent: tuple[float, float, float]
    covariance: Floats
    falls: bool

    @property
    def curve(self) -> PowerLaw:
        """The curve over Y = tokens/reference."""
        return PowerLaw(1.0, self.coefficient[0], self.exponent[0])

    def success(self, tokens: Floats) -> Floats:
        """Predicted success at tokens per case, 0 to 1."""
        effort = np.asarray(tokens, float) / self.reference
        return np.clip(np.asarray(self.curve.value(effort)), 0.0, 1.0)

    def interval(self, tokens: float) -> tuple[float, float]:
        """Interval of the success at tokens per case, of the curve alone."""
        x = np.array([1.0, -np.log(tokens / self.reference)])
        middle = np.log(self.coefficient[0]) - self.exponent[0] * np.log(tokens / self.reference)
        reach = NORMAL * np.sqrt(x @ self.covariance @ x)
        ends = 1.0 - np.exp([middle + reach, middle - reach])
        return float(max(ends[0], 0.0)), float(min(ends[1], 1.0))


def reference(runs: Runs) -> float:
    """Tokens of the middle run, which a config calls effort 1."""
    return float(np.sort(runs.tokens)[len(runs.tokens) // 2])


def fit(runs: Runs, slope: Slope = SLOPE, at: float | None = None) -> Fit:
    """Fit c and s by maximum posterior, with s ~ normal(mean, spread) cut at 0."""
    base = at or reference(runs)
    x = np.log(runs.tokens / base)
    failed = runs.cases - runs.solved

    def loss(p: Floats) -> float:
        share = np.clip(np.exp(p[0] - p[1] * x), 1e-9, 1 - 1e-9)
        fits = failed * np.log(share) + runs.solved * np.log1p(-share)
        return float(-fits.sum() + 0.5 * ((p[1] - slope.mean) / slope.spread) ** 2)

    share = float(np.clip(failed.sum() / runs.cases.sum(), 1e-3, 1 - 1e-3))
    bounds = [(-9.0, 0.0), (_FLAT, 5.0)]
    done = minimize(loss, [np.log(share), slope.mean], method="L-BFGS-B", bounds=bounds)
    a, s = done.x
    covariance = _covariance(x, runs, a, s, slope.spread)
    z = NORMAL
    da, ds = z * np.sqrt(np.diag(covariance))
    spread = (float(np.exp(a)), float(np.exp(a - da)), float(min(1.0, np.exp(a + da))))
    slopes = (float(s), float(max(0.0, s - ds)), float(s + ds))
    return Fit(base, spread, slopes, covariance, _falls(runs))


def _covariance(x: Floats, runs: Runs, a: float, s: float, spread: float) -> Floats:
    """Inverse expected information of (log c, s), with the prior's."""
    share = np.clip(np.exp(a - s * x), 1e-6, 1 - 1e-6)
    weight = runs.cases * share / (1 - share)  # of a log share, binomial
    design = np.stack([np.ones_like(x), -x], axis=1)
    information = design.T @ (weight[:, None] * design) + np.diag([1e-9, 1 / spread**2])
    return np.asarray(np.linalg.inv(information), dtype=np.float64)


def _falls(runs: Runs) -> bool:
    """Whether some run with more tokens solves fewer tasks, beyond counting error."""
    order = np.argsort(runs.tokens)
    share = runs.solved[order] / runs.cases[order]
    deviation = np.sqrt(np.maximum(share * (1 - share), 1e-4) / runs.cases[order])
    drop = share[:-1] - share[1:]
    limit = NORMAL * np.hypot(deviation[:-1], deviation[1:])
    return bool(np.any(drop > limit))


def slopes(families: Sequence[Runs]) -> Slope:
    """Mean and spread of s over models with several efforts (DerSimonian and Laird 1986)."""
    wide = [r for r in families if r.wide]
    if len(wide) < 3:
        return SLOPE
    fits = [fit(r, Slope(SLOPE.mean, 3.0)) for r in wide]
    s = np.array([f.exponent[0] for f in fits])
    variance = np.array([f.covariance[1, 1] for f in fits])
    weight = 1 / variance
    mean = float((weight * s).sum() / weight.sum())
    spare = float((weight * (s - mean) ** 2).sum()) - (len(s) - 1)
    between = max(0.0, spare / (weight.sum() - (weight**2).sum() / weight.sum()))
    weight = 1 / (variance + between)
    mean = float((weight * s).sum() / weight.sum())
    spread = float(max(np.sqrt(between + 1 / weight.sum()), 0.08))
    return Slope(max(mean, _FLAT), spread, len(wide))
