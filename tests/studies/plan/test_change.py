"""The way from today to the best answer: it arrives, and never goes down on the way."""

import json
from typing import Any

import numpy as np
import pytest

from allocate.solver.certificate import certify
from allocate.solver.studies.plan.case import Case, PlanError
from allocate.solver.studies.plan.change import Change, change_from
from allocate.solver.studies.plan.planning import Ask, plan
from tests.solver.cases import changed, everything, fleet, solved
from tests.studies.cases import trainable


def way(tmp_path, before: dict[str, Any], after: dict[str, Any]) -> Change:
    today = tmp_path / "today.json"
    today.write_text(json.dumps(solved(before).to_dict()))
    return change_from(solved(after), today, lambda step: None)


def many() -> dict[str, Any]:
    """A fleet with more classes than are moved one by one."""
    config = fleet()
    easy = config["classes"].pop("easy")
    for i in range(16):
        config["classes"][f"easy{i}"] = {
            **easy,
            "rate_per_s": 0.1 + 0.01 * i,
            "value_usd": 0.06 + 0.006 * i,
        }
    return config


PAIRS = {
    "more GPUs": (fleet(), changed(fleet(), gpus__h100__available=8)),
    "fewer GPUs": (fleet(), changed(fleet(), gpus__h100__available=1)),
    "less money": (everything(), changed(everything(), budgets__money_usd=30.0)),
    "more money": (changed(everything(), budgets__money_usd=20.0), everything()),
    "no GPUs": (changed(fleet(), gpus__h100__available=0), fleet()),
    "training": (changed(trainable(), gpus__h100__available=1), trainable()),
    "many classes": (many(), changed(many(), gpus__h100__available=6)),
    "another price": (
        changed(everything(), prices__latency_usd_per_s=0.0002),
        everything(),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_welfare_never_falls_on_the_way_and_the_best_is_reached(tmp_path, name):
    before, after = PAIRS[name]
    found = way(tmp_path, before, after)
    level = found.today.welfare
    assert found.steps
    for step in found.steps:
        solution = step.outcome.solution
        judged = certify(solution.program, solution.allocation, solution.duals)
        assert judged.feasible
        assert judged.primal == pytest.approx(step.outcome.welfare)
        assert step.outcome.welfare >= level - found.error
        for between in step.between:
            assert between >= min(level, step.outcome.welfare) - found.error
        level = step.outcome.welfare
    assert level == pytest.approx(solved(after).welfare, rel=1e-5)
    assert found.monotone
    assert found.to_dict()["gain_usd_per_hour"] == pytest.approx(level - found.today.welfare)


def test_a_way_that_goes_down_is_not_called_one_that_does_not(tmp_path):
    found = way(tmp_path, *PAIRS["more GPUs"])
    assert not Change(found.path, found.today, found.best, found.error, found.steps[::-1]).monotone


def test_steps_say_what_is_added_changed_and_removed(tmp_path):
    found = way(tmp_path, *PAIRS["no GPUs"])
    items = [i for step in found.steps for i in step.items]
    bought = next(i for i in items if i.kind == "replicas")
    assert (bought.op, bought.name, bought.before) == ("+", "own_h100", 0.0)
    shares = [i for i in items if i.kind == "share"]
    assert {i.op for i in shares} == {"+", "-", "~"} or {i.op for i in shares} == {"+", "-"}
    for step in found.steps:
        order = ["+~-".index(item.op) for item in step.items]
        assert order == sorted(order)


def test_the_shares_of_all_steps_add_up_to_the_whole_change(tmp_path):
    before, after = PAIRS["more GPUs"]
    found = way(tmp_path, before, after)
    moved: dict[str, float] = {}
    for step in found.steps:
        for item in step.items:
            if item.kind == "share":
                moved[item.name] = moved.get(item.name, 0.0) + item.after - item.before
    ends = [
        {f"{r['class']}, {r['model']}, {r['autonomy']}": r["share"] for r in s.layers.router}
        for s in (solved(before), solved(after))
    ]
    for name, change in moved.items():
        want = ends[1].get(name, 0.0) - ends[0].get(name, 0.0)
        assert change == pytest.approx(want, abs=1e-3), name


def test_today_that_is_the_best_has_nothing_to_change(tmp_path):
    found = way(tmp_path, fleet(), fleet())
    assert found.best - found.today.welfare <= found.error + 1e-6 * found.best
    assert found.monotone


def test_a_straight_line_between_two_allocations_is_no_worse_than_its_ends(tmp_path):
    """Classes that need what the other holds go together, little by little."""
    from allocate.solver.studies.plan.change import _Way

    found = way(tmp_path, *PAIRS["more GPUs"])
    here, there = found.today, found.steps[-1].outcome
    worth = _Way._between(None, here, there)  # type: ignore[arg-type]
    assert np.all(np.array(worth) >= min(here.welfare, there.welfare))
    assert np.all(np.diff([here.welfare, *worth, there.welfare]) >= -1e-6)


def test_a_table_of_today_can_be_read_and_what_it_lacks_is_told(tmp_path):
    today = tmp_path / "today.csv"
    today.write_text("class,model,share\neasy,own,0.5\nhard,api,1\n")
    document = plan(Case(fleet()), Ask(today=today)).to_dict()
    assert document["change"]["monotone"]
    assert document["change"]["about"]["assumed"]


def test_a_today_that_breaks_a_limit_is_told(tmp_path):
    config = fleet()
    config["limits"] = {"shares": {"local": {"models": ["own"], "min_share": 0.3}}}
    today = tmp_path / "today.csv"
    today.write_text("class,model,share\neasy,api,1\nhard,api,1\n")
    with pytest.raises(PlanError, match=f"--from {today}: "):
        plan(Case(config), Ask(today=today))
