"""What each number of a fragment rests on, as the config's section ``calibrated`` takes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from allocate.models.calibrated import Driver

if TYPE_CHECKING:
    from allocate.models.calibration.result import Source

Numbers = float | Sequence[float]
_DIGITS = 6
_SOURCES = 3
_LEAST = 0.005
"""A correlation below this is none."""


def ground(
    value: Numbers,
    low: Numbers,
    high: Numbers,
    unit: str = "",
    fit: Mapping[str, Any] | None = None,
    of: Driver | None = None,
    seen: Sequence[float] | None = None,
    correlation: Mapping[str, float] | None = None,
    least: float = 0.0,
    most: float = math.inf,
    normal: bool = False,
) -> dict[str, Any]:
    """One entry of ``calibrated``.

    Args:
        value: the number as the fragment holds it, or the heights of a curve's points.
        low: end of its 90 % interval; not finite where it is not known.
        high: the other end.
        unit: of all three.
        fit: as ``Parameter.fit``: method, rows, goodness.
        of: which quantity of an answer ``seen`` is about.
        seen: its least and most in the data.
        correlation: dotted path of another number → correlation of the errors.
        least: no draw is below it.
        most: no draw is above it.
        normal: the errors are those of a linear fit, whose interval was cut at ``least``.
    """
    fit = fit or {}
    found = fit.get("goodness")
    goodness = {k: _short(v) for k, v in found.items()} if isinstance(found, Mapping) else None
    out = {
        "value": _short(value),
        "low": _short(low),
        "high": _short(high),
        "normal": normal or None,
        "least": least or None,
        "most": _short(most),
        "unit": unit,
        "of": of,
        "seen": None if seen is None else [_short(end) for end in seen],
        "method": fit.get("method"),
        "rows": fit.get("rows"),
        "goodness": goodness,
        "correlation": correlation and dict(correlation),
    }
    return {key: kept for key, kept in out.items() if kept not in (None, "", {})}


def _short(value: Any) -> Any:
    if isinstance(value, Sequence | np.ndarray):
        return [_short(v) for v in value]
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")


def correlations(paths: Sequence[str], covariance: Any) -> dict[str, dict[str, float]]:
    """Correlations of each of some numbers with those after it, of their covariance."""
    covariance = np.asarray(covariance, float)
    size = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale = np.outer(size, size)
    matrix = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    out: dict[str, dict[str, float]] = {path: {} for path in paths}
    for i, path in enumerate(paths):
        for j in range(i + 1, len(paths)):
            value = round(float(np.clip(matrix[i, j], -1.0, 1.0)), 4)
            if abs(value) >= _LEAST:
                out[path][paths[j]] = value
    return out


def together(paths: Sequence[str]) -> dict[str, dict[str, float]]:
    """Correlations of numbers that are off by one common error."""
    return correlations(paths, np.ones((len(paths), len(paths))))


def with_source(entries: Mapping[str, dict[str, Any]], sources: Sequence[Source]) -> dict[str, Any]:
    """Entries with the files that they come from, each with the beginning of its hash."""
    named = [f"{s.name} sha256:{s.sha256[:16]}" for s in sources[:_SOURCES]]
    if len(sources) > _SOURCES:
        named.append(f"{len(sources) - _SOURCES} more in calibration.json")
    return {path: entry | {"source": ", ".join(named)} for path, entry in entries.items()}
