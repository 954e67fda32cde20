"""What a screen says in words and digits is true: full, nearly full, which lane, what to try."""

import pytest

from allocate.cli.render.compare_sheets import sheets
from allocate.cli.render.following import Question, next_commands
from allocate.cli.render.pages import formula
from allocate.cli.render.price_words import used, validity
from allocate.cli.render.solve_sheets import serving_sheet
from allocate.cli.render.text import apart
from allocate.cli.render.verdict import bindings, verdict
from allocate.solver.result import without_answer

ENDLESS = """\
version: 1
token_uses: {t: {exponent: 1}}
models:
  a: {success: {form: cobb_douglas}, cost_per_task_usd: 0.01}
classes:
  q: {rate_per_s: 0.1, value_usd: 1}
"""
CAPS = "it pays to serve fewer with more tokens; give token_uses.*.max_tokens"
ANY = "some tokens cost nothing; give token_uses.*.max_tokens, a price, or budgets.money_usd"


@pytest.mark.parametrize(
    ("one", "said"),
    [(256, "256"), (255.98, "255.98"), (255.9999999, "256"), (100, "100"), (None, "-")],
)
def test_full_and_nearly_full_read_differently(one, said):
    assert apart(one, 256)[0] == said
    assert used({"used": one, "capacity": 256}) == f"{said} / 256"


def test_a_capacity_that_is_nearly_full_is_not_called_full(result):
    result["prices"][0] |= {"binding": False, "used": 255.98, "capacity": 256.0}
    (line,) = [line for line in bindings(result) if line.startswith("Nearly")]
    assert "(99.99 % used)" in line


def test_the_range_speaks_of_the_capacity_in_its_unit(result):
    price = result["prices"][0] | {"resource": "budgets.money_usd", "unit": "USD per USD"}
    said = validity(price | {"valid_from": 1.44, "valid_to": 36.0})
    assert said == (
        "The price, in USD of welfare per USD, stays within 10 % while the capacity is "
        "between 1.44 and 36 USD/h."
    )
    assert "at least 1.44 USD/h" in validity(price | {"valid_from": 1.44, "valid_to": None})
    assert validity(price | {"valid_from": None, "valid_to": None}).startswith("The price is in")


def offered(tmp_path, message, *overrides):
    file = tmp_path / "c.yaml"
    file.write_text(ENDLESS)
    result = without_answer("unbounded", config_sha256="0", tolerance=1e-6)
    return [c for c, _ in next_commands(result | {"message": message}, Question(file, overrides))]


def test_what_is_without_end_is_bounded_by_what_the_refusal_names(tmp_path):
    (command,) = offered(tmp_path, CAPS)
    assert command.endswith("--set token_uses.t.max_tokens=1000")
    assert len(offered(tmp_path, ANY)) == 2


def test_advice_that_is_followed_is_not_given_again(tmp_path):
    assert offered(tmp_path, CAPS, "token_uses.t.max_tokens=9") == []
    (command,) = offered(tmp_path, ANY, "budgets.money_usd=5")
    assert "max_tokens" in command


def test_a_deployment_at_two_speeds_has_two_names(result):
    line = result["layers"]["serving"][0] | {"lane": "d @ 20 ms", "period": None}
    result["layers"]["serving"] = [line, line | {"lane": "d @ 40 ms"}, line | {"lane": "e @ 9 ms"}]
    assert {row[0] for row in serving_sheet(result).rows} == {"d @ 20 ms", "d @ 40 ms", "e"}


@pytest.mark.parametrize(("period", "said"), [(None, "d 1"), ("night", "d [all day] 1")])
def test_whole_replicas_name_a_period_only_where_there_are_several(result, period, said):
    result["whole_replicas"] = {"replicas": {"d [all day]": 1}}
    result["layers"]["router"] = [line | {"period": period} for line in result["layers"]["router"]]
    assert bindings(result)[-1].endswith(f": {said}")


@pytest.mark.parametrize(
    ("primal", "dual", "gap", "said"),
    [
        (544.0, 544.0 + 8e-12, 1e-14, "nothing is better, but for rounding"),
        (544.0, 544.001, 2e-6, "nothing is better by a cent an hour (gap 2e-6)"),
        (544.0, 549.0, 9e-3, "nothing is more than $5/h better (gap 9e-3)"),
        (0.002, 0.0021, 5e-2, "nothing is more than $0.0001/h better (gap 5e-2)"),
    ],
)
def test_a_gap_below_a_cent_has_one_wording(result, primal, dual, gap, said):
    result["certificate"] |= {"primal": primal, "dual": dual, "relative_gap": gap}
    assert verdict(result)[1].endswith(said)


def test_a_layer_with_nothing_to_decide_has_no_line():
    import json
    from pathlib import Path

    fixture = Path(__file__).parent / "fixtures" / "comparison.json"
    document = json.loads(fixture.read_text("utf-8"))
    layers = sheets(document)[-1]
    assert "training" not in {row[0] for row in layers.rows}
    document["attribution"]["shares"]["serving"] = 0.0  # it decides, and nothing is gained by it
    assert [row[:2] for row in sheets(document)[-1].rows if row[0] == "serving"] == [
        ["serving", "0"]
    ]
    assert "waiting, risk" in layers.about


def test_formulas_are_written_in_plain_letters():
    assert formula(r"t_v=\tau\log\frac{w e_0}{p_v\tau}") == "t_v=τ log (w e_0)/(p_vτ)"
    assert formula(r"\Delta C") == "ΔC"
