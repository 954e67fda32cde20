"""Curves of one form side by side: their numbers become arrays over the last axis.

The formulas broadcast, so many models with success curves of one kind are answered in one
go: a compiled pass is then as long as there are forms, not as there are models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from allocate.models.curves.effort import Effort
from allocate.models.curves.request import RequestCurve


def form_of(curve: RequestCurve) -> tuple[Any, ...]:
    """What two curves must share to be stacked; if not smooth, a curve equals only itself."""
    kind = type(curve.success).__name__
    alone = None if curve.success.smooth else curve.success
    verify = curve.risk.use if curve.risk.verifiable else None
    reference = None if verify is None else curve.effort.references[verify]
    return (
        kind,
        alone,
        curve.success.flat,
        curve.target,
        curve.effort.exponents,
        reference,
        curve.caps,
        verify,
        curve.risk.tokens if verify is not None else None,
    )


def stacked(curves: Sequence[RequestCurve]) -> RequestCurve:
    """One curve whose numbers are arrays [len(curves)]; all must be of one form."""
    first = curves[0]
    if len(curves) == 1:
        return first
    success: Any = first.success
    numbers = [f.name for f in fields(success) if f.name != "kinks"]
    if success.smooth:
        columns = {n: np.array([getattr(c.success, n) for c in curves]) for n in numbers}
        success = replace(success, **columns)
    verify = first.risk.use if first.risk.verifiable else None
    references = tuple(
        first.effort.references[j]
        if j == verify
        else np.array([c.effort.references[j] for c in curves])
        for j in range(len(first.caps))
    )
    return replace(
        first,
        success=success,
        effort=Effort(first.effort.exponents, references),  # type: ignore[arg-type]
        risk=replace(first.risk, rate=np.array([c.risk.rate for c in curves])),
    )
