"""What a comparison comes to, in one sentence that says no more than what was computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_NAMES = {
    "router": "routing",
    "autonomy": "autonomy and token budgets",
    "serving": "serving",
    "training": "training",
}
_LITTLE = 1e-3  # of a baseline's welfare: what more spending brings and is not worth a word
_SEEING = "seeing V, λ and ρ"


@dataclass(frozen=True)
class Today:
    """The gain over what is done today at its spending, its error, and that welfare, USD/h."""

    gain: float
    error: float
    welfare: float


def verdict(
    name: str,
    gain: float,
    error: float,
    welfare: float,
    split: Mapping[str, float | None] | None,
    shares: Mapping[str, float] | None,
    scarce: bool | None = None,
    untuned: float = 0.0,
    more: float = 0.0,
    today: Today | None = None,
) -> str:
    """One sentence on the gain over a baseline at equal spend; all amounts in USD per hour.

    Args:
        name: the baseline.
        gain: of the joint answer at the baseline's spending.
        error: what the certificates leave open of that gain.
        welfare: of the baseline.
        split: ``knowing`` and ``coordinating``, both None where they are not known.
        shares: the gain by layer.
        scarce: whether a capacity or limit binds in the joint answer; None where not known.
        untuned: what ``greedy`` loses at its own spending, for a verdict on ``greedy-tuned``.
        more: what the joint answer gains beyond equal spend, by spending more.
        today: the gain over what is done today, where the verdict is on another baseline.
    """
    what = "the tuned local rules" if name == "greedy-tuned" else f"`{name}`"
    if gain <= error:
        text = f"No gain: at equal spend joint allocation is worth no more than {what}"
        little = max(error, _LITTLE * abs(welfare))
        why = _scarcity(scarce) if more <= little else f"; more budget would bring ${_usd(more)}/h"
        return f"{text}{why}{_defaults(name, untuned, error)}{_today(today)}."
    share = f" ({_percent(gain / welfare)} %)" if welfare > 0 else ""
    text = f"At equal spend joint allocation gains ${_usd(gain)}/h{share} over {what}"
    if split is not None:
        text += f": {_steps(split['knowing'], split['coordinating'], error)}"
    if shares and max(shares.values()) > error:
        text += f"; by layer, {_layer(shares, gain, error)}"
    return f"{text}{_today(today)}."


def _today(today: Today | None) -> str:
    """Say what all of it is worth to who does what the logs say."""
    if today is None:
        return ""
    who = "what is done today (`observed`), at its spend,"
    if today.gain <= today.error:
        return f"; over {who} it gains nothing"
    share = f" ({_percent(today.gain / today.welfare)} %)" if today.welfare > 0 else ""
    return f"; over {who} it gains ${_usd(today.gain)}/h{share}"


def _scarcity(scarce: bool | None) -> str:
    if scarce is None:
        return ""
    if scarce:
        return "; a capacity or limit binds in the joint answer, but nothing is lost by it here"
    return "; nothing is scarce (no capacity or limit binds), so there is nothing to coordinate"


def _defaults(name: str, untuned: float, error: float) -> str:
    if name != "greedy-tuned" or untuned <= error:
        return ""
    return f"; defaults (`greedy`) lose ${_usd(untuned)}/h, and tuning them is enough"


def _steps(knowing: float | None, coordinating: float | None, error: float) -> str:
    """Say what seeing alone and shared prices bring; what is within the error is nothing."""
    if knowing is None or coordinating is None:
        return f"how much of it is {_SEEING} is not known"
    if knowing < -error:
        return f"shared prices bring ${_usd(coordinating)}/h, {_SEEING} alone would cost " + (
            f"${_usd(-knowing)}/h"
        )
    if knowing <= error:
        return f"all of it from shared prices; {_SEEING} alone brings nothing"
    if abs(coordinating) <= error:
        return f"all of it from {_SEEING}; shared prices add nothing to that"
    sign = "-" if coordinating < 0 else ""
    return (
        f"${_usd(knowing)}/h from {_SEEING}, {sign}${_usd(abs(coordinating))}/h from shared prices"
    )


def _layer(shares: Mapping[str, float], gain: float, error: float) -> str:
    """Say which layer has the largest part; "most" is more than half."""
    first = max(shares, key=lambda layer: shares[layer])
    part = shares[first] / gain
    if gain - shares[first] <= error:
        return f"all of it comes from {_NAMES[first]}"
    how = "most of it" if part > 0.5 else "the largest part"
    return f"{how} ({_percent(part)} %) comes from {_NAMES[first]}"


def _percent(share: float) -> str:
    """Two or three digits; more where the number is large, never a power of ten.

    >>> _percent(0.429), _percent(0.0123), _percent(12.345)
    ('42.9', '1.23', '1,234')
    """
    return f"{100 * share:,.0f}" if abs(share) >= 1 else f"{100 * share:.3g}"


def _usd(amount: float) -> str:
    if abs(amount) >= 100:
        return f"{amount:,.0f}"
    return f"{amount:,.2f}" if abs(amount) >= 0.1 else f"{amount:.2g}"
