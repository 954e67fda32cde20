"""Joint allocation against what each layer does alone, with spending held equal.

Every baseline is a full allocation of the same program, so the joint program allows it. The
gain is shown as it stands, at the baseline's own spending, and as the least spending that is
worth as much; it is split into more budget, knowing and coordinating, and among the layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from allocate.errors import AllocateError
from allocate.models import lanes as menus
from allocate.models.loader import Loaded
from allocate.solver.solution import NOT_SEARCHED, Solution
from allocate.solver.solve import solve
from allocate.solver.studies.baselines.bench import NAMES, Bench
from allocate.solver.studies.baselines.greedy import Knobs
from allocate.solver.studies.baselines.observed import misfits, read_observed
from allocate.solver.studies.baselines.tuned import UTILISATIONS
from allocate.solver.studies.caps import Caps
from allocate.solver.studies.common import IN_PARTS, in_parts, prices_of, with_speeds
from allocate.solver.studies.comparison import Comparison
from allocate.solver.studies.gains import Gains, Progress
from allocate.solver.studies.investment import plan_of
from allocate.solver.studies.joint import LEFT_OPEN, Answer, found, joint
from allocate.solver.studies.scene import Scene

REFERENCE = "greedy-tuned"
_UNTUNED = {"greedy", "flat-price", "observed"}  # what needs no tuned knobs
_RULES = "only local rules can be split by layer"
_ELSEWHERE = (
    "the joint answer is worth {more:,.2f} USD/h more than the one of `solve`: it starts from a "
    "baseline's training too, and training × routing can settle at several answers (solve "
    "--global SECONDS searches)"
)


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
    today = None if observed is None else read_observed(observed, loaded)
    solution = solve(loaded, method, tolerance, seed, tell, ranges=False)
    scene = Scene(loaded, {}, {}, tolerance)  # of no speeds yet: nothing is drawn on it
    gains = Gains(scene, Bench(scene, today, tell), against, found(solution), tell)
    stopped = solution.stopped
    try:
        if not stopped:
            gains = _on_common_menu(gains, solution, wanted)
            gains.draw_all(wanted, least)
            gains.split_up(steps, attribution)
    except KeyboardInterrupt:
        stopped = True
    reasons = gains.reasons
    if gains.told is None:
        reasons = {**reasons, "attribution": _untold(gains, attribution, stopped)}
    if loaded.config.training is not None:
        warnings.append(_local(gains.best, solution))
    if (line := gains.lines.get("observed")) is not None:
        warnings += misfits(line.outcome.about)
    return Comparison(
        loaded,
        gains.best,
        solution,
        gains.lines,
        gains.failed,
        against,
        gains.split,
        gains.told,
        gains.wedges,
        stopped,
        warnings,
        reasons,
    )


def _on_common_menu(gains: Gains, solution: Solution, wanted: list[str]) -> Gains:
    """Tune the knobs, and go on where joint answer and baselines share one menu of speeds."""
    tolerance = gains.scene.tolerance
    bench = gains.bench.on(common_scene(solution, bare=True, tolerance=tolerance))
    tuned = None if set(wanted) <= _UNTUNED else bench.tuned
    busy = tuned.utilisation if tuned else None
    scene = common_scene(solution, busy, bench.speeds, tolerance=tolerance)
    plan = plan_of(solution.program, solution.allocation)
    best = joint(scene, Caps(), scene.prices, plan)
    return replace(gains, scene=scene, bench=bench.on(scene), best=best)


def _untold(gains: Gains, asked: bool, stopped: bool) -> str:
    """Why the gain was not shared out among the layers."""
    if not asked:
        return "it was not asked for"
    if stopped:
        return "stopped before the gain was split by layer"
    if gains.against not in gains.lines:
        return f"there is no `{gains.against}` to compare with"
    return _RULES


def _wanted(
    baselines: Iterable[str] | None, observed: str | Path | None, against: str | None
) -> tuple[list[str], str]:
    known = [n for n in NAMES if n != "observed" or observed is not None]
    wanted = list(dict.fromkeys(baselines)) if baselines else known
    if observed is not None and "observed" not in wanted:
        wanted.append("observed")  # who gives a table wants to see it
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


def _local(best: Answer, solution: Solution) -> str:
    """What is to be said of a joint answer that is only locally the best."""
    more = best.welfare - solution.welfare
    if more > best.error + solution.certificate.error + LEFT_OPEN * abs(best.welfare):
        return _ELSEWHERE.format(more=more)
    return NOT_SEARCHED
