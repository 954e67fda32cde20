"""Training × routing is not convex: a joint answer is no worse than what it is compared with."""

import pytest

from allocate.models.loader import load_dict
from allocate.solver import solve as solving
from allocate.solver.studies.compare import compare
from allocate.solver.studies.diagnosis.study import diagnose
from tests.solver.exact.test_second_start import best, two_apis

TABLE = """class,model,autonomy,share,asset,update_tokens
task,own,,1,,
,,,,sft,5000000
"""


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A table in which the second model is trained, and a solve that does not find to it."""
    monkeypatch.setattr(solving, "second_start", lambda *_: None)
    path = tmp_path / "today.csv"
    path.write_text(TABLE)
    return load_dict(two_apis()), path


def test_the_training_of_a_baseline_is_a_start_of_the_joint_answer(trained):
    loaded, table = trained
    found = compare(loaded, ["observed"], table, "observed", attribution=False)
    line = found.reference
    assert line.outcome.welfare == pytest.approx(2815.2, abs=0.1)
    assert found.joint.welfare == pytest.approx(best(0.3, 0.0005), rel=1e-5)
    assert line.gain == pytest.approx(best(0.3, 0.0005) - line.outcome.welfare, rel=1e-3)
    assert line.equal.welfare >= line.outcome.welfare - line.error
    assert any("more than the one of `solve`" in w for w in found.warnings)


def test_a_diagnosis_of_something_better_than_the_joint_answer_says_so(trained):
    loaded, table = trained
    found = diagnose(loaded, table)
    assert found.gap < 0
    assert any("worth 1,018.78 USD/h more than the joint answer" in w for w in found.warnings)


def test_no_gain_at_equal_spend_is_not_called_no_scarcity_where_more_spending_pays():
    found = compare(load_dict(two_apis()), attribution=False, least=False)
    assert found.verdict.startswith("No gain")
    assert "more budget would bring $1,049/h" in found.verdict
    assert "nothing is scarce" not in found.verdict
    assert any("was not searched" in w for w in found.warnings)
