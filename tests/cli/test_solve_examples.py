"""Every example and every template, through the real solver: the contract's form holds."""

import json
from pathlib import Path

import jsonschema
import pytest

from allocate.cli.commands.init import Template
from allocate.cli.main import main
from allocate.models.loader import load
from allocate.solver.form import Result
from allocate.solver.result import result_schema
from allocate.solver.solve import solve
from tests.cli.keys import extra

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
OBJECTIVE = ("money", "latency", "risk", "oversight", "training")


def check_form(document: dict) -> None:
    jsonschema.validate(document, result_schema())
    assert extra(Result.model_validate(document)) == []
    assert document["status"] == "optimal"
    assert document["certificate"]["holds"] is True
    assert document["certificate"]["relative_gap"] <= 1e-6
    objective = document["objective"]
    balance = objective["value"] - sum(objective[part] for part in OBJECTIVE)
    assert objective["welfare"] == pytest.approx(balance, rel=1e-6, abs=1e-9)
    for price in document["prices"]:
        assert price["sentence"]
        if not price["binding"]:
            assert price["value"] == 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_solves_to_the_contract_and_again_at_its_own_capacity(cli, path):
    ran = cli("solve", path, "--format", "json")
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    check_form(document)
    if path.stem == "minimal":
        assert document["prices"] == []  # nothing in it is limited
        return
    price = next(p for p in document["prices"] if p["capacity"] is not None)
    again = solve(load(path, overrides=[f"{price['resource']}={price['capacity']}"]), ranges=False)
    assert again.welfare == pytest.approx(document["objective"]["welfare"], rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("template", list(Template))
def test_a_template_solves_at_once(cli, tmp_path, template):
    cli("init", tmp_path, "--template", template)
    ran = cli("solve", tmp_path / "config.yaml", "--format", "json")
    assert ran.code == 0, ran.err
    check_form(json.loads(ran.out))


def test_the_screen_of_a_real_answer_fits(cli, tmp_path):
    cli("init", tmp_path, "--template", "agent-fleet")
    ran = cli("solve", tmp_path / "config.yaml")
    assert ran.code == 0, ran.err
    assert "welfare - optimal" in ran.out
    assert "Next" in ran.out


def test_without_ranges_nothing_is_solved_again_and_prices_stay(tmp_path):
    results = []
    for more in ([], ["--no-ranges"]):
        out = tmp_path / f"{len(more)}.json"
        template = EXAMPLES[0].parents[1] / "allocate" / "templates" / "toy.yaml"
        assert main(["solve", str(template), "--out", str(out), "-q", *more]) == 0
        results.append(json.loads(out.read_text()))
    full, bare = results
    known = [p for p in full["prices"] if p["binding"]]
    assert any(p["valid_from"] is not None for p in known)
    bare_ends = [(p["valid_from"], p["valid_to"]) for p in bare["prices"] if p["binding"]]
    assert set(bare_ends) == {(None, None)}
    assert [p["value"] for p in full["prices"]] == [p["value"] for p in bare["prices"]]
    assert "ranges_s" in full["timing"]
    assert "ranges_s" not in bare["timing"]
