"""The lane of one configuration: step time against batch, context and prefill.

The model is that of ``curves.lane``: a step of b sequences takes α + b(β + γ·context +
δ·mix). It is linear in its four coefficients, none of which may be negative; the error is
relative, and counted less the larger it is (soft-L1), since repeated runs of one
configuration differ by more than noise. b is the number of sequences that decode: those in
flight less those that wait for their first token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import t as student

from allocate.models.calibration.lanes import rows
from allocate.models.calibration.lanes.hardware import Machine
from allocate.models.calibration.statistics import UPPER
from allocate.models.curves.lane import Lane

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
NAMES = ("alpha_ms", "beta_ms", "gamma_ms_per_ktok", "delta_ms_per_ktok")
UNITS = ("ms", "ms", "ms/ktok", "ms/ktok")
_PER_UNIT = np.array([1e-3, 1e-3, 1e-6, 1e-6])
"""Seconds (per token) of one unit of each."""
SOFT = 0.05
"""Relative error from which the soft-L1 loss grows like its size, not its square."""
LEAN = 0.02
"""Weight of the roofline in directions that the data leave open, of one row's weight."""
FEWEST = 3
"""Rows a fit needs."""
_LEAST_LEFT = 0.05
"""Least share of a row's error that is taken to be left after the fit."""


@dataclass(frozen=True)
class LaneFit:
    """Four coefficients (units of ``NAMES``) with intervals, and how well they fit."""

    value: Floats
    low: Floats
    high: Floats
    open: NDArray[np.bool_]
    rows: int
    median_error: float
    p90_error: float
    batch: tuple[float, float]
    context: tuple[float, float]
    covariance: Floats = field(default_factory=lambda: np.eye(4))

    @property
    def lane(self) -> Lane:
        """The curve, in seconds."""
        return lane_of(self.value)


def lane_of(value: Floats) -> Lane:
    """Return the curve of four coefficients in the units of ``NAMES``."""
    alpha, beta, gamma, delta = (float(x) for x in value * _PER_UNIT)
    return Lane(alpha, beta, gamma, delta)


def terms(batch: Floats, context: Floats, mix: Floats) -> Floats:
    """Step time, ms, of a unit of each coefficient: columns α, β, γ, δ.

    The formula is the curve's own: a lane with one coefficient 1 and the others 0.
    """
    columns = [np.full_like(batch, 1.0)]
    for unit in np.eye(4)[1:]:
        lane = lane_of(unit)
        columns.append(1e3 * batch * lane.busy(1.0, mix, context))
    return np.stack(columns, axis=1)


def step_ms(value: Floats, batch: Floats, context: Floats, mix: Floats) -> Floats:
    """Step time, ms, of four coefficients."""
    return terms(batch, context, mix) @ value


def batch_of(frame: pl.DataFrame) -> Floats:
    """Sequences that decode at once in each row."""
    flight, osl, tpot = (
        frame[name].to_numpy().astype(float) for name in ("concurrency", "osl", "tpot_ms")
    )
    alone = frame["mix"].to_numpy() == 0
    ttft = frame["ttft_ms"].fill_null(0.0).to_numpy()
    return np.where(alone, flight, rows.decoding(flight, osl, tpot, ttft))


def context_of(frame: pl.DataFrame) -> Floats:
    """Mean context while decoding, tokens."""
    return frame["isl"].to_numpy() + frame["osl"].to_numpy() / 2.0


def fit(frame: pl.DataFrame, replica: Machine | None) -> LaneFit | None:
    """Fit one configuration; None below ``FEWEST`` rows or two batch sizes."""
    if frame.height < FEWEST:
        return None
    batch, context = batch_of(frame), context_of(frame)
    mix, measured = frame["mix"].to_numpy().astype(float), frame["tpot_ms"].to_numpy()
    if batch.max() < 1.2 * batch.min():
        return None
    x = terms(batch, context, mix)
    prior = None if replica is None else roofline(replica, batch, context, mix)
    value, loss = _solve(x, measured, prior)
    spread, closed, covariance = _spread(x, measured, value, prior, loss)
    error = np.abs(x @ value / measured - 1.0)
    if not (mix > 0).any():  # decoding alone says nothing about prefill: its own times do
        value[3], spread[3], closed[3] = _prefill(frame, value[3])
        covariance[3, :3] = covariance[:3, 3] = 0.0
    return LaneFit(
        value,
        np.maximum(value - spread, 0.0),
        value + spread,
        ~closed,
        frame.height,
        float(np.median(error)),
        float(np.quantile(error, 0.9)),
        (float(batch.min()), float(batch.max())),
        (float(context.min()), float(context.max())),
        covariance,
    )


def _prefill(frame: pl.DataFrame, otherwise: float) -> tuple[float, float, bool]:
    """Time of 1000 prompt tokens and its half-width, ms, from prompts timed alone."""
    timed = frame.filter(frame["ttft_ms"].is_not_null())
    if timed.height < FEWEST or timed["isl"].n_unique() < 2:
        return otherwise, np.inf, False
    tokens = (timed["isl"] * timed["concurrency"]).to_numpy().astype(float)
    x = np.stack([np.ones(len(tokens)), tokens / 1e3, *np.zeros((2, len(tokens)))], axis=1)
    measured = timed["ttft_ms"].to_numpy()
    value, weight = _solve(x, measured, None)
    spread, *_ = _spread(x, measured, value, None, weight)
    return float(value[1]), float(spread[1]), True


def _prior_rows(prior: Floats | None, used: int = 4) -> tuple[Floats, Floats]:
    """Rows that ask for coefficient / roofline = 1, of weight ``LEAN``."""
    if prior is None:
        return np.empty((0, used)), np.empty(0)
    lean = np.where(prior > 0, LEAN / np.where(prior > 0, prior, 1.0), 0.0)
    return np.diag(lean), np.where(prior > 0, LEAN, 0.0)


def _solve(x: Floats, measured: Floats, prior: Floats | None) -> tuple[Floats, Floats]:
    """Iteratively reweighted non-negative least squares; the weights of the last pass too."""
    weight = np.ones(len(measured))
    extra, target = _prior_rows(prior)
    value = np.zeros(4)
    for _ in range(30):
        scaled = x * (weight / measured)[:, None]
        value, _ = nnls(np.vstack([scaled, extra]), np.concatenate([weight, target]))
        off = x @ value / measured - 1.0
        now = (1.0 + (off / SOFT) ** 2) ** -0.25
        if np.abs(now - weight).max() < 1e-6:
            break
        weight = now
    return value, weight


def _spread(
    x: Floats, measured: Floats, value: Floats, prior: Floats | None, weight: Floats
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Half-widths at ``LEVEL``, which coefficients the data determine, and their covariance.

    Sandwich covariance (Huber 1967) of the weighted relative errors, each over what its leverage
    leaves of it (HC3, MacKinnon and White 1985), for small samples. A coefficient at its bound
    of 0 is freed for this.
    """
    relative = x / measured[:, None]
    weighted = relative * weight[:, None] ** 2
    extra, _ = _prior_rows(prior)
    bread = relative.T @ weighted + extra.T @ extra
    scale = np.sqrt(np.diag(bread))
    scale[scale == 0] = 1.0
    inverse = np.linalg.pinv(bread / np.outer(scale, scale), rcond=1e-10) / np.outer(scale, scale)
    # a row far out, the largest batch with the longest prompt, pulls the fit to itself: what is
    # left of its error is (1 - leverage) of it
    pulling = relative * weight[:, None]
    leverage = np.einsum("ij,jk,ik->i", pulling, inverse, pulling)
    kept = np.maximum(1.0 - leverage, _LEAST_LEFT)
    off = ((relative @ value - 1.0) / kept)[:, None]
    free = max(1, len(measured) - 4)
    meat = (weighted * off).T @ (weighted * off)
    meat = meat + extra.T @ extra  # what leans on the roofline is known to its own size only
    covariance = inverse @ meat @ inverse
    half = student.ppf(UPPER, free) * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return half, _determined(pulling), covariance


def _determined(x: Floats) -> NDArray[np.bool_]:
    """Which columns are not nearly a combination of the others."""
    out = np.zeros(4, bool)
    for j in range(4):
        size = np.linalg.norm(x[:, j])
        if size == 0:
            continue
        others = np.delete(x, j, axis=1)
        rest = x[:, j] - others @ np.linalg.lstsq(others, x[:, j], rcond=1e-9)[0]
        out[j] = np.linalg.norm(rest) > 0.03 * size
    return out


def roofline(replica: Machine, batch: Any, context: Any, mix: Any) -> Floats:
    """Coefficients of the lane that lies nearest to a replica's roofline over a range."""
    batch, context, mix = (np.asarray(v, float) for v in (batch, context, mix))
    lows = (batch.min(), context.min(), max(mix.min(), 0.0))
    highs = (batch.max(), context.max(), mix.max())
    grid = np.meshgrid(
        np.geomspace(max(lows[0], 1.0), max(highs[0], 2.0, 2 * lows[0]), 8),
        np.linspace(lows[1], max(highs[1], 2.0 * lows[1]), 3),
        np.linspace(lows[2], max(highs[2], 1.0), 3),
        indexing="ij",
    )
    b, c, m = (axis.ravel() for axis in grid)
    x, y = terms(b, c, m), replica.step_s(b, c, m) * 1e3
    value, _ = nnls(x / y[:, None], np.ones(len(y)))
    return value


def ttft_ms(value: Floats, isl: Floats, osl: Floats, mix: Floats, flight: Floats) -> Floats:
    """TTFT, ms, that the lane form predicts with so many requests in flight."""
    tpot = tpot_in_flight(value, isl, osl, mix, flight)
    lane = lane_of(value)
    return 1e3 * lane.ttft(isl, np.minimum(lane.utilisation(tpot / 1e3), 1 - 1e-9))


def tpot_in_flight(value: Floats, isl: Floats, osl: Floats, mix: Floats, flight: Floats) -> Floats:
    """TPOT, ms, that the lane form predicts with so many requests in flight.

    TTFT is δ·prompt·τ/α by the curve, so the share of those in flight that decode,
    osl·τ/(osl·τ + TTFT), does not depend on τ.
    """
    alpha, delta = value[0], value[3]
    wait = np.where(mix > 0, delta * isl / 1e3 / max(alpha, 1e-9), 0.0)
    return step_ms(value, flight * osl / (osl + wait), isl + osl / 2.0, mix)
