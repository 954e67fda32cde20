"""The first two commands: a config that is right, and one that is not."""

import csv
import io
import json

import jsonschema
import pytest

from allocate.cli.commands.init import Template

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
    ("name", "text"), [("empty", ""), ("broken", "version: [1\n"), ("list", "- 1\n")]
)
def test_what_is_no_config_has_a_position(cli, tmp_path, name, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    ran = cli("validate", path)
    assert ran.code == 2, name
    assert "c.yaml" in ran.out + ran.err
