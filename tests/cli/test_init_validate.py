"""The first two commands: a config that is right, and one that is not."""

import csv
import io
import json
from types import SimpleNamespace

import jsonschema
import pytest

from allocate.cli.commands.init import Template
from allocate.models.schema import COMMITTED

WRONG = "version: 1\nmodels: {m: {qualty: 0.5}}\nclasses: {k: {rate_per_s: 1, value_usd: -1}}\n"


@pytest.mark.parametrize("template", list(Template))
def test_init_writes_a_valid_commented_config_and_its_schema(cli, tmp_path, template):
    ran = cli("init", tmp_path / "new", "--template", template)
    assert ran.code == 0
    config = tmp_path / "new" / "config.yaml"
    text = config.read_text()
    assert text.startswith("# yaml-language-server: $schema=config.schema.json\nversion: 1\n")
    assert text.count("#") >= 5
    jsonschema.Draft202012Validator.check_schema(
        json.loads((tmp_path / "new" / "config.schema.json").read_text())
    )
    assert f"allocate solve {config}" in ran.out
    checked = cli("validate", config)
    assert checked.code == 0, checked.out
    assert checked.out.startswith("ok: ")


def test_there_is_one_schema_of_a_config(cli, tmp_path):
    """The committed one: what ``init`` writes for editors, and what ``schema`` prints."""
    cli("init", tmp_path)
    committed = COMMITTED.read_text("utf-8")
    assert (tmp_path / "config.schema.json").read_text("utf-8") == committed
    assert cli("schema").out == committed
    assert json.loads(committed)["title"] == "allocate config"


def test_a_config_may_come_from_a_pipe(cli, tmp_path, monkeypatch):
    def pipe(text):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))

    pipe(WRONG)
    ran = cli("validate", "-")
    assert ran.code == 2
    assert "<stdin>:2:" in ran.out
    pipe(WRONG.replace("qualty", "quality").replace("-1", "1"))
    assert cli("validate", "-").out.startswith("ok: ")


def test_validate_does_not_replace_what_it_checks(cli, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(WRONG)
    ran = cli("validate", path, "--out", path)
    assert (ran.code, path.read_text()) == (2, WRONG)
    assert "would replace" in ran.err


def test_init_replaces_nothing_unasked(cli, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("mine")
    ran = cli("init", tmp_path)
    assert ran.code == 2
    assert "--force" in ran.err
    assert config.read_text() == "mine"
    assert cli("init", tmp_path, "--force", "-q").out == f"{config}\n"
    assert config.read_text() != "mine"


def test_validate_reports_every_problem_at_once(cli, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(WRONG)
    ran = cli("validate", path)
    assert ran.code == 2
    assert f"{path}:2:" in ran.out
    assert f"{path}:3:" in ran.out


def test_validate_as_json(cli, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(WRONG)
    ran = cli("validate", path, "--format", "json")
    answer = json.loads(ran.out)
    assert ran.code == 2
    assert answer["valid"] is False
    assert {p["line"] for p in answer["problems"]} == {2, 3}
    path.write_text(WRONG.replace("qualty", "quality").replace("-1", "1"))
    ran = cli("validate", path, "--format", "json")
    assert (ran.code, json.loads(ran.out)) == (0, {"valid": True, "problems": []})


def test_validate_as_csv(cli, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(WRONG)
    ran = cli("validate", path, "--format", "csv")
    assert len(list(csv.DictReader(io.StringIO(ran.out)))) >= 2


def test_set_counts_in_validate(cli, tmp_path):
    cli("init", tmp_path)
    ran = cli("validate", tmp_path / "config.yaml", "--set", "no.such.path=1")
    assert ran.code == 2
    assert "no.such.path" in ran.out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--set", "question.value_usd=3"], "did you mean `classes.question.value_usd`?"),
        (["--set", "frontier.quality=1"], "did you mean `models.frontier.quality`?"),
        (["--set", "money_usd=3"], "did you mean `budgets.money_usd`?"),
        (["--set", "classes.question.value=3"], "did you mean `value_usd`?"),
        (["--set", "classes.answer.value_usd=3"], "changes what is there and adds no item"),
        (["--set", "models.cheap.quality=70"], 'write 0.7 or "70 %"'),
        (["--set", "classes.question.rate_per_s=720/h"], "write `720 request/h`"),
        (["--set", "classes.question.rate_per_s=720 1/h"], "write `720 request/h`"),
        (["--set", "classes.question.tenant=acme"], "the config has no `tenants`"),
        (["--scenario", "peak"], "this config has no scenarios"),
    ],
)
def test_a_mistake_in_a_flag_is_met_half_way(cli, tmp_path, flags, told):
    cli("init", tmp_path)
    ran = cli("validate", tmp_path / "config.yaml", *flags)
    assert ran.code == 2
    assert told in ran.out


@pytest.mark.parametrize("template", ["agent-fleet", "capacity"])
def test_a_template_shows_what_it_is_for(cli, tmp_path, template):
    """Something in it is scarce, not everything is done in one way, and a refusal is explained."""
    cli("init", tmp_path, "--template", template)
    ran = cli("solve", tmp_path / "config.yaml", "--format", "json")
    result = json.loads(ran.out)
    assert ran.code == 0
    assert any(price["binding"] for price in result["prices"])
    ways = {(line["model"], line["autonomy"]) for line in result["layers"]["router"]}
    assert len(ways) >= 3
    assert "Its best way" in cli("solve", tmp_path / "config.yaml", "--table", "router").out


@pytest.mark.parametrize(
    ("name", "text"), [("empty", ""), ("broken", "version: [1\n"), ("list", "- 1\n")]
)
def test_what_is_no_config_has_a_position(cli, tmp_path, name, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    ran = cli("validate", path)
    assert ran.code == 2, name
    assert "c.yaml" in ran.out + ran.err
