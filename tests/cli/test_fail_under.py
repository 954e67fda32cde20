"""``--fail-under`` says what was reached as well as what was asked."""

import copy
import json
from pathlib import Path

import pytest

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "comparison.json").read_text("utf-8"))
CONFIG = "examples/paper_two_models.yaml"


@pytest.fixture
def reference(monkeypatch):
    """The line of the verdict in what ``compare`` answers, free to change."""
    document = copy.deepcopy(FIXTURE)
    monkeypatch.setattr("allocate.cli.commands.compare.answer", lambda *a, **k: document)
    return next(b for b in document["baselines"] if b["name"] == document["against"])


@pytest.mark.parametrize(
    ("gain", "asked", "told"),
    [
        (3.2, "5%", "is $3.20/h, 3.2 % of its welfare: under the 5 % that --fail-under asks"),
        (4.9996, "5%", "$5.00/h, 4.9996 % of its welfare: under the 5 % that"),
        (0.0, "5%", "there is no gain at equal spend over `greedy-tuned`, and --fail-under asks"),
    ],
)
def test_it_says_what_was_reached_and_what_was_asked(cli, reference, gain, asked, told):
    reference["welfare"] = 100.0
    reference["equal_spend"]["gain"] = gain
    ran = cli("compare", CONFIG, "--fail-under", asked)
    assert ran.code == 1
    assert told in ran.err


def test_no_gain_over_a_baseline_that_loses_is_no_share_of_it(cli, reference):
    reference["welfare"] = -100.0
    reference["equal_spend"]["gain"] = 0.0
    ran = cli("compare", CONFIG, "--fail-under", "5%")
    assert "there is no gain at equal spend over `greedy-tuned`" in ran.err
    assert ran.err.count("\n") == 1
