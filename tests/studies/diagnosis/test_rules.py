"""Codes, selections and what a config accepts."""

from pathlib import Path

import pytest

from allocate.models.config import Accepted
from allocate.models.loader import load, load_dict
from allocate.solver.studies.diagnosis.finding import Finding, usd
from allocate.solver.studies.diagnosis.rules import RULES, RuleError, chosen, rule
from allocate.solver.studies.diagnosis.study import diagnose
from allocate.solver.studies.diagnosis.suppressions import SuppressionError, sort_out
from benchmarks.evidence.plant import MODES

EXAMPLE = Path(__file__).parents[3] / "docs" / "codes" / "example.yaml"


def finding(code: str = "AL101", **where: str) -> Finding:
    said = "costs <left> and brings <more>"
    return Finding(code, where, 2.0, 3.0, 1.0, "request", 1.0, ("a", "b"), said, "do it")


def test_every_rule_has_a_page_and_a_mode():
    assert set(MODES) == set(RULES)
    for code, one in RULES.items():
        text = one.text()
        assert text.startswith(f"# {code}: {one.name}")
        assert "output: begin" in text


def test_the_list_of_rules_says_what_they_look_for():
    page = (Path(__file__).parents[3] / "docs" / "diagnose.md").read_text(encoding="utf-8")
    for code, one in RULES.items():
        assert f"| [{code}](codes/{code}.md) | {one.name} | {one.condition} |\n" in page


def test_a_code_may_be_written_in_small_letters():
    assert rule("al202").code == "AL202"
    with pytest.raises(RuleError, match="there is no rule AL999: the rules are AL101"):
        rule("AL999")


def test_a_selection_is_a_code_or_a_beginning():
    assert chosen() == frozenset(RULES)
    assert chosen(["AL1"]) == {"AL101", "AL102"}
    assert chosen(["AL1", "AL4"], ["AL402"]) == {"AL101", "AL102", "AL401"}
    with pytest.raises(RuleError, match="no rule begins with X"):
        chosen(["X"])


def test_what_is_accepted_is_set_apart_with_its_reason():
    accepted = [
        Accepted(code="AL1", reason="contract", classes=["vip"]),
        Accepted(code="AL402", reason="never seen"),
    ]
    found = [finding(**{"class": "vip"}), finding(**{"class": "free"})]
    out = sort_out(found, accepted)
    assert [f.where["class"] for f in out.findings] == ["free"]
    assert [(f.where["class"], why) for f, why in out.accepted] == [("vip", "contract")]
    assert len(out.unused) == 1
    assert "AL402" in out.unused[0]


def test_an_accepted_code_that_is_none_is_an_error():
    with pytest.raises(SuppressionError, match=r"diagnose\.accept\.0\.code is AL9"):
        sort_out([], [Accepted(code="AL9", reason="why")])


def test_the_config_accepts_with_a_reason_only():
    from allocate.errors import ConfigError

    config = {
        "version": 1,
        "models": {
            "cheap": {"quality": 0.7, "cost_per_task_usd": 1},
            "dear": {"quality": 0.9, "cost_per_task_usd": 5},
        },
        "classes": {"task": {"rate_per_s": 1 / 3600, "value_usd": 10}},
    }
    assert [f.code for f in diagnose(load_dict(config)).findings] == ["AL101"]
    entry = {"code": "AL101", "reason": "the contract names the model", "classes": ["task"]}
    accepted = diagnose(load_dict({**config, "diagnose": {"accept": [entry]}}))
    assert accepted.findings == ()
    assert [why for _, why in accepted.accepted] == ["the contract names the model"]
    with pytest.raises(ConfigError, match="reason"):
        load_dict({**config, "diagnose": {"accept": [{"code": "AL101"}]}})


def test_a_sentence_has_the_numbers_of_its_sides():
    assert finding().message == "costs $3.00 and brings $1.00 more"
    saves = Finding("AL301", {}, 4.0, 3.0, -1.0, "request", 1.0, ("a", "b"), "which <costs>", "")
    assert saves.message == "which saves $1.00 as well"
    both = finding().with_more(finding())
    assert (both.usd_per_hour, both.left, both.right) == (4.0, 6.0, 2.0)
    assert both.message == "costs $6.00 and brings $2.00 more"
    assert [usd(x) for x in (0, 12.345, 0.0123, 3.1e-5)] == [
        "$0.00",
        "$12.35",
        "$0.012",
        "$0.000031",
    ]


def test_a_fault_that_looks_small_beside_another_is_still_named(tmp_path):
    """`deploy` acts alone and unverified on the worse model: each of the three is a fault."""
    table = tmp_path / "today.csv"
    table.write_text(
        "class,model,autonomy,share,deployment,tpot_ms,retention_s,tokens_work,tokens_verify,"
        "asset,update_tokens\n"
        "answer,bought,free,1,,,,1212,0,,\n"
        "deploy,own,free,1,lane,40,60,3843,0,,\n"
        ",,,,,,,,,sft,12000000\n"
    )
    found = diagnose(load(EXAMPLE), table)
    of_deploy = {f.code for f in found.findings if f.where.get("class") == "deploy"}
    assert of_deploy == {"AL102", "AL201", "AL202"}
    assert found.ledger.shown == pytest.approx(found.gap, rel=1e-4)
    assert not any(line.what == "supervision" for line in found.ledger.lines)


def test_where_nothing_is_served_and_something_stands_idle():
    """`greedy` wants the best model, which no limit on waiting lets it have; GPUs wait for work."""
    lane = {"model": "own", "gpu": "h", "alpha_ms": 10, "beta_ms": 0.1}
    config = {
        "version": 1,
        "models": {"slow": {"quality": 0.9, "latency_per_task_s": 4}, "own": {"quality": 0.5}},
        "gpus": {"h": {"available": 0.1, "price_usd_per_h": 1}},
        "deployments": {"lane": lane},
        "classes": {"a": {"rate_per_s": 1, "value_usd": 1.0, "output_tokens": 100}},
        "limits": {"latency": {"mean": {"mean_s": 2.0, "classes": ["a"]}}},
    }
    found = diagnose(load_dict(config))
    assert found.outcome.solution.allocation.flows[0].requests.sum() == 0
    assert found.gap > 0
    assert found.ledger.total == pytest.approx(found.gap, rel=1e-6)
