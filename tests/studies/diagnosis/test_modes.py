"""Each mode is found where it is planted; the joint answer has none; the books balance."""

from pathlib import Path

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.solver.studies.diagnosis.stage import Stage, stage
from allocate.solver.studies.diagnosis.study import Diagnosis, diagnose, examine
from benchmarks.evidence.failure_instances import draw
from benchmarks.evidence.plant import MODES, optimum, plant

_STAGES: dict[int, Stage] = {}


def on(number: int) -> Stage:
    """The joint answer of a random instance, solved once."""
    if number not in _STAGES:
        _STAGES[number] = stage(load_dict(draw(np.random.default_rng((0, number)))))
    return _STAGES[number]


def balanced(found: Diagnosis) -> None:
    """The lines of the ledger are the whole loss, to a millionth of what is earned."""
    assert found.ledger.total == pytest.approx(found.gap, rel=0.0, abs=1e-6 * found.joint)


@pytest.mark.parametrize("number", range(6))
def test_the_joint_answer_has_no_findings(number):
    found = examine(on(number), optimum(on(number)), least=0.0)
    assert found.findings == ()
    assert abs(found.ledger.total) <= 1e-5 * found.joint


@pytest.mark.parametrize("code", MODES)
def test_a_planted_mode_is_found(code):
    costly = 0
    for number in range(12):
        found = examine(on(number), plant(code, on(number)))
        if found.gap <= 0.01 * found.joint:
            continue
        costly += 1
        assert code in {f.code for f in found.findings}, f"instance {number}"
        if costly == 2:
            return
    assert costly, "no instance in which the mode costs anything"


@pytest.mark.parametrize("code", MODES)
def test_the_books_balance(code):
    for number in range(4):
        balanced(examine(on(number), plant(code, on(number))))


def test_what_others_found_full_is_counted_once():
    """Every request that is kept out here is at fault itself, and its own repair is all of it."""
    here = stage(load_dict(draw(np.random.default_rng((1, 72)))))
    found = examine(here, plant("AL201", here))
    assert found.gap > 0.02 * found.joint
    balanced(found)
    assert sum(f.usd_per_hour for f in found.findings) == pytest.approx(found.gap)


@pytest.mark.parametrize("code", MODES)
def test_the_sides_differ_by_the_size(code):
    looked_at = 0
    for number in range(12):
        if looked_at >= 2:
            break
        for f in examine(on(number), plant(code, on(number))).findings:
            assert f.usd_per_hour > 0
            assert f.left > max(f.right, 0.0)
            assert 0.0 <= f.others <= f.usd_per_hour * (1 + 1e-9)
            size = (f.left - f.right) * f.amount_per_h
            assert size == pytest.approx(f.usd_per_hour, rel=1e-6)
            looked_at += 1
    assert looked_at > 0


def test_repairing_one_class_alone_is_worth_what_is_said():
    """Where nothing is scarce, welfare regained is the size, to the last cent."""
    config = {
        "version": 1,
        "models": {
            "cheap": {"quality": 0.7, "cost_per_task_usd": 1},
            "dear": {"quality": 0.9, "cost_per_task_usd": 5},
        },
        "classes": {
            "low": {"rate_per_s": 1 / 3600, "value_usd": 10},
            "high": {"rate_per_s": 1 / 3600, "value_usd": 100},
        },
    }
    scene = stage(load_dict(config))
    over = examine(scene, plant("AL101", scene))
    assert [(f.code, f.where["class"]) for f in over.findings] == [("AL101", "low")]
    assert over.findings[0].usd_per_hour == pytest.approx(over.gap) == pytest.approx(2.0)
    under = examine(scene, plant("AL102", scene))
    assert [(f.code, f.where["class"]) for f in under.findings] == [("AL102", "high")]
    assert under.findings[0].usd_per_hour == pytest.approx(under.gap) == pytest.approx(16.0)


def averse(cost: float, wrong: tuple[float, float], folder: Path) -> Diagnosis:
    """All goes to `sure`, which is dearer than `bold`, less able, and less often wrong."""
    table = folder / "today.csv"
    table.write_text("class,model\ntask,sure\n")
    config = {
        "version": 1,
        "prices": {"risk_usd": 1},
        "models": {
            "bold": {"quality": 0.9, "cost_per_task_usd": 1, "wrong_action_rate": wrong[0]},
            "sure": {"quality": 0.8, "cost_per_task_usd": cost, "wrong_action_rate": wrong[1]},
        },
        "classes": {"task": {"rate_per_s": 1 / 3600, "value_usd": 10, "loss": 6}},
    }
    return diagnose(load_dict(config), observed=table)


def test_where_both_conditions_hold_and_explain_it_alike_both_are_named(tmp_path):
    """Without ΔC: 7.7 against 7.2 for `sure`; without V: 2.3 against 2.8 for it."""
    (found,) = averse(2.0, (0.30, 0.05), tmp_path).findings
    assert (found.code, found.also) == ("AL101", ("AL102",))
    assert found.usd_per_hour == pytest.approx(6.2 - 5.7)
    assert (found.left, found.right) == pytest.approx((1.0, 0.5))
    assert found.message == "sure costs $1.00 a request more than bold and brings $0.50 more"


def test_where_only_a_router_without_value_chooses_so_it_is_under_routing(tmp_path):
    """Without ΔC: 8.0 against 8.4 for `sure`, so it is not that; without V: 1.2 against 1.6."""
    (found,) = averse(1.2, (0.10, 0.0), tmp_path).findings
    assert (found.code, found.also) == ("AL102", ())
    assert found.usd_per_hour == pytest.approx(7.4 - 6.8)
    assert found.message == "bold brings $0.40 a request more than sure and costs $0.20 less"


def test_a_full_batch_is_congestion_though_its_time_is_not_all_used():
    """A lane at a slow speed needs more replicas for its batch places, and others find none."""
    here = stage(load_dict(draw(np.random.default_rng((1, 67)))))
    found = examine(here, plant("AL301", here))
    assert "AL301" in {f.code for f in found.findings}
    balanced(found)


def test_a_fault_at_both_prices_is_counted_once():
    """What stands at the prices of today is beyond what stands at the shared ones."""
    here = stage(load_dict(draw(np.random.default_rng((0, 50)))))
    found = examine(here, plant("AL101", here))
    (finding,) = found.findings
    assert 0.0 < finding.others < finding.usd_per_hour
    assert finding.usd_per_hour <= found.gap * (1 + 1e-6)
    balanced(found)


def test_a_declined_request_with_room_is_under_routed(tmp_path):
    table = tmp_path / "today.csv"
    table.write_text("class,model,share\ntask,only,0.25\n")
    config = {
        "version": 1,
        "models": {"only": {"quality": 1.0, "cost_per_task_usd": 1}},
        "classes": {"task": {"rate_per_s": 4 / 3600, "value_usd": 3}},
    }
    found = diagnose(load_dict(config), observed=table)
    assert [f.code for f in found.findings] == ["AL102"]
    assert found.findings[0].usd_per_hour == pytest.approx(3 * (3 - 1))
    assert "room" in found.findings[0].message
    assert found.findings[0].where == {"class": "task", "model": "only", "outcome": "declined"}
