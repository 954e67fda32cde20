"""Choices of a request: a model, an autonomy level and a way to serve; or a human."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from allocate.models import autonomy, router
from allocate.models.builder import Builder, Use
from allocate.models.config import Config
from allocate.models.curves import RequestCurve
from allocate.models.reads import Reads, reading_uses
from allocate.models.returns import ends
from allocate.models.serving import Way


@dataclass(frozen=True)
class Choice:
    """One arm before it is numbered. ``first_token`` is seconds a call, or a serving way.

    ``reads`` is a cap on the input tokens that are bought, infinite where there is none;
    None where the first token does not wait for any. ``parts`` are its uses, in tuples that
    many choices share: there are far more choices than kinds of them.
    """

    model: str | None
    level: str
    technology: int
    curve: RequestCurve
    labels: dict
    parts: tuple[tuple[Use, ...], ...]
    tpot: float  # s
    first_token: float | Way
    reads: float | None = None


class _Option(NamedTuple):
    """A way through a model, whoever runs it."""

    uses: tuple[Use, ...]
    labels: dict
    tpot: float
    first_token: float | Way


def choices(
    config: Config,
    builder: Builder,
    actions: Sequence[str],
    ways: Sequence[Way],
    share_uses: Mapping[str, list[Use]],
    capability: Mapping[str, float],
    reads: Reads,
) -> list[Choice]:
    """Every arm of the program, in the order of its number.

    Args:
        config: models and autonomy levels.
        builder: takes the rate caps of APIs.
        actions: action classes that occur.
        ways: through own deployments.
        share_uses: by model, uses of the limits on shares.
        capability: by model, success points that training adds.
        reads: what hard limits leave for bought input tokens.
    """
    options = {name: _options(config, builder, name, ways) for name in config.models}
    own = {name: autonomy.request_curve(config, model) for name, model in config.models.items()}
    caps = {name: [_caps(reads, o, own[name]) for o in of] for name, of in options.items()}
    curves: list[RequestCurve] = []
    numbers: dict[tuple[str, float], range] = {}  # of a model and a cap, whatever the level
    common = autonomy.use_prices(config)
    out: list[Choice] = []
    for level_name, level in config.autonomy.items():
        of_level = autonomy.level_uses(config, level, tuple(actions))
        if level.human_success is not None:
            curve = autonomy.human_curve(config, level)
            labels = {"way": "human"}
            out.append(Choice(None, level_name, len(curves), curve, labels, (of_level,), 0.0, 0.0))
            curves.append(curve)
            continue
        for name, model in config.models.items():
            curve = own[name]
            of_model = (*router.model_uses(model), *common, *share_uses.get(name, ()))
            if capability.get(name):
                gained = Use("request", "trainable_value", "value", capability[name])
                of_model = (*of_model, gained)
            for number, option in enumerate(options[name]):
                parts = (of_level, of_model, option.uses)
                rest = option.labels, parts, option.tpot, option.first_token
                for most in caps[name][number]:
                    key = name, np.inf if most is None else most
                    if key not in numbers:
                        mine = ends(reads.capped(curve, key[1]))
                        numbers[key] = range(len(curves), len(curves) + len(mine))
                        curves += mine
                    for i in numbers[key]:
                        out.append(Choice(name, level_name, i, curves[i], *rest, most))
    return out


def _caps(reads: Reads, option: _Option, curve: RequestCurve) -> list[float] | list[None]:
    """Caps on bought input tokens that an option is offered with, or [None]."""
    way = option.first_token
    if not isinstance(way, Way) or not reading_uses(reads.config, curve):
        return [None]
    return reads.caps(way, curve)


def _options(config: Config, builder: Builder, name: str, ways: Sequence[Way]) -> list[_Option]:
    """Ways through one model: its API and own lanes; neither is a flat price per task."""
    prefixes = ("prefix:", *(f"prefix:{p}" for p in config.caching.reuse))
    out: list[_Option] = []
    api = router.api_way(builder, name, config.models[name], prefixes)
    if api is not None:
        out.append(_Option(api.uses, {"way": "api"}, api.tpot, api.ttft))
    for way in ways:
        if way.model == name:
            out.append(_Option(way.uses, {"way": "own", **way.labels}, way.tpot, way))
    return out or [_Option((), {"way": "flat"}, 0.0, 0.0)]
