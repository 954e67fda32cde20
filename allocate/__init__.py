"""Joint allocation of LLM tokens, GPUs and human attention, with one set of shared prices.

    >>> import allocate
    >>> solution = allocate.solve("config.yaml", overrides=["budgets.money_usd=40"])
    >>> solution.status
    'optimal'

The functions here are twins of the commands of the same name, without their drawing. Nothing heavy
is imported before it is needed.

Where a function takes a ``config``, it is a path, a mapping, or what :func:`load` returned;
``overrides`` (``dotted.path=value``, as ``--set`` takes them) and ``scenarios`` (names under
``scenarios``) go with a path or a mapping only: a loaded config is final. ``method`` is ``auto`` or
a method by name, ``tolerance`` the largest relative gap between the answer and its bound, ``seed``
that of every random draw, and ``progress`` is called with a mapping of what is known as a solve
goes on.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocate.version import __version__

if TYPE_CHECKING:
    from allocate.errors import AllocateError
    from allocate.models.calibration.result import Calibration
    from allocate.models.loader import Loaded
    from allocate.solver.solution import Solution
    from allocate.solver.studies.comparison import Comparison
    from allocate.solver.studies.diagnosis.study import Diagnosis
    from allocate.solver.studies.sensitivity.function import Differentiable

    Config = str | Path | Mapping[str, Any] | Loaded
    Progress = Callable[[Mapping[str, Any]], None]
    from allocate.solver.studies.plan.planning import Plan

__all__ = [
    "Solution",
    "__version__",
    "calibrate",
    "compare",
    "diagnose",
    "differentiable",
    "load",
    "plan",
    "solve",
    "solve_many",
    "validate",
]

_LAZY = {"Solution": "allocate.solver.solution"}


def __getattr__(name: str) -> Any:
    """Import a public class when it is first asked for (PEP 562)."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Say what a notebook's completion should offer."""
    return sorted({*globals(), *_LAZY})


def load(
    config: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    scenarios: Iterable[str] = (),
) -> Loaded:
    """Read and check a config.

    Args:
        config: the path of a ``config.yaml``, or its content as a mapping.
        overrides: ``dotted.path=value`` as ``--set`` takes them.
        scenarios: names under ``scenarios`` to apply, in this order.

    Raises:
        allocate.errors.ConfigError: with every problem at once.
    """
    from allocate.models import loader

    changes, chosen = tuple(overrides), tuple(scenarios)
    if isinstance(config, Mapping):
        return loader.load_dict(config, overrides=changes, scenarios=chosen)
    return loader.load(config, changes, chosen)


def validate(
    config: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    scenarios: Iterable[str] = (),
) -> list[Any]:
    """Return every problem of a config; an empty list means that it can be solved."""
    from allocate.errors import ConfigError

    try:
        load(config, overrides, scenarios)
    except ConfigError as error:
        return list(error.problems)
    return []


def solve(
    config: Config,
    overrides: Iterable[str] = (),
    scenarios: Iterable[str] = (),
    *,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
    warm_from: str | Path | Mapping[str, Any] | None = None,
    ranges: bool = True,
    progress: Progress | None = None,
) -> Solution:
    """Find the joint optimum, its shared prices and its certificate.

    Args:
        config: see the module, as for the arguments that are not listed here.
        overrides: changes of values.
        scenarios: scenarios to apply.
        method: how to solve.
        tolerance: largest relative gap.
        seed: of random draws.
        warm_from: an earlier result to start from, of this config or another: the path of what
            ``--format json`` wrote, or the document itself.
        ranges: also find, by solving again, how far each price holds.
        progress: what to call as the solve goes on.

    Raises:
        allocate.errors.SolveError: infeasible, with the limits in conflict, or unbounded.
    """
    from allocate.solver.result import check_result, read_result
    from allocate.solver.solve import solve as solve_loaded

    if isinstance(warm_from, Mapping):
        warm_from = check_result(warm_from)
    elif warm_from is not None:
        warm_from = read_result(warm_from)
    return solve_loaded(
        _loaded(config, overrides, scenarios),
        method=method,
        tolerance=tolerance,
        seed=seed,
        progress=progress,
        ranges=ranges,
        warm_from=warm_from,
    )


def solve_many(
    config: str | Path | Mapping[str, Any],
    changes: Iterable[Iterable[str]],
    *,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
    warm_from: str | Path | Mapping[str, Any] | None = None,
    workers: int | None = None,
) -> list[Solution | AllocateError]:
    """Solve one config with other demand, prices or capacities, many times side by side.

    Every solve starts from the prices of the config as it is, or of ``warm_from``.

    Args:
        config: as of :func:`solve`; not what :func:`load` returned, which is final.
        changes: for each solve, its overrides (``dotted.path=value``).
        method: how to solve.
        tolerance: largest relative gap.
        seed: of random draws.
        warm_from: an earlier result to start from; without it the config is solved first.
        workers: processes; default one a core. One solves here, in this process.

    Returns:
        in the order of ``changes``, the answer to each, without the ranges of its prices, or
        the error that says why there is none (a ConfigError or a SolveError).

    Raises:
        allocate.errors.AllocateError: the config itself has no answer to start from.
    """
    from allocate.errors import ConfigError
    from allocate.solver.result import check_result, read_result
    from allocate.solver.studies.many import Asked, in_turn, solution_or_error

    if warm_from is None:
        how = {"method": method, "tolerance": tolerance, "seed": seed, "ranges": False}
        start = solve(config, **how).to_dict()
    else:
        known = isinstance(warm_from, Mapping)
        start = check_result(warm_from) if known else read_result(Path(warm_from))

    def loaded(overrides: Iterable[str]) -> Loaded | AllocateError:
        try:
            return load(config, overrides)
        except ConfigError as error:
            return error

    wanted = [tuple(overrides) for overrides in changes]
    asked = Asked(method, tolerance, seed, workers)
    found = in_turn(map(loaded, wanted), start, len(wanted), asked, solution_or_error)
    return [answer for _, answer in sorted(found, key=lambda pair: pair[0])]


def compare(
    config: Config,
    overrides: Iterable[str] = (),
    scenarios: Iterable[str] = (),
    *,
    baselines: Iterable[str] | None = None,
    observed: str | Path | None = None,
    against: str | None = None,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
    attribution: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Compare the joint optimum with what each layer does alone, at equal spending.

    Args:
        config: see the module, as for the arguments that are not listed here.
        overrides: changes of values.
        scenarios: scenarios to apply.
        baselines: which to draw; default all that can be.
        observed: a table, or a result of ``solve``, of what is done today.
        against: the baseline of the verdict; default ``greedy-tuned``.
        method: how to solve.
        tolerance: largest relative gap.
        seed: of random draws.
        attribution: also split the gain among the layers.
        progress: what to call as the solves go on.
    """
    from allocate.solver.studies.compare import compare as compare_loaded

    return compare_loaded(
        _loaded(config, overrides, scenarios),
        baselines,
        observed,
        against,
        method=method,
        tolerance=tolerance,
        seed=seed,
        attribution=attribution,
        progress=progress,
    )


def diagnose(
    config: Config,
    overrides: Iterable[str] = (),
    scenarios: Iterable[str] = (),
    *,
    observed: str | Path | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    least: float = 1e-4,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find the seven failure modes of what is done today, or of what each layer would do alone.

    Args:
        config: see the module, as for the arguments that are not listed here.
        overrides: changes of values.
        scenarios: scenarios to apply.
        observed: a table, or a result of ``solve``, of what is done today.
        select: codes of rules, or how they begin; default all.
        ignore: codes that are not wanted.
        least: leave out findings under this share of the joint welfare.
        method: how to solve.
        tolerance: largest relative gap.
        seed: of random draws.
        progress: what to call as the solves go on.
    """
    from allocate.solver.studies.diagnosis.study import diagnose as examine

    return examine(
        _loaded(config, overrides, scenarios),
        observed,
        select,
        ignore,
        least,
        method=method,
        tolerance=tolerance,
        seed=seed,
        progress=progress,
    )


def differentiable(
    config: Config,
    parameters: Iterable[str],
    outputs: Iterable[str] = ("welfare",),
    overrides: Iterable[str] = (),
    scenarios: Iterable[str] = (),
    *,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
) -> Differentiable:
    """Make a function of numbers of the config that JAX can differentiate.

    Its derivatives are those of the optimality conditions (docs/sensitivity.md). Calling it needs
    ``jax.config.update("jax_enable_x64", True)``.

    Args:
        config: see the module, as for the arguments that are not listed here.
        parameters: dotted paths of numbers that are written in the config.
        outputs: ``welfare``, paths of capacities (their price), or names of decisions, as
            ``sensitivity`` of a result has them.
        overrides: changes of values.
        scenarios: scenarios to apply.
        method: how to solve.
        tolerance: largest relative gap.
        seed: of random draws.

    Raises:
        LookupError: a parameter is not written in the config.
    """
    from allocate.solver.studies.sensitivity.function import differentiable as make

    loaded = _loaded(config, overrides, scenarios)
    return make(loaded, tuple(parameters), tuple(outputs), method, tolerance, seed)


def _loaded(config: Config, overrides: Iterable[str], scenarios: Iterable[str]) -> Loaded:
    from allocate.models.loader import Loaded

    changes, chosen = tuple(overrides), tuple(scenarios)
    if not isinstance(config, Loaded):
        return load(config, changes, chosen)
    if changes or chosen:
        raise ValueError("a loaded config is final: pass overrides and scenarios to load()")
    return config


def calibrate(
    sources: Iterable[str | Path],
    kind: str | None = None,
    *,
    check: Iterable[str | Path] = (),
    columns: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    blocks: Iterable[int] | None = None,
    seed: int = 0,
) -> Calibration:
    """Turn logs, measurements and price lists into curves, with intervals and fit quality.

    Args:
        sources: files of one kind.
        kind: ``trace``, ``reuse``, ``lanes``, ``models``, ``spans``, ``prices`` or ``training``;
            default what the files' format tells.
        check: files to score it against, of data that are not used.
        columns: field → column, as ``--map`` takes them.
        options: settings of the kind, as ``--option`` takes them.
        blocks: cache sizes that reuse is told for, in blocks.
        seed: of random draws.

    Raises:
        allocate.errors.DataError: with every problem that was found.
    """
    from allocate.models.calibration.running import run

    return run(
        kind,
        [Path(source) for source in sources],
        [Path(file) for file in check],
        [f"{field}={column}" for field, column in (columns or {}).items()],
        [f"{name}={value}" for name, value in (options or {}).items()],
        None if blocks is None else tuple(blocks),
        seed,
    )


def plan(
    config: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    scenarios: Iterable[str] = (),
    *,
    sweep: Iterable[str] = (),
    frontier: str | None = None,
    points: int = 9,
    today: str | Path | None = None,
    advice: bool | None = None,
    executor: str = "local",
    address: str | None = None,
    workers: int | None = None,
    store: str | Path | None = None,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
) -> Plan:
    """Find what the next unit of each capacity is worth, where buying stops, and what to change.

    The config is solved many times with other values, so it is given as a path or a mapping.

    Args:
        config: a path, or a mapping.
        overrides: ``dotted.path=value`` as ``--set`` takes them.
        scenarios: names under ``scenarios`` to apply.
        sweep: ``PATH=from:to:points`` or ``PATH=a,b,c``, as ``--sweep`` takes them.
        frontier: two parts of the objective, such as ``money,latency``.
        points: of the frontier.
        today: a table, or a result of solve, of what is done today.
        advice: whether to look for it; default where nothing else is asked for.
        executor: ``local`` or ``ray``.
        address: of the Ray cluster.
        workers: processes of ``local``; default one a core. With more than one, call this under
            ``if __name__ == "__main__":``.
        store: folder that finished points are kept in.
        method: ``auto``, or a method by name.
        tolerance: largest relative gap between an answer and its bound.
        seed: of every random draw.
    """
    from allocate.solver.studies.plan.case import Case
    from allocate.solver.studies.plan.planning import Ask
    from allocate.solver.studies.plan.planning import plan as make_plan

    content = config if isinstance(config, Mapping) else str(config)
    case = Case(content, tuple(overrides), tuple(scenarios), None, method, tolerance, seed)
    folder = None if store is None else Path(store)
    ask = Ask(tuple(sweep), frontier, points, today, advice, executor, address, workers, folder)
    return make_plan(case, ask)
