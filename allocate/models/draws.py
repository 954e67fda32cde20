"""Draws of a config's calibrated numbers, from their 90 % intervals.

A number x with interval [l, h] is drawn as x·(h/x)^(z/1.645) for z ≥ 0 and x·(x/l)^(z/1.645) for
z < 0, z standard normal: its median is x, and 5 % of the draws lie below l and above h each. Where
l is not above 0 the same is done in differences in place of logarithms, cut at 0. Numbers of a
linear fit, whose interval was cut at 0, are x + (h − x)·z/1.645, drawn again until all that go
together keep their bounds. Numbers whose fit gives correlations of their errors get correlated z
(Gaussian copula); all others are independent. The points of a curve share one z, and the curve is
kept rising and concave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allocate.models.calibrated import Calibrated
from allocate.models.calibration.statistics import NORMAL, majorant
from allocate.models.config import Config
from allocate.models.measured import is_calibrated, value_of

Floats = NDArray[np.float64]
_TRIES = 1000


@dataclass(frozen=True)
class Number:
    """One number that is drawn, or the heights of a curve's points.

    ``x`` are the points' abscissae, None for a plain number; ``scale`` are those on which the
    curve is concave, efforts in place of multiples of tokens.
    """

    path: str
    known: Calibrated
    middle: Floats
    low: Floats
    high: Floats
    x: Floats | None = None
    scale: Floats | None = None

    @property
    def log(self) -> bool:
        """Whether it is drawn on a scale of logarithms."""
        above = bool(np.all(self.low > 0) and np.all(self.middle > 0))
        return self.x is None and above and not self.known.normal

    @property
    def distribution(self) -> str:
        """The distribution's name, for people."""
        if self.x is not None:
            return "two-piece normal, all points together, kept rising and concave"
        if self.known.normal:
            return "normal within its bounds, with those it is correlated with"
        return "two-piece lognormal" if self.log else "two-piece normal, cut at its bounds"

    def keeps(self, z: float) -> bool:
        """Whether a standard normal z need not be drawn again."""
        if not self.known.normal:
            return True
        there = float(self.middle[0] + (self.high[0] - self.middle[0]) * z / NORMAL)
        return self.bounds[0] <= there <= self.bounds[1]

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and most that is drawn."""
        least, most = self.known.least, self.known.most
        return 0.0 if least is None else least, np.inf if most is None else most

    def at(self, z: float) -> Any:
        """The value at a standard normal z, as a config takes it."""
        both = self.known.normal
        end = self.high if z >= 0 or both else self.low
        steps = z / NORMAL if both else abs(z) / NORMAL
        if self.log:
            out = self.middle * (end / self.middle) ** steps
        else:
            out = self.middle + (end - self.middle) * steps
        out = np.clip(out, *self.bounds)
        if self.x is None or self.scale is None:
            return float(out[0])
        kept = rising(self.scale, out)
        return [[float(a), float(b)] for a, b in zip(self.x, kept, strict=True)]


@dataclass(frozen=True)
class Drawable:
    """The numbers of a config that can be drawn; why others are not; how errors go together."""

    numbers: tuple[Number, ...]
    kept: tuple[tuple[str, str], ...]
    correlation: Floats

    def correlated_with(self, k: int) -> list[str]:
        """Paths of the numbers whose errors go with those of number k."""
        row = self.correlation[k]
        return [n.path for j, n in enumerate(self.numbers) if j != k and row[j] != 0.0]


def drawable(config: Config) -> Drawable:
    """Find what can be drawn: numbers with an interval that the config still holds."""
    numbers: list[Number] = []
    kept: list[tuple[str, str]] = []
    for path, known in config.calibrated.items():
        found = _number(config, path, known)
        if isinstance(found, Number):
            numbers.append(found)
        else:
            kept.append((path, found))
    return Drawable(tuple(numbers), tuple(kept), _correlation(numbers))


def _number(config: Config, path: str, known: Calibrated) -> Number | str:
    """A number that can be drawn, or why it cannot."""
    if not is_calibrated(config, path, known):
        return "the config holds another number than was calibrated"
    if known.low is None or known.high is None:
        return "it has no interval"
    middle, low, high = (
        np.atleast_1d(np.asarray(v, float)) for v in (known.value, known.low, known.high)
    )
    if not len(middle) == len(low) == len(high):
        return "its interval has another number of points"
    if np.all(low == high):
        return "its interval has no width"
    if np.any(low > middle) or np.any(middle > high):
        return "its interval does not hold its value"
    there = value_of(config, path)
    if isinstance(there, int | float):
        return Number(path, known, middle, low, high)
    x = np.array([float(p[0]) for p in there])
    power = 1.0
    if path.endswith(".success.points"):
        power = min(sum(use.exponent for use in config.token_uses.values()) or 1.0, 1.0)
    return Number(path, known, middle, low, high, x, x**power)


def _correlation(numbers: Sequence[Number]) -> Floats:
    """The nearest correlation matrix to what the fits say: negative eigenvalues are cut."""
    at = {n.path: k for k, n in enumerate(numbers)}
    out = np.eye(len(numbers))
    for n in numbers:
        for other, value in n.known.correlation.items():
            if other in at and other != n.path:
                out[at[n.path], at[other]] = out[at[other], at[n.path]] = value
    return out


def draws(found: Drawable, count: int, seed: int) -> list[dict[str, Any]]:
    """Draw values: [count] dotted path → value, as ``--set`` takes them.

    Draw i of a seed is the same whatever ``count`` is.
    """
    out: list[dict[str, Any]] = [{} for _ in range(count)]
    for k, group in enumerate(groups(found.correlation)):
        rng = np.random.default_rng([seed, k])
        root = _root(found.correlation[np.ix_(group, group)])
        numbers = [found.numbers[j] for j in group]
        for values in out:
            z = _kept(rng, root, numbers)
            values |= {n.path: n.at(float(v)) for n, v in zip(numbers, z, strict=True)}
    return out


def _kept(rng: np.random.Generator, root: Floats, numbers: Sequence[Number]) -> Floats:
    """Standard normals with which all numbers keep their bounds, or the last of many."""
    z = root @ rng.standard_normal(len(numbers))
    for _ in range(_TRIES):
        if all(n.keeps(float(v)) for n, v in zip(numbers, z, strict=True)):
            break
        z = root @ rng.standard_normal(len(numbers))
    return z


def groups(correlation: Floats) -> list[list[int]]:
    """Numbers whose errors go together, directly or through others, in their order."""
    left, out = set(range(len(correlation))), []
    for k in range(len(correlation)):
        if k not in left:
            continue
        group, new = set(), {k}
        while new:
            group |= new
            new = {j for i in new for j in np.flatnonzero(correlation[i])} - group
        left -= group
        out.append(sorted(int(j) for j in group))
    return out


def _root(correlation: Floats) -> Floats:
    """R with R·Rᵀ the correlation; rows are scaled back to 1 where it had to be mended."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    size = np.linalg.norm(root, axis=1, keepdims=True)
    return root / np.where(size > 0, size, 1.0)


def rising(x: Floats, y: Floats) -> Floats:
    """Heights made rising and concave from (0, 0)."""
    return majorant(np.append(0.0, x), np.append(0.0, np.maximum.accumulate(y)))[1:]
