"""What a large change of one number does, found by solving again and not by a slope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from allocate.errors import AllocateError, SolveError
from allocate.models.parameters import Parameter, moved
from allocate.solver.solution import Solution
from allocate.solver.solve import solve

_LEAST = 1e-3  # of a class: a move that is worth a word
_SAME = 1e-6  # of the welfare: no change
_BEYOND = 1.25  # of the way to where a switch is guessed
Where = tuple[str, str]  # model, autonomy


class Move(NamedTuple):
    """A share of a class that goes another way."""

    of: str
    share: float
    source: Where
    target: Where


@dataclass(frozen=True)
class Change:
    """One number at another value: what moves, what welfare becomes (None without an answer)."""

    parameter: Parameter
    to: float
    before: float
    welfare: float | None
    status: str
    moves: tuple[Move, ...]

    @property
    def sentence(self) -> str:
        """What happens, in words."""
        times = self.to / self.parameter.value
        amount = f"{times:.3g}x as much" if times > 1 else f"{times:.3g} of what it is"
        head = f"If {self.parameter.path} is {amount} ({_short(self.to)})"
        if self.welfare is None:
            return f"{head}, there is no answer: {self.status}."
        gain = self.welfare - self.before
        money = f"welfare {'rises' if gain >= 0 else 'falls'} by {abs(gain):,.2f} USD/h"
        if abs(gain) < _SAME * max(abs(self.before), 1e-300):
            money = "welfare stays"
        if not self.moves:
            return f"{head}, every class keeps its way; {money}."
        first = self.moves[0]
        more = len({m.of for m in self.moves}) - 1
        others = f" (and {more} other class{'es' if more > 1 else ''} move)" if more else ""
        return (
            f"{head}, {100 * first.share:.3g} % of {first.of} moves from {_way(first.source)} to "
            f"{_way(first.target)}{others}; {money}."
        )

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``sensitivity_about.changes``."""
        return {
            "parameter": self.parameter.path,
            "from": self.parameter.value,
            "to": self.to,
            "status": self.status,
            "welfare": self.welfare,
            "moves": [
                {
                    "class": m.of,
                    "share": m.share,
                    "from": list(m.source),
                    "to": list(m.target),
                }
                for m in self.moves
            ],
            "sentence": self.sentence,
        }


def largest(parameter: Parameter, change: float | None) -> float | None:
    """A value to try: twice or half of it, towards the nearest switch; None if there is none.

    Where that is out of bounds, a little beyond the switch. ``change`` of it as a share.
    """
    if not parameter.value or parameter.others:
        return None
    factors = (2.0, 0.5) if change is None or change > 0 else (0.5, 2.0)
    if change is not None:
        factors = (factors[0], 1.0 + _BEYOND * change, factors[1])
    low, high = parameter.room()
    for factor in factors:
        step = (factor - 1.0) * parameter.value
        if (step < high) if step > 0 else (-step < low):
            return factor * parameter.value
    return None


def tried(
    solution: Solution,
    earlier: dict[str, Any],
    parameter: Parameter,
    to: float,
    method: str,
    tolerance: float,
    seed: int,
) -> Change:
    """Solve again with one number at another value, beginning at an earlier result."""
    before = solution.welfare
    try:
        config, classes = moved(solution.loaded, {parameter: to})
        there = replace(solution.loaded, config=config, classes=classes)
        found = solve(there, method, tolerance, seed, ranges=False, warm_from=earlier)
    except SolveError as error:
        return Change(parameter, to, before, None, error.status, ())
    except (AllocateError, ValueError):
        return Change(parameter, to, before, None, "no valid config", ())
    if found.stopped:
        raise KeyboardInterrupt
    if not found.certificate.holds:
        return Change(parameter, to, before, None, "not certified", ())
    moves = _moves(_shares(solution), _shares(found))
    return Change(parameter, to, before, found.welfare, found.status, tuple(moves))


def _shares(solution: Solution) -> dict[str, dict[Where, float]]:
    """By class, the share of its requests that goes each way."""
    requests: dict[str, dict[Where, float]] = {}
    periods = dict(zip(solution.built.periods, solution.built.shares, strict=True))
    for line in solution.layers.router:
        way = (
            line["model"] or ("" if line["autonomy"] == "declined" else "human"),
            line["autonomy"],
        )
        of = requests.setdefault(line["class"], {})
        when = line.get("period")
        weight = periods.get(when, 1.0) if when else 1.0
        of[way] = of.get(way, 0.0) + weight * line["requests_per_s"]
    return {
        name: {way: x / max(sum(ways.values()), 1e-300) for way, x in ways.items()}
        for name, ways in requests.items()
    }


def _moves(
    before: Mapping[str, Mapping[Where, float]], after: Mapping[str, Mapping[Where, float]]
) -> list[Move]:
    """Where the classes go that go another way, the largest move first."""
    out = []
    for name in before.keys() | after.keys():
        old, new = before.get(name, {}), after.get(name, {})
        change = {w: new.get(w, 0.0) - old.get(w, 0.0) for w in old.keys() | new.keys()}
        share = 0.5 * sum(abs(c) for c in change.values())
        if share > _LEAST:
            source, target = (
                min(change, key=change.__getitem__),
                max(change, key=change.__getitem__),
            )
            out.append(Move(name, share, source, target))
    return sorted(out, key=lambda m: -m.share)


def _way(where: Where) -> str:
    model, autonomy = where
    return autonomy if autonomy == "declined" else f"{model} ({autonomy})"


def _short(value: float) -> str:
    return f"{value:.6g}"
