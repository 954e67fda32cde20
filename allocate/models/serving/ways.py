"""Ways through own deployments: what a request occupies on a lane, or on a pair of lanes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from allocate.models.builder import HOUR, Use
from allocate.models.config import Config
from allocate.models.curves import Reuse
from allocate.models.serving.tiers import Tier


@dataclass(frozen=True)
class Way:
    """One way through the serving layer: uses per request and token, labels, speeds.

    The first token of a call waits ``ttft_per_token`` for every token that must be
    prefilled, ``uncached`` (feature of the class → share of its tokens), and
    ``transfer_per_token`` for every token of the prompt, ``prompt``, whose KV moves.
    """

    model: str
    uses: tuple[Use, ...]
    labels: dict
    tpot: float  # s
    ttft_per_token: float  # s
    transfer_per_token: float  # s
    uncached: Mapping[str, float]
    prompt: Mapping[str, float]


def ways(config: Config, lane_tiers: Sequence[Tier], reuse: Mapping[str, Reuse]) -> list[Way]:
    """Every way through own deployments: a lane alone or a pair, a retention, a shared prefix."""
    out: list[Way] = []
    for first, then in _pairs(lane_tiers):
        decoded = tuple(
            u
            for u in (
                *_decode("request", "output", "context_output", then, config),
                *_decode("output", "one", "context", then, config),
            )
            if u.coefficient
        )
        kept = [0.0]
        if reuse and first.memory is not None:
            kept += [c for c in config.caching.retention_s if c > 0]
        for c in kept:
            for shared in (False, True) if first.resident else (False,):
                out.append(_way(config, first, then, decoded, (c, shared), reuse))
    return out


def _pairs(lane_tiers: Sequence[Tier]) -> Iterator[tuple[Tier, Tier]]:
    """(where it is prefilled, where it is decoded): one mixed lane, or one of each stage."""
    stages: dict[str, list[Tier]] = {"mixed": [], "prefill": [], "decode": []}
    for tier in lane_tiers:
        stages[tier.spec.stage].append(tier)
    yield from ((t, t) for t in stages["mixed"])
    for first in stages["prefill"]:
        for then in stages["decode"]:
            if first.spec.model == then.spec.model:
                yield first, then


def prompt_shares(config: Config) -> dict[str, float]:
    """All prompt tokens of a request: feature of its class → 1."""
    features = ["prompt", "prefix:", *(f"prefix:{p}" for p in config.caching.reuse)]
    features += [f"shared:{g}" for g in config.caching.sharing]
    return dict.fromkeys(features, 1.0)


def uncached_shares(
    config: Config, reuse: Mapping[str, Reuse], kept: float, shared: bool
) -> dict[str, float]:
    """Prompt tokens that must be prefilled: feature of the class → share of its tokens.

    Prefixes kept for ``kept`` seconds are found as their reuse profile says, tokens of a
    shared prefix where a copy is resident (``shared``) as their group says.
    """
    out = prompt_shares(config)
    if kept > 0:
        out |= {f"prefix:{p}": 1.0 - _of_reuse(r, kept)[0] for p, r in reuse.items()}
    if shared:
        out |= {f"shared:{g}": 1.0 - s.hit for g, s in config.caching.sharing.items()}
    return out


def _way(
    config: Config,
    first: Tier,
    then: Tier,
    decoded: tuple[Use, ...],
    how: tuple[float, bool],
    reuse: Mapping[str, Reuse],
) -> Way:
    """The way with retention and use of a shared prefix as ``how`` says."""
    kept, shared = how
    uncached, prompt = uncached_shares(config, reuse, kept, shared), prompt_shares(config)
    transfer = 0.0 if first is then else then.spec.kv_transfer_ms_per_ktok / 1e6
    uses: list[Use] = []
    for feature, share in uncached.items():
        uses += _prefill("request", feature, first, config, share)
    uses += [Use("request", feature, "latency", transfer) for feature in prompt]
    uses += _prefill("input", "one", first, config, 1.0)
    uses.append(Use("input", "one", "latency", transfer))
    if kept > 0:
        uses += _kept(first, kept, reuse)
    if shared:
        uses += _resident(config, first)
    labels = {
        "deployment": then.deployment,
        "tier": then.name,
        "tpot_ms": 1e3 * then.tpot,
        "prefill": first.name if first is not then else None,
        "retention_s": kept,
        "shared_prefix": shared,
        "draft": then.draft,
    }
    return Way(
        then.spec.model,
        (*(u for u in uses if u.coefficient), *decoded),
        labels,
        then.tpot,
        first.ttft_per_token,
        transfer,
        uncached,
        prompt,
    )


def _kept(first: Tier, kept: float, reuse: Mapping[str, Reuse]) -> Iterator[Use]:
    """Memory of prefixes that stay, and what their reuse may cost."""
    assert first.memory is not None  # only such lanes offer retention
    for p, r in reuse.items():
        _, held, misled = _of_reuse(r, kept)
        yield Use("request", f"prefix:{p}", first.memory, first.gb_per_token / HOUR * held)
        yield Use("request", f"value:{p}", "misled", misled)


@lru_cache(maxsize=1024)
def _of_reuse(reuse: Reuse, kept: float) -> tuple[float, float, float]:
    """What keeping prefixes for so long finds, holds and misleads: the same on every lane."""
    return float(reuse.value(kept)), reuse.held(kept), reuse.mislead(kept)


def _resident(config: Config, first: Tier) -> Iterator[Use]:
    """A request's part of a resident shared prefix, and what its reuse may cost."""
    assert first.resident is not None
    yield Use("request", "one", first.resident, 1.0)
    for g, section in config.caching.sharing.items():
        yield Use("request", f"spread:{g}", "misled", section.mismatch * section.hit)


def _prefill(
    quantity: str, feature: str, first: Tier, config: Config, share: float
) -> Iterator[Use]:
    """Uses of prompt tokens of which a share must be prefilled."""
    work = first.prefill_work * share
    yield Use(quantity, feature, first.busy, work)
    yield Use(quantity, feature, "spend", work * _replica_usd(first, config))
    yield Use(quantity, feature, "latency", first.ttft_per_token * share)


def _decode(
    quantity: str, feature: str, by_context: str, then: Tier, config: Config
) -> Iterator[Use]:
    """Uses of decoded tokens; ``by_context`` is the feature times the mean context."""
    yield Use(quantity, feature, "latency", then.tpot)
    for slot, flat, per_context in then.decoding:
        for f, coefficient in ((feature, flat), (by_context, per_context)):
            yield Use(quantity, f, slot, coefficient)
            if slot == then.busy:
                yield Use(quantity, f, "spend", coefficient * _replica_usd(then, config))


def _replica_usd(tier: Tier, config: Config) -> float:
    return tier.spec.gpus_per_replica * config.gpus[tier.spec.gpu].market_usd_per_h
