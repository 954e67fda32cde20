"""What a comparison comes to, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = {
    "router": "routing",
    "autonomy": "autonomy and token budgets",
    "serving": "serving",
    "training": "training",
}


def verdict(
    name: str,
    gain: float,
    error: float,
    welfare: float,
    split: Mapping[str, float] | None,
    shares: Mapping[str, float] | None,
    scarce: bool = True,
) -> str:
    """One sentence on the gain over a baseline at equal spend; all amounts in USD per hour.

    ``scarce`` says that some capacity or limit binds in the joint answer.
    """
    what = "the best local rules" if name == "greedy-tuned" else f"`{name}`"
    if gain <= error:
        why = "nothing is scarce, so list prices are right and simple rules find the same answer"
        if scarce:
            why = "what is scarce is scarce for all alike, and simple rules find the same answer"
        return f"No gain: at equal spend joint allocation is worth no more than {what}; {why}."
    share = f" ({100 * gain / welfare:,.3g} %)" if welfare > 0 else ""
    text = f"At equal spend joint allocation gains ${_usd(gain)}/h{share} over {what}"
    if split is not None:
        text += f": {_split(split, error)}"
    if shares and max(shares.values()) > error:
        first = max(shares, key=lambda layer: shares[layer])
        text += f"; most of it comes from {_NAMES[first]}"
    return text + "."


def _split(split: Mapping[str, float], error: float) -> str:
    knowing, coordinating = split["knowing"], split["coordinating"]
    if coordinating <= error:
        return "all of it from seeing V, λ and ρ; shared prices add nothing to that"
    if knowing <= error:
        return "all of it from shared prices; seeing V, λ and ρ alone brings nothing"
    return f"${_usd(knowing)}/h from seeing V, λ and ρ, ${_usd(coordinating)}/h from shared prices"


def _usd(amount: float) -> str:
    if abs(amount) >= 100:
        return f"{amount:,.0f}"
    return f"{amount:,.2f}" if abs(amount) >= 0.1 else f"{amount:.2g}"
