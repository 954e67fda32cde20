"""The serving layer: lanes of own deployments, their speeds, batches, KV memory and caches.

Every way to serve a request is linear in it (``curves/lane.py``): a deployment at a speed
tier, or a prefill and a decode deployment at one tier each, with a retention tier for the
prefix and, where classes share a prefix, with or without the resident copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from allocate.models.builder import HOUR, Builder, Use
from allocate.models.config import Config, Deployment
from allocate.models.curves import Lane, Reuse, speed_grid
from allocate.models.program import Resource

UNLIMITED_GPUS = 1e6
DEFAULT_TIERS = 8
GB = 1e9
_FINEST = 2e-4  # tiers nearer than this in logit utilisation are one tier


@dataclass(frozen=True)
class Tier:
    """A lane: a deployment at one speed, with its rows by period."""

    deployment: str
    spec: Deployment
    lane: Lane
    draft: bool
    utilisation: float
    busy: str
    batch: str | None
    memory: str | None
    resident: str | None

    @property
    def family(self) -> str:
        """The deployment, or the deployment with its draft."""
        return f"{self.deployment}{'+draft' * self.draft}"

    @property
    def key(self) -> str:
        """How the lane's rows and slots begin."""
        return f"{self.family}@{self.utilisation:.9g}"

    @property
    def tpot(self) -> float:
        """Seconds a token."""
        return float(self.lane.tpot(self.utilisation))

    @property
    def name(self) -> str:
        """Name of the lane: deployment, with its draft, at its speed."""
        speed = (
            f"{1e3 * self.tpot:.4g} ms"
            if self.spec.stage != "prefill"
            else (f"{100 * self.utilisation:.4g} % busy")
        )
        return f"{self.deployment}{'+draft' * self.draft} @ {speed}"


@dataclass(frozen=True)
class Way:
    """One way through the serving layer: uses per request and token, labels, speeds."""

    model: str
    uses: tuple[Use, ...]
    labels: dict
    tpot: float
    ttft_per_token: float  # s per uncached prompt token
    cached: float  # retention in s, 0 for none
    shared: bool
    profile_hits: dict[str, float]


def speeds(config: Config, grid: Mapping[str, Sequence[float]] | None) -> dict[str, list[float]]:
    """Utilisation of every tier by lane family (deployment, or deployment+draft)."""
    out: dict[str, list[float]] = {}
    for name, d in config.deployments.items():
        for family, lane in lanes(name, d).items():
            if grid and family in grid:
                out[family] = sorted(grid[family])
            elif d.stage == "prefill":
                out[family] = list(d.utilisations or np.round(speed_grid(6), 9))
            elif d.tpot_ms is not None:
                out[family] = [
                    float(lane.utilisation(t / 1e3)) for t in d.tpot_ms if t / 1e3 > lane.alpha
                ]
            else:
                out[family] = [round(float(u), 9) for u in speed_grid(DEFAULT_TIERS)]
    return out


def lanes(name: str, d: Deployment) -> dict[str, Lane]:
    """The lane of a deployment, and with its draft model: make or buy."""
    lane = Lane(
        d.alpha_ms / 1e3, d.beta_ms / 1e3, d.gamma_ms_per_ktok / 1e6, d.delta_ms_per_ktok / 1e6
    )
    out = {name: lane}
    if d.draft is not None:
        s = d.draft
        out[f"{name}+draft"] = lane.with_draft(
            s.alpha_ms / 1e3, s.beta_ms / 1e3, s.tokens, s.acceptance, s.verify_overhead
        )
    return out


def gpu_rows(builder: Builder, config: Config) -> dict[str, tuple[int, ...]]:
    """A row for every GPU type and period."""
    out = {}
    for name, gpu in config.gpus.items():
        available = gpu.available
        if available is None:
            available = UNLIMITED_GPUS
            builder.assumed.append(f"gpus.{name}.available is not given: {UNLIMITED_GPUS:g} GPUs")
        path = f"gpus.{name}.available"
        rows = builder.period_rows(path, "GPU", available)
        out[name] = rows
        label = gpu.label or name
        builder.resource(
            Resource(
                path,
                label,
                f"USD per {label}-hour",
                available,
                rows=tuple(zip(rows, builder.periods, strict=True)),
                pay=gpu.price_usd_per_h,
                noun=f"{label}-hour",
                kind="gpu",
            )
        )
    return out


def tiers(
    builder: Builder,
    config: Config,
    gpus: Mapping[str, tuple[int, ...]],
    grid: Mapping[str, Sequence[float]] | None,
    sharing: Sequence[float],
    budget_row: int | None,
) -> list[Tier]:
    """Register every lane: replicas that make busy time, batch places and KV memory.

    ``sharing``: for each sharing group the most requests an hour that may use its copy.
    """
    out: list[Tier] = []
    menu = speeds(config, grid)
    for name, d in config.deployments.items():
        memory_supply: list[tuple[int, int, float]] = []
        batch_supply: list[tuple[int, int, float]] = []
        for family, lane in lanes(name, d).items():
            for u in menu[family]:
                key = f"{family}@{u:.9g}"
                busy = builder.period_rows(f"{key} busy", "replica")
                batch = memory = None
                if d.max_batch is not None and d.stage != "prefill":
                    batch = builder.period_rows(f"{key} batch", "sequence")
                if d.kv_memory_gb is not None:
                    memory = builder.period_rows(f"{key} KV", "GB")
                pay = d.gpus_per_replica * config.gpus[d.gpu].price_usd_per_h
                for t, share in enumerate(builder.periods):
                    gpu_row = gpus[d.gpu][t]
                    uses = [(busy[t], -1.0), (gpu_row, d.gpus_per_replica)]
                    if batch:
                        uses.append((batch[t], -float(d.max_batch)))  # type: ignore[arg-type]
                    if memory:
                        uses.append((memory[t], -float(d.kv_memory_gb)))  # type: ignore[arg-type]
                    if budget_row is not None:
                        uses.append((budget_row, pay))
                    available = builder.rows[gpu_row].capacity
                    i = builder.activity(
                        f"replicas {key}[{builder.period_names[t]}]",
                        uses,
                        pay,
                        "money",
                        2.0 * available / d.gpus_per_replica,  # the row binds, not this
                        layer="serving",
                        deployment=name,
                        family=family,
                        utilisation=u,
                        period=t,
                        share=share,
                    )
                    if batch:
                        batch_supply.append((batch[t], i, 1.0))
                    if memory:
                        memory_supply.append((memory[t], i, 1.0))
                resident = _residents(builder, config, d, key, memory, sharing)
                out.append(
                    Tier(
                        name,
                        d,
                        lane,
                        family != name,
                        u,
                        builder.slot(f"{key} busy", "replica", axis="period", rows=busy),
                        builder.slot(f"{key} batch", "sequence", axis="period", rows=batch)
                        if batch
                        else None,
                        builder.slot(f"{key} KV", "GB", axis="period", rows=memory)
                        if memory
                        else None,
                        resident,
                    )
                )
        for field, supply, noun, capacity in (
            ("kv_memory_gb", memory_supply, "GB of KV memory in every replica", d.kv_memory_gb),
            ("max_batch", batch_supply, "sequence in every replica's batch", d.max_batch),
        ):
            if supply:
                what = "KV memory" if field == "kv_memory_gb" else "batch limit"
                unit = "GB" if field == "kv_memory_gb" else "sequence"
                builder.resource(
                    Resource(
                        f"deployments.{name}.{field}",
                        f"{d.label or name} {what}",
                        f"USD per h per {unit} in every replica",
                        capacity,
                        supplies=tuple(supply),
                        noun=noun,
                        kind="supply",
                    )
                )
    return out


def _residents(
    builder: Builder,
    config: Config,
    d: Deployment,
    key: str,
    memory: tuple[int, ...] | None,
    sharing: Sequence[float],
) -> str | None:
    """A resident copy of each shared prefix on a lane: written once, used by all."""
    if memory is None or d.stage == "decode" or not config.caching.sharing:
        return None
    rows: list[int] = []
    for (group, section), traffic in zip(config.caching.sharing.items(), sharing, strict=True):
        gb = section.tokens * d.kv_bytes_per_token / GB
        use = builder.period_rows(f"{key} shared {group}", "request/h")
        rows += use
        for t, share in enumerate(builder.periods):
            builder.activity(
                f"resident {group} on {key}[{builder.period_names[t]}]",
                [(use[t], -traffic), (memory[t], gb)],
                0.0,
                "money",
                share,
                False,
                layer="cache",
                group=group,
                family=key,
                period=t,
            )
    return builder.slot(f"{key} shared", "request", axis="sharing", rows=rows)


def ways(config: Config, lane_tiers: Sequence[Tier], reuse: Mapping[str, Reuse]) -> list[Way]:
    """Every way through own deployments, by model."""
    out: list[Way] = []
    mixed = [t for t in lane_tiers if t.spec.stage == "mixed"]
    prefill = [t for t in lane_tiers if t.spec.stage == "prefill"]
    decode = [t for t in lane_tiers if t.spec.stage == "decode"]
    pairs = [(t, t) for t in mixed]
    pairs += [(p, d) for p in prefill for d in decode if p.spec.model == d.spec.model]
    sharing = bool(config.caching.sharing)
    for first, then in pairs:
        kept = [0.0]
        if reuse and first.memory is not None:
            kept += [c for c in config.caching.retention_s if c > 0]
        for c in kept:
            for shared in (False, True) if sharing and first.resident else (False,):
                out.append(_way(config, first, then, c, shared, reuse))
    return out


def _way(
    config: Config, first: Tier, then: Tier, kept: float, shared: bool, reuse: Mapping[str, Reuse]
) -> Way:
    hits = {p: r.value(kept) for p, r in reuse.items()}
    group_hit = {g: s.hit for g, s in config.caching.sharing.items()}
    uses: list[Use] = []
    # prefill: fresh tokens, prefix tokens that are not found, shared tokens that are not
    missed = [
        ("prompt", 1.0),
        *((f"prefix:{p}", 1.0 - h) for p, h in hits.items()),
        ("prefix:", 1.0),
    ]
    missed += [("shared", 1.0)]
    if shared:
        missed += [(f"shared:{g}", -h) for g, h in group_hit.items()]
    for feature, share in missed:
        uses += _prefill("request", feature, first, then, config, share)
    uses += _prefill("input", "one", first, then, config, 1.0)
    uses += _decode("request", "output", "context_output", then, config)
    uses += _decode("output", "one", "context", then, config)
    # what stays in memory, and what reuse may cost
    if kept > 0 and first.memory is not None:
        per_token = first.spec.kv_bytes_per_token / GB / HOUR
        for p, r in reuse.items():
            uses.append(Use("request", f"prefix:{p}", first.memory, per_token * r.held(kept)))
            uses.append(Use("request", f"value:{p}", "misled", r.mislead(kept)))
    if shared and first.resident is not None:
        uses.append(Use("request", "one", first.resident, 1.0))
        for g, section in config.caching.sharing.items():
            uses.append(Use("request", f"spread:{g}", "misled", section.mismatch * section.hit))
    labels = {
        "deployment": then.deployment,
        "tier": then.name,
        "tpot_ms": 1e3 * then.tpot,
        "prefill": first.name if first is not then else None,
        "retention_s": kept,
        "shared_prefix": shared,
        "draft": then.draft,
    }
    ttft = first.lane.delta / (1.0 - first.utilisation)
    return Way(
        then.spec.model,
        tuple(u for u in uses if u.coefficient),
        labels,
        then.tpot,
        ttft,
        kept,
        shared,
        hits,
    )


def _prefill(
    quantity: str, feature: str, first: Tier, then: Tier, config: Config, share: float
) -> list[Use]:
    """Uses of uncached prompt tokens."""
    work = first.spec.burst_headroom * first.lane.delta / first.utilisation / HOUR * share
    wait = first.lane.delta / (1.0 - first.utilisation) * share
    if first is not then:
        wait += then.spec.kv_transfer_ms_per_ktok / 1e6 * share
    return [
        Use(quantity, feature, first.busy, work),
        Use(quantity, feature, "spend", work * _replica_usd(first, config)),
        Use(quantity, feature, "latency", wait),
    ]


def _decode(quantity: str, feature: str, by_context: str, then: Tier, config: Config) -> list[Use]:
    """Uses of decoded tokens; ``by_context`` is the feature times the mean context."""
    scale = then.spec.burst_headroom / then.utilisation / HOUR
    seats = then.tpot / HOUR
    uses = [
        Use(quantity, feature, then.busy, scale * then.lane.beta),
        Use(quantity, by_context, then.busy, scale * then.lane.gamma),
        Use(quantity, feature, "latency", then.tpot),
    ]
    usd = _replica_usd(then, config)
    uses += [Use(quantity, u.feature, "spend", u.coefficient * usd) for u in uses[:2]]
    if then.batch is not None:
        uses.append(Use(quantity, feature, then.batch, seats))
    if then.memory is not None:
        gb = then.spec.kv_bytes_per_token / GB
        uses.append(Use(quantity, by_context, then.memory, seats * gb))
    return uses


def _replica_usd(tier: Tier, config: Config) -> float:
    return tier.spec.gpus_per_replica * config.gpus[tier.spec.gpu].price_usd_per_h


def refined(
    config: Config, menu: Mapping[str, Sequence[float]], used: Mapping[str, Sequence[float]]
) -> dict[str, list[float]]:
    """The menu with tiers added near every tier in use; idle tiers added before are dropped.

    New tiers stand half and an eighth of the way to the neighbours in logit utilisation,
    where a lane's cost per unit of work (r/u and λτ/(1 − u)) is evenly curved. Tiers that
    the user listed stay as they are.
    """
    first = speeds(config, None)
    out = {family: list(tiers_) for family, tiers_ in menu.items()}
    for family, active in used.items():
        d = config.deployments[family.removesuffix("+draft")]
        if d.tpot_ms is not None or d.utilisations is not None:
            continue
        grid = np.array(sorted(menu[family]))
        logit = np.log(grid) - np.log1p(-grid)
        kept, fresh = set(first[family]), []
        for u in active:
            i = int(np.argmin(np.abs(grid - u)))
            kept.add(float(grid[i]))
            for j in (i - 1, i + 1):
                if not 0 <= j < len(grid):
                    continue
                kept.add(float(grid[j]))
                step = logit[j] - logit[i]
                if abs(step) > _FINEST:
                    fresh += [logit[i] + f * step for f in (0.5, 0.125)]
        fresh_u = [float(1.0 / (1.0 + np.exp(-x))) for x in fresh]
        out[family] = sorted({round(u, 9) for u in (*kept, *fresh_u)})
    return out
