"""Leaderboards in Aider's form: score after one and two tries, tokens, seconds and cost.

A row is a run of so many tasks. Runs of one model at several efforts are told by what stands
in brackets at the end of its name, ``(high)`` or ``(32k think)``, or by ``reasoning_effort``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibration import mapping
from allocate.models.calibration.cells import count, number
from allocate.models.calibration.models import power_law
from allocate.models.calibration.naming import slug
from allocate.models.calibration.private import without_paths
from allocate.models.calibration.reading import fail
from allocate.models.calibration.statistics import proportion

FIELDS = {
    "model": "model or run",
    "tasks": "tasks of the run",
    "score_1": "% solved in one try",
    "score": "% solved in the end",
    "prompt_tokens": "prompt tokens of the whole run",
    "completion_tokens": "written tokens of the whole run, thinking included",
    "seconds": "seconds per task",
    "cost_usd": "USD of the whole run; 0 means unknown",
    "effort": "reasoning effort",
    "variant": "what else tells runs apart, such as the edit format",
    "helper": "second model of a pair",
}
ALIASES: dict[str, tuple[str, ...]] = {
    "model": ("model",),
    "tasks": ("test_cases", "tasks", "n_tasks"),
    "score_1": ("pass_rate_1",),
    "score": ("pass_rate_2", "score", "pass_rate"),
    "prompt_tokens": ("prompt_tokens",),
    "completion_tokens": ("completion_tokens", "output_tokens"),
    "seconds": ("seconds_per_case",),
    "cost_usd": ("total_cost",),
    "effort": ("reasoning_effort",),
    "variant": ("edit_format",),
    "helper": ("editor_model",),
}
_TEXTS = ("model", "effort", "variant", "helper")
EFFORT = re.compile(
    r"\s*[(](?:[^()]*\b(?:low|medium|high|minimal|xhigh|think(?:ing)?|chat|reasoner|default)\b[^()]*)[)]$",
    re.IGNORECASE,
)


@dataclass
class Family:
    """Runs of one model that differ in effort only, by rising tokens."""

    name: str
    runs: list[dict[str, Any]] = field(default_factory=list)

    def counts(self) -> power_law.Runs:
        """Tokens per case, cases and solved cases."""
        return power_law.Runs(
            np.array([r["completion_tokens"] / r["tasks"] for r in self.runs]),
            np.array([r["tasks"] for r in self.runs]),
            np.array([round(r["score"] / 100 * r["tasks"]) for r in self.runs]),
        )


def read(
    path: Path, table: pl.DataFrame, given: Mapping[str, str], dropped: dict[str, int]
) -> list[dict[str, Any]]:
    """Read runs; those without a score are dropped, and a cost of 0 becomes unknown.

    Raises:
        DataError: a cell that is no number or out of range, or scores as shares of 1.
    """
    columns = mapping.choose(table.columns, ALIASES, given, path, ("model", "tasks", "score"))
    out = []
    for line, raw in enumerate(table.iter_rows(named=True), 2):
        row: dict[str, Any] = {"line": line}
        for name, column in columns.items():
            cell = raw[column]
            row[name] = _text(cell) if name in _TEXTS else _amount(cell, column, path, line)
        row = dict.fromkeys(FIELDS) | row
        if not row["model"] or row["score"] is None or not row["tasks"]:
            count(dropped, "no model, score or number of tasks")
            continue
        for name in ("score", "score_1"):
            if row[name] is not None and not 0 <= row[name] <= 100:
                fail("CAL006", f"a score of {row[name]:g} % is out of range", path, line)
        row["free"] = row["cost_usd"] == 0
        row["cost_usd"] = row["cost_usd"] or None
        for name in ("prompt_tokens", "completion_tokens"):
            row[name] = row[name] or None
        out.append(row)
    if out and max(r["score"] for r in out) <= 1.0 and len(out) > 1:
        hint = "multiply the scores by 100, or map outcomes per query instead"
        fail("CAL008", "scores look like shares of 1, not %", path, 1, hint=hint)
    return out


def base_name(run: Mapping[str, Any]) -> str:
    """Model of a run, without its effort."""
    return EFFORT.sub("", run["model"]).strip()


def identity(run: Mapping[str, Any]) -> tuple[str, str, str]:
    """What tells one model from another, whatever its effort."""
    return (base_name(run).casefold(), run["helper"] or "", run["variant"] or "")


def families(runs: list[dict[str, Any]]) -> list[Family]:
    """Group runs with token counts by model; repeated runs of one effort stay apart."""
    groups: dict[tuple[str, str, str], Family] = {}
    for run in runs:
        if run["completion_tokens"] is not None:
            groups.setdefault(identity(run), Family(base_name(run))).runs.append(run)
    for family in groups.values():
        family.runs.sort(key=lambda r: r["completion_tokens"] / r["tasks"])
    return list(groups.values())


def named(families: list[Family]) -> dict[str, Family]:
    """Give each family a name for a config; the variant tells apart those of one name."""
    out: dict[str, Family] = {}
    for family in families:
        run, name = family.runs[0], slug(family.name)
        for more in (run["variant"], run["helper"]):
            if name in out and more:
                name = f"{name}_{slug(more)}"
        base, i = name, 2
        while name in out:
            name, i = f"{base}_{i}", i + 1
        out[name] = family
    return out


def second_try(run: dict[str, Any]) -> dict[str, float] | None:
    """What a second try, which sees the test's errors, repairs and writes.

    Every task has one try and each failure a second, so the second's share of tokens is
    (1 − p₁)/(2 − p₁); τ makes its tokens leave as many failures as it did.
    """
    if run["score_1"] is None or run["completion_tokens"] is None:
        return None
    first, last = run["score_1"] / 100, run["score"] / 100
    failed = run["tasks"] * (1 - first)
    if failed < 1 or last <= first:
        return None
    repaired, low, high = proportion(round(failed * (last - first) / (1 - first)), failed)
    tokens = run["completion_tokens"] / run["tasks"] * (1 - first) / (2 - first)
    return {
        "repaired": repaired, "repaired_low": low, "repaired_high": high, "failed": failed,
        "tokens": tokens, "risk_tokens": tokens / -np.log1p(-min(repaired, 1 - 1e-6)),
        "risk_tokens_low": tokens / -np.log1p(-min(high, 1 - 1e-6)),
        "risk_tokens_high": tokens / -np.log1p(-max(low, 1e-6)),
    }  # fmt: skip


def bundle(family: Family) -> dict[str, float]:
    """Tokens by use in the middle run: read, plan, edit and verify; see ``second_try``.

    Of a first try, what the lowest effort writes too is editing, the rest planning; with one
    effort all of it is editing. Where tries are not told apart, nothing is verifying; where
    prompts are not counted, nothing is read.
    """
    run = family.runs[len(family.runs) // 2]
    first = 1.0 if run["score_1"] is None else run["score_1"] / 100
    written = run["completion_tokens"] / run["tasks"]
    verify = written * (1 - first) / (2 - first)
    lowest = family.runs[0]["completion_tokens"] / family.runs[0]["tasks"]
    edit = (written - verify) * min(1.0, lowest / written)
    out = {"read": (run["prompt_tokens"] or 0.0) / run["tasks"], "edit": edit, "verify": verify}
    plan = written - verify - edit
    out |= {"plan": plan} if plan > 0.01 * written else {}
    return {use: tokens for use, tokens in out.items() if tokens > 0}


def _text(cell: Any) -> Any:
    """A name; where it is several words and no path, a slash parts no owner from a model."""
    if not isinstance(cell, str) or " " not in cell.strip() or without_paths(cell) != cell:
        return cell
    return cell.replace("/", " ")


def _amount(cell: Any, column: str, path: Path, line: int) -> float | None:
    value = number(cell, column, path, line)
    if value is not None and value < 0:
        fail("CAL006", f"`{column}` is negative", path, line)
    return value
