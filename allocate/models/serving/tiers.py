"""Lanes at their speeds: replicas that make busy time, batch places and KV memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from allocate.models import lanes as menus
from allocate.models.builder import HOUR, Builder, Pool
from allocate.models.config import Config, Deployment
from allocate.models.curves import Lane
from allocate.models.program import Count, Resource

GB = 1e9
_MOST_DIGITS = 12  # two tiers that are equal in so many are one


class PerToken(NamedTuple):
    """Use of a slot by one decoded token an hour at a context of c: ``flat + per_context·c``."""

    slot: str
    flat: float
    per_context: float


@dataclass(frozen=True)
class Tier:
    """A lane: a deployment at one speed, with its slots (``None`` for what has no limit).

    ``rows`` are what its replicas make, "busy", "batch" and "KV" where limited, and
    ``replicas`` the activities that run them; both by period.
    """

    deployment: str
    spec: Deployment
    lane: Lane
    draft: bool
    utilisation: float
    busy: str
    batch: str | None
    memory: str | None
    resident: str | None
    rows: Mapping[str, tuple[int, ...]]
    replicas: tuple[int, ...]
    digits: int = 4  # of the speed in the name: enough to tell it from the family's others

    @property
    def family(self) -> str:
        """The deployment, or the deployment with its draft."""
        return menus.family(self.deployment, self.draft)

    @property
    def key(self) -> str:
        """How the lane's rows and slots begin."""
        return menus.lane_key(self.family, self.utilisation)

    @cached_property
    def tpot(self) -> float:
        """Seconds a token."""
        return float(self.lane.tpot(self.utilisation))

    @property
    def name(self) -> str:
        """Name of the lane: deployment, with its draft, at its speed."""
        if self.spec.stage == "prefill":
            return f"{self.family} @ {100 * self.utilisation:.{self.digits}g} % busy"
        return f"{self.family} @ {1e3 * self.tpot:.{self.digits}g} ms"

    @property
    def load(self) -> float:
        """φ/(3600 u): replicas for a second of busy work an hour."""
        return self.spec.burst_headroom / self.utilisation / HOUR

    @property
    def prefill_work(self) -> float:
        """Replicas for an uncached prompt token an hour."""
        return self.load * self.lane.delta

    @cached_property
    def ttft_per_token(self) -> float:
        """δ/(1 − u): seconds to the first token, for an uncached prompt token."""
        return float(self.lane.ttft(1.0, self.utilisation))

    @property
    def gb_per_token(self) -> float:
        """GB of KV of one token."""
        return self.spec.kv_bytes_per_token / GB

    @cached_property
    def decoding(self) -> tuple[PerToken, ...]:
        """What a decoded token an hour occupies: busy time, a place in the batch, memory.

        By Little's law it is in flight for τ seconds: τ/3600 sequences, each holding its
        context.
        """
        flight = self.tpot / HOUR
        out = [PerToken(self.busy, self.load * self.lane.beta, self.load * self.lane.gamma)]
        if self.batch is not None:
            out.append(PerToken(self.batch, flight, 0.0))
        if self.memory is not None:
            out.append(PerToken(self.memory, 0.0, flight * self.gb_per_token))
        return tuple(out)


def tiers(
    builder: Builder,
    config: Config,
    gpus: Mapping[str, Pool],
    grid: Mapping[str, Sequence[float]] | None,
    sharing: Sequence[float],
) -> list[Tier]:
    """Register every lane of every deployment, and the capacities that the user may change.

    ``sharing``: for each sharing group the most requests an hour that may use its copy.
    """
    out: list[Tier] = []
    menu = menus.speeds(config, grid)
    for name, d in config.deployments.items():
        makers: _Makers = {}
        for fam, lane in menus.lanes(name, d).items():
            for u in menu[fam]:
                held = _Held(name, d, lane, fam, u, _lane_rows(builder, d, menus.lane_key(fam, u)))
                ids = _replicas(builder, held, gpus[d.gpu], makers)
                out.append(_tier(builder, config, held, ids, sharing))
        for field, supplies in makers.items():
            _lane_resource(builder, name, d, field, supplies)
        if d.integer_replicas:
            _whole(builder, name, [t.replicas for t in out if t.deployment == name])
    return _told_apart(out)


def _told_apart(lane_tiers: list[Tier]) -> list[Tier]:
    """The same tiers, with as many more digits in their names as it takes to differ."""
    for _ in range(_MOST_DIGITS):
        names = Counter(t.name for t in lane_tiers)
        if len(names) == len(lane_tiers):
            break
        lane_tiers = [
            replace(t, digits=t.digits + 1) if names[t.name] > 1 else t for t in lane_tiers
        ]
    return lane_tiers


_Makers = dict[str, list[tuple[int, int, float]]]  # limited field → (row, replicas, weight)


class _Held(NamedTuple):
    """A lane held at a speed, with its rows by what they count ("busy", "batch", "KV")."""

    deployment: str
    spec: Deployment
    lane: Lane
    family: str
    utilisation: float
    rows: dict[str, tuple[int, ...]]

    @property
    def key(self) -> str:
        return menus.lane_key(self.family, self.utilisation)


def _lane_rows(builder: Builder, d: Deployment, key: str) -> dict[str, tuple[int, ...]]:
    """Rows of what a lane's replicas make: no batch places or memory where none is limited."""
    out = {"busy": builder.period_rows(f"{key} busy", "replica")}
    if d.max_batch is not None and d.stage != "prefill":
        out["batch"] = builder.period_rows(f"{key} batch", "sequence")
    if d.kv_memory_gb is not None:
        out["KV"] = builder.period_rows(f"{key} KV", "GB")
    return out


def _replicas(
    builder: Builder,
    held: _Held,
    gpus: Pool,
    makers: _Makers,
) -> tuple[int, ...]:
    """Replicas of a lane in every period; notes in ``makers`` who makes what is limited."""
    d, rows = held.spec, held.rows
    made = {"KV": ("kv_memory_gb", d.kv_memory_gb), "batch": ("max_batch", d.max_batch)}
    made = {what: (field, float(n)) for what, (field, n) in made.items() if what in rows and n}
    ids = []
    for t, share in enumerate(builder.periods):
        pay = d.gpus_per_replica * gpus.pay[t]
        uses = [(rows["busy"][t], -1.0), (gpus.rows[t], d.gpus_per_replica)]
        uses += [(rows[what][t], -n) for what, (_, n) in made.items()]
        uses += builder.bill(pay, t)
        i = builder.activity(
            f"replicas {held.key}[{builder.period_names[t]}]",
            uses,
            pay,
            "money",
            2.0 * gpus.most[t] / d.gpus_per_replica,  # the row binds, not this
            layer="serving",
            deployment=held.deployment,
            family=held.family,
            utilisation=held.utilisation,
            period=t,
            share=share,
        )
        for what, (field, _) in made.items():
            makers.setdefault(field, []).append((rows[what][t], i, 1.0))
        ids.append(i)
    return tuple(ids)


def _whole(builder: Builder, name: str, replicas: Sequence[tuple[int, ...]]) -> None:
    """Whole replicas in every period, those of all speeds together."""
    for t, share in enumerate(builder.periods):
        ids = tuple(of[t] for of in replicas)
        if ids:
            whose = f"{name} [{builder.period_names[t]}]"
            builder.counts.append(Count(whose, "replica", ids, share))


def _tier(
    builder: Builder,
    config: Config,
    held: _Held,
    replicas: tuple[int, ...],
    sharing: Sequence[float],
) -> Tier:
    """A lane with its slots."""

    def slot(what: str, unit: str) -> str | None:
        rows = held.rows.get(what)
        if rows is None:
            return None
        return builder.slot(f"{held.key} {what}", unit, axis="period", rows=rows)

    return Tier(
        deployment=held.deployment,
        spec=held.spec,
        lane=held.lane,
        draft=held.family != held.deployment,
        utilisation=held.utilisation,
        busy=slot("busy", "replica") or "",
        batch=slot("batch", "sequence"),
        memory=slot("KV", "GB"),
        resident=_residents(builder, config, held, sharing),
        rows=held.rows,
        replicas=replicas,
    )


def _residents(
    builder: Builder, config: Config, held: _Held, sharing: Sequence[float]
) -> str | None:
    """A resident copy of each shared prefix on a lane: written once, used by all."""
    d, key, memory = held.spec, held.key, held.rows.get("KV")
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


def _lane_resource(
    builder: Builder,
    name: str,
    d: Deployment,
    field: str,
    supplies: Sequence[tuple[int, int, float]],
) -> None:
    """A limit of every replica of a deployment, as a capacity with a price."""
    memory = field == "kv_memory_gb"
    what, unit = ("KV memory", "GB") if memory else ("batch limit", "sequence")
    of = "GB of KV memory in every replica" if memory else "sequence in every replica's batch"
    builder.resource(
        Resource(
            f"deployments.{name}.{field}",
            f"{d.label or name} {what}",
            f"USD per h per {unit} in every replica",
            d.kv_memory_gb if memory else d.max_batch,
            supplies=tuple(supplies),
            noun=of,
            kind="supply",
        )
    )
