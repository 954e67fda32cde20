"""Keys that people write out of habit, and what says the same here."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

_PER_TOKENS = re.compile(r"_per_(1k_?|1m_?|k|m)?(tok|token|tokens)$|_token_cost$", re.IGNORECASE)
_LATENCY = re.compile(r"^(max_|mean_|target_)?(e2e_)?latency(_ms|_s)?$|^(p\d\d_)?latency_s(lo)?$")
_TAIL = re.compile(r"^(latency_)?p(50|9\d+)(_|$)|_p(50|9\d+)(_m?s)?$")
_TOKENS = {"": 1, "1k": 1e3, "k": 1e3, "1m": 1e6, "m": 1e6}  # that a price is for


def meant(parent: Sequence[str | int], key: str, inside: Any, known: Collection[str]) -> str | None:
    """Say how to write what an unknown key means; None where nothing better is known.

    Args:
        parent: path of the section.
        key: the key that it does not have.
        inside: the section as written.
        known: keys that it has.
    """
    if found := _PER_TOKENS.search(key):
        return _price(key, found, inside, known)
    where = tuple(parent)
    if where[:1] == ("classes",) and _LATENCY.search(key):
        name = where[1] if len(where) > 1 else "NAME"
        return (
            f"a limit on latency is one mean over classes: write `limits: {{latency: {{NAME: "
            f"{{mean_s: …, classes: [{name}]}}}}}}`; a class itself takes `max_tpot_ms` and "
            "`max_ttft_s`"
        )
    if _TAIL.search(key) and (where[:2] == ("limits", "latency") or where[:1] == ("classes",)):
        return "percentiles cannot be limited, only the mean: `limits.latency.NAME.mean_s`"
    return None


def _price(key: str, found: re.Match[str], inside: Any, known: Collection[str]) -> str | None:
    """Turn a price per token, or per thousand, into the field's, per million."""
    fields = [name for name in known if name.endswith("_usd_per_mtok")]
    start = key[: found.start()].split("_")[0]
    start = "cached" if "cache" in key else start
    field = next((name for name in fields if name.startswith(start)), None)
    if field is None:
        return None
    hint = f"write `{field}`, per million tokens"
    value = inside.get(key) if isinstance(inside, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return hint
    of = _TOKENS[(found[1] or "").rstrip("_").lower()]
    unit = {1: "token", 1e3: "ktok", 1e6: "Mtok"}[of]
    return f'{hint}: {value * 1e6 / of:.6g}, or "{value:g} USD/{unit}"'
