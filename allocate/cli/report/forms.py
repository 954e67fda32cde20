"""What a page needs of the documents of compare, diagnose and plan, and of which form.

A document may hold more: other keys are kept as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from allocate.solver.result import ResultError

Numbers = dict[str, float | None]
Words = dict[str, Any]


class Part(BaseModel):
    """Open to other keys, closed to NaN and Infinity."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class Accounts(Part):
    """Welfare and its parts, USD an hour."""

    welfare: float | None
    value: float | None = None
    money: float | None = None
    latency: float | None = None
    risk: float | None = None
    oversight: float | None = None
    training: float | None = None


class Baseline(Accounts):
    """One way to decide without shared prices; of one that could not be drawn only the reason."""

    name: str
    gain: float | None = None
    equal_spend: Words | None = None
    least_spend: Words | None = None
    reason: str | None = None
    about: Words | None = None


class Attribution(Part):
    """The gain by layer."""

    gain: float
    shares: dict[str, float]


class Comparison(Part):
    """What ``allocate compare`` writes."""

    status: str
    verdict: str
    joint: Accounts
    baselines: list[Baseline]
    against: str
    split: Numbers | None
    attribution: Attribution | None
    wedges: list[Words]
    warnings: list[Any]


class Finding(Part):
    """One failure."""

    code: str
    name: str
    also: list[str]
    message: str
    fix: str
    unit: str
    where: dict[str, str]
    usd_per_hour: float
    others_usd_per_hour: float
    left: float | None
    right: float | None


class Accepted(Finding):
    """One that the config accepts."""

    reason: str


class Loss(Part):
    """A part of what is lost."""

    what: str
    usd_per_hour: float
    means: str
    named: bool = False
    shown: bool = False
    classes: Numbers = {}


class Totals(Part):
    """Of what is shown."""

    findings: int
    together: float
    least: float
    not_shown: dict[str, Numbers]


class Diagnosis(Part):
    """What ``allocate diagnose`` writes."""

    status: str
    diagnosed: str
    welfare: float
    joint: Accounts
    gap: float
    findings: list[Finding]
    accepted: list[Accepted]
    totals: Totals
    ledger: list[Loss]
    assumed: list[Any]
    warnings: list[Any]


class Base(Part):
    """The answer to the config as it is."""

    status: str
    objective: Accounts
    error_usd_per_hour: float | None = None


class Resource(Part):
    """A capacity, its price, and where buying more stops paying."""

    resource: str
    label: str
    unit: str
    value: float
    worth: float | None
    pay: float | None
    net: float | None
    used: float | None
    capacity: float | None
    binding: bool
    valid_from: float | None
    valid_to: float | None
    sentence: str
    buy_until: float | None
    gain_usd_per_hour: float | None
    why: str | None


class Proof(Part):
    """How a change was checked."""

    welfare_before: float | None
    welfare_after: float | None
    error_usd_per_hour: float | None


class Advice(Part):
    """A change that was solved."""

    text: str
    set: Words
    gain_usd_per_hour: float
    cost_usd_per_hour: float
    certificate: Proof


class Hour(Part):
    """The price of a capacity in a part of the day."""

    period: str
    resource: str
    label: str
    unit: str
    share: float
    value: float


class Point(Part):
    """A point of a sweep or a frontier."""

    set: Words
    status: str
    welfare: float | None
    objective: Accounts
    prices: Numbers
    message: str | None
    factor: float | None = None


class Axis(Part):
    """What is swept."""

    path: str
    values: list[Any]


class Frontier(Part):
    """The trade-off of two parts of the objective."""

    parts: list[str]
    swept: list[str]
    kind: str
    points: list[Point]


class Item(Part):
    """A line of a step."""

    op: str
    kind: str
    name: str
    before: float | None
    after: float | None
    unit: str


class Step(Part):
    """Changes that are made at once."""

    step: int
    moves: list[str]
    welfare: float
    gain_usd_per_hour: float
    together: bool
    items: list[Item]


class Change(Part):
    """The way from today's allocation."""

    welfare_today: float
    welfare_best: float
    gain_usd_per_hour: float
    error_usd_per_hour: float
    monotone: bool
    steps: list[Step]
    about: Words


class Plan(Part):
    """What ``allocate plan`` writes."""

    status: str
    base: Base | None
    resources: list[Resource]
    advice: list[Advice] | None
    periods: list[Hour]
    axes: list[Axis]
    sweep: list[Point]
    frontier: Frontier | None
    change: Change | None
    assumed: list[Any]
    warnings: list[Any]


def checked(form: type[Part], document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the document if it has the form.

    Raises:
        ResultError: parts are missing or of another form.
    """
    try:
        form.model_validate(document)
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors()[:5]
        )
        raise ResultError(
            f"{name} cannot be drawn: {places}. Write it again with --format json."
        ) from error
    return dict(document)
