"""GPUs: the capacity that every deployment of a type shares, and the ways to come by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from allocate.models.builder import Builder, Pool
from allocate.models.commitments import Reserved
from allocate.models.config import Config, Gpu
from allocate.models.moments import Moments
from allocate.models.program import Resource

UNLIMITED_GPUS = 1e6


class _Offer(NamedTuple):
    """GPUs by the hour: the field that limits them, how many, at what price, useful share."""

    field: str
    available: float
    usd_per_h: float
    useful: float
    words: str


def gpu_rows(builder: Builder, config: Config, moments: Moments) -> dict[str, Pool]:
    """A row for every GPU type and moment, and how it is filled where GPUs are bought."""
    return {
        name: _bought(builder, name, gpu, moments)
        if gpu.bought
        else _given(builder, name, gpu, moments)
        for name, gpu in config.gpus.items()
    }


def _limit(builder: Builder, path: str, available: float | None) -> float:
    """What is available, and a word where that was not said."""
    if available is not None:
        return available
    builder.assumed.append(f"{path} is not given: {UNLIMITED_GPUS:g} GPUs")
    return UNLIMITED_GPUS


def _given(builder: Builder, name: str, gpu: Gpu, moments: Moments) -> Pool:
    """GPUs that are there: who uses them pays."""
    path, pay = f"gpus.{name}.available", moments.price_scale(name)
    offer = _Offer("available", _limit(builder, path, gpu.available), gpu.price_usd_per_h, 1.0, "")
    rows = _limited(builder, name, gpu, offer, moments)
    return Pool(
        rows,
        tuple(builder.rows[r].capacity for r in rows),
        tuple(gpu.price_usd_per_h * scale for scale in pay),
    )


def _limited(
    builder: Builder, name: str, gpu: Gpu, offer: _Offer, moments: Moments
) -> tuple[int, ...]:
    """Rows of what is available by the hour, and the resource that they are."""
    path, label = f"gpus.{name}.{offer.field}", gpu.label or name
    scale, price = moments.available_scale(name), moments.price_scale(name)
    rows = builder.period_rows(path, "GPU", offer.available, scale)
    per_unit = tuple(w * s for w, s in zip(builder.periods, scale, strict=True))
    builder.resource(
        Resource(
            path,
            f"{label}{offer.words}",
            f"USD per {label}-hour",
            offer.available,
            rows=tuple(zip(rows, per_unit, strict=True)),
            pay=offer.usd_per_h * _mean(price, per_unit),
            noun=f"{label}-hour{offer.words}",
            kind="gpu",
        )
    )
    return rows


def _mean(values: tuple[float, ...], weights: tuple[float, ...]) -> float:
    if len(set(values)) == 1 or not sum(weights):
        return values[0]
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)


# --- bought -------------------------------------------------------------------------------------


def _bought(builder: Builder, name: str, gpu: Gpu, moments: Moments) -> Pool:
    """GPUs that are reserved once, and bought by the hour: the pool pays, users its row's price."""
    pool = builder.period_rows(f"gpus.{name}", "GPU")
    most = [0.0] * len(pool)
    if gpu.reserved is not None:
        many = _reserve(builder, name, gpu, gpu.reserved, pool, moments)
        most = [w * many for w in builder.periods]
    for offer in _offers(builder, name, gpu):
        limits = _limited(builder, name, gpu, offer, moments)
        price = moments.price_scale(name)
        for t, (limit, row) in enumerate(zip(limits, pool, strict=True)):
            cost, there = offer.usd_per_h * price[t], builder.rows[limit].capacity
            builder.activity(
                f"gpus.{name}{offer.words}[{builder.period_names[t]}]",
                [(row, -offer.useful), (limit, 1.0), *builder.bill(cost, t)],
                cost,
                upper=2.0 * there,  # the row binds, not this
                layer="capacity",
                gpu=name,
                offer=offer.field.partition(".")[0],
                period=t,
            )
            most[t] += offer.useful * there
    return Pool(pool, tuple(most), (0.0,) * len(pool))


def _offers(builder: Builder, name: str, gpu: Gpu) -> Iterator[_Offer]:
    """What is bought by the hour, or there already."""
    if gpu.available:
        yield _Offer("available", gpu.available, gpu.price_usd_per_h, 1.0, " (own)")
    if (sold := gpu.on_demand) is not None:
        many = _limit(builder, f"gpus.{name}.on_demand.available", sold.available)
        yield _Offer("on_demand.available", many, sold.price_usd_per_h, 1.0, " (on demand)")
    if (spot := gpu.spot) is not None:
        many = _limit(builder, f"gpus.{name}.spot.available", spot.available)
        yield _Offer("spot.available", many, spot.usd_per_h, spot.useful, " (spot)")


def _reserve(
    builder: Builder, name: str, gpu: Gpu, offer: Reserved, pool: tuple[int, ...], moments: Moments
) -> float:
    """One level for all moments: it supplies each and is paid in each. Returns its limit.

    Where the scenario is known beforehand there is one for each, its probability × the GPUs.
    """
    path, label = f"gpus.{name}.reserved.available", gpu.label or name
    many, price = _limit(builder, path, offer.available), offer.price_usd_per_h
    limits = []
    for scenario, p, inside in moments.decisions:
        which = f"[{scenario}]" if scenario else ""
        limits.append((builder.row(f"{path}{which}", "GPU", p * many), p))
        uses = [(pool[m], -builder.periods[m] / p) for m in inside]
        uses += [(limits[-1][0], 1.0), *builder.bill(price, inside[0] if scenario else None)]
        if offer.committed > 0:
            floor = f"gpus.{name}.reserved.committed{which}"
            uses.append((builder.row(floor, "GPU", -p * offer.committed), -1.0))
        builder.activity(
            f"gpus.{name} (reserved){which}",
            uses,
            price,
            upper=2.0 * p * many,  # the row binds, not this
            layer="capacity",
            gpu=name,
            offer="reserved",
            **({"period": inside[0], "probability": p} if scenario else {}),
        )
    builder.resource(
        Resource(
            path,
            f"{label} (reserved)",
            f"USD per {label}-hour",
            many,
            rows=tuple(limits),
            pay=price,
            noun=f"{label}-hour (reserved)",
            kind="gpu",
        )
    )
    return many
