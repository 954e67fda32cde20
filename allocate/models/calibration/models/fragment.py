"""The piece of a config that a leaderboard gives: models with their scores and tokens by use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from allocate.models.calibration import settings
from allocate.models.calibration.grounds import ground
from allocate.models.calibration.models import leaderboard, power_law, tries
from allocate.models.calibration.models.leaderboard import Family
from allocate.models.calibration.models.scores import Score
from allocate.models.calibration.naming import rounded
from allocate.models.calibration.result import Calibration, Options
from allocate.models.calibration.statistics import proportion
from allocate.models.curves.success import Table

MOST = 50
"""Models that a config may have."""
UNASKED = 30
"""Models of the fragment where nobody chose: a price list beside it names others."""


def put(
    out: Calibration, families: Mapping[str, Family], fits: Mapping[str, power_law.Fit],
    verify: Mapping[str, list[dict[str, float]]], scored: Mapping[str, Score], options: Options,
) -> None:  # fmt: skip
    """Set the fragment, what its numbers rest on, and notes on what it leaves out.

    Args:
        out: gets them.
        families: runs with token counts, by name.
        fits: their curves.
        verify: their second tries.
        scored: scores of models without token counts, the best first.
        options: may set ``exponent``.
    """
    total = settings.number(options, "exponent", 0.9, 0.01, 1.0)
    most = MOST if "models" in options.settings else UNASKED
    out.fragment = {"models": {}, "assumed": {}}
    curved = dict(list(families.items())[:most])
    for name, family in curved.items():
        _put_curve(out, name, family, fits[name], total)
    flat = {name: score for name, score in scored.items() if not score.has_curve}
    kept = dict(list(flat.items())[: most - len(curved)])
    for name, score in kept.items():
        _put_score(out, name, score, bool(families))
    if kept and families:
        out.fragment["assumed"]["models.*.success"] = (
            f"the tokens of {', '.join(kept)} were not counted: each is taken to need as many as "
            "the other models do for its score, and to gain nothing by more"
        )
    _say_what_is_left_out(out, [*families, *flat], [*curved, *kept], scored)
    if verify:
        _put_verify(out, verify)


def _say_what_is_left_out(
    out: Calibration, there: list[str], kept: list[str], scored: Mapping[str, Score]
) -> None:
    left = [name for name in there if name not in kept]
    if left:
        some = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
        out.notes.append(
            f"left out of the fragment, which holds {len(kept)} models: {some}. They are in "
            "models-success.csv; choose with `--option models='a|b'`"
        )
    twice = [name for name, score in scored.items() if score.has_curve]
    if twice:
        out.notes.append(
            f"scores of models that have a curve are in models-success.csv only: {', '.join(twice)}"
        )


def _put_curve(
    out: Calibration, name: str, family: Family, fit: power_law.Fit, total: float
) -> None:
    """Measured points as a table, made concave if need be, and tokens by use."""
    counts, assumed = family.counts(), out.fragment["assumed"]
    multiple = counts.tokens / fit.reference
    share = counts.solved / counts.cases
    hull = Table.hull(multiple**total, share)
    points = [
        [rounded(float(m)), rounded(float(q), 4)]
        for m, q in zip(multiple, share, strict=True)
        if any(abs(m**total - e) < 1e-12 for e in hull.efforts)
    ]
    model = {"label": family.name, "success": {"form": "table", "points": points}}
    out.fragment["models"][name] = model
    tokens = leaderboard.bundle(family)
    model["reference_tokens"] = {use: rounded(count) for use, count in tokens.items()}
    assumed[f"models.{name}.reference_tokens"] = (
        "a second try is verifying; what low effort writes too is editing"
        if "verify" in tokens
        else "no first tries are told, so nothing is verifying; what low effort writes is editing"
    )
    if len(points) == 1:
        assumed[f"models.{name}.success"] = "one effort measured: a line to it, flat beyond"
    ends = []
    for at, height in points:
        k = int(np.abs(counts.tokens / fit.reference - at).argmin())
        _, low, high = proportion(counts.solved[k], counts.cases[k])
        ends.append((height, min(low, height), max(high, height)))
    about = {"method": "share solved, Wilson interval", "rows": len(counts.tokens)}
    seen = [float(counts.tokens.min()), float(counts.tokens.max())]
    value, low, high = (list(each) for each in zip(*ends, strict=True))
    out.grounds[f"models.{name}.success.points"] = ground(
        value, low, high, "1", about, "output_tokens", seen, most=1.0
    )


def _put_score(out: Calibration, name: str, score: Score, by_tokens: bool) -> None:
    """One score: a constant; beside curves over tokens a point at the effort that is 1 there.

    A constant there would be a success for no tokens at all.
    """
    p = score.parameter(name)
    share = rounded(p.value, 4)
    ends = min(p.low, share), max(p.high, share)
    if by_tokens:
        success = {"form": "table", "points": [[1.0, share]]}
        out.fragment["models"][name] = {"label": score.label, "success": success}
        path = f"models.{name}.success.points"
        low, high = ([end] for end in ends)
        out.grounds[path] = ground([share], low, high, "1", p.fit, most=1.0)
    else:
        out.fragment["models"][name] = {"label": score.label, "quality": share}
        out.grounds[f"models.{name}.quality"] = ground(share, *ends, "1", p.fit, most=1.0)


def _put_verify(out: Calibration, verify: Mapping[str, list[dict[str, float]]]) -> None:
    """Tokens that find wrong actions, of second tries."""
    number = rounded(tries.risk_tokens(verify))
    out.fragment["token_uses"] = {"verify": {"kind": "output", "risk_tokens": number}}
    path = "token_uses.verify.risk_tokens"
    out.fragment["assumed"][path] = "wrong actions are found as failures are repaired"
    risk = next((p for p in out.parameters if p.name == "verify.risk_tokens"), None)
    if risk is not None:
        out.grounds[path] = ground(number, risk.low, risk.high, risk.unit, risk.fit)
