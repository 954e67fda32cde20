"""``allocate solve --sensitivity``: a table, sentences, and a document by the schema."""

import json
from pathlib import Path

from allocate.solver.result import check_result

TWO = Path(__file__).parents[2] / "examples" / "paper_two_models.yaml"


def test_the_table_names_the_switch_and_what_was_solved_again(cli):
    ran = cli("solve", TWO, "--sensitivity", "--no-progress")
    assert ran.code == 0
    assert "What the answer hangs on" in ran.out
    line = next(x for x in ran.out.splitlines() if x.startswith("classes.task.value_usd"))
    assert line.split()[-1] == "20"  # V* of the paper
    assert "moves from" in ran.out.replace("\n  ", " ")


def test_the_document_follows_the_schema(cli):
    ran = cli("solve", TWO, "--sensitivity", "--format", "json", "-q")
    document = check_result(json.loads(ran.out))
    lines = {line["parameter"]: line for line in document["sensitivity"]}
    assert abs(lines["classes.task.value_usd"]["d_welfare"] - 0.7) < 1e-6
    assert lines["prices.risk_usd"]["one_sided"]["below"] is None


def test_without_the_flag_there_is_none_of_it(cli):
    ran = cli("solve", TWO, "--format", "json", "-q")
    assert "sensitivity" not in json.loads(ran.out)
