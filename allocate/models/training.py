"""The training layer: tokens as capital, the paper's (11) and (12).

An asset turns rollout, verifier and update tokens (per depreciation window) into a stock
of capability. The stock is worth what the classes that use the model gain by it; that
worth is handed in as ``worth`` (USD per hour and success point) and refreshed by the
stack until it agrees with the answer's own routing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from allocate.models import config as cfg
from allocate.models.builder import HOUR, Builder, Pool
from allocate.models.curves import (
    Effort,
    Linear,
    RatioCost,
    RequestCurve,
    ResidualRisk,
    Saturating,
    ScalingLaw,
    SquareCost,
    Table,
)
from allocate.models.limits import TINY
from allocate.models.program import Resource, Term
from allocate.models.returns import most_supply
from allocate.models.stream import Arm, Slot, Stream
from allocate.models.training_bounds import INPUTS as INPUTS
from allocate.models.training_bounds import SLACK, Bounds, free_tokens, reference_rate


def gain_curve(gain: cfg.Gain) -> Any:
    """The curve of an asset's gain over its index."""
    match gain:
        case cfg.GainSaturating():
            return Saturating(gain.ceiling, gain.scale)
        case cfg.GainCobbDouglas():
            return Linear(gain.scale)
        case _:
            return ScalingLaw(gain.floor, gain.b, gain.c, gain.power, gain.samples)


def contexts(
    builder: Builder,
    config: cfg.Config,
    worth: Mapping[str, float],
    of_model: Mapping[str, float],
) -> dict[tuple[str, str], tuple[str, float]]:
    """(asset, input) → (deployment, mean context) of the tokens that are decoded on lanes.

    ``of_model``: mean context of the requests of each model, in tokens. Where an input does
    not say its own, it is taken to be that, for rollouts are tasks like the model's own.
    """
    out = {}
    for name, asset in _worthy(config, worth).items():
        for kind in INPUTS:
            spec: cfg.TrainingInput | None = getattr(asset, kind)
            if spec is None or spec.deployment is None:
                continue
            place = config.deployments[spec.deployment]
            context = spec.context_tokens
            if place.gamma_ms_per_ktok == 0 and place.kv_memory_gb is None:
                context = 0.0  # nothing there depends on it
            elif context is None:
                context = of_model[asset.model]
                builder.assumed.append(
                    f"training.assets.{name}.{kind}.context_tokens is not given: {context:.0f} "
                    f"tokens, the mean of the classes that may use {asset.model}"
                )
            out[name, kind] = (spec.deployment, context)
    return out


def _worthy(config: cfg.Config, worth: Mapping[str, float]) -> dict[str, cfg.TrainingAsset]:
    """Assets whose model some request uses; what nobody uses is worth nothing."""
    if config.training is None:
        return {}
    return {n: a for n, a in config.training.assets.items() if worth.get(a.model, 0.0) > 0}


def training_stream(
    builder: Builder,
    config: cfg.Config,
    gpus: Mapping[str, Pool],
    token_rows: Mapping[tuple[str, str], Sequence[int]],
    worth: Mapping[str, float],
    room: Mapping[str, float],
) -> Stream | None:
    """Register what training uses; returns one member per asset.

    None if no asset is worth anything. ``token_rows``: for each (asset, input) that is
    decoded on a deployment, the row of its tokens in every period. ``room``: by model, the
    most success points that all its assets together may add.
    """
    section, assets = config.training, _worthy(config, worth)
    if section is None or not assets:
        return None
    # training that costs more than all gains together could earn is in no answer
    affordable = sum(worth[m] * room[m] for m in {a.model for a in assets.values()})
    limits = Bounds(most_supply(builder.rows, builder.activities), affordable)
    gain_rows, technologies, input_rows, caps = [], [], [], []
    for name, asset in assets.items():
        rows, most = [], []
        for kind in INPUTS:
            spec: cfg.TrainingInput | None = getattr(asset, kind)
            if spec is None:
                rows.append(-1)
                most.append(1.0)
                continue
            row = builder.row(f"training {name} {kind} tokens", "token/h")
            rows.append(row)
            levels = asset.staleness if kind == "rollout" else []
            made = token_rows.get((name, kind))
            free = free_tokens(asset, spec, config, room[asset.model])
            ids = _supply(
                builder, config, name, kind, spec, levels, row, gpus, made,
                replace(limits, free=free),
            )  # fmt: skip
            made_by = [builder.activities[i] for i in ids]
            most.append(sum(a.upper * a.labels["efficiency"] for a in made_by))
        input_rows.append(rows)
        gain_rows.append(builder.row(f"training {name} gain", "success point"))
        technologies.append(_technology(asset, config, most, room[asset.model]))
        caps.append(most)
    _portfolio(builder, config, section, assets, gain_rows, worth, room, caps)
    return _stream(assets, technologies, input_rows, gain_rows)


def _technology(
    asset: cfg.TrainingAsset, config: cfg.Config, caps: Sequence[float], room: float
) -> RequestCurve:
    exponents, references = [], []
    for kind in INPUTS:
        spec: cfg.TrainingInput | None = getattr(asset, kind)
        exponents.append(spec.exponent if spec else 0.0)
        references.append(reference_rate(spec, config) if spec else 1.0)
    effort = Effort(tuple(exponents), tuple(references))
    curve = gain_curve(asset.gain)
    if isinstance(curve, Linear):  # it alone would pass the bound at any price
        curve = Table((room / curve.scale,), (room,))
    return RequestCurve(curve, effort, ResidualRisk(0.0), tuple(caps))


def _supply(
    builder: Builder,
    config: cfg.Config,
    asset: str,
    kind: str,
    spec: cfg.TrainingInput,
    levels: Sequence[cfg.StalenessLevel],
    row: int,
    gpus: Mapping[str, Pool],
    decoded: Sequence[int] | None,
    limits: Bounds,
) -> list[int]:
    """Activities that make one kind of training token, by staleness level and period.

    A token of a level costs κ times what a token costs, wherever it is made; the most that
    can be made, ``max_tokens_per_s``, counts tokens.
    """
    cap, ids = _supply_limit(builder, asset, kind, spec), []
    most = np.inf if spec.max_tokens_per_s is None else spec.max_tokens_per_s * HOUR
    for level in levels or [cfg.StalenessLevel(versions=0.0, efficiency=1.0)]:
        for t, period in enumerate(builder.period_names):
            uses = [(row, -level.efficiency), *((r, 1.0) for r in cap)]
            pay = level.cost * spec.price_usd_per_mtok / 1e6
            if decoded is not None:
                uses.append((decoded[t], level.cost))
            elif spec.gpu is not None:
                per_gpu = level.cost / (spec.tokens_per_gpu_s * HOUR)  # type: ignore[operator]
                uses.append((gpus[spec.gpu].rows[t], per_gpu))
                pay += per_gpu * gpus[spec.gpu].pay[t]
            uses += builder.bill(pay, t)
            upper, free = limits.level(uses, pay)
            # what cannot be had at all is kept out by its row
            upper = max(min(upper, SLACK * most), reference_rate(spec, config))
            free = free and bool(np.isinf(most))
            i = builder.activity(
                f"{asset} {kind} tokens, {level.versions:g} versions old [{period}]",
                uses,
                pay,
                "training",
                upper,
                layer="training",
                asset=asset,
                input=kind,
                staleness=level.versions,
                period=t,
                efficiency=level.efficiency,
                free=free,
            )
            ids.append(i)
    return ids


def _supply_limit(builder: Builder, asset: str, kind: str, spec: cfg.TrainingInput) -> list[int]:
    """The row of ``max_tokens_per_s``, if there is one."""
    if spec.max_tokens_per_s is None:
        return []
    path = f"training.assets.{asset}.{kind}.max_tokens_per_s"
    row = builder.row(path, "token/h", spec.max_tokens_per_s * HOUR)
    builder.resource(
        Resource(
            path,
            f"{asset} {kind} supply",
            "USD per h per token/s",
            spec.max_tokens_per_s,
            rows=((row, HOUR),),
            noun="token a second",
        )
    )
    return [row]


def _portfolio(
    builder: Builder,
    config: cfg.Config,
    section: cfg.Training,
    chosen: Mapping[str, cfg.TrainingAsset],
    gain_rows: Sequence[int],
    worth: Mapping[str, float],
    room: Mapping[str, float],
    caps: Sequence[Sequence[float]],
) -> None:
    """Gains at their worth, less the price of their variance: κ/2 (g'Cg + Σ ν g²/verifier)."""
    kappa = section.risk_aversion
    assets = list(chosen.items())
    models = {asset.model for _, asset in assets}
    full = {
        m: builder.row(f"training {m} capability", "success point", room[m]) for m in sorted(models)
    }
    uses = [[(r, 1.0), (full[a.model], 1.0)] for r, (_, a) in zip(gain_rows, assets, strict=True)]
    most = np.array([SLACK * room[asset.model] for _, asset in assets])
    if kappa > 0:
        factors = _factors(section, chosen)
        for i, factor in enumerate(factors):
            rows = [builder.row(f"training risk factor {i} ({s})", "1") for s in "+-"]
            signs = (1.0, -1.0)
            for r, sign in zip(rows, signs, strict=True):
                for j, loading in enumerate(factor):
                    uses[j].append((r, sign * loading))
            upper = float(np.abs(factor) @ most)
            y = builder.activity(
                f"training risk factor {i}", [(r, -1.0) for r in rows], 0.0, "training", upper
            )
            builder.terms.append(Term((y,), SquareCost(kappa)))
        for j, (name, asset) in enumerate(assets):
            if asset.verifier_noise == 0 or asset.verifier is None:
                continue
            exposed = builder.row(f"training {name} unverified gain", "success point")
            uses[j].append((exposed, 1.0))
            y = builder.activity(
                f"training {name} unverified gain", [(exposed, -1.0)], 0.0, "training", most[j]
            )
            reference = reference_rate(asset.verifier, config)
            # the same verifier tokens serve the index and the variance: they are not used up
            made = builder.row(f"training {name} verifier observations", "token/h")
            observed = caps[j][INPUTS.index("verifier")]
            n = builder.activity(
                f"training {name} observations", [(made, 1.0)], 0.0, "training", observed
            )
            _observe(builder, name, made)
            weight = kappa * asset.verifier_noise * reference
            # what an observation is worth to a gain of a millionth of a success point
            floor = 0.5 * weight * (1e-6 / reference) ** 2
            builder.terms.append(Term((y, n), RatioCost(weight), floor=floor))
    for j, (name, asset) in enumerate(assets):
        builder.activity(
            f"capability {name}",
            uses[j],
            -worth.get(asset.model, 0.0),
            "training",
            most[j],
            layer="training",
            asset=name,
            model=asset.model,
            gain=True,
            room=room[asset.model],
        )


def _observe(builder: Builder, asset: str, row: int) -> None:
    """Let every verifier token of an asset also supply an observation."""
    for i, a in enumerate(builder.activities):
        if a.labels.get("asset") == asset and a.labels.get("input") == "verifier":
            builder.activities[i] = replace(a, uses=(*a.uses, (row, -a.labels["efficiency"])))


def _factors(section: cfg.Training, chosen: Mapping[str, cfg.TrainingAsset]) -> np.ndarray:
    """Rows F with F'F the covariance of the gains per unit of gain; zero rows dropped."""
    names = list(chosen)
    std = np.array([chosen[n].gain_std for n in names])
    corr = np.eye(len(names))
    for a, others in section.correlation.items():
        for b, value in others.items():
            if a in names and b in names and a != b:
                i, j = names.index(a), names.index(b)
                corr[i, j] = corr[j, i] = value
    weights, vectors = np.linalg.eigh(corr * np.outer(std, std))
    kept = weights > 1e-15 * max(weights.max(), TINY)
    return (vectors[:, kept] * np.sqrt(weights[kept])).T


def _stream(
    assets: Mapping[str, cfg.TrainingAsset],
    technologies: Sequence[RequestCurve],
    input_rows: Sequence[Sequence[int]],
    gain_rows: Sequence[int],
) -> Stream:
    n, n_uses = len(technologies), len(INPUTS)
    slots = tuple(Slot(f"{kind} tokens", "token/h") for kind in INPUTS) + (Slot("gain", "point"),)
    rows = np.array([[*r, g] for r, g in zip(input_rows, gain_rows, strict=True)])
    coefficient = np.zeros((n_uses + 3, 1, n, len(slots)))
    for j in range(n_uses):
        coefficient[1 + j, 0, :, j] = 1.0
    coefficient[-1, 0, :, -1] = -1.0
    return Stream(
        name="training",
        rate=np.ones(n),
        features=np.ones((n, 1)),
        group=np.arange(n),
        menu=np.eye(n, dtype=bool),
        rows=rows,
        slots=slots,
        arms=tuple(
            Arm({"asset": name, "model": a.model, "kind": a.kind}, i)
            for i, (name, a) in enumerate(assets.items())
        ),
        technologies=tuple(technologies),
        coefficients=sp.csr_matrix(coefficient.reshape(-1, len(slots))),
        decline_cost=np.zeros(n),
    )
