"""What to change, ranked: every change is made in the config and the config solved again.

A price says what the next unit is worth; what eight are worth only a new solve knows. Each piece
of advice therefore carries the values to ``--set`` and the gain that was found by doing so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from allocate.errors import ConfigError, SolveError
from allocate.models.program import Resource
from allocate.solver.solution import Solution
from allocate.solver.studies.plan.case import Checks, Progress, rounded
from allocate.solver.studies.plan.worth import GONE, Worth, error_between, resource_of
from allocate.solver.studies.terms import SPENDING, spending

STEP = 0.10  # of a capacity that is not counted: the step that is tried beside the whole way
NODE = 8  # GPUs of a type that has as many are tried by so many
_POLICY = "limits"  # section of what somebody chose: only a small step is advised, nothing bought
_HARDWARE = "deployments"  # section of what is built in: likewise
_GROWTH = 9.0  # times as much of what is still scarce; what is too much is not kept
_FULL = 1e-6  # of a capacity: with so little left it is full
_ROUNDS = 4  # of going on, where capacities bought together make each other worth more
_MORE = 0.01  # of the best single change: what several together must gain beyond it
_WORTH_SAYING = 1e-6  # of welfare: gains under it are not advice


@dataclass(frozen=True)
class Candidate:
    """Values to set, in words, and whether they are several changes at once."""

    values: dict[str, float]
    text: str
    combined: bool = False


@dataclass(frozen=True)
class Advice:
    """One change that was checked; amounts in USD per hour.

    ``gain`` is of welfare, after everything is paid; ``cost`` what is paid more to anybody
    (machines, people, training) for it, negative where it is less.
    """

    candidate: Candidate
    gain: float
    cost: float
    error: float
    before: Solution
    after: Solution

    def to_dict(self) -> dict[str, Any]:
        """The entry of ``advice[]``."""
        certificate = self.after.certificate
        return {
            "text": self.candidate.text,
            "set": dict(self.candidate.values),
            "gain_usd_per_hour": self.gain,
            "cost_usd_per_hour": self.cost,
            "combined": self.candidate.combined,
            "certificate": {
                "welfare_before": self.before.welfare,
                "welfare_after": self.after.welfare,
                "error_usd_per_hour": self.error,
                "status": self.after.status,
                "relative_gap": certificate.relative_gap,
                "max_violation": certificate.max_violation,
                "holds": certificate.holds,
            },
        }


def advise(
    base: Solution, checks: Checks, worths: Sequence[Worth], progress: Progress
) -> tuple[list[Advice], list[str], bool]:
    """(advice, the largest gain first; what could not be checked; whether the user stopped it)."""
    found: list[Advice] = []
    failed: list[str] = []
    stopped = False
    try:
        _check_all(base, checks, worths, progress, found, failed)
    except KeyboardInterrupt:
        stopped = True
    least = _WORTH_SAYING * abs(base.welfare)
    kept = [a for a in found if a.gain > max(a.error, least) and a.after.certificate.holds]
    return sorted(kept, key=lambda a: -a.gain), failed, stopped


def _check_all(
    base: Solution,
    checks: Checks,
    worths: Sequence[Worth],
    progress: Progress,
    found: list[Advice],
    failed: list[str],
) -> None:
    """Solve again with every change; what is found is kept at every moment."""
    candidates = list(_candidates(base, worths))
    for done, candidate in enumerate(candidates):
        progress({"phase": "checking advice", "done": done + 1, "of": len(candidates) + 1})
        try:
            found.append(_checked(base, checks, candidate))
        except (SolveError, ConfigError) as error:
            failed.append(f"not checked: {candidate.text} ({_first_line(error)})")
    progress({"phase": "checking advice", "done": len(candidates) + 1, "of": len(candidates) + 1})
    try:
        found += _together(base, checks, worths)
    except (SolveError, ConfigError) as error:
        failed.append(f"not checked: all of it together ({_first_line(error)})")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _checked(base: Solution, checks: Checks, candidate: Candidate) -> Advice:
    after = checks.at(candidate.values, base.to_dict())
    cost = _paid(after) - _paid(base)
    gain = after.welfare - base.welfare
    return Advice(candidate, gain, cost, error_between(base, after), base, after)


def _paid(solution: Solution) -> float:
    return spending(solution.program, solution.allocation, SPENDING)


# --- one capacity at a time -------------------------------------------------------------------


def _candidates(base: Solution, worths: Iterable[Worth]) -> Iterator[Candidate]:
    for worth in worths:
        price = worth.price
        if not price.binding or price.capacity is None:
            continue
        resource = resource_of(base.program, price.resource)
        targets = {_step(worth, resource)}
        if _bought(resource) and worth.until is not None and worth.gain:
            targets.add(_whole(resource, worth.until))
        for target in sorted(targets):
            if target != price.capacity:
                yield Candidate({price.resource: target}, say(resource, target))


def _section(resource: Resource) -> str:
    return resource.path.partition(".")[0]


def _bought(resource: Resource) -> bool:
    """Whether it is something to buy, not a rule or a property of a machine."""
    return _section(resource) not in (_POLICY, _HARDWARE)


def _whole(resource: Resource, until: float) -> float:
    """GPUs are whole: as many as the point where buying stops needs, upwards."""
    return float(math.ceil(until - 1e-3)) if resource.kind == "gpu" else rounded(until, 4)


def _step(worth: Worth, resource: Resource) -> float:
    """A first step in the direction that pays, not beyond where it stops."""
    capacity, sign = worth.price.capacity or 0.0, 1.0 if worth.price.value > 0 else -1.0
    if resource.kind == "gpu":
        step = NODE if capacity >= NODE else 1.0
    else:
        step = STEP * capacity if capacity else 1.0
    target = capacity + sign * step
    if worth.until is not None:
        nearer = min if sign > 0 else max
        target = nearer(target, _whole(resource, worth.until))
    if resource.path.endswith("_share"):
        target = min(target, 1.0)
    return max(rounded(target, 6), 0.0)


def say(resource: Resource, target: float) -> str:
    """A change of one capacity in words."""
    capacity = float(resource.capacity or 0.0)
    more, label = target > capacity, resource.label
    amount = f"{abs(target - capacity):.6g}"
    ends = f"{capacity:.6g} to {target:.6g}"
    if resource.kind == "gpu":
        return f"{'buy' if more else 'give up'} {amount} {label} ({ends})"
    if _section(resource) == "humans":
        return f"{'add' if more else 'drop'} {amount} reviewer-minutes an hour ({ends})"
    return f"{'raise' if more else 'lower'} {label} from {ends}{_unit(resource)}"


_UNITS = {
    "money_usd": " USD/h",
    "mean_s": " s",
    "kv_memory_gb": " GB a replica",
    "max_batch": " sequences a replica",
    "requests_per_minute": " a minute",
    "tokens_per_minute": " a minute",
    "max_tokens_per_s": " tokens/s",
}


def _unit(resource: Resource) -> str:
    return _UNITS.get(resource.path.rpartition(".")[2], "")


# --- everything that is bought, together ------------------------------------------------------


def _together(base: Solution, checks: Checks, worths: Sequence[Worth]) -> list[Advice]:
    """All capacities that are full and can be bought, so far as they are used once all are there.

    They may replace one another, so that fewer of each are needed, or be worth something only
    together: a GPU that no budget pays for, and the budget for it.
    """
    resources = {r.path: r for r in base.program.resources if _bought(r)}
    full = {w.price.resource: w for w in worths if w.price.resource in resources and _is_full(w)}
    ends = {path: _first_end(w, resources[path]) for path, w in full.items()}
    there, wanted = base, list(ends)
    for _ in range(_ROUNDS):
        if not wanted:
            break
        there = checks.at(ends, there.to_dict())
        wanted = _still_paying(there, resources)
        for path in wanted:
            held = ends.get(path, resources[path].capacity or 0.0)
            ends[path] = _whole(resources[path], _GROWTH * held)
    values = {} if wanted else _used(base, there, ends)
    if len(values) < 2:
        return []
    words = [say(resources[p], v) for p, v in values.items()]
    together = _checked(base, checks, Candidate(values, ", ".join(words), combined=True))
    alone = max((w.gain or 0.0 for w in worths), default=0.0)
    return [together] if together.gain > (1.0 + _MORE) * alone + together.error else []


def _is_full(worth: Worth) -> bool:
    """Whether all of it is used, at whatever price; what has a negative price is not bought."""
    price = worth.price
    if not price.capacity or price.used is None or price.value < 0:
        return False
    return price.used >= price.capacity * (1.0 - _FULL)


def _first_end(worth: Worth, resource: Resource) -> float:
    """How much of a capacity is looked at first."""
    twice = 2.0 * (worth.price.capacity or 0.0)
    return _whole(resource, twice if worth.until is None else max(worth.until, twice))


def _still_paying(there: Solution, resources: dict[str, Resource]) -> list[str]:
    """What would be bought on: its next unit brings visibly more than it costs."""
    return [
        p.resource
        for p in there.prices
        if p.resource in resources and p.value > GONE * (p.worth or p.value)
    ]


def _used(base: Solution, there: Solution, ends: dict[str, float]) -> dict[str, float]:
    """What of each capacity is used there; those that none is bought of are left as they are."""
    out: dict[str, float] = {}
    for price in there.prices:
        path = price.resource
        if path not in ends:
            continue
        resource = resource_of(base.program, path)
        capacity, end = float(resource.capacity or 0.0), ends[path]
        need = end
        if price.used is not None and end > capacity:
            need = max(capacity, min(_whole(resource, price.used * (1 + 1e-6)), end))
        if abs(need - capacity) > 1e-6 * max(need, 1.0):
            out[path] = need
    return out
