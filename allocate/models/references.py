"""Names and dotted paths in a config that must lead to something in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from allocate.errors import Problem
from allocate.models import messages, paths
from allocate.models.config import Config, TrainingAsset, TrainingInput
from allocate.models.paths import PathError, nearest

Problems = Iterator[Problem]


def references(config: Config) -> Problems:
    """Names of models, tenants, GPUs and the like are described somewhere."""
    caching, tenants, models = config.caching, config.tenants, config.models
    for name, item in config.classes.items():
        at = ("classes", name)
        yield from _known(at, "tenant", item.tenant, tenants, "tenants")
        yield from _known(at, "reuse", item.reuse, caching.reuse, "caching.reuse")
        yield from _known(at, "sharing", item.sharing, caching.sharing, "caching.sharing")
        yield from _known(at, "models", item.models, models, "models")
        yield from _known(at, "autonomy", item.autonomy, config.autonomy, "autonomy")
        yield from _known(at, "periods", item.periods, config.periods, "periods")
        yield from unknown_keys((*at, "quality"), item.quality, models, "models")
    for name, item in config.deployments.items():
        yield from _known(("deployments", name), "model", item.model, models, "models")
        yield from _known(("deployments", name), "gpu", item.gpu, config.gpus, "gpus")
    for name, limit in config.limits.latency.items():
        yield from _known(
            ("limits", "latency", name), "tenants", limit.tenants, config.tenants, "tenants"
        )
    for name, limit in config.limits.shares.items():
        yield from _known(
            ("limits", "shares", name), "models", limit.models, config.models, "models"
        )
    if config.class_table is None:
        yield from limited_classes(config, config.classes)
    for name, model in config.models.items():
        at = ("models", name, "reference_tokens")
        yield from unknown_keys(at, model.reference_tokens, config.token_uses, "token_uses")
    for at, asset in assets(config):
        yield from _known(at, "model", asset.model, models, "models")
        for kind, made in inputs(asset):
            yield from _known(
                (*at, kind), "deployment", made.deployment, config.deployments, "deployments"
            )
            yield from _known((*at, kind), "gpu", made.gpu, config.gpus, "gpus")


def limited_classes(config: Config, known: Collection[str]) -> Problems:
    """Limits name classes that there are."""
    for name, limit in config.limits.latency.items():
        yield from _known(("limits", "latency", name), "classes", limit.classes, known, "classes")
    for name, limit in config.limits.shares.items():
        yield from _known(("limits", "shares", name), "classes", limit.classes, known, "classes")


def _known(
    at: paths.KeyPath,
    key: str,
    value: str | Sequence[str] | None,
    known: Collection[str],
    section: str,
) -> Problems:
    """Yield a problem for each name that ``section`` does not have."""
    if value is None:
        return
    one = isinstance(value, str)
    for index, name in enumerate([value] if one else value):
        if name not in known:
            path = (*at, key) if one else (*at, key, index)
            yield _stranger(key, name, known, section, path)


def unknown_keys(
    at: paths.KeyPath, keys: Iterable[str], known: Collection[str], section: str
) -> Problems:
    """Yield a problem for each key that ``section`` does not have."""
    for name in keys:
        if name not in known:
            yield _stranger(str(at[-1]), name, known, section, (*at, name))


def _stranger(
    key: str, name: str, known: Collection[str], section: str, path: paths.KeyPath
) -> Problem:
    """Say that a name leads to nothing, and what it could have been."""
    if known:
        message = f"`{key}` names `{name}`, which is not in the config's `{section}`"
        return Problem("CFG020", message, hint=nearest(name, known), path=path)
    message = f"`{key}` names `{name}`, but the config has no `{section}`"
    *above, last = section.split(".")
    inner = f"{last}: {{{name}: {{...}}}}"
    for outer in reversed(above):
        inner = f"{outer}: {{{inner}}}"
    return Problem("CFG020", message, hint=f"add `{inner}`", path=path)


def dotted_paths(config: Config, data: dict[str, Any]) -> Problems:
    """Dotted paths in the file lead somewhere, and scenarios set what may be there."""
    for name, settings in config.scenarios.items():
        for path, value in settings.items():
            at = ("scenarios", name, path)
            yield from _leads(at, path, data) or _fits(at, path, value)
    for path in config.assumed:
        if not (config.class_table and path.startswith("classes.")):
            yield from _leads(("assumed", path), path, data, any_item=True)
    for path, known in config.calibrated.items():
        yield from _leads(("calibrated", path), path, data)
        for other in known.correlation:
            yield from _leads(("calibrated", path, "correlation", other), other, data)


def _leads(
    at: paths.KeyPath, path: str, data: dict[str, Any], any_item: bool = False
) -> list[Problem]:
    try:
        paths.resolve(path, data, any_item)
    except PathError as error:
        return [Problem("CFG012", str(error), hint=error.hint, path=at)]
    return []


def _fits(at: paths.KeyPath, path: str, value: Any) -> Problems:
    keys = tuple(path.split("."))
    try:
        paths.validate(keys, value)
    except ValidationError as error:
        for detail in error.errors():
            problem = messages.problem({**detail, "loc": (*keys, *detail["loc"])}, {})
            yield dataclasses.replace(problem, path=at)


def assets(config: Config) -> Iterator[tuple[paths.KeyPath, TrainingAsset]]:
    """List the training assets with their paths."""
    if config.training is not None:
        for name, asset in config.training.assets.items():
            yield ("training", "assets", name), asset


def inputs(asset: TrainingAsset) -> Iterator[tuple[str, TrainingInput]]:
    """List the inputs that an asset has."""
    for kind in ("rollout", "verifier", "update"):
        made = getattr(asset, kind)
        if made is not None:
            yield kind, made
