"""Joint allocation against what each layer does alone, with spending held equal.

Every baseline is a full allocation of the same program, so the joint program allows it. The
gain is shown as it stands, at the baseline's own spending, and as the least spending that is
worth as much; it is split into more budget, knowing and coordinating, and among the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from allocate.errors import AllocateError, SolveError
from allocate.models import lanes as menus
from allocate.models.loader import Loaded
from allocate.solver.solution import NOT_SEARCHED, Solution
from allocate.solver.solve import solve
from allocate.solver.studies.attribution import attribute
from allocate.solver.studies.baselines.bench import NAMES, Bench
from allocate.solver.studies.baselines.flat import flat_price
from allocate.solver.studies.baselines.greedy import Knobs
from allocate.solver.studies.baselines.tuned import UTILISATIONS
from allocate.solver.studies.caps import Caps
from allocate.solver.studies.common import IN_PARTS, in_parts, prices_of, with_speeds
from allocate.solver.studies.comparison import Comparison, Line
from allocate.solver.studies.investment import plan_of
from allocate.solver.studies.joint import Answer, joint
from allocate.solver.studies.least import least_spend
from allocate.solver.studies.scene import Outcome, Scene
from allocate.solver.studies.wedges import wedges

REFERENCE = "greedy-tuned"
_UNTUNED = {"greedy", "flat-price", "observed"}  # what needs no tuned knobs
_SMALL = 1e-4  # of the joint welfare: what rounds of training leave open
_FITS = 1e-9  # of a limit on spending: within it nothing is limited
_RULES = "only local rules can be split by layer"
_UNFOUND = "no joint answer was found at its spending, so nothing is said of it"
_ELSEWHERE = (
    "the joint answer is worth {more:,.2f} USD/h more than the one of `solve`: it starts from a "
    "baseline's training too, and training × routing can settle at several answers (solve "
    "--global SECONDS searches)"
)
Progress = Callable[[dict], None]


class CompareError(AllocateError):
    """A comparison that cannot be made as it was asked for."""


def compare(
    loaded: Loaded,
    baselines: Iterable[str] | None = None,
    observed: str | Path | None = None,
    against: str | None = None,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
    progress: Progress | None = None,
    attribution: bool = True,
    least: bool = True,
    steps: bool = True,
) -> Comparison:
    """Compare the joint answer with what each layer does alone.

    Args:
        loaded: config and classes, from ``allocate.load``.
        baselines: which to draw; default all (``observed`` where a table is given).
        observed: a table, or a result of ``solve``, of what is done today.
        against: the baseline of the verdict; default ``greedy-tuned``.
        method: of the joint solve.
        tolerance: largest relative gap that may be called optimal.
        seed: of the samples of classes that the solve of a large program begins with.
        progress: called with what is being done.
        attribution: also split the gain among the layers (up to 14 more solves).
        least: also find the least spend that is worth as much (a few solves a baseline).
        steps: also split the gain into knowing, coordinating and more budget (``flat-price``
            drawn once more, at the baseline's spending).

    Raises:
        CompareError: a name that is no baseline.
        SolveError: the config itself has no answer.
    """
    wanted, against = _wanted(baselines, observed, against)
    tell = progress or (lambda step: None)
    whole, loaded = loaded, in_parts(loaded)
    warnings = [] if loaded is whole else [IN_PARTS]
    solution = solve(loaded, method, tolerance, seed, tell, ranges=False)
    bench = Bench(common_scene(solution, bare=True, tolerance=tolerance), observed, tell)
    tuned = bench.tuned if not set(wanted) <= _UNTUNED else None
    scene = common_scene(
        solution, tuned.utilisation if tuned else None, bench.speeds, tolerance=tolerance
    )
    bench = bench.on(scene)
    best = joint(scene, Caps(), scene.prices, plan_of(solution.program, solution.allocation))
    lines: dict[str, Line] = {}
    failed: dict[str, str] = {}
    split = told = None
    reasons: dict[str, str] = {}
    stopped, wedge = False, []
    try:
        for done, name in enumerate(wanted, start=1):
            tell({"phase": "baselines", "done": done, "of": len(wanted), "what": name})
            try:
                outcome = bench.outcome(name)
            except (LookupError, SolveError) as error:
                failed[name] = str(error)
                continue
            alike = (x for x in lines.values() if _alike(x.outcome, outcome))
            try:
                twin = next(alike, None) or _line(scene, outcome, best, least)
            except SolveError as error:  # it can be drawn: the baseline itself keeps the limits
                failed[name] = f"{_UNFOUND} ({error})"
                continue
            lines[name] = replace(twin, outcome=outcome)
            best = _better(scene, best, twin.equal)
        lines = {name: _beside(line, best) for name, line in lines.items()}
        if against in lines:
            tell({"phase": "splitting"})
            flat, reference = None, lines[against]
            if steps:
                flat, reference = _with_flat(scene, reference, reasons)
                best = _better(scene, best, reference.equal)
                lines = {name: _beside(line, best) for name, line in lines.items()}
                lines[against], split = reference, _split(reference, best, flat)
            wedge = wedges(reference.outcome, reference.equal.prices)
            decided = bench.decisions(against)
            if attribution and decided is not None:
                told = attribute(scene, reference.outcome, decided, reference.equal, tell)
                best = _better(scene, best, told.best)
                reference = _beside(replace(reference, equal=told.best), best)
                lines[against] = reference
                split = None if split is None else _split(reference, best, flat)
    except KeyboardInterrupt:
        if not lines:
            raise
        stopped = True
    if told is None:
        unasked = "it was not asked for" if not attribution else None
        early = "stopped before the gain was split by layer" if stopped else None
        undrawn = None if against in lines else f"there is no `{against}` to compare with"
        reasons["attribution"] = unasked or early or undrawn or _RULES
    if loaded.config.training is not None:
        warnings.append(_local(best, solution))
    return Comparison(
        *(loaded, best, solution, lines, failed, against, split, told, wedge),
        *(stopped, warnings, reasons),
    )


def _wanted(
    baselines: Iterable[str] | None, observed: str | Path | None, against: str | None
) -> tuple[list[str], str]:
    known = [n for n in NAMES if n != "observed" or observed is not None]
    wanted = list(dict.fromkeys(baselines)) if baselines else known
    against = against or (REFERENCE if REFERENCE in wanted else wanted[0])
    for name in [*wanted, against]:
        if name == "observed" and observed is None:
            raise CompareError("the baseline `observed` needs a table: give --observed TABLE")
        if name not in NAMES:
            raise CompareError(f"there is no baseline `{name}`; there are {', '.join(NAMES)}")
    return [n for n in NAMES if n in {*wanted, against}], against


def common_scene(
    solution: Solution,
    utilisation: float | None = None,
    more: Mapping[str, Iterable[float]] | None = None,
    bare: bool = False,
    tolerance: float = 1e-6,
) -> Scene:
    """The joint answer's menu of speeds with those of the baselines; or the knobs' alone."""
    config, prices = solution.loaded.config, prices_of(solution)
    if bare:
        knobs = dict.fromkeys(menus.deployments(config), UTILISATIONS)
        for family in menus.listed(config):
            del knobs[family]
        return Scene(solution.loaded, menus.speeds(config, knobs), prices, tolerance)
    usual = [Knobs().utilisation, *([utilisation] if utilisation else [])]
    wanted = {f: [*usual, *(more or {}).get(f, ())] for f in menus.deployments(config)}
    return Scene(solution.loaded, with_speeds(solution, wanted), prices, tolerance)


def _alike(one: Outcome, other: Outcome) -> bool:
    """Whether two baselines came to the same allocation."""
    a, b = one.solution.objective, other.solution.objective
    return all(abs(a[k] - b[k]) <= 1e-12 * max(abs(a["value"]), 1e-300) for k in a)


def _line(scene: Scene, outcome: Outcome, best: Answer, least: bool) -> Line:
    caps, equal = Caps(outcome.machines, outcome.spend), best
    if not _fits(best, outcome) or outcome.welfare > best.welfare:
        plans = [best.invested]
        equal = joint(scene, caps, best.prices, outcome.invested, also=plans)
    enough = _enough(scene, caps, outcome, equal) if least else None
    return Line(outcome, best.welfare - outcome.welfare, equal, enough)


def _fits(answer: Answer, outcome: Outcome) -> bool:
    """Whether an answer spends no more than a baseline."""
    total, machines = outcome.spend * (1 + _FITS), outcome.machines * (1 + _FITS)
    return answer.spend <= total and answer.machines <= machines


def _better(scene: Scene, best: Answer, other: Answer) -> Answer:
    """Training × routing is not convex: what a baseline's training led to may be worth more."""
    if other.welfare <= best.welfare + _SMALL * abs(best.welfare):
        return best
    try:
        free = joint(scene, Caps(), other.prices, other.invested, also=[best.invested])
    except SolveError:
        return other
    return max(other, free, key=lambda answer: answer.welfare)


def _beside(line: Line, best: Answer) -> Line:
    """The line beside the best answer that was found anywhere."""
    equal = line.equal
    if best.welfare > equal.welfare and _fits(best, line.outcome):
        equal = best
    return replace(line, gain=best.welfare - line.outcome.welfare, equal=equal)


def _local(best: Answer, solution: Solution) -> str:
    """What is to be said of a joint answer that is only locally the best."""
    more = best.welfare - solution.welfare
    if more > best.error + solution.certificate.error + _SMALL * abs(best.welfare):
        return _ELSEWHERE.format(more=more)
    return NOT_SEARCHED


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


def _with_flat(scene: Scene, line: Line, reasons: dict[str, str]) -> tuple[float | None, Line]:
    """Welfare of average prices at the reference's spending, and the line; None with a reason.

    The line is better where the training of average prices led the joint answer further.
    """
    caps = Caps(line.outcome.machines, line.outcome.spend)
    try:
        allocation, invested, about = flat_price(scene, caps)
    except (LookupError, SolveError) as error:
        reasons["split"] = f"`flat-price` could not be drawn at this spending: {error}"
        return None, line
    flat = scene.outcome("flat-price", allocation, invested, about).welfare
    if scene.loaded.config.training is not None and invested.levels:
        try:
            other = joint(scene, caps, line.equal.prices, invested)
        except SolveError:
            return flat, line  # the answer that there is stands
        line = replace(line, equal=max(line.equal, other, key=lambda a: a.welfare))
    return flat, line


def _split(line: Line, best: Answer, flat: float | None) -> dict[str, float | None]:
    """More budget, knowing, coordinating: three steps from the reference to the joint answer.

    The last two are not known without the welfare of average prices.
    """
    return {
        "more_budget": best.welfare - line.equal.welfare,
        "knowing": None if flat is None else flat - line.outcome.welfare,
        "coordinating": None if flat is None else line.equal.welfare - flat,
    }
