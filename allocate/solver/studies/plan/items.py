"""What differs between two allocations, in the layers' own words: added, changed, removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from allocate.solver.solution import Solution

_LEAST = 1e-4  # a share that moves less is left out
_SAME = 1e-3  # of itself: an amount that moves less is the same
Key = tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """One line of a change: ``op`` is ``+`` added, ``~`` changed or ``-`` removed."""

    op: str
    kind: str
    name: str
    before: float
    after: float
    unit: str

    def to_dict(self) -> dict[str, Any]:
        """The entry of ``change.steps[].items[]``."""
        return asdict(self)


def items_between(one: Solution, other: Solution) -> list[Item]:
    """Lines for replicas, shares, tokens and training; what is added stands first."""
    found = [
        *_items("replicas", "replicas", _replicas(one), _replicas(other), _SAME),
        *_items("share", "of its requests", _shares(one), _shares(other), _LEAST),
        *_tokens(one, other),
        *_items("training", "tokens/h", _training(one), _training(other), _SAME),
    ]
    order = {"+": 0, "~": 1, "-": 2}
    return sorted(found, key=lambda item: order[item.op])


def _items(
    kind: str, unit: str, before: dict[Key, float], after: dict[Key, float], least: float
) -> Iterator[Item]:
    for key in dict.fromkeys([*before, *after]):
        a, b = before.get(key, 0.0), after.get(key, 0.0)
        scale = 1.0 if kind == "share" else max(abs(a), abs(b))
        a, b = (0.0 if abs(x) <= least * scale else x for x in (a, b))
        if abs(a - b) <= least * scale:
            continue
        op = "+" if a == 0 else "-" if b == 0 else "~"
        yield Item(op, kind, ", ".join(key), a, b, unit)


def _replicas(solution: Solution) -> dict[Key, float]:
    """Replicas by deployment and speed, in the fullest period."""
    totals: dict[tuple[str, Any], float] = {}
    for line in solution.layers.serving:
        key = (line["lane"].partition(" @ ")[0], line.get("period"))
        totals[key] = totals.get(key, 0.0) + line["replicas"]
    out: dict[Key, float] = {}
    for (name, _), replicas in totals.items():
        out[(name,)] = max(out.get((name,), 0.0), replicas)
    return out


def _shares(solution: Solution) -> dict[Key, float]:
    """Share of a class's arrivals of the day by model and autonomy."""
    lengths = dict(zip(solution.built.periods, solution.built.shares, strict=True))
    sums: dict[Key, float] = {}
    totals: dict[str, float] = {}
    for line in solution.layers.router:
        weight = lengths.get(str(line.get("period")), 1.0) * line["requests_per_s"]
        key = (line["class"], *(str(line[k]) for k in ("model", "autonomy") if line.get(k)))
        sums[key] = sums.get(key, 0.0) + weight
        totals[line["class"]] = totals.get(line["class"], 0.0) + weight
    return {key: v / totals[key[0]] for key, v in sums.items() if totals[key[0]] > 0}


def _tokens(one: Solution, other: Solution) -> Iterator[Item]:
    """Tokens of a request by use, of the ways that are used before and after."""
    before, after = _bought(one), _bought(other)
    both = before.keys() & after.keys()
    yield from _items(
        "tokens",
        "tokens a request",
        {k: v for k, v in before.items() if k in both},
        {k: v for k, v in after.items() if k in both},
        _SAME,
    )


def _bought(solution: Solution) -> dict[Key, float]:
    """Mean tokens by class, way and use, weighted as the requests of the day."""
    lengths = dict(zip(solution.built.periods, solution.built.shares, strict=True))
    weights: dict[Key, float] = {}
    for line in solution.layers.router:
        key = _way(line)
        weight = lengths.get(str(line.get("period")), 1.0) * line["requests_per_s"]
        weights[(*key, str(line.get("period")))] = weight
    sums: dict[Key, float] = {}
    totals: dict[Key, float] = {}
    for line in solution.layers.autonomy:
        key = _way(line)
        weight = weights.get((*key, str(line.get("period"))), 0.0)
        for use, tokens in (line.get("tokens") or {}).items():
            full = (*key, str(use))
            sums[full] = sums.get(full, 0.0) + weight * (tokens or 0.0)
            totals[full] = totals.get(full, 0.0) + weight
    return {key: v / totals[key] for key, v in sums.items() if totals[key] > 0}


def _way(line: dict[str, Any]) -> Key:
    return (line["class"], *(str(line[k]) for k in ("model", "autonomy") if line.get(k)))


def _training(solution: Solution) -> dict[Key, float]:
    """Tokens an hour by asset and kind."""
    out: dict[Key, float] = {}
    for line in solution.layers.training:
        for kind in ("rollout", "verifier", "update"):
            if line.get(f"{kind}_tokens"):
                out[(line["asset"], kind)] = line[f"{kind}_tokens"]
    return out
