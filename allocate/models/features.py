"""Features of a class: the numbers that a use may be proportional to, and class sets."""

from __future__ import annotations

import numpy as np

from allocate.models.classes import Classes
from allocate.models.config import Config


def class_features(config: Config, classes: Classes) -> dict[str, np.ndarray]:
    """Columns by name, one number a class; a column of zeros is left out."""
    c = classes
    # every call has the whole shared prefix before it; the last entry serves code -1
    groups = [config.caching.sharing[g].tokens for g in c.sharing.labels]
    shared = np.array([*groups, 0.0])[c.sharing.codes]
    context = np.where(
        np.isnan(c.context_tokens),
        c.prompt_tokens + c.prefix_tokens / c.calls + 0.5 * c.output_tokens + shared,
        c.context_tokens,
    )
    out = {
        "one": np.ones(len(c)),
        "prompt": c.prompt_tokens,
        "output": c.output_tokens,
        "calls": c.calls,
        "context": context,
        "context_output": context * c.output_tokens,
        "value": c.value_usd,
        "trainable_value": c.value_usd * c.trainability,
        "prefix:": np.where(c.reuse.codes < 0, c.prefix_tokens, 0.0),
        "shared": np.zeros(len(c)),
    }
    for code, profile in enumerate(c.reuse.labels):
        inside = c.reuse.codes == code
        out[f"prefix:{profile}"] = np.where(inside, c.prefix_tokens, 0.0)
        out[f"value:{profile}"] = np.where(inside & (c.prefix_tokens > 0), c.value_usd, 0.0)
    for code, group in enumerate(c.sharing.labels):
        inside = c.sharing.codes == code
        tokens = config.caching.sharing[group].tokens
        out[f"shared:{group}"] = np.where(inside, tokens, 0.0)
        out["shared"] = out["shared"] + out[f"shared:{group}"]
        # by rate, so that a class split in two is still the same class
        weight = np.where(inside, c.rate_per_s, 0.0)
        weight = weight if weight.sum() > 0 else inside
        mean = np.average(c.value_usd, weights=weight) if inside.any() else 0.0
        out[f"spread:{group}"] = np.where(inside, np.abs(c.value_usd - mean), 0.0)
    for code, action in enumerate(c.action.labels):
        inside = c.action.codes == code
        out[f"loss:{action}"] = np.where(inside, c.loss, 0.0)
        out[f"irreversible:{action}"] = np.where(inside, c.irreversible_loss, 0.0)
    return {name: column for name, column in out.items() if name == "one" or np.any(column)}


def class_sets(config: Config, classes: Classes) -> dict[str, np.ndarray]:
    """For each limit on some classes, which classes it covers: "latency.NAME", "shares.NAME"."""
    out: dict[str, np.ndarray] = {}
    for kind in ("shares", "latency"):
        for name, limit in getattr(config.limits, kind).items():
            inside = np.ones(len(classes), bool)
            tenants = getattr(limit, "tenants", None)
            if limit.classes is not None or tenants is not None:
                wanted = set(limit.classes or ())
                inside = np.array([n in wanted for n in classes.names], bool)
                for t in tenants or ():
                    if t in classes.tenant.labels:
                        inside |= classes.tenant.codes == classes.tenant.labels.index(t)
            out[f"{kind}.{name}"] = inside
    return out
