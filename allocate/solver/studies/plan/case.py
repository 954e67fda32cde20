"""A config that is asked many questions: solved again with other values, as ``--set`` sets them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from allocate.errors import AllocateError
from allocate.models.loader import Loaded, load, load_dict
from allocate.models.source import read_bytes, read_source
from allocate.solver.solution import Solution
from allocate.solver.solve import solve

Changes = Mapping[str, Any]
Progress = Callable[[dict], None]


class PlanError(AllocateError):
    """A plan that cannot be made as it was asked for."""


@dataclass(frozen=True)
class Case:
    """Where the config comes from, what is changed in it, and how it is solved.

    ``config`` is a path, or the content of a config with ``base_dir`` for its tables.
    """

    config: str | Mapping[str, Any]
    overrides: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    base_dir: str | None = None
    method: str = "auto"
    tolerance: float = 1e-6
    seed: int = 0

    def loaded(self, changes: Changes | None = None) -> Loaded:
        """The config with some values changed, checked as ``--set`` checks them."""
        overrides = (*self.overrides, *settings(changes or {}))
        if isinstance(self.config, str):
            return load(self.config, overrides, self.scenarios)
        return load_dict(self.config, self.base_dir, overrides, self.scenarios)

    def solved(
        self,
        changes: Changes | None = None,
        warm: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Solution:
        """The answer at some changes.

        Args:
            changes: dotted path → value.
            warm: a result document to start from.
            progress: called with what is being done.

        Raises:
            SolveError: there is none.
            KeyboardInterrupt: the user stopped it.
        """
        return self.answer(self.loaded(changes), warm, progress)

    def answer(
        self,
        loaded: Loaded,
        warm: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Solution:
        """The answer of a loaded config; unlike ``solve`` it raises when it is stopped."""
        solution = solve(
            loaded,
            self.method,
            self.tolerance,
            self.seed,
            progress,
            ranges=False,
            warm_from=None if warm is None else dict(warm),
        )
        if solution.stopped:
            raise KeyboardInterrupt
        return solution

    def portable(self) -> Case:
        """The same case with the config's content in place of its path, for another machine."""
        if not isinstance(self.config, str):
            return self
        path = Path(self.config)
        data = read_source(read_bytes(path, str(path)), str(path)).data
        return replace(self, config=data, base_dir=str(path.resolve().parent))


@dataclass
class Checks:
    """Answers of a case by what was changed, so that nothing is solved twice."""

    case: Case
    kept: dict[str, Solution] = field(default_factory=dict)

    def at(self, changes: Changes, warm: Mapping[str, Any] | None = None) -> Solution:
        """The answer at some changes, found once.

        Raises:
            SolveError: there is none.
        """
        key = json.dumps(dict(changes), sort_keys=True)
        if key not in self.kept:
            self.kept[key] = self.case.solved(changes, warm)
        return self.kept[key]


def settings(changes: Changes) -> list[str]:
    """Changes as ``--set`` takes them."""
    return [f"{path}={json.dumps(value, ensure_ascii=False)}" for path, value in changes.items()]


def rounded(value: float, digits: int = 6) -> float:
    """A number that a person can type: what is checked is what is shown."""
    if value == 0 or not math.isfinite(value):
        return value
    out = round(value, digits - 1 - math.floor(math.log10(abs(value))))
    return float(int(out)) if out == int(out) else out
