"""The router's layer: which model answers. APIs bought per token, with rate caps."""

from __future__ import annotations

from dataclasses import dataclass

from allocate.models.builder import Builder, Use
from allocate.models.config import Config, Model
from allocate.models.limits import NO_BOUND
from allocate.models.program import Resource


@dataclass(frozen=True)
class ApiWay:
    """How an API serves a request: its uses, and its speed (s/token, s/call)."""

    model: str
    uses: tuple[Use, ...]
    tpot: float
    ttft: float


def money_slots(builder: Builder, config: Config) -> None:
    """Slots that every layer's money flows through: the bill, and who pays it."""
    budget = config.budgets.money_usd
    rows: tuple[int, ...] = ()
    if budget is not None:
        rows = (builder.row("budgets.money_usd", "USD/h", budget),)
        builder.budgets += rows
        builder.resource(
            Resource(
                "budgets.money_usd",
                "money budget",
                "USD per USD",
                budget,
                rows=((rows[0], 1.0),),
                pay=1.0,
                noun="dollar an hour of budget",
                kind="money",
            )
        )
    builder.slot("money", "USD", 1.0, "money", None, rows)
    tenant_rows = []
    for name, tenant in config.tenants.items():
        if tenant.money_usd is None:
            tenant_rows.append(-1)
            continue
        path = f"tenants.{name}.money_usd"
        row = builder.row(path, "USD/h", tenant.money_usd)
        tenant_rows.append(row)
        builder.resource(
            Resource(
                path,
                f"budget of {name}",
                "USD per USD",
                tenant.money_usd,
                rows=((row, 1.0),),
                pay=1.0,
                noun="dollar an hour of budget",
                kind="money",
            )
        )
    builder.slot("spend", "USD", 0.0, None, "tenant", tenant_rows)


def paid(quantity: str, feature: str, usd: float) -> tuple[Use, ...]:
    """A bill: money, and the paying tenant's spend."""
    if usd == 0.0:
        return ()
    return (Use(quantity, feature, "money", usd), Use(quantity, feature, "spend", usd))


def model_uses(model: Model) -> tuple[Use, ...]:
    """What a request costs on a model whatever serves it."""
    return (
        *paid("request", "one", model.cost_per_task_usd),
        Use("request", "one", "latency", model.latency_per_task_s),
    )


def api_way(builder: Builder, name: str, model: Model, prefixes: tuple[str, ...]) -> ApiWay | None:
    """The way through a model's API, if it has one; registers its rate caps."""
    api = model.api
    if api is None:
        return None
    usd_in, usd_out = api.input_usd_per_mtok / 1e6, api.output_usd_per_mtok / 1e6
    cached = api.cached_input_usd_per_mtok
    usd_cached = usd_in if cached is None else cached / 1e6
    usd_prefix = api.cache_hit * usd_cached + (1.0 - api.cache_hit) * usd_in
    tpot = api.tpot_ms / 1e3
    uses = [
        *paid("request", "prompt", usd_in),
        *paid("request", "shared", usd_prefix),
        *paid("request", "output", usd_out),
        *paid("input", "one", usd_in),
        *paid("output", "one", usd_out),
        Use("request", "calls", "latency", api.ttft_s),
        Use("request", "output", "latency", tpot),
        Use("output", "one", "latency", tpot),
    ]
    for prefix in prefixes:
        uses += paid("request", prefix, usd_prefix)
    if api.requests_per_minute is not None:
        slot = _rate_cap(builder, name, "requests_per_minute", "request", api.requests_per_minute)
        uses.append(Use("request", "calls", slot, 1.0))
    if api.tokens_per_minute is not None:
        slot = _rate_cap(builder, name, "tokens_per_minute", "token", api.tokens_per_minute)
        for quantity, feature in (
            ("request", "prompt"),
            ("request", "shared"),
            ("request", "output"),
            ("input", "one"),
            ("output", "one"),
            *(("request", p) for p in prefixes),
        ):
            uses.append(Use(quantity, feature, slot, 1.0))
    return ApiWay(name, tuple(u for u in uses if u.coefficient), tpot, api.ttft_s)


def _rate_cap(builder: Builder, model: str, field: str, noun: str, per_minute: float) -> str:
    path = f"models.{model}.api.{field}"
    rows = builder.period_rows(path, f"{noun}/h", per_minute * 60.0)
    builder.resource(
        Resource(
            path,
            f"{model} {noun} rate",
            f"USD per h per {noun}/min",
            per_minute,
            rows=tuple((r, 60.0 * w) for r, w in zip(rows, builder.periods, strict=True)),
            noun=f"{noun} a minute",
        )
    )
    return builder.slot(path, noun, axis="period", rows=rows)


def share_limits(builder: Builder, config: Config, arrivals: list[float]) -> dict[str, list[Use]]:
    """Rows of ``limits.shares``; returns uses by model. ``arrivals``: per limit, per hour."""
    by_model: dict[str, list[Use]] = {}
    for (name, limit), total in zip(config.limits.shares.items(), arrivals, strict=True):
        for field, sign in (("max_share", 1.0), ("min_share", -1.0)):
            share = getattr(limit, field)
            if share is None:
                continue
            path = f"limits.shares.{name}.{field}"
            row = builder.row(path, "request/h", sign * share * total)
            slot = builder.slot(path, "request", axis=f"limit:shares.{name}", rows=(row,))
            builder.resource(
                Resource(
                    path,
                    f"share limit {name}",
                    "USD per h per unit of share",
                    share,
                    rows=((row, sign * total),),
                    noun="unit of share",
                )
            )
            for model in limit.models:
                by_model.setdefault(model, []).append(Use("request", "one", slot, sign))
    return by_model


def latency_slots(builder: Builder, config: Config) -> None:
    """The latency slot (classes add their own λ) and the limits on mean latency.

    A limit is two rows: seconds waited ≤ mean_s · served, served ≤ requests served.
    """
    builder.slot("latency", "s", 0.0, "latency")
    for name, limit in config.limits.latency.items():
        path = f"limits.latency.{name}.mean_s"
        seconds = builder.row(path, "s/h")
        served = builder.row(f"{path} (served)", "request/h")
        axis = f"limit:latency.{name}"
        builder.slot(f"latency.{name}", "s", axis=axis, rows=(seconds,))
        builder.slot(f"served.{name}", "request", axis=axis, rows=(served,))
        i = builder.activity(path, ((seconds, -limit.mean_s), (served, 1.0)), upper=NO_BOUND)
        builder.resource(
            Resource(
                path,
                f"latency limit {name}",
                "USD per h per s",
                limit.mean_s,
                supplies=((seconds, i, 1.0),),
                noun="second of mean latency",
                kind="latency",
            )
        )
