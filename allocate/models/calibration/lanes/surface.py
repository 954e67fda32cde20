"""Times measured on an engine, smoothed and carried to loads and machines not measured.

The logarithm of a measured time over its roofline is a Gaussian process (Rasmussen and
Williams 2006, chapter 2) of load, prompt and answer length. Its covariance is a sum: a part
for all engines, parts shared by one architecture, GPU, engine or family of configurations,
and a part of the configuration itself. So a load that was not measured is filled in from the
neighbouring loads, and a GPU that was never seen under a model from that GPU under other
models. Outliers count less: the noise is Student's t, by reweighting.

What is left out of a fit is predicted in closed form from the fit's own inverse (their (5.12)
for whole blocks), so that holding out every level in turn costs no refit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, get_lapack_funcs

from allocate.models.calibration.lanes import rows
from allocate.models.calibration.lanes.hardware import Books, Machine, machine

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
_FAMILY = tuple(name for name in rows.CONFIGURATION if name != "version")
_PARTS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "architecture": ("architecture",),
    "gpu": ("gpu",),
    "software": ("engine", "precision"),
    "port": ("architecture", "engine", "precision"),
    "pair": ("architecture", "gpu", "engine", "precision"),
    "family": _FAMILY,
    "configuration": rows.CONFIGURATION,
}
_NEAR = ("family", "configuration")
"""Parts with the shorter scale; the others move slowly and with the number of GPUs."""
PASSES = 3
"""Times that outliers are weighed anew."""
MOST = 6000
"""Rows a fit takes; memory and time grow with the square and cube."""


@dataclass(frozen=True)
class Scales:
    """Standard deviations of the parts, in logarithms, and the scales on which they move.

    Chosen once on the TTFT/TPOT table by leaving out levels and pairs
    (``benchmarks/evidence/calibration_lanes.py`` says how well that went).
    """

    offset: float
    engine: float
    parts: Mapping[str, float]
    slope: float
    noise: float
    near: float
    wide: float
    length: float
    gpus: float
    freedom: float = 3.0


TPOT = Scales(
    offset=0.3,
    engine=0.07,
    parts={
        "all": 0.15, "architecture": 0.2, "gpu": 0.1, "software": 0.1, "port": 0.2,
        "pair": 0.08, "family": 0.08, "configuration": 0.64,
    },
    slope=0.05, noise=0.08, near=6.0, wide=3.0, length=0.75, gpus=1.0,
)  # fmt: skip
TTFT = Scales(
    offset=0.11,
    engine=0.6,
    parts={
        "all": 0.9, "architecture": 0.44, "gpu": 0.21, "software": 0.0, "port": 0.0,
        "pair": 1.23, "family": 0.11, "configuration": 0.96,
    },
    slope=0.04, noise=0.17, near=3.0, wide=6.0, length=1.5, gpus=4.0,
)  # fmt: skip


@dataclass
class Design:
    """What the covariance is told of rows: labels by part, and logarithms of the sizes."""

    labels: dict[str, NDArray[np.str_]]
    engine: NDArray[np.str_]
    load: Floats
    gpus: Floats
    roofline: dict[str, Floats]

    @staticmethod
    def of(frame: pl.DataFrame, books: Books) -> Design:
        """Describe the rows of a canonical frame."""
        machines = machines_of(frame, books)
        names = [_architecture(m, name) for m, name in zip(machines, frame["model"], strict=True)]
        cells = {n: frame[n].cast(str).to_list() for n in rows.CONFIGURATION}
        cells["architecture"] = names
        labels = {
            part: np.array(["|".join(c) for c in zip(*(cells[n] for n in columns), strict=True)])
            if columns
            else np.full(frame.height, "")
            for part, columns in _PARTS.items()
        }
        sizes = (frame[name].to_numpy().astype(float) for name in ("concurrency", "isl", "osl"))
        step, prefill = rooflines(frame, machines)
        return Design(
            labels,
            np.array(cells["engine"], str),
            np.log(np.stack(list(sizes), axis=1)),
            np.log(replica_gpus(frame, books)),
            {"tpot_ms": step, "ttft_ms": prefill},
        )


def _architecture(replica: Machine | None, name: str) -> str:
    return name if replica is None else f"{replica.weights.total:.4g}/{replica.weights.active:.4g}"


def machines_of(frame: pl.DataFrame, books: Books) -> list[Machine | None]:
    """Build the replica of each row; None where geometry or data sheet is not known."""
    built: dict[tuple[Any, ...], Machine | None] = {}
    out = []
    sizes = replica_gpus(frame, books)
    keys = zip(frame["model"], frame["gpu"], frame["precision"], sizes, frame["dp"], strict=True)
    for key in keys:
        if key not in built:
            built[key] = machine(books, *key)
        out.append(built[key])
    return out


def replica_gpus(frame: pl.DataFrame, books: Books) -> Floats:
    """GPUs of each row's replica: tensor × pipeline × data parallel.

    The public TTFT/TPOT table multiplies two sizes that are the same GPUs (64 where engine
    ran on a node of 8). A square that is more than a node holds is therefore taken for its
    root, on GPUs that are sold in nodes of 8.
    """
    count = rows.gpus(frame).astype(float)
    for gpu in frame["gpu"].unique():
        sheet = books.gpu(gpu)
        if sheet is None or sheet.get("num_gpus_per_node") != 8:
            continue
        root = np.sqrt(count)
        twice = (frame["gpu"].to_numpy() == gpu) & (count > 8) & (root <= 8) & (root % 1 == 0)
        count = np.where(twice, root, count)
    return count


def rooflines(frame: pl.DataFrame, machines: Sequence[Machine | None]) -> tuple[Floats, Floats]:
    """Return roofline TPOT and TTFT of each row, ms; NaN where the replica is not known."""
    batch, isl, osl, mix = (
        frame[name].to_numpy().astype(float) for name in ("concurrency", "isl", "osl", "mix")
    )
    step, prefill = np.full(frame.height, np.nan), np.full(frame.height, np.nan)
    for replica in {id(m): m for m in machines if m is not None}.values():
        here = np.array([m is replica for m in machines])
        step[here] = replica.step_s(batch[here], isl[here] + osl[here] / 2, mix[here])
        prefill[here] = replica.prefill_s(isl[here])
    return step * 1e3, prefill * 1e3


@dataclass
class Surface:
    """A fitted surface of one time; see the module."""

    scales: Scales
    target: str
    design: Design
    base: dict[str, float]
    measured: Floats
    weights: Floats = field(default_factory=lambda: np.empty(0))
    factor: tuple[Floats, bool] = field(default_factory=lambda: (np.empty((0, 0)), True))

    @staticmethod
    def fit(design: Design, measured: Floats, target: str, scales: Scales) -> Surface:
        """Fit to ``measured`` times (ms) of the design's rows."""
        surface = Surface(scales, target, design, {}, np.log(measured))
        surface.base = surface._bases()
        residual = surface.measured - surface._mean(design)
        covariance = surface._covariance(design, design)
        noise = np.full(len(residual), scales.noise**2)
        for _ in range(PASSES):
            surface.factor = cho_factor(covariance + np.diag(noise), lower=True)
            surface.weights = cho_solve(surface.factor, residual)
            off = surface.weights * noise / scales.noise  # what is left, in deviations
            noise = scales.noise**2 * (scales.freedom + off**2) / (scales.freedom + 1.0)
        return surface

    def predict(self, design: Design) -> Floats:
        """Predict the time (ms) of rows."""
        return np.exp(self._mean(design) + self._covariance(design, self.design) @ self.weights)

    def left_out(self, blocks: Sequence[NDArray[np.intp]]) -> Floats:
        """Predict each block of the fit's rows from all the others; NaN outside the blocks."""
        out = np.full(len(self.measured), np.nan)
        inverse = _inverse(self.factor[0])
        for block in blocks:
            gone = np.linalg.solve(inverse[np.ix_(block, block)], self.weights[block])
            out[block] = self.measured[block] - gone
        return np.exp(out)

    def _bases(self) -> dict[str, float]:
        """Mean logarithm by configuration where there is no roofline."""
        lacks = np.isnan(self.design.roofline[self.target])
        labels = self.design.labels["configuration"]
        bases = {"": float(np.median(self.measured))}
        for label in np.unique(labels[lacks]):
            bases[str(label)] = float(np.median(self.measured[lacks & (labels == label)]))
        return bases

    def _mean(self, design: Design) -> Floats:
        labels = design.labels["configuration"]
        other = np.array([self.base.get(str(label), self.base[""]) for label in labels])
        roofline = design.roofline[self.target]
        return np.where(np.isnan(roofline), other, np.log(np.where(roofline > 0, roofline, 1.0)))

    def _covariance(self, a: Design, b: Design) -> Floats:
        s = self.scales
        squares = [(a.load[:, i, None] - b.load[None, :, i]) ** 2 for i in range(3)]
        lengths = (squares[1] + squares[2]) / s.length**2
        near = _matern((squares[0] + lengths) / s.near**2)
        apart = (a.gpus[:, None] - b.gpus[None, :]) ** 2 / s.gpus**2
        wide = _matern((squares[0] + lengths) / s.wide**2 + apart)
        total = np.full(near.shape, s.offset**2)
        total += s.engine**2 * (a.engine[:, None] == b.engine[None, :])
        for part, size in s.parts.items():
            same = _same(a.labels[part], b.labels[part])
            total += size**2 * same * (near if part in _NEAR else wide)
            if part == "configuration":
                centre = np.array([3.5, 7.5, 6.5])  # logarithms of middling sizes
                lines = 1.0 + (a.load - centre) @ (b.load - centre).T
                total += s.slope**2 * same * lines
        return total


def _inverse(lower: Floats) -> Floats:
    """Invert a matrix from its lower Cholesky factor, at half the cost of a plain inverse."""
    (potri,) = get_lapack_funcs(("potri",), (lower,))
    half, info = potri(lower, lower=1)
    assert info == 0
    return np.tril(half) + np.tril(half, -1).T


def _same(a: NDArray[np.str_], b: NDArray[np.str_]) -> NDArray[np.bool_]:
    names, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    return codes[: len(a), None] == codes[None, len(a) :]


def _matern(squared: Floats) -> Floats:
    """Matérn covariance of order 3/2."""
    root = np.sqrt(3.0 * squared)
    return (1.0 + root) * np.exp(-root)
