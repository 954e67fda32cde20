"""What must hold between the sections of a config.

Each check is one small function over the whole config that yields problems with a path;
the loader adds where the path stands in the file.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from allocate.errors import Problem
from allocate.models import paths
from allocate.models.classes import Classes, named_rows
from allocate.models.config import (
    Config,
    Deployment,
    ShareLimit,
    Table,
    Training,
    TrainingInput,
)
from allocate.models.curves import of_multiple
from allocate.models.doubts import hours_of_a_day, unusual_prices
from allocate.models.lanes import floor_ms
from allocate.models.references import (
    Problems,
    assets,
    dotted_paths,
    inputs,
    limited_classes,
    references,
    unknown_keys,
)
from allocate.models.servable import servable

ROUNDING = 1e-9  # two slopes or shares closer than this are equal


def check(config: Config, data: dict[str, Any]) -> list[Problem]:
    """Run every check that needs no class table; ``data`` is the config as written."""
    found = [problem for one in CHECKS for problem in one(config)]
    return [*found, *dotted_paths(config, data)]


# --- demand -----------------------------------------------------------------------------


def _some_classes(config: Config) -> Problems:
    if not config.classes and config.class_table is None:
        hint = "add at least one under `classes`, or a `class_table`"
        yield Problem("CFG021", "there are no request classes", hint=hint, path=("classes",))


def _servable(config: Config) -> Problems:
    ways = servable(config)
    for name, item in config.classes.items():
        if reason := ways.reason(item):
            yield _unservable(f"the class `{name}`", reason, item.decline, ("classes", name))


def check_table(config: Config, classes: Classes, file: str) -> Problems:
    """Check what can only be said once the class table is read."""
    limits = [*config.limits.latency.values(), *config.limits.shares.values()]
    if any(limit.classes is not None for limit in limits):
        yield from limited_classes(config, set(classes.names))
    if config.uncertainty is not None:
        for name, scenario in config.uncertainty.scenarios.items():
            at, known = ("uncertainty", "scenarios", name, "classes"), set(classes.names)
            yield from unknown_keys(at, scenario.classes, known, "classes")
    for reason, wrong in servable(config).rows(classes):
        for decline in (False, True):
            rows = np.flatnonzero((wrong & (classes.decline == decline))[classes.inline :])
            if len(rows):
                problem = _unservable(named_rows(rows), reason, decline, ())
                yield dataclasses.replace(problem, file=file)


def _unservable(who: str, reason: str, decline: bool, path: paths.KeyPath) -> Problem:
    """Say that nothing may serve a class: an error unless it may be declined."""
    if decline:
        message = f"{who} will always be declined: {reason}"
        return Problem("CFG034", message, path=path, severity="warning")
    message = f"{who} can be neither served nor declined: {reason}"
    hint = "widen what it may use, or set `decline: true`"
    return Problem("CFG034", message, hint=hint, path=path)


# --- models and effort ------------------------------------------------------------------


def _one_success(config: Config) -> Problems:
    for name, model in config.models.items():
        if model.quality is None and model.success is None:
            message = f"the model `{name}` has neither `quality` nor `success`"
            hint = "give `quality` for a constant success, or a curve under `success`"
            yield Problem("CFG022", message, hint=hint, path=("models", name))
        if model.quality is not None and model.success is not None:
            message = f"the model `{name}` has both `quality` and `success`"
            yield Problem("CFG022", message, hint="keep one", path=("models", name, "success"))


def _effort(config: Config) -> Problems:
    exponents = [use.exponent for use in config.token_uses.values()]
    total = math.fsum(exponents)
    if total > 1 + 1e-12:
        listed = " + ".join(f"{exponent:g}" for exponent in exponents)
        message = f"the exponents of the token uses sum to {total:g}: {listed}"
        hint = "they may sum to at most 1: twice the tokens never bring more than twice the effort"
        yield Problem("CFG024", message, hint=hint, path=("token_uses",))
    risky = [name for name, use in config.token_uses.items() if use.risk_tokens is not None]
    for name in risky[1:]:
        message = f"`{risky[0]}` and `{name}` both have `risk_tokens`"
        hint = "one token use cuts the risk; keep the verifying one"
        yield Problem("CFG025", message, hint=hint, path=("token_uses", name, "risk_tokens"))
    for name, model in config.models.items():
        at = ("models", name, "success")
        if model.success is not None and total == 0:
            message = f"the success curve of `{name}` has no token use to act on"
            hint = "give at least one of `token_uses` an `exponent`, or use `quality`"
            yield Problem("CFG023", message, hint=hint, path=at)
        elif isinstance(model.success, Table) and not model.success.hull:
            efforts = [of_multiple(multiple, total) for multiple, _ in model.success.points]
            scores = [score for _, score in model.success.points]
            hint = "correct the point, or set `hull: true` to take the concave hull"
            yield from _concave((*at, "points"), efforts, scores, "effort", hint)


def _reuse(config: Config) -> Problems:
    for name, profile in config.caching.reuse.items():
        times, hits = zip(*profile.points, strict=True)
        at = ("caching", "reuse", name, "points")
        yield from _concave(at, times, hits, "time", "take the concave hull of the measured points")


def _concave(
    at: paths.KeyPath, xs: Sequence[float], ys: Sequence[float], axis: str, hint: str
) -> Problems:
    """Points joined to (0, 0) must rise, and never faster than before."""
    x0, y0, before = 0.0, 0.0, math.inf
    for index, (x, y) in enumerate(zip(xs, ys, strict=True)):
        path = (*at, index)
        which = f"point {index + 1}"
        if x <= x0:
            message = f"{which} does not come after the one before it"
            yield Problem("CFG026", message, hint="sort the points, each once", path=path)
            return
        slope = (y - y0) / (x - x0)
        if slope < -ROUNDING:
            yield Problem("CFG026", f"{which} is below the one before it", hint=hint, path=path)
            return
        if slope > before * (1 + ROUNDING) + ROUNDING:
            message = (
                f"{which} makes the curve not concave: "
                f"slope {slope:.4g} per unit of {axis} after {before:.4g}"
            )
            yield Problem("CFG026", message, hint=hint, path=path)
            return
        x0, y0, before = x, y, slope


# --- autonomy and limits ----------------------------------------------------------------


def _human_levels(config: Config) -> Problems:
    for name, level in config.autonomy.items():
        if level.human_success is None and "human_wrong_action_rate" in level.model_fields_set:
            message = f"`{name}` has `human_wrong_action_rate` but no `human_success`"
            hint = "add `human_success` if the human does the task"
            path = ("autonomy", name, "human_wrong_action_rate")
            yield Problem("CFG033", message, hint=hint, path=path)


def _tail_risk(config: Config) -> Problems:
    tail = config.limits.tail_risk
    if tail is None:
        return
    total = math.fsum(scenario.probability for scenario in tail.scenarios.values())
    if abs(total - 1) > 1e-6:
        message = f"the probabilities of the loss scenarios sum to {total:g}, not 1"
        hint = "add a scenario for the ordinary case with what is left"
        yield Problem("CFG032", message, hint=hint, path=("limits", "tail_risk", "scenarios"))


def _uncertain(config: Config) -> Problems:
    """Probabilities sum to 1, and what differs is there."""
    if config.uncertainty is None:
        return
    scenarios, at = config.uncertainty.scenarios, ("uncertainty", "scenarios")
    total = math.fsum(scenario.probability for scenario in scenarios.values())
    if abs(total - 1) > 1e-6:
        message = f"the probabilities of the scenarios sum to {total:g}, not 1"
        hint = "add a scenario for the ordinary case with what is left"
        yield Problem("CFG043", message, hint=hint, path=at)
    for name, scenario in scenarios.items():
        if config.class_table is None:
            known = config.classes
            yield from unknown_keys((*at, name, "classes"), scenario.classes, known, "classes")
        yield from unknown_keys((*at, name, "tenants"), scenario.tenants, config.tenants, "tenants")
        yield from unknown_keys((*at, name, "gpus"), scenario.gpus, config.gpus, "gpus")


def _commitments(config: Config) -> Problems:
    """What is reserved already is not more than may be, and an interruption leaves some time."""
    for name, gpu in config.gpus.items():
        kept, spot = gpu.reserved, gpu.spot
        if kept is not None and kept.available is not None and kept.committed > kept.available:
            message = f"{kept.committed:g} GPUs of `{name}` are reserved already, "
            message += f"but only {kept.available:g} may be"
            hint = "`available` counts those that are `committed`"
            at = ("gpus", name, "reserved", "available")
            yield Problem("CFG044", message, hint=hint, path=at)
        if spot is not None and spot.useful <= 0:
            lost = spot.interruptions_per_h * spot.lost_h
            message = f"interruptions of `{name}` lose {lost:g} hours of every hour"
            hint = "`interruptions_per_h` times `lost_h` must be below 1"
            yield Problem("CFG044", message, hint=hint, path=("gpus", name, "spot", "lost_h"))


def _shares(config: Config) -> Problems:
    limits = config.limits.shares
    for name, limit in limits.items():
        if limit.min_share is None and limit.max_share is None:
            message = f"the limit `{name}` has neither `min_share` nor `max_share`"
            yield Problem("CFG031", message, hint="give one", path=("limits", "shares", name))
    for (a, low), (b, high) in itertools.product(limits.items(), repeat=2):
        if _same_classes(low, high) and set(low.models) <= set(high.models):
            least, most = low.min_share, high.max_share
            if least is not None and most is not None and least > most:
                who = f"`{a}`" if a == b else f"`{a}` and `{b}` contradict each other:"
                message = f"{who} wants at least {least:g} but at most {most:g}"
                path = ("limits", "shares", a, "min_share")
                yield Problem("CFG031", message, hint="change one of the two", path=path)
    seen: list[ShareLimit] = []
    for limit in limits.values():
        if any(_same_classes(limit, other) for other in seen):
            continue
        seen.append(limit)
        group = {n: x for n, x in limits.items() if _same_classes(limit, x) and x.min_share}
        total, chosen = _most_disjoint(list(group.items()))
        if total > 1 + ROUNDING:
            listed = " + ".join(f"`{name}` {group[name].min_share:g}" for name in chosen)
            message = f"the least shares of different models sum to {total:g}: {listed}"
            path = ("limits", "shares", chosen[-1], "min_share")
            yield Problem("CFG031", message, hint="they may sum to at most 1", path=path)


def _same_classes(a: ShareLimit, b: ShareLimit) -> bool:
    return (None if a.classes is None else set(a.classes)) == (
        None if b.classes is None else set(b.classes)
    )


def _most_disjoint(group: list[tuple[str, ShareLimit]]) -> tuple[float, list[str]]:
    """Add up least shares over model sets that have no model in common, largest first."""
    used: set[str] = set()
    total, chosen = 0.0, []
    for name, limit in sorted(group, key=lambda pair: -(pair[1].min_share or 0)):
        if used.isdisjoint(limit.models):
            used |= set(limit.models)
            total += limit.min_share or 0
            chosen.append(name)
    return total, chosen


# --- serving ----------------------------------------------------------------------------


def _deployments(config: Config) -> Problems:
    stages = {(d.model, d.stage) for d in config.deployments.values()}
    for name, item in config.deployments.items():
        at = ("deployments", name)
        yield from _step_time(name, item)
        yield from _tiers(name, item)
        if item.stage == "prefill" and item.delta_ms_per_ktok == 0:
            message = f"the prefill deployment `{name}` has no prefill time"
            hint = "give `delta_ms_per_ktok`"
            yield Problem("CFG028", message, hint=hint, path=(*at, "stage"))
        other = {"prefill": "decode", "decode": "prefill"}.get(item.stage)
        if other and item.model in config.models and (item.model, other) not in stages:
            message = f"the {item.stage} deployment `{name}` has no {other} deployment beside it"
            hint = (
                f"add a deployment of `{item.model}` with `stage: {other}`, or use `stage: mixed`"
            )
            yield Problem("CFG028", message, hint=hint, path=(*at, "stage"))
        if item.kv_memory_gb is not None and item.kv_bytes_per_token == 0:
            message = f"`{name}` limits KV memory but a token takes none"
            hint = "give `kv_bytes_per_token`"
            yield Problem("CFG029", message, hint=hint, path=(*at, "kv_memory_gb"))


def _step_time(name: str, item: Deployment) -> Problems:
    """A step takes time, and a replica has an end: what is left out is not zero."""
    at = ("deployments", name)
    if item.stage == "prefill":
        return
    if item.alpha_ms == 0:
        given = "alpha_ms" in item.model_fields_set
        message = f"`{name}` decodes, but its `alpha_ms` is {'0' if given else 'missing'}"
        hint = "give the time of a decode step of an empty batch, in ms"
        yield Problem("CFG037", message, hint=hint, path=(*at, "alpha_ms") if given else at)
    limits = (item.beta_ms, item.gamma_ms_per_ktok, item.max_batch, item.kv_memory_gb)
    if not any(limits):
        message = f"a replica of `{name}` decodes any number of sequences at once"
        hint = "give `beta_ms`, the step time per sequence, or `max_batch`"
        yield Problem("CFG037", message, hint=hint, path=at)


def _tiers(name: str, item: Deployment) -> Problems:
    at = ("deployments", name)
    floor = floor_ms(name, item)
    for index, tier in enumerate(item.tpot_ms or ()):
        if tier <= floor:
            message = f"`{name}` cannot run at {tier:g} ms a token: `alpha_ms` is {item.alpha_ms:g}"
            hint = "an empty batch takes `alpha_ms`; speed tiers must be above it"
            if item.draft is not None:
                message += f", and with its draft an empty batch takes {floor:.4g} ms a token"
                hint = "speed tiers must be above the faster of the two"
            yield Problem("CFG027", message, hint=hint, path=(*at, "tpot_ms", index))
    if item.utilisations is not None and item.stage != "prefill":
        message = f"`{name}` has `utilisations` but is not a prefill deployment"
        yield Problem("CFG027", message, hint="give `tpot_ms`", path=(*at, "utilisations"))


def _retention(config: Config) -> Problems:
    tiers = config.caching.retention_s
    at = ("caching", "retention_s")
    if tiers[0] != 0:
        hint = "begin with 0, which keeps nothing"
        yield Problem("CFG030", "retention tiers must begin with 0", hint=hint, path=(*at, 0))
    for index, (before, tier) in enumerate(itertools.pairwise(tiers), start=1):
        if tier <= before:
            message = f"the retention tier {tier:g} does not come after {before:g}"
            yield Problem("CFG030", message, hint="sort the tiers, each once", path=(*at, index))


# --- training ---------------------------------------------------------------------------


def _training_inputs(config: Config) -> Problems:
    for at, asset in assets(config):
        made_here = list(inputs(asset))
        if not made_here:
            message = f"the asset `{at[-1]}` has no input"
            hint = "give at least one of `rollout`, `verifier` and `update`"
            yield Problem("CFG036", message, hint=hint, path=at)
        total = math.fsum(made.exponent for _, made in made_here)
        if total > 1 + 1e-12:
            message = f"the exponents of the inputs of `{at[-1]}` sum to {total:g}"
            yield Problem("CFG024", message, hint="they may sum to at most 1", path=at)
        for kind, made in made_here:
            yield from _one_source((*at, kind), made, config)


def _one_source(at: paths.KeyPath, made: TrainingInput, config: Config) -> Problems:
    on_gpu, rate = made.gpu is not None, made.tokens_per_gpu_s is not None
    if made.deployment is not None and (on_gpu or rate):
        message = f"`{at[-1]}` is made on a deployment and on GPUs"
        yield Problem("CFG036", message, hint="keep one", path=at)
    elif on_gpu != rate:
        there, lacking = ("gpu", "tokens_per_gpu_s") if on_gpu else ("tokens_per_gpu_s", "gpu")
        message = f"`{at[-1]}` has `{there}` but no `{lacking}`"
        yield Problem("CFG036", message, hint=f"give `{lacking}` too", path=at)
    elif (
        made.deployment is None and not on_gpu and "price_usd_per_mtok" not in made.model_fields_set
    ):
        message = f"`{at[-1]}` does not say where its tokens are made"
        hint = "give `deployment`, or `gpu` and `tokens_per_gpu_s`, or `price_usd_per_mtok`"
        yield Problem("CFG036", message, hint=hint, path=at)
    place = config.deployments.get(made.deployment or "")
    if place is not None and place.stage == "prefill":
        message = f"`{at[-1]}` cannot be decoded on the prefill deployment `{made.deployment}`"
        hint = "name a mixed or decode deployment"
        yield Problem("CFG036", message, hint=hint, path=(*at, "deployment"))


def _correlation(config: Config) -> Problems:
    if config.training is None or not config.training.correlation:
        return
    training, at = config.training, ("training", "correlation")
    names = list(training.assets)
    section = "training.assets"
    strangers = list(unknown_keys(at, training.correlation, names, section))
    for name, row in training.correlation.items():
        strangers += unknown_keys((*at, name), row, names, section)
    yield from strangers
    if strangers:
        return
    matrix, clashes = _matrix(training, names)
    for a, b in clashes:
        message = f"the correlation of `{a}` and `{b}` is given twice and differs"
        if a == b:
            message = f"the correlation of `{a}` with itself must be 1"
        yield Problem("CFG035", message, hint="correct one of them", path=(*at, a, b))
    if not clashes and np.linalg.eigvalsh(matrix)[0] < -ROUNDING:
        message = "no gains can be correlated like this: the matrix is not positive semidefinite"
        yield Problem("CFG035", message, hint="bring the correlations nearer to 0", path=at)


def _matrix(training: Training, names: list[str]) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Fill in the matrix from either half; returns the pairs that disagree as well."""
    rows = training.correlation
    matrix, clashes = np.eye(len(names)), []
    for (i, a), (j, b) in itertools.product(enumerate(names), repeat=2):
        value = rows.get(a, {}).get(b)
        mirrored = 1.0 if a == b else rows.get(b, {}).get(a, value)
        if value is not None and value != mirrored and i <= j:
            clashes.append((a, b))
        elif value is not None:
            matrix[i, j] = matrix[j, i] = value
    return matrix, clashes


CHECKS: tuple[Callable[[Config], Problems], ...] = (
    references,
    _some_classes,
    _servable,
    _one_success,
    _effort,
    _reuse,
    _human_levels,
    _tail_risk,
    _shares,
    _uncertain,
    _commitments,
    _deployments,
    _retention,
    _training_inputs,
    _correlation,
    unusual_prices,
    hours_of_a_day,
)
