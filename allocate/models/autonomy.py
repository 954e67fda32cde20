"""The agent's layer: tokens by use, what is done alone, and what a wrong action costs."""

from __future__ import annotations

import numpy as np

from allocate.models import config as cfg
from allocate.models.builder import Builder, Use
from allocate.models.curves import (
    Constant,
    Effort,
    Linear,
    PowerLaw,
    RequestCurve,
    ResidualRisk,
    Saturating,
    SuccessCurve,
    Table,
    TailRisk,
    of_multiple,
)
from allocate.models.limits import NO_BOUND
from allocate.models.program import Resource

CAP_MULTIPLE = 1000.0  # default cap of a use, in reference tokens


def exponents(config: cfg.Config) -> tuple[float, ...]:
    """α of every token use."""
    return tuple(u.exponent for u in config.token_uses.values())


def success_curve(model: cfg.Model, total_exponent: float) -> SuccessCurve:
    """The success curve of a model from its section."""
    s = model.success
    match s:
        case None:
            return Constant(model.quality or 0.0)
        case cfg.Saturating():
            return Saturating(s.ceiling, s.scale)
        case cfg.PowerLaw():
            return PowerLaw(s.ceiling, s.coefficient, s.exponent)
        case cfg.CobbDouglas():
            return Linear(s.scale)
        case _:
            # a table's first number is a multiple of the reference bundle
            efforts = [of_multiple(c, total_exponent) for c, _ in s.points]
            return Table.hull(efforts, [q for _, q in s.points])


def request_curve(config: cfg.Config, model: cfg.Model) -> RequestCurve:
    """Success, effort, residual risk and caps of requests that a model answers."""
    uses = config.token_uses
    curve = success_curve(model, sum(exponents(config)))
    alphas = exponents(config) if not curve.flat else (0.0,) * len(uses)
    references = tuple(
        model.reference_tokens.get(name, u.reference_tokens) for name, u in uses.items()
    )
    risk = ResidualRisk(model.wrong_action_rate)
    for j, u in enumerate(uses.values()):
        if u.risk_tokens is not None:
            risk = ResidualRisk(model.wrong_action_rate, u.risk_tokens, j)
    caps = tuple(
        u.max_tokens
        if u.max_tokens is not None
        else (np.inf if isinstance(curve, Linear) else CAP_MULTIPLE * r)
        for u, r in zip(uses.values(), references, strict=True)
    )
    if not uses:  # a stream wants at least one token use; this one is worth nothing
        return RequestCurve(curve, Effort((0.0,), (1.0,)), risk, (1.0,))
    return RequestCurve(curve, Effort(alphas, references), risk, caps)


def human_curve(config: cfg.Config, level: cfg.AutonomyLevel) -> RequestCurve:
    """Success and risk when the human does the task: no tokens."""
    n = max(1, len(config.token_uses))
    return RequestCurve(
        Constant(level.human_success or 0.0),
        Effort((0.0,) * n, (1.0,) * n),
        ResidualRisk(level.human_wrong_action_rate),
        (1.0,) * n,
    )


def value_slot(builder: Builder) -> None:
    """Value enters as a slot with own price −1: a success earns its class's V."""
    builder.slot("value", "USD", -1.0, "value")


def risk_slots(builder: Builder, config: cfg.Config) -> None:
    """Loss slots with their prices ρ and envelopes, and the tail of the loss."""
    prices, limits = config.prices, config.limits
    irreversible = prices.irreversible_risk_usd
    irreversible = prices.risk_usd if irreversible is None else irreversible
    for name, price, field in (
        ("loss", prices.risk_usd, "risk_per_h"),
        ("irreversible", irreversible, "irreversible_risk_per_h"),
    ):
        cap, rows = getattr(limits, field), ()
        if cap is not None:
            rows = (builder.row(f"limits.{field}", "loss/h", cap),)
            builder.resource(
                Resource(
                    f"limits.{field}",
                    f"{'irreversible ' * (name != 'loss')}risk envelope",
                    "USD per unit of loss",
                    cap,
                    rows=((rows[0], 1.0),),
                    pay=price,
                    noun="unit of expected loss an hour",
                    kind="risk",
                )
            )
        builder.slot(name, "loss", price, "risk", None, rows)
    if limits.tail_risk is not None:
        _tail_rows(builder, limits.tail_risk)
    builder.slot("misled", "USD", 1.0, "risk")


def _tail_rows(builder: Builder, tail: cfg.TailRisk) -> None:
    """CVaR as rows: loss_ω − η − excess_ω ≤ 0, η + Σ weight·excess ≤ limit."""
    weights = TailRisk(tail.beta, tuple(s.probability for s in tail.scenarios.values()))
    path = "limits.tail_risk.max_loss_per_h"
    limit: list[int] = []
    if tail.max_loss_per_h is not None:
        limit = [builder.row(path, "loss/h", tail.max_loss_per_h)]
        builder.resource(
            Resource(
                path,
                "tail risk limit",
                "USD per unit of CVaR",
                tail.max_loss_per_h,
                rows=((limit[0], 1.0),),
                pay=tail.price_usd,
                noun="unit of tail loss an hour",
                kind="risk",
            )
        )
    rows = [builder.row(f"tail loss in {name}", "loss/h") for name in tail.scenarios]
    builder.activity(
        "tail level",
        [(r, -1.0) for r in rows] + [(r, 1.0) for r in limit],
        tail.price_usd,
        "risk",
        NO_BOUND,
    )
    for (name, _), row, weight in zip(
        tail.scenarios.items(), rows, weights.excess_weights, strict=True
    ):
        builder.slot(f"tail.{name}", "loss", axis=None, rows=(row,))
        builder.activity(
            f"tail excess in {name}",
            [(row, -1.0)] + [(r, weight) for r in limit],
            tail.price_usd * weight,
            "risk",
            NO_BOUND,
        )


def human_slot(builder: Builder, config: cfg.Config) -> None:
    """Reviewers' minutes: their pay, and how many there are."""
    humans, rows = config.humans, ()
    if humans.minutes_per_h is not None:
        rows = builder.period_rows("humans.minutes_per_h", "min/h", humans.minutes_per_h)
        builder.resource(
            Resource(
                "humans.minutes_per_h",
                "reviewer time",
                "USD per reviewer-minute",
                humans.minutes_per_h,
                rows=tuple(zip(rows, builder.periods, strict=True)),
                pay=humans.cost_usd_per_h / 60.0,
                noun="reviewer-minute an hour",
            )
        )
    elif any(level.human_minutes for level in config.autonomy.values()):
        pay = f"{humans.cost_usd_per_h:g} USD/h"
        builder.assumed.append(f"humans.minutes_per_h is not given: no limit, at {pay}")
    builder.slot(
        "human", "min", humans.cost_usd_per_h / 60.0, "oversight", "period" if rows else None, rows
    )


def level_uses(
    config: cfg.Config, level: cfg.AutonomyLevel, actions: tuple[str, ...]
) -> tuple[Use, ...]:
    """What an autonomy level does to a request: minutes, waiting, and the losses that remain."""
    reversible = level.risk_factor
    irreversible = level.irreversible_factor
    irreversible = reversible if irreversible is None else irreversible
    uses = [
        Use("success", "value", "value", 1.0),
        Use("request", "one", "human", level.human_minutes),
        Use("request", "one", "latency", level.wait_s),
    ]
    for action in actions:
        uses.append(Use("wrong", f"loss:{action}", "loss", reversible))
        uses.append(Use("wrong", f"irreversible:{action}", "irreversible", irreversible))
        if config.limits.tail_risk is None:
            continue
        for name, scenario in config.limits.tail_risk.scenarios.items():
            factor = scenario.factors.get(action, scenario.factor)
            uses.append(Use("wrong", f"loss:{action}", f"tail.{name}", factor * reversible))
            uses.append(
                Use("wrong", f"irreversible:{action}", f"tail.{name}", factor * irreversible)
            )
    return tuple(u for u in uses if u.coefficient)


def use_prices(config: cfg.Config) -> tuple[Use, ...]:
    """Money per token of a use besides the model's price."""
    uses = []
    for name, u in config.token_uses.items():
        if u.price_usd:
            uses += [Use(f"use:{name}", "one", s, u.price_usd) for s in ("money", "spend")]
    return tuple(uses)
