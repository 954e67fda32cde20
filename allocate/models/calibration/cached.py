"""What a log of spans read from caches → prefix tokens and hits, as a config takes them.

The share of a log is one of all input tokens; that of a config is one of prefix tokens, which come
on top of the fresh ones (``token_uses.read``). Without prefix tokens a share would price nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allocate.models.calibration.assemble import Draft

_ALIKE = "not in the log: taken to find as much in its cache as the models there do"


def parameter(document: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    """A calibrated parameter by name, as ``Parameter.to_dict`` writes it, or None."""
    listed = (document or {}).get("parameters", [])
    return next((p for p in listed if p["name"] == name), None)


def put_cached_reads(whole: dict[str, Any], kinds: dict[str, Any], draft: Draft) -> None:
    """Give API models the hits of the log, and its request the tokens that were hit.

    Without a trace, the prefix of the log's request is what caches served, so all of it hits. With
    one, whole prompts are prefixes (``_classes``), and the log's share of them hits.
    """
    spans = kinds.get("spans")
    share, tokens = (parameter(spans, name) for name in ("cache_hit", "cached_tokens"))
    if not share or not tokens or not tokens["value"]:
        return
    in_log = ((spans or {}).get("fragment") or {}).get("models") or {}
    names = _with_api(whole, draft)
    paths = [("models", name, "api", "cache_hit") for name in names]
    if whole.get("classes"):
        draft.measure_all(paths, share, most=1.0)
    else:
        draft.measure(("classes", "request", "prefix_tokens"), tokens, "value")
        for path in paths:
            draft.put(path, 1.0)
        draft.measured.append(
            f"spans: {tokens['value']:,.0f} tokens of a request came from caches; they are its "
            "prefix_tokens, and cache_hit is 1 of these"
        )
    for name in names:
        if name not in in_log:
            draft.assumed[f"models.{name}.api.cache_hit"] = _ALIKE


def _with_api(whole: dict[str, Any], draft: Draft) -> list[str]:
    """Models that are bought by the token: as calibrated, or as the draft fills in."""
    sections = (whole.get("models") or {}, draft.sections.get("models") or {})
    names = dict.fromkeys(name for models in sections for name in models)
    return [name for name in names if any(m.get(name, {}).get("api") for m in sections)]
