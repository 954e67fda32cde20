"""``plan``: what the next unit is worth, what to change, and how it all moves with capacity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from allocate.errors import SolveError
from allocate.models.loader import Loaded
from allocate.plain import plain
from allocate.plots import Plotting
from allocate.solver.ranges import price_ranges
from allocate.solver.result import head
from allocate.solver.solution import Solution
from allocate.solver.studies.plan.advice import Advice, advise
from allocate.solver.studies.plan.axes import Axis, grid, in_order, read_axes
from allocate.solver.studies.plan.case import Case, Checks, PlanError, Progress
from allocate.solver.studies.plan.change import Change, change_from
from allocate.solver.studies.plan.frontier import POINTS, Frontier, frontier
from allocate.solver.studies.plan.periods import by_period
from allocate.solver.studies.plan.point import PARTS
from allocate.solver.studies.plan.store import Store
from allocate.solver.studies.plan.sweep import Swept, Where, sweep
from allocate.solver.studies.plan.uncertain import Value, asked, value_of_planning
from allocate.solver.studies.plan.worth import Worth, worth_of


@dataclass(frozen=True)
class Ask:
    """What is wanted beside prices by resource and period.

    ``advise``: where buying stops and what to change; None: where nothing else is asked for.
    """

    sweeps: tuple[str, ...] = ()
    frontier: str | None = None
    points: int = POINTS
    today: str | Path | None = None
    advise: bool | None = None
    executor: str = "local"
    address: str | None = None
    workers: int | None = None
    store: Path | None = None

    @property
    def advised(self) -> bool:
        """Whether worth and advice are wanted."""
        other = self.sweeps or self.frontier or self.today
        return not other if self.advise is None else self.advise


@dataclass
class Plan:
    """A plan so far: what is finished stands in it, also when the user stops it."""

    loaded: Loaded
    axes: list[Axis]
    base: Solution | None = None
    without: SolveError | None = None
    worths: list[Worth] = field(default_factory=list)
    advice: list[Advice] | None = None
    swept: Swept | None = None
    frontier: Frontier | None = None
    along: Swept | None = None
    change: Change | None = None
    value: Value | None = None
    stopped: bool = False
    warnings: list[str] = field(default_factory=list)
    plot = Plotting()

    @property
    def status(self) -> str:
        """That of the answer to the config as it is, ``stopped`` if the user stopped the plan.

        Of a sweep whose config has no answer as it stands the points decide.
        """
        if self.stopped:
            return "stopped"
        if self.without is not None:
            return "optimal" if self.points else self.without.status
        return "stopped" if self.base is None else self.base.status

    @property
    def points(self) -> list[dict[str, Any]]:
        """Finished points of the sweep."""
        return [] if self.swept is None else self.swept.finished

    def to_dict(self) -> dict[str, Any]:
        """The document of ``--format json``."""
        base = self.base
        return plain(
            {
                **head(self.loaded.sha256),
                "unit": "USD/h",
                "status": self.status,
                "base": None if base is None else _base(base),
                "message": None if self.without is None else str(self.without),
                "resources": self._resources(),
                "advice": None if self.advice is None else [a.to_dict() for a in self.advice],
                "periods": [] if base is None else by_period(base),
                **({} if base is None else base.layers.capacity()),
                "uncertainty": None if self.value is None else self.value.to_dict(),
                "axes": [{"path": a.path, "values": list(a.values)} for a in self.axes],
                "sweep": self.points,
                "sweep_about": None if self.swept is None else _about(self.swept),
                "frontier": None
                if self.frontier is None or self.along is None
                else self.frontier.to_dict(self.along.points) | {"about": _about(self.along)},
                "change": None if self.change is None else self.change.to_dict(),
                "assumed": [] if base is None else base.to_dict()["assumed"],
                "warnings": self.warnings,
            }
        )

    def _resources(self) -> list[dict[str, Any]]:
        """Every resource, also where it has not been looked at how far buying pays."""
        if self.base is None or not self.base.priced:
            return []
        looked = {w.price.resource: w for w in self.worths}
        why = "not looked for" if self.advice is None else "not looked for: stopped before it"
        unknown = (Worth(p, None, None, None, why) for p in self.base.prices)
        return [looked.get(w.price.resource, w).to_dict() for w in unknown]


def _base(base: Solution) -> dict[str, Any]:
    certificate = base.certificate
    return {
        "status": base.status,
        "objective": {k: base.objective[k] for k in ("welfare", *PARTS)},
        "relative_gap": certificate.relative_gap,
        "max_violation": certificate.max_violation,
        "error_usd_per_hour": certificate.error,
        "holds": certificate.holds,
    }


def _about(swept: Swept) -> dict[str, Any]:
    return {
        "points": len(swept.points),
        "finished": len(swept.finished),
        "reused": swept.reused,
        "solved": swept.solved,
        "stopped": swept.stopped,
    }


def plan(case: Case, ask: Ask, progress: Progress | None = None) -> Plan:
    """Make a plan.

    Args:
        case: the config and how it is solved.
        ask: what is wanted.
        progress: called with what is being done.

    Raises:
        ConfigError: the config is wrong.
        SweepError: so is a sweep, and what to write instead.
        PlanError: a flag makes no sense.
        SolveError: the config has no answer and no other point was asked for.
    """
    tell = progress or (lambda step: None)
    loaded = case.loaded()
    out = Plan(loaded, read_axes(ask.sweeps, loaded))
    store = None if ask.store is None else Store.open(ask.store, _question(case, loaded))
    where = Where(ask.executor, ask.address, ask.workers, store)
    try:
        _base_of(out, case, ask, tell)
        if out.base is not None:
            _more(out, case, ask, where, tell)
        if out.axes:
            start = None if out.base is None else out.base.to_dict().get("start")
            out.swept = sweep(case, grid(out.axes), where, tell, start)
            out.swept.points = [out.swept.points[i] for i in in_order(out.axes)]
            _note(out, out.swept)
    except KeyboardInterrupt:
        out.stopped = True
    return out


def _question(case: Case, loaded: Loaded) -> Mapping[str, Any]:
    from allocate import __version__

    return {
        "config": loaded.sha256,
        "version": __version__,
        "method": case.method,
        "tolerance": case.tolerance,
        "seed": case.seed,
    }


def _base_of(out: Plan, case: Case, ask: Ask, tell: Progress) -> None:
    """The answer to the config as it is; a sweep goes on where there is none."""
    try:
        out.base = case.answer(out.loaded, progress=tell)
    except SolveError as error:
        if not out.axes or ask.frontier or ask.today:
            raise
        out.without = error
        out.warnings.append(f"the config as it stands has no answer: {error.message}")
        return
    out.warnings += out.base.warnings()


def _more(out: Plan, case: Case, ask: Ask, where: Where, tell: Progress) -> None:
    base = out.base
    assert base is not None
    if ask.today is not None:
        out.change = _changed(base, ask.today, tell)
    if ask.frontier is not None:
        out.frontier = frontier(ask.frontier, out.loaded, base, ask.points)
        start = base.to_dict().get("start")
        out.along = sweep(case, out.frontier.changes, where, tell, start)
        _note(out, out.along)
    if not ask.advised or not base.priced:
        return
    if asked(out.loaded.config):
        out.value = value_of_planning(case, base, tell)
    out.advice = []
    out.base = base = _with_ranges(base, tell)
    checks = Checks(case)
    binding = [p for p in base.prices if p.binding]
    for done, price in enumerate(binding):
        tell({"phase": "where buying stops", "done": done + 1, "of": len(binding)})
        out.worths.append(worth_of(base, checks, price))
    out.worths += [worth_of(base, checks, p) for p in base.prices if not p.binding]
    out.advice, failed, stopped = advise(base, checks, out.worths, tell)
    out.warnings += failed
    if stopped:
        raise KeyboardInterrupt


def _changed(base: Solution, today: str | Path, tell: Progress) -> Change:
    try:
        return change_from(base, today, tell)
    except LookupError as error:
        raise PlanError(f"--from {today}: {error.args[0]}") from error


def _with_ranges(base: Solution, tell: Callable[[dict], None]) -> Solution:
    """The answer with how far its prices hold."""
    if not base.certificate.holds:
        return base
    splits = base.built.splits if base.built.tiers else None
    spans = price_ranges(base.program, base.duals, base.allocation, progress=tell, splits=splits)
    return replace(base, ranges=spans)


def _note(out: Plan, swept: Swept) -> None:
    out.stopped |= swept.stopped
    out.warnings += swept.warnings
