"""Joint allocation of LLM tokens, GPUs and human attention, with one set of shared prices.

    >>> import allocate
    >>> solution = allocate.solve("config.yaml", overrides=["budgets.money_usd=40"])
    >>> solution.status
    'optimal'

The functions here are the command line's twins. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allocate.models.loader import Loaded
    from allocate.solver.solution import Solution
    from allocate.solver.studies.comparison import Comparison
    from allocate.solver.studies.diagnosis.study import Diagnosis

__version__ = "0.1.0"
__all__ = ["Solution", "__version__", "compare", "diagnose", "load", "solve", "validate"]

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
    config: str | Path | Mapping[str, Any] | Loaded,
    overrides: Iterable[str] = (),
    scenarios: Iterable[str] = (),
    *,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
) -> Solution:
    """Find the joint optimum, its shared prices and its certificate.

    Args:
        config: a path, a mapping, or what :func:`load` returned.
        overrides: ``dotted.path=value`` as ``--set`` takes them; not with a loaded config.
        scenarios: names under ``scenarios`` to apply; not with a loaded config.
        method: ``auto``, or a method by name.
        tolerance: largest relative gap between the answer and its bound.
        seed: of every random draw.
    """
    from allocate.models.loader import Loaded
    from allocate.solver.solve import solve as solve_loaded

    if not isinstance(config, Loaded):
        config = load(config, overrides, scenarios)
    elif tuple(overrides) or tuple(scenarios):
        raise ValueError("a loaded config is final: pass overrides and scenarios to load()")
    return solve_loaded(config, method=method, tolerance=tolerance, seed=seed)


def compare(
    config: str | Path | Mapping[str, Any] | Loaded,
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
) -> Comparison:
    """Compare the joint optimum with what each layer does alone, at equal spending.

    Args:
        config: a path, a mapping, or what :func:`load` returned.
        overrides: ``dotted.path=value`` as ``--set`` takes them; not with a loaded config.
        scenarios: names under ``scenarios`` to apply; not with a loaded config.
        baselines: which to draw; default all that can be.
        observed: a table, or a result of solve, of what is done today.
        against: the baseline of the verdict; default ``greedy-tuned``.
        method: ``auto``, or a method by name.
        tolerance: largest relative gap between an answer and its bound.
        seed: of every random draw.
        attribution: also split the gain among the layers.
    """
    from allocate.models.loader import Loaded
    from allocate.solver.studies.compare import compare as compare_loaded

    if not isinstance(config, Loaded):
        config = load(config, overrides, scenarios)
    elif tuple(overrides) or tuple(scenarios):
        raise ValueError("a loaded config is final: pass overrides and scenarios to load()")
    return compare_loaded(
        config,
        baselines,
        observed,
        against,
        method=method,
        tolerance=tolerance,
        seed=seed,
        attribution=attribution,
    )


def diagnose(
    config: str | Path | Mapping[str, Any] | Loaded,
    overrides: Iterable[str] = (),
    scenarios: Iterable[str] = (),
    *,
    observed: str | Path | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
) -> Diagnosis:
    """Find the seven failure modes of what is done today, or of what each layer would do alone.

    Args:
        config: a path, a mapping, or what :func:`load` returned.
        overrides: ``dotted.path=value`` as ``--set`` takes them; not with a loaded config.
        scenarios: names under ``scenarios`` to apply; not with a loaded config.
        observed: a table, or a result of ``solve``, of what is done today.
        select: codes of rules, or how they begin; default all.
        ignore: codes that are not wanted.
        method: ``auto``, or a method by name.
        tolerance: largest relative gap between the joint answer and its bound.
        seed: of every random draw.
    """
    from allocate.models.loader import Loaded
    from allocate.solver.studies.diagnosis.study import diagnose as examine

    if not isinstance(config, Loaded):
        config = load(config, overrides, scenarios)
    elif tuple(overrides) or tuple(scenarios):
        raise ValueError("a loaded config is final: pass overrides and scenarios to load()")
    return examine(
        config,
        observed,
        select,
        ignore,
        method=method,
        tolerance=tolerance,
        seed=seed,
    )
