"""The diagnose and explain commands: what they print, and how they end."""

import json
import re
import shutil
from pathlib import Path

import pytest

from allocate.solver.studies.diagnosis.rules import RULES

ROOT = Path(__file__).parents[2]
CODES = ROOT / "docs" / "codes"
PAPER = ROOT / "examples" / "paper_two_models.yaml"
PAGES = sorted(CODES.glob("AL*.md"))


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The folder of the pages, as if it were the user's."""
    for file in [*CODES.glob("*.yaml"), *CODES.glob("*.csv"), PAPER]:
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_example_of_a_page_is_the_command_s_own_output(cli, shop, page):
    text = page.read_text("utf-8")
    block = re.search(r"output: begin -->\n```\n\$ allocate (.*?)\n(.*?)```", text, re.DOTALL)
    assert block is not None
    ran = cli(*block[1].split(), "-q")
    assert (ran.code, ran.err) == (1, "")
    assert [f for f in re.findall(r"^AL\d+", ran.out, re.MULTILINE)] == [page.stem]
    numbers = re.compile(r"[-\d.,e]+|\s+")  # the last digits are the machine's
    assert numbers.sub(" ", ran.out).strip() == numbers.sub(" ", block[2]).strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_explain_prints_the_page_without_marks(cli, page):
    out = cli("explain", page.stem.lower()).out
    assert out.startswith(f"{page.stem}: ")
    assert RULES[page.stem].condition in out
    for mark in ("\\", "$$", "](", "<!--", "**", "```", "\n#"):
        assert mark not in out
    assert max(map(len, out.splitlines())) <= 90  # an example of a config is not folded


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_explain_writes_the_page_as_it_stands(cli, page, tmp_path):
    cli("explain", page.stem, "--out", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text("utf-8") == page.read_text("utf-8")


def test_explain_lists_a_group(cli):
    assert [line[:5] for line in cli("explain", "al2").out.splitlines()] == ["AL201", "AL202"]


def test_explain_lists_the_rules_and_refuses_others(cli):
    out = cli("explain").out
    assert [line[:5] for line in out.splitlines()] == [p.stem for p in PAGES]
    ran = cli("explain", "AL999")
    assert (ran.code, ran.out) == (2, "")
    assert "AL999" in ran.err


def test_findings_end_with_1_unless_told_otherwise(cli, shop):
    assert cli("diagnose", PAPER.name, "-q").code == 1
    assert cli("diagnose", PAPER.name, "-q", "--exit-zero").code == 0
    assert cli("diagnose", PAPER.name, "-q", "--ignore", "AL101").code == 0
    assert cli("diagnose", PAPER.name, "-q", "--select", "AL102,AL2").code == 0
    assert cli("diagnose", PAPER.name, "-q", "--scenario", "valuable").code == 0
    assert cli("diagnose", PAPER.name, "-q", "--at-least", "50%").code == 0


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--select", "AL9"], "no rule begins with AL9"),
        (["--at-least", "5"], "takes a share such as 1%"),
        (["--observed", "none.csv"], "no such file"),
        (["--out", "x.csv"], "findings are no table for .csv"),
        (["--format", "xml"], "not one of"),
    ],
)
def test_a_wrong_question_ends_with_2(cli, shop, flags, told):
    ran = cli("diagnose", PAPER.name, *flags)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_json_has_what_is_promised(cli, shop):
    document = json.loads(cli("diagnose", PAPER.name, "--format", "json").out)
    (found,) = document["findings"]
    for key in (
        "code",
        "name",
        "layer",
        "message",
        "where",
        "usd_per_hour",
        "left",
        "right",
        "fix",
        "also",
        "others_usd_per_hour",
    ):
        assert key in found
    assert found["usd_per_hour"] == pytest.approx(2.0)
    assert (found["left"], found["right"]) == pytest.approx((4.0, 2.0))
    assert found["page"] == "docs/codes/AL101.md"
    assert document["gap"] == pytest.approx(2.0)
    assert sum(line["usd_per_hour"] for line in document["ledger"]) == pytest.approx(2.0)


def the_loss(document: dict) -> dict[str, float]:
    """The ledger's lines by name, USD per hour."""
    return {line["what"]: line["usd_per_hour"] for line in document["ledger"]}


ACCEPTED = '\ndiagnose: {accept: [{code: AL101, reason: "the contract names it"}]}\n'


@pytest.mark.parametrize(
    ("config", "flags", "why", "told"),
    [
        ("", ["--select", "AL2"], "unselected", "1 of rules not asked for, worth $2/h"),
        ("", ["--ignore", "AL1"], "unselected", "1 of rules not asked for, worth $2/h"),
        (ACCEPTED, [], "accepted", "1 accepted, worth $2/h"),
        ("", ["--at-least", "50%"], "smaller", "1 smaller one: --at-least 0% shows it"),
    ],
)
def test_what_is_not_shown_is_no_other_reason(cli, shop, config, flags, why, told):
    Path("here.yaml").write_text(PAPER.read_text("utf-8") + config, "utf-8")
    ran = cli("diagnose", "here.yaml", "-q", *flags)
    text = " ".join(ran.out.split())
    size = " of at least $3/h" if why == "smaller" else ""
    head = f"No findings{size} in what each layer would do alone ({told})."
    assert (ran.code, text.startswith(head)) == (0, True), text
    document = json.loads(cli("diagnose", "here.yaml", "--format", "json", *flags).out)
    assert document["totals"]["together"] == 0.0
    aside = document["totals"]["not_shown"]
    assert aside.pop(why) == {"findings": 1, "usd_per_hour": pytest.approx(2.0)}
    assert all(not part["findings"] and not part["usd_per_hour"] for part in aside.values())
    assert the_loss(document) == {why: pytest.approx(2.0)}


def test_github_points_at_the_class_and_escapes(cli, shop):
    text = PAPER.read_text("utf-8").replace("  task:", '  "50% off":')
    Path("odd.yaml").write_text(re.sub(r"classes\.task", "classes.50% off", text), "utf-8")
    out = cli("diagnose", "odd.yaml", "--format", "github").out.splitlines()
    line = next(
        n for n, t in enumerate(Path("odd.yaml").read_text().splitlines(), 1) if '50% off":' in t
    )
    assert out[0].startswith(f"::warning file=odd.yaml,line={line},col=3,title=AL101")
    assert "50%25 off" in out[0]
    assert out[-1].startswith("::notice title=allocate diagnose::1 finding")


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("diagnose.txt", []),
        ("diagnose.md", ["--format", "markdown"]),
        ("diagnose.github", ["--format", "github"]),
    ],
)
def test_it_reads_as_before(cli, shop, golden, name, flags):
    ran = cli("diagnose", PAPER.name, *flags)
    assert ran.code == 1
    assert max(map(len, ran.out.splitlines())) <= 80 or flags
    assert "allocate explain AL101" in " ".join(ran.out.split()) or "github" in flags
    golden(name, ran.out)


def test_a_cell_that_is_empty_is_not_zero(cli, shop):
    table = Path("today.csv")
    head = "class,model,autonomy,share,tokens_work,tokens_verify\n"
    rows = "answer,own,free,1,1206,0\ndeploy,bought,confirm,1,3836,{}\n"
    table.write_text(head + rows.format(""))
    unknown = cli("diagnose", "example.yaml", "--observed", table, "--format", "json")
    table.write_text(head + rows.format(0))
    zero = cli("diagnose", "example.yaml", "--observed", table, "--format", "json")
    assert any("tokens_verify where empty" in a for a in json.loads(unknown.out)["assumed"])
    assert not any("tokens_verify where empty" in a for a in json.loads(zero.out)["assumed"])
    assert "AL202" in {f["code"] for f in json.loads(zero.out)["findings"]}


def test_the_result_of_solve_has_no_findings(cli, shop):
    assert cli("solve", "example.yaml", "--out", "result.json", "-q").code == 0
    ran = cli("diagnose", "example.yaml", "--observed", "result.json", "-q")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("No findings in what is done today")


AVERSE = """\
version: 1
prices: {risk_usd: 1}
models:
  bold: {quality: 0.9, cost_per_task_usd: 1, wrong_action_rate: 0.3}
  sure: {quality: 0.8, cost_per_task_usd: 2, wrong_action_rate: 0.05}
classes:
  task: {rate_per_s: 0.001, value_usd: 10, loss: 6}
"""


@pytest.mark.parametrize("form", ["table", "markdown", "github", "json"])
def test_a_rule_that_fits_as_well_is_said(cli, tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    Path("averse.yaml").write_text(AVERSE)
    Path("today.csv").write_text("class,model\ntask,sure\n")
    out = cli("diagnose", "averse.yaml", "--observed", "today.csv", "--format", form).out
    if form == "json":
        assert [(f["code"], f["also"]) for f in json.loads(out)["findings"]] == [
            ("AL101", ["AL102"])
        ]
    else:
        assert "AL102 fits as well" in " ".join(out.split())


def test_a_mistake_in_the_table_is_shown_at_its_cell(cli, shop):
    Path("today.csv").write_text('class,model,share\n"answer",ownn,0.5\n')
    ran = cli("diagnose", "example.yaml", "--observed", "today.csv")
    assert (ran.code, ran.out) == (2, "")
    assert "--> today.csv:2:10\n" in ran.err
    assert ' 2 | "answer",ownn,0.5\n   |          ^^^^\n' in ran.err
    assert "did you mean `own`?" in ran.err
