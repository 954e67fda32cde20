"""Runs whose tokens are not known: a score is all that they tell of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from allocate.models.calibration.models.leaderboard import Family, identity
from allocate.models.calibration.naming import slug, unique_slugs
from allocate.models.calibration.result import Parameter
from allocate.models.calibration.statistics import proportion


@dataclass
class Score:
    """One model's runs at one effort without token counts; repeated runs are counted together."""

    label: str
    has_curve: bool
    """Other runs of the model have token counts, so that it has a curve already."""
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tasks(self) -> float:
        """Tasks of all its runs."""
        return sum(run["tasks"] for run in self.runs)

    @property
    def share(self) -> tuple[float, float, float]:
        """Share solved, as the board says it, with Wilson's interval."""
        solved = sum(run["score"] / 100 * run["tasks"] for run in self.runs)
        return proportion(solved, self.tasks)

    def parameter(self, name: str) -> Parameter:
        """The share as a parameter of the model that a config calls ``name``."""
        about = {
            "method": "share solved, Wilson interval; no token counts", "rows": len(self.runs),
            "goodness": None, "seen": None,
        }  # fmt: skip
        return Parameter(f"{name}.quality", *self.share, "1", about)


def of(runs: Iterable[Mapping[str, Any]], families: Mapping[str, Family]) -> dict[str, Score]:
    """Scores of the runs without token counts, by name in a config, the best first.

    Args:
        runs: all runs of a leaderboard.
        families: those with token counts, by name; no score takes such a name.
    """
    bare = [dict(run) for run in runs if run["completion_tokens"] is None]
    curved = {identity(family.runs[0]) for family in families.values()}
    groups: dict[tuple[str, str, str], Score] = {}
    for run in bare:
        key = (run["model"], run["helper"] or "", run["variant"] or "")
        groups.setdefault(key, Score(run["model"], identity(run) in curved)).runs.append(run)
    labels = _labels(groups)
    names = unique_slugs(labels.values())
    out: dict[str, Score] = {}
    for key in sorted(groups, key=lambda key: -groups[key].share[0]):
        base = name = names[labels[key]]
        i = 2
        while name in out or name in families:
            name, i = f"{base}_{i}", i + 1
        out[name] = groups[key]
    return out


def _labels(groups: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
    """What to name each by: the model, its helper, and its variant where there are several."""
    groups = list(groups)
    variants = Counter((model, helper) for model, helper, _ in groups)
    out = {}
    for key in groups:
        model, helper, variant = key
        more = slug(helper) if helper and slug(helper) not in slug(model) else ""
        told = slug(variant) if variants[model, helper] > 1 and variant else ""
        out[key] = " ".join(filter(None, (model, more, told)))
    return out
