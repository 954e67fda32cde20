"""``allocate compare``: what a person reads, exit codes, and flags that make no sense."""

import copy
import json
from pathlib import Path

import pytest

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "comparison.json").read_text("utf-8"))
CONFIG = "examples/paper_two_models.yaml"


@pytest.fixture
def compared(monkeypatch):
    """Let ``compare`` answer with a fixed document whatever the config."""
    document = copy.deepcopy(FIXTURE)
    monkeypatch.setattr("allocate.cli.commands.compare.answer", lambda *a, **k: document)
    return document


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("compare.txt", []),
        ("compare_all.txt", ["--all"]),
        ("compare.md", ["--format", "markdown"]),
        ("compare.csv", ["--format", "csv"]),
    ],
)
def test_comparison_reads_as_before(cli, compared, golden, name, flags):
    ran = cli("compare", CONFIG, *flags)
    assert ran.code == 0
    assert ran.err == ""
    golden(name, ran.out)


@pytest.mark.parametrize("flags", [[], ["--all"]])
def test_screen_fits_eighty_columns(cli, compared, flags):
    out = cli("compare", CONFIG, *flags).out
    drawn = [x for x in out.splitlines() if not x.startswith("  allocate ")]  # those are typed
    assert max(map(len, drawn)) <= 80


def test_a_baseline_that_cannot_be_drawn_is_told_with_its_reason(cli, compared):
    why = "its rules break a limit that has to be kept"
    compared["baselines"][0] = {"name": "greedy", "welfare": None, "reason": why}
    out = cli("compare", CONFIG).out
    assert why in out
    for flags in (["--format", "csv"], ["--format", "markdown"]):
        assert cli("compare", CONFIG, *flags).code == 0


def test_a_gain_within_the_error_is_shown_as_none(cli, compared):
    compared["baselines"][3]["equal_spend"]["gain"] = 0.0
    out = cli("compare", CONFIG).out
    line = next(x for x in out.splitlines()[14:] if x.startswith("flat-price"))
    assert "none" in line


@pytest.mark.parametrize(("least", "code"), [("5%", 0), ("149 %", 0), ("160%", 1)])
def test_fail_under_decides_the_exit_code(cli, compared, least, code):
    ran = cli("compare", CONFIG, "--fail-under", least)
    assert ran.code == code
    assert ("under" in ran.err) == (code == 1)


@pytest.mark.parametrize("text", ["5", "five%", "-1%", "5%%", "nan%", ""])
def test_fail_under_takes_a_share(cli, compared, text):
    ran = cli("compare", CONFIG, "--fail-under", text)
    assert ran.code == 2
    assert "--fail-under takes a share such as 5%" in ran.err
    assert ran.out == ""


def test_no_gain_fails_under_anything(cli, compared):
    for line in compared["baselines"]:
        line["equal_spend"]["gain"] = 0.0
    assert cli("compare", CONFIG, "--fail-under", "0.1%").code == 1
    assert cli("compare", CONFIG, "--fail-under", "0%").code == 0


def test_fail_under_without_a_reference_has_no_verdict(cli, compared):
    compared["baselines"][1] = {"name": "greedy-tuned", "welfare": None, "reason": "broken"}
    ran = cli("compare", CONFIG, "--fail-under", "5%")
    assert ran.code == 1
    assert "no verdict on --fail-under: there is no `greedy-tuned` to compare with" in ran.err


def test_stopped_early_is_marked(cli, compared):
    compared["status"] = "stopped"
    ran = cli("compare", CONFIG)
    assert ran.code == 4
    assert "stopped early" in ran.out


def test_json_is_the_document(cli, compared):
    assert json.loads(cli("compare", CONFIG, "--format", "json").out) == compared


def test_a_real_screen_where_there_is_nothing_to_gain(cli, golden):
    ran = cli("compare", CONFIG)
    assert ran.code == 0, ran.err
    golden("compare_no_gain.txt", ran.out)


def test_knobs_that_a_config_has_no_use_for_are_not_told(cli):
    out = cli("compare", CONFIG, "--all").out
    told = out[out.index("How the baselines were set") :]
    assert "router cost, floor 95 %" in told
    assert not any(word in told for word in ("busy", "training", "prefixes", "approval"))


def test_a_real_comparison_from_the_file(cli, tmp_path):
    out = tmp_path / "compare.json"
    ran = cli("compare", CONFIG, "--baseline", "cheapest,frontier", "--out", out)
    assert ran.code == 0, ran.err
    document = json.loads(out.read_text("utf-8"))
    assert [line["name"] for line in document["baselines"]] == ["frontier", "cheapest"]
    assert document["baselines"][0]["equal_spend"]["gain"] == pytest.approx(2.0)


def test_mistakes_are_said(cli, tmp_path):
    ran = cli("compare", CONFIG, "--baseline", "gready")
    assert ran.code == 2
    assert "no baseline `gready`" in ran.err
    table = tmp_path / "today.csv"
    table.write_text("class,model\ntusk,cheap\n")
    ran = cli("compare", CONFIG, "--observed", table, "--baseline", "observed")
    assert ran.code == 2
    assert f"{table}:2" in ran.err
    assert "did you mean" in ran.err or "task" in ran.err
    ran = cli("compare", CONFIG, "--observed", table, "--out", table)
    assert ran.code == 2
    assert table.read_text() == "class,model\ntusk,cheap\n"


def test_warnings_stand_before_how_baselines_were_set(cli, compared):
    said = "59.3 % of what was logged does not fit"
    compared["warnings"] = [said]
    for flags in ([], ["--format", "markdown"]):
        out = cli("compare", CONFIG, *flags).out
        assert out.index("Warnings") < out.index(said) < out.index("How the baselines were set")


def test_csv_has_the_joint_answer_first(cli, compared):
    lines = cli("compare", CONFIG, "--format", "csv").out.splitlines()
    assert lines[1].startswith(f"joint,{compared['joint']['welfare']!r},")
    assert len(lines) == 2 + len(compared["baselines"])
