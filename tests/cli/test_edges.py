"""Answers that are empty, huge, negative or human-only are drawn like any other."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocate.cli.render.following import Question, next_commands
from allocate.cli.render.grid import lay_out
from allocate.cli.render.markdown import draw_markdown
from allocate.cli.render.screen import draw_screen
from allocate.cli.render.sheet import Column, sheet_of
from allocate.cli.render.solve_sheets import prices_sheet, requests_sheet, serving_sheet
from allocate.cli.render.verdict import equation
from allocate.cli.terminal import plain_console
from allocate.solver.result import without_answer

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def bare(status="infeasible", **more):
    return without_answer(status, config_sha256="0", tolerance=1e-6, **more)


def test_an_answer_without_anything(golden):
    text = draw_screen(
        bare(conflicts=["limits.risk_per_h", "limits.shares.local"]), plain_console()
    )
    golden("infeasible.txt", text)


@pytest.mark.parametrize("status", ["infeasible", "unbounded", "feasible", "optimal"])
def test_markdown_without_anything(status):
    assert draw_markdown(bare(status)).startswith("**")


@given(value=FINITE, used=FINITE, capacity=FINITE, binding=st.booleans())
def test_any_price_is_drawn(value, used, capacity, binding):
    result = bare("optimal")
    result["prices"] = [
        {
            "resource": "a.b", "value": value, "unit": "USD", "label": "b", "worth": None,
            "pay": None, "used": used, "capacity": capacity, "binding": binding,
            "valid_from": used, "valid_to": None, "sentence": "b.",
        }
    ]  # fmt: skip
    assert "a.b" in draw_screen(result, plain_console())


def test_the_dearest_capacity_stands_first_and_slack_last(result):
    names = [row[0] for row in prices_sheet(result).rows]
    assert names[:3] == [
        "humans.minutes_per_h",
        "limits.irreversible_risk_per_h",
        "gpus.h100.available",
    ]
    assert names[3] == "budgets.money_usd"  # nearer to its limit than the last


def test_every_binding_price_is_shown_and_slack_ones_are_counted(result):
    slack = result["prices"][3]
    result["prices"] += [slack | {"resource": f"r{i}"} for i in range(20)]
    sheet = prices_sheet(result)
    assert len(sheet.rows) == 3 + 5
    assert sheet.hidden == 17
    assert prices_sheet(result, whole=True).hidden == 0


def test_a_narrow_range_shows_that_it_is_one(result):
    result["prices"][0] |= {"valid_from": 1.99986, "valid_to": 2.00048}
    notes = prices_sheet(result).notes.values()
    assert any("between 1.9999 and 2.0005" in note for note in notes)


def test_token_uses_beyond_four_are_added_up(result):
    for line in result["layers"]["autonomy"]:
        line["tokens"] |= {"search": 1.0, "ask": 2.0}
    sheet = requests_sheet(result)
    names = [column.name for column in sheet.columns]
    assert names[4:9] == ["read", "plan", "edit", "verify", "other"]
    assert sheet.rows[0][8] == "3"


def test_a_negative_welfare_keeps_its_sign(result):
    result["objective"]["welfare"] = -12.5
    assert draw_screen(result, plain_console()).startswith("-$12.50/h")


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_line_is_wider_than_the_screen(result, width):
    console = plain_console()
    console.width = width
    text = draw_screen(result, console, Question(Path("c.yaml")))
    assert len(text.splitlines()) > 30
    assert max(map(len, text.splitlines())) <= width


def test_a_narrow_screen_still_shows_everything_that_matters(result):
    console = plain_console()
    console.width = 40
    text = draw_screen(result, console)
    for price in result["prices"]:
        assert price["resource"] in text


def test_what_is_declined_is_never_hidden(result):
    line = result["layers"]["router"][0]
    result["layers"]["autonomy"] = []
    result["layers"]["router"] = [
        line | {"class": f"k{i}", "requests_per_s": 100.0 - i} for i in range(40)
    ]
    result["layers"]["router"][39] |= {
        "model": None,
        "autonomy": "declined",
        "best": {"model": "m", "autonomy": "free", "usd": -0.01234, "value_usd": 1.0},
    }
    sheet = requests_sheet(result)
    assert [row[0] for row in sheet.rows] == [f"k{i}" for i in range(12)] + ["k39"]
    assert sheet.hidden == 40 - 13
    assert sheet.notes[12] == "Its best way (m, free) loses $0.0123 a request at these prices."


def test_the_lines_of_a_class_stand_together(result):
    names = [row[0] for row in requests_sheet(result, whole=True).rows]
    assert len(names) == len(result["layers"]["router"])
    runs = [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    assert len(runs) == len(set(names))


def by_period(lines, periods, **changes):
    return [line | {"period": p} | changes.get(p, {}) for line in lines for p in periods]


def test_periods_are_told_apart_and_equal_ones_are_one_line(result):
    layers = result["layers"]
    first = layers["router"][0] | {"class": "k"}
    layers["autonomy"], layers["router"] = [], by_period([first], ["day", "night"])
    sheet = requests_sheet(result)
    assert [column.name for column in sheet.columns][:3] == ["class", "period", "model"]
    assert [row[1] for row in sheet.rows] == ["all"]
    layers["router"] = by_period([first], ["day", "night"], night={"share": 0.5})
    assert [row[1] for row in requests_sheet(result).rows] == ["day", "night"]
    assert len(requests_sheet(result, whole=True).rows) == 2


def test_lanes_show_their_period_and_their_gpus(result):
    layers = result["layers"]
    layers["serving"] = by_period([layers["serving"][0] | {"gpus": 4.0}], ["day", "night"])
    sheet = serving_sheet(result)
    names = [column.name for column in sheet.columns]
    assert "stage" not in names  # every lane is a mixed one
    assert [row[names.index("period")] for row in sheet.rows] == ["day", "night"]
    assert [row[names.index("GPUs")] for row in sheet.rows] == ["4", "4"]


def test_a_yield_is_not_a_percentage(result):
    result["layers"]["autonomy"][0]["success"] = 956.91
    sheet = requests_sheet(result)
    assert sheet.columns[-1].name == "yield"
    assert "956.9" in {row[-1] for row in sheet.rows}


@pytest.mark.parametrize(
    ("training", "serving", "claim"),
    [
        (False, False, "welfare - optimal"),
        (False, True, "welfare - optimal for this menu of speeds"),
        (True, True, "welfare - a local optimum for this menu of speeds"),
    ],
)
def test_the_verdict_claims_no_more_than_is_proved(result, training, serving, claim):
    for name, there in (("training", training), ("serving", serving)):
        result["layers"][name] = result["layers"][name] if there else []
    assert draw_screen(result, plain_console()).splitlines()[0].endswith(claim)


def test_whole_replicas_are_told_from_an_answer_that_is_not_certified(result):
    result["status"] = "feasible"
    result["certificate"] |= {"holds": False, "relative_gap": 0.0021, "dual": 4022.0}
    assert "NOT certified" in draw_screen(result, plain_console()).splitlines()[0]
    assert "--method conic" in next_commands(result, asked())[0][0]
    result["whole_replicas"] = {"certified_at_these_numbers": True, "integer_gap": 0.0021}
    first, second = draw_screen(result, plain_console()).splitlines()[:2]
    assert first.endswith("the best found with whole replicas")
    assert second.startswith("certified at these numbers of replicas: every limit is kept")
    assert "--method" not in next_commands(result, asked())[0][0]


def test_layers_that_do_not_agree_are_told(result):
    result["status"] = "feasible"
    assert "routing and training do not agree" in draw_screen(result, plain_console())


def test_a_stopped_answer_says_whose_wish_it_was(result):
    result["status"] = "stopped"
    result["timing"]["ranges_s"] = 1.0
    text = draw_screen(result, plain_console())
    first = " ".join(text.split("certified")[0].split())
    assert "stopped at your request" in first  # the optimum is known, its ranges are not
    assert "local optimum" in first
    result["timing"].pop("ranges_s")
    first = draw_screen(result, plain_console()).splitlines()[0]
    assert first.endswith("stopped at your request: the best answer so far")
    result["certificate"]["holds"] = False
    assert "NOT certified" in draw_screen(result, plain_console()).splitlines()[0]


@pytest.mark.parametrize("scale", [1e-6, 0.1, 1.0, 100.0, 1e6])
def test_the_balance_adds_up_as_it_is_written(result, scale):
    objective = result["objective"]
    parts = ("value", "money", "latency", "risk", "oversight", "training")
    for name in parts:
        objective[name] *= scale
    objective["welfare"] = objective["value"] - sum(objective[name] for name in parts[1:])
    texts = equation(result, 200)[1].replace(",", "").removesuffix("USD/h")
    left, right = texts.split(" = ")
    value, *costs = map(float, right.split(" - "))
    last = 10.0 ** -len(left.strip().partition(".")[2])
    assert float(left) == pytest.approx(value - sum(costs), abs=3.01 * last)
    assert float(left) == pytest.approx(objective["welfare"], abs=last)


def asked(*overrides, config="c.yaml"):
    return Question(Path(config), overrides)


def test_next_repeats_the_question_and_changes_one_value(result):
    first = next_commands(result, asked("demand.scale=2", "humans.minutes_per_h=240"))[0][0]
    assert first == "allocate solve c.yaml --set demand.scale=2 --set humans.minutes_per_h=264"


def test_next_offers_all_only_where_something_is_hidden(result):
    assert not any("--all" in command for command, _ in next_commands(result, asked()))
    assert any("--all" in command for command, _ in next_commands(result, asked(), hidden=True))


def test_next_asks_less_of_a_floor_and_no_more_than_everything(result):
    result["prices"] = [result["prices"][0] | {"resource": "limits.shares.s.min_share"}]
    result["prices"][0] |= {"value": -3.0, "capacity": 0.5, "binding": True}
    assert "min_share=0.454545" in next_commands(result, asked())[0][0]
    result["prices"][0] |= {"resource": "limits.shares.s.max_share", "value": 3.0, "capacity": 0.99}
    assert next_commands(result, asked())[0][0].endswith("max_share=1")


@pytest.mark.parametrize("written", ["classes: {k: {value_usd: 1}}", "classes: [{name: k}]"])
def test_next_offers_to_serve_what_is_declined(result, tmp_path, written):
    path = tmp_path / "c.yaml"
    path.write_text(f"version: 1\n{written}\n")
    declined = result["layers"]["router"][0] | {"model": None, "autonomy": "declined"}
    result["prices"], result["layers"]["router"] = [], [declined | {"class": "k"}]
    assert "classes.k.decline=false" in next_commands(result, asked(config=path))[0][0]
    result["layers"]["router"][0]["class"] = "of_a_table"
    assert "decline" not in next_commands(result, asked(config=path))[0][0]


@pytest.mark.parametrize(("written", "scale"), [("", "1.2"), ("demand: {scale: 4}", "4.8")])
def test_next_asks_for_more_demand_than_there_is(result, tmp_path, written, scale):
    path = tmp_path / "c.yaml"
    path.write_text(f"version: 1\n{written}\n")
    result["prices"] = []
    result["layers"]["router"] = [r for r in result["layers"]["router"] if r["model"]]
    assert next_commands(result, asked(config=path))[0][0].endswith(f"demand.scale={scale}")
    offers = next_commands(result, asked("demand.scale=2", config=path))
    assert not any("demand.scale=2.4" in command for command, _ in offers)


def test_next_gives_a_limit_in_conflict_what_it_needs():
    result = bare(conflicts=["limits.risk_per_h = 5 needs at least 36 USD/h", "other"])
    ((command, _),) = next_commands(result, asked())
    assert command == "allocate solve c.yaml --set limits.risk_per_h=36.036"
    assert next_commands(bare(conflicts=["other"]), asked()) == []
    both = ["a.b = 5 needs at least 36", "c.d = 9 needs at most 3", "all of these together"]
    ((command, why),) = next_commands(bare(conflicts=both), asked("a.b=6"))
    assert command == "allocate solve c.yaml --set a.b=36.036 --set c.d=2.997"
    assert "together" in why


def test_a_whole_name_is_not_cut_as_long_as_another_column_can_go():
    columns = [
        Column("code", "", lambda r: r["code"], right=False),
        Column("where", "", lambda r: r["where"], right=False, whole=True),
        Column("unit", "", lambda r: "USD/request", right=False, optional=True),
    ]
    line = {"code": "AL101", "where": "draft_short, gpt5, confirm"}
    for width, shown in ((60, True), (40, False)):
        text = "\n".join(t for _, t in lay_out(sheet_of("", columns, [line], True, ""), width))
        assert line["where"] in text
        assert ("USD/request" in text) == shown
    assert "no room for unit" in text
    narrow = "\n".join(t for _, t in lay_out(sheet_of("", columns, [line], True, ""), 24))
    assert "draft_short" in narrow
    assert "~" in narrow
