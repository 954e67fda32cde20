"""Whether successes are chances: what the curves and training say may leave 0 to 1."""

from __future__ import annotations

import numpy as np

from allocate.models.config import CobbDouglas, Model
from allocate.models.reading.answered import LEAST, Answered

_ROUNDING = 1e-9
_SHOWN = 5  # pairs of a class and a model that are told


def gained(answer: Answered) -> np.ndarray:
    """[flows] success points a request that training adds: capability times trainability."""
    stream, capability = answer.stream, answer.built.state.capability
    points = np.array([capability.get(a.labels["model"] or "", 0.0) for a in stream.arms])
    trainability = answer.built.classes.trainability[stream.origin[answer.flows.member]]
    return points[answer.flows.arm] * trainability


def no_chances(answer: Answered) -> list[str]:
    """A sentence on every class and model in use whose success is not within 0 and 1.

    The program values such a success like any other: 1.1 is worth a tenth more than 1.
    """
    stream, flows = answer.stream, answer.flows
    more = gained(answer)
    success = stream.amounts(flows)[:, -1] + more
    used = flows.requests > LEAST * stream.rate[flows.member]
    wrong = used & ((success < -_ROUNDING) | (success > 1.0 + _ROUNDING))
    found: dict[tuple[str, str], str] = {}
    for i in np.flatnonzero(wrong):
        model = stream.arms[flows.arm[i]].labels["model"]
        name = answer.built.classes.names[int(stream.origin[flows.member[i]])]
        why = _why(answer.built.config.models[model], success[i], more[i])
        said = f"the success of `{name}` on `{model}` is {success[i]:.4g} a request, {why}"
        found.setdefault((name, model), said)
    out = list(found.values())
    if len(out) > _SHOWN:
        out[_SHOWN:] = [f"{len(out) - _SHOWN} more successes are not within 0 and 1"]
    return out


def _why(model: Model, success: float, more: float) -> str:
    if success < 0:
        return (
            "below 0: its curve has no floor where effort is small; allow more tokens, or let "
            "the class be declined"
        )
    if more > 0:
        return (
            f"above 1: the {more:.2g} that training adds is not cut off there, so value and "
            "welfare are too high; lower the ceiling of the gain, or the quality"
        )
    if isinstance(model.success, CobbDouglas):
        return (
            "above 1: `cobb_douglas` is a yield, not a chance; a form with a ceiling is "
            "`saturating`"
        )
    return "above 1: it is no chance"
