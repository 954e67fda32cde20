"""Is the size of a finding true? Every repair, made in a table of what is done and judged again.

    python benchmarks/evidence/repairs.py CONFIG [--out FILE]

What ``greedy`` does is written as a table of what is done today. For every finding that is a
change of requests, or of declined ones, its rows are changed to the repair's and the table is
judged as any user's. At the shared prices a repair brings its size: the welfare that it adds at
once, and what the capacity that it frees is worth (less, where it takes some). Nothing of the
diagnosis but those prices and the repaired rows enters the judgement. Where a repair finds no
room beside what is done today, the table turns a share of all requests away (``turned_away``),
and the sum says nothing about the repair.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from allocate.models.lanes import deployments, family_of
from allocate.models.loader import load
from allocate.models.stream import Flows
from allocate.solver.studies.baselines.bench import Bench
from allocate.solver.studies.baselines.greedy import Knobs
from allocate.solver.studies.baselines.observed import read_observed
from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.repairs import Repairs
from allocate.solver.studies.diagnosis.stage import Stage, stage
from allocate.solver.studies.diagnosis.study import examine
from allocate.solver.studies.diagnosis.turned import Refused
from allocate.solver.studies.diagnosis.unused import shared_as_used
from allocate.solver.studies.diagnosis.view import View
from allocate.solver.studies.scene import Outcome

_LEAST = 0.01  # of all that is lost: smaller findings are not tried
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    loaded = load(given.config)
    on = stage(loaded, {name: [Knobs().utilisation] for name in loaded.config.deployments})
    found = list(tried(on, Bench(on.scene).outcome("greedy")))
    text = json.dumps({"config": given.config.name, "repairs": found}, indent=1)
    print(text)
    if given.out:
        part = given.out.with_suffix(".part")
        part.write_text(text + "\n")
        part.replace(given.out)


def tried(on: Stage, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Every finding of some size beside what its repair brings when it is made."""
    ground, requests = on.requests(outcome)
    view = View(
        ground, shared_as_used(ground.program, on.duals(ground.program), requests), requests
    )
    found = examine(on, outcome)
    flows = view.flows
    now = [_row(view, int(k), int(a), t, n) for k, a, t, n in zip(*_of(flows), strict=True)]
    before = judged(on, now, view)
    for finding in found.findings:
        own = finding.usd_per_hour - finding.others
        if finding.usd_per_hour < _LEAST * found.gap or "asset" in finding.where:
            continue
        welfare, use, turned_away = judged(on, _repaired(view, finding, now), view)
        at_once = welfare - before[0]
        freed = float(view.duals @ (before[1] - use))
        yield {
            "code": finding.code,
            "where": dict(finding.where),
            "fix": finding.fix,
            "at_once": at_once,
            "freed": freed,
            "together": at_once + freed,
            "size": own,
            "turned_away": turned_away,
        }


def _of(flows: Flows) -> tuple[np.ndarray, ...]:
    return flows.member, flows.arm, flows.tokens, flows.requests


def _repaired(view: View, finding: Finding, rows: list[Row]) -> list[Row]:
    """The rows with those of a finding as its fix has them."""
    out = [dict(row) for row in rows]
    if finding.where.get("outcome") == "declined":
        return [*out, *(_row(view, *served) for served in _served(view, finding))]
    repairs = Repairs(view)
    for decision, flow in finding.flows:
        repair = repairs.of(decision)
        (at,) = np.flatnonzero(repair.flow == flow)
        then = repair.then
        if then.arm[at] >= 0:
            requests = float(view.flows.requests[flow])
            k, a = int(then.member[at]), int(then.arm[at])
            out[flow] = _row(view, k, a, then.tokens[at], requests)
        else:
            out[flow] = {}
    return [row for row in out if row]


def _served(view: View, finding: Finding) -> Iterator[tuple[int, int, np.ndarray, float]]:
    """(member, arm, tokens, requests per hour) of a finding's declined requests, once served."""
    names = view.ground.built.classes.names
    for member, requests, arm, _ in Refused(view).by_choice():
        same = str(names[view.stream.origin[member]]) == finding.where["class"]
        if same and view.stream.arms[arm].labels["model"] == finding.where["model"]:
            tokens = view.tokens_of(np.array([member]), np.array([arm]))[0]
            yield member, arm, tokens, requests


def _row(view: View, member: int, arm: int, tokens: np.ndarray, requests: float) -> Row:
    """One row of a table: requests of a class in a period, the way that an arm says."""
    built, stream = view.ground.built, view.stream
    labels = stream.arms[arm].labels
    uses = list(built.config.token_uses)
    row: Row = {
        "class": built.classes.names[stream.origin[member]],
        "period": built.periods[stream.period[member]] if len(built.periods) > 1 else None,
        "model": labels["model"],
        "autonomy": labels["autonomy"],
        "share": requests / float(stream.rate[member]),
        **{f"tokens_{u}": float(t) for u, t in zip(uses, tokens, strict=False)},
    }
    tier = labels.get("tier")
    if tier is not None:
        of = deployments(built.config)
        row |= {
            "deployment": of[family_of(str(tier))],
            "utilisation": next(t.utilisation for t in built.tiers if t.name == tier),
            "retention_s": labels.get("retention_s"),
        }
    return row


def judged(on: Stage, rows: list[Row], view: View) -> tuple[float, np.ndarray, float | None]:
    """Welfare in USD per hour, [rows] use and share turned away of a table, as any user's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "today.csv"
        columns = list(dict.fromkeys(c for row in rows for c in row))
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, columns)
            table.writeheader()
            table.writerows(rows)
        outcome = Bench(on.scene, read_observed(path, on.scene.loaded)).outcome("observed")
    ground, requests = on.requests(outcome)
    assert len(ground.program.rows) == len(view.duals)
    return outcome.welfare, ground.program.usage(requests), outcome.about.get("turned_away")


if __name__ == "__main__":
    main()
