"""What is shown of a ledger, and what is not: each once, and together the whole loss."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from allocate.cli.render.diagnosis import draw_diagnosis, verdict
from allocate.models.loader import load
from allocate.solver.studies.baselines.bench import Bench
from allocate.solver.studies.baselines.greedy import Knobs
from allocate.solver.studies.diagnosis.rules import RULES, chosen
from allocate.solver.studies.diagnosis.stage import Stage, stage
from allocate.solver.studies.diagnosis.study import Diagnosis, examine
from allocate.solver.studies.scene import Outcome

FLEET = Path(__file__).parents[3] / "examples" / "fleet.yaml"


@pytest.fixture(scope="module")
def fleet() -> tuple[Stage, Outcome]:
    loaded = load(FLEET)
    speeds = {name: [Knobs().utilisation] for name in loaded.config.deployments}
    on = stage(loaded, speeds)
    return on, Bench(on.scene, None).outcome("greedy")


def total(found: Diagnosis) -> float:
    return sum(f.usd_per_hour for f in found.findings)


@pytest.mark.parametrize("code", RULES)
def test_one_rule_alone_brings_no_more_than_its_findings(fleet, code):
    """A flow has at most one fault under a rule, so together they are their sum."""
    found, whole = examine(*fleet, codes=[code]), examine(*fleet)
    assert {f.code for f in found.findings} <= {code}
    assert found.ledger.shown == pytest.approx(total(found))
    assert found.ledger.together == pytest.approx(whole.ledger.together)
    assert found.ledger.total == pytest.approx(whole.ledger.total)
    assert found.unselected == len(whole.findings) - len(found.findings)


def test_what_is_not_selected_is_on_top_of_what_is(fleet):
    """A prefix kept for less long frees memory that the cheaper model would not have used."""
    whole = examine(*fleet)
    router, cache = (examine(*fleet, codes=chosen([c])) for c in ("AL1", "AL402"))
    one_by_one = total(router) + total(cache)
    assert total(whole) == pytest.approx(one_by_one)
    assert whole.ledger.shown < one_by_one - 0.5
    for found in (router, cache):
        (aside,) = (line for line in found.ledger.lines if line.named and not line.shown)
        assert aside.what == "unselected"
        assert aside.usd_per_hour == pytest.approx(whole.ledger.shown - total(found))


def test_more_together_than_one_by_one_is_said(fleet):
    found = examine(*fleet).to_dict()
    said = "(together they are more than the sum: one hides another)"
    text = " ".join(draw_diagnosis(found, "table", to_file=True).split())
    assert said not in text
    assert "the rest once others leave" in text
    found["totals"]["together"] = 1.01 * found["totals"]["sum"]
    assert said in " ".join(draw_diagnosis(found, "table", to_file=True).split())
    alone = examine(*fleet, codes=["AL402"]).to_dict()
    assert "more than the sum" not in draw_diagnosis(alone, "table", to_file=True)
    assert re.search(r"\(\d of rules not asked for, worth \$6\d\d\.\d\d/h more\)", verdict(alone))


def test_small_findings_are_apart_from_large_ones(fleet):
    whole, large = examine(*fleet), examine(*fleet, least=0.05)
    assert 0 < len(large.findings) < len(whole.findings)
    assert large.smaller == large.hidden == len(whole.findings) - len(large.findings)
    lines = {line.what: line.usd_per_hour for line in large.ledger.lines}
    assert large.ledger.shown + lines["smaller"] == pytest.approx(whole.ledger.shown)
    assert large.ledger.total == pytest.approx(whole.ledger.total)


def test_what_no_rule_names_is_said_beside_what_is_not_asked_for(fleet):
    found = examine(*fleet, codes=["AL401"]).to_dict()
    rest = found["gap"] - found["totals"]["not_shown"]["unselected"]["usd_per_hour"]
    assert found["totals"]["findings"] == 0
    assert 0 < rest < 0.2 * found["gap"]
    assert f"worth ${rest:.2f}/h more for other reasons" in verdict(found)


@pytest.mark.parametrize("least", [0.0, 1e-4, 0.05, 10.0])
@pytest.mark.parametrize(
    ("select", "ignore"), [([], []), (["AL1"], []), ([], ["AL1"]), (["AL102"], []), (["AL4"], [])]
)
def test_the_headline_and_the_ledger_agree(fleet, select, ignore, least):
    document = examine(*fleet, codes=chosen(select, ignore), least=least).to_dict()
    ledger, totals = document["ledger"], document["totals"]
    shown = sum(line["usd_per_hour"] for line in ledger if line["shown"])
    assert bool(document["findings"]) == (shown > 0)
    assert shown == pytest.approx(totals["together"])
    assert verdict(document).startswith("No findings") == (not document["findings"])
    aside = {line["what"]: line["usd_per_hour"] for line in ledger if not line["shown"]}
    for why, part in totals["not_shown"].items():
        assert aside.get(why, 0.0) == pytest.approx(part["usd_per_hour"])
    whole = sum(line["usd_per_hour"] for line in ledger)
    assert whole == pytest.approx(document["gap"], abs=1e-6 * document["joint"]["welfare"])
    assert all(line["usd_per_hour"] <= whole for line in ledger)


def test_what_an_uncertified_answer_leaves_open_is_said(fleet):
    on, outcome = fleet
    unsure = replace(on, error=2.0 * on.welfare)
    document = examine(unsure, outcome).to_dict() | {"status": "feasible"}
    assert document["findings"] == []
    hidden = document["totals"]["hidden"]
    assert f"({hidden} within what the joint answer leaves open)" in verdict(document)
