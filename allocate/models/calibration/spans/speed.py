"""How fast each API answers: seconds of a call against the tokens it wrote."""

from __future__ import annotations

from functools import partial

import numpy as np

from allocate.models.calibration.result import Parameter
from allocate.models.calibration.spans.requests import Requests
from allocate.models.calibration.statistics import Floats, jackknife

LEAST_CALLS = 40
GROUPS = 20


def speeds(requests: Requests) -> list[Parameter]:
    """Fit seconds = ttft + tpot × output tokens for each model with enough calls.

    A soft-L1 loss on seconds, since a few calls wait in a queue; both terms at least 0. A
    model whose calls all write about the same number of tokens has no slope and is left out.
    """
    found = []
    for model, calls in sorted(requests.calls.items()):
        tokens, seconds = np.array(calls, dtype=np.float64).reshape(-1, 2).T
        if len(tokens) < LEAST_CALLS or tokens.std() < 0.05 * tokens.mean():
            continue
        value, low, high = jackknife(partial(_kept_line, tokens, seconds), GROUPS)
        error = np.abs(value[0] + value[1] * tokens - seconds) / np.maximum(seconds, 1e-9)
        fit = {
            "method": "seconds over output tokens of calls, soft-L1",
            "rows": len(tokens),
            "goodness": {"median_relative_error": float(np.median(error))},
            "seen": [float(tokens.min()), float(tokens.max())],
            "of": "output tokens of a call",
        }
        for i, (name, scale, unit) in enumerate((("ttft_s", 1, "s"), ("tpot_ms", 1e3, "ms"))):
            ends = (value[i], max(low[i], 0.0), high[i])
            at, least, most = (float(end) * scale for end in ends)
            found.append(Parameter(f"models.{model}.{name}", at, least, most, unit, dict(fit)))
    return found


def _kept_line(tokens: Floats, seconds: Floats, w: Floats) -> Floats:
    kept = w[np.arange(len(tokens)) % GROUPS] > 0
    return _line(tokens[kept], seconds[kept])


def _line(tokens: Floats, seconds: Floats) -> Floats:
    from scipy.optimize import least_squares

    scale = max(float(np.median(seconds)), 1e-9)
    start = np.array([0.1 * scale, 0.9 * scale / max(float(np.median(tokens)), 1e-9)])
    fit = least_squares(
        lambda p: (p[0] + p[1] * tokens - seconds) / scale,
        np.maximum(start, 1e-12),
        loss="soft_l1",
        f_scale=0.1,
        bounds=(0.0, np.inf),
        x_scale=start,
    )
    return np.asarray(fit.x, dtype=np.float64)
