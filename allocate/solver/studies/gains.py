"""The gain of the joint answer over each baseline, kept as it is found.

With training the joint answer is a local one, and what a baseline's training leads to may be
worth more. So every answer that is found, wherever, is one that the joint answer may become.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from allocate.errors import SolveError
from allocate.solver.studies.attribution import Attribution, attribute
from allocate.solver.studies.baselines.bench import Bench
from allocate.solver.studies.baselines.flat import flat_price
from allocate.solver.studies.caps import Caps
from allocate.solver.studies.comparison import Line
from allocate.solver.studies.joint import LEFT_OPEN, Answer, joint
from allocate.solver.studies.least import least_spend
from allocate.solver.studies.scene import Outcome, Scene
from allocate.solver.studies.wedges import Wedge, wedges

_FITS = 1e-9  # of a limit on spending: within it nothing is limited
_UNFOUND = "no joint answer was found at its spending, so nothing is said of it"
Progress = Callable[[dict], None]


@dataclass
class Gains:
    """A comparison under way.

    ``best`` is the best joint answer that was found anywhere, ``lines`` the baselines that
    could be drawn and ``failed`` why others could not. ``split``, ``told`` (the gain by layer)
    and ``wedges`` are of the baseline ``against``; ``reasons`` says what of them is missing.
    """

    scene: Scene
    bench: Bench
    against: str
    best: Answer
    tell: Progress
    lines: dict[str, Line] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    split: dict[str, float | None] | None = None
    told: Attribution | None = None
    wedges: list[Wedge] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def draw_all(self, names: Sequence[str], least: bool) -> None:
        """Baselines in order."""
        for done, name in enumerate(names, start=1):
            self.tell({"phase": "baselines", "done": done, "of": len(names), "what": name})
            self.draw(name, least)

    def draw(self, name: str, least: bool) -> None:
        """A baseline, the joint answer at its spending, and the ``least`` spending if asked."""
        try:
            outcome = self.bench.outcome(name)
        except (LookupError, SolveError) as error:
            self.failed[name] = str(error)
            return
        alike = (x for x in self.lines.values() if _alike(x.outcome, outcome))
        try:
            twin = next(alike, None) or self._line(outcome, least)
        except SolveError as error:  # it can be drawn: the baseline itself keeps the limits
            self.failed[name] = f"{_UNFOUND} ({error})"
            return
        self.lines[name] = replace(twin, outcome=outcome)
        self._found(twin.equal)

    def split_up(self, steps: bool, attribution: bool) -> None:
        """The gain over ``against`` in steps and by layer, as far as asked for."""
        if self.against not in self.lines:
            return
        self.tell({"phase": "splitting"})
        flat = None
        if steps:
            flat = self._flat()
            self.split = self._split(flat)
        self._compare_prices()
        decided = self.bench.decisions(self.against)
        if not attribution or decided is None:
            return
        line = self.lines[self.against]
        self.told = attribute(self.scene, line.outcome, decided, line.equal, self.tell)
        self._equal_is(self.told.best)  # what stands beside it changes with it
        self._compare_prices()
        if self.split is not None:
            self.split = self._split(flat)

    def _compare_prices(self) -> None:
        """What each layer saw of a price, and what it is in the answer at equal spend."""
        line = self.lines[self.against]
        self.wedges = wedges(line.outcome, line.equal.prices)

    def _line(self, outcome: Outcome, least: bool) -> Line:
        caps, equal, best = Caps(outcome.machines, outcome.spend), self.best, self.best
        if not _fits(best, outcome) or outcome.welfare > best.welfare:
            equal = joint(self.scene, caps, best.prices, outcome.invested, also=[best.invested])
        enough = _enough(self.scene, caps, outcome, equal) if least else None
        return Line(outcome, best.welfare - outcome.welfare, equal, enough)

    def _equal_is(self, equal: Answer) -> None:
        """An answer at the spending of ``against`` that is worth at least the one known."""
        self.lines[self.against] = replace(self.lines[self.against], equal=equal)
        self._found(equal)

    def _found(self, other: Answer) -> None:
        """Another joint answer: it, or what it leads to, may be the best; lines go along."""
        if other.welfare > self.best.welfare + LEFT_OPEN * abs(self.best.welfare):
            self.best = max(other, self._led_to(other), key=lambda answer: answer.welfare)
        self.lines = {name: _beside(line, self.best) for name, line in self.lines.items()}

    def _led_to(self, other: Answer) -> Answer:
        """The answer without limits on spending that its training leads to."""
        try:
            also = [self.best.invested]
            return joint(self.scene, Caps(), other.prices, other.invested, also=also)
        except SolveError:
            return other

    def _flat(self) -> float | None:
        """Welfare of average prices at the spending of ``against``; None with a reason.

        The line is better where the training of average prices led the joint answer further.
        """
        line = self.lines[self.against]
        caps = Caps(line.outcome.machines, line.outcome.spend)
        try:
            allocation, invested, about = flat_price(self.scene, caps)
        except (LookupError, SolveError) as error:
            self.reasons["split"] = f"`flat-price` could not be drawn at this spending: {error}"
            return None
        flat = self.scene.outcome("flat-price", allocation, invested, about).welfare
        if self.scene.loaded.config.training is not None and invested.levels:
            try:
                other = joint(self.scene, caps, line.equal.prices, invested)
            except SolveError:
                return flat  # the answer that there is stands
            self._equal_is(max(line.equal, other, key=lambda answer: answer.welfare))
        return flat

    def _split(self, flat: float | None) -> dict[str, float | None]:
        """More budget, knowing, coordinating: from ``against`` to the joint answer.

        The last two are not known without the welfare of average prices.
        """
        line = self.lines[self.against]
        equal, drawn = line.equal.welfare, line.outcome.welfare
        return {
            "more_budget": self.best.welfare - equal,
            "knowing": None if flat is None else flat - drawn,
            "coordinating": None if flat is None else equal - flat,
        }


def _alike(one: Outcome, other: Outcome) -> bool:
    """Whether two baselines came to the same allocation."""
    a, b = one.solution.objective, other.solution.objective
    return all(abs(a[k] - b[k]) <= 1e-12 * max(abs(a["value"]), 1e-300) for k in a)


def _fits(answer: Answer, outcome: Outcome) -> bool:
    """Whether an answer spends no more than a baseline."""
    total, machines = outcome.spend * (1 + _FITS), outcome.machines * (1 + _FITS)
    return answer.spend <= total and answer.machines <= machines


def _beside(line: Line, best: Answer) -> Line:
    """The line beside the best answer that was found anywhere."""
    equal = line.equal
    if best.welfare > equal.welfare and _fits(best, line.outcome):
        equal = best
    return replace(line, gain=best.welfare - line.outcome.welfare, equal=equal)


def _enough(
    scene: Scene, caps: Caps, outcome: Outcome, equal: Answer
) -> tuple[float, float] | None:
    """The least spending that is worth as much; None where it was not found."""
    if outcome.spend <= 0:
        return 0.0, 0.0
    try:
        return least_spend(scene, caps, equal, outcome.welfare + outcome.spend)
    except SolveError:
        return None
