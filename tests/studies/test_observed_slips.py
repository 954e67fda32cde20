"""Slips in what is done today are told once, at their line, with what to write instead."""

import gzip
import json

import pytest

from allocate.errors import DataError
from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.baselines.observed import read_observed
from tests.solver.cases import api_and_humans, fleet, two_models

HEAD = "class,model,share\n"


def problems(path, text, config=None):
    """What is wrong with a table, or with a result."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        read_observed(path, load_dict(config or two_models()))
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "told", "line"),
    [
        ("class;model;share\ntask;cheap;0.5\n", "are separated by `;`, not by commas", 1),
        ("class;model;share\ntask;cheap;0,5\n", "are separated by `;`, not by commas", 1),
        ("\ufeffclass;model\ntask;cheap\n", "are separated by `;`, not by commas", 1),
        ("class\tmodel\ntask\tcheap\n", "are separated by tabs, not by commas", 1),
        (HEAD + "task,cheap,0.5\ntask,cheap,0.5,9\n", "has 4 cells, and the header 3", 3),
        (HEAD + 'task,"cheap,0.5\ntask,cheap,0.5\n', "the quotes of this row do not match", 2),
        (HEAD + 'task,cheap,0.5\ntask,ch"eap,0.5\n', "the quotes of this row do not match", 3),
        (HEAD.encode() + b"task,ch\xe9ap,0.5\n", "this line is not UTF-8 text", 2),
        ("class,class\ntask,task\n", "the column `class` stands there twice", 1),
        ("", "is empty", None),
    ],
)
def test_a_torn_table_is_told_by_its_line(tmp_path, text, told, line):
    (problem,) = problems(tmp_path / "today.csv", text)
    assert told in problem.message
    assert problem.line == line
    assert problem.hint
    assert "chema" not in str(problem)  # the library's words


def test_every_row_that_is_too_long_is_told(tmp_path):
    text = HEAD + "task,cheap,0.5,1\ntask,cheap,0.5\ntask,cheap,0,5\n"
    found = problems(tmp_path / "today.csv", text)
    assert [(p.line, p.column) for p in found] == [(2, 16), (4, 14)]


def test_a_packed_table_is_told_by_its_line_too(tmp_path):
    packed = gzip.compress((HEAD + "task,cheap,0.5\ntask,cheap,0,5\n").encode())
    (problem,) = problems(tmp_path / "today.csv.gz", packed)
    assert problem.line == 3


def test_a_row_may_end_early(tmp_path):
    path = tmp_path / "today.csv"
    path.write_text(HEAD + "task,cheap\n")
    (sent,) = read_observed(path, load_dict(two_models())).sent
    assert sent.share is None


@pytest.mark.parametrize(
    ("busy", "hint"), [("70", "write 0.7 for 70 %"), ("1", "share of one"), ("250", "share of one")]
)
def test_a_utilisation_in_percent_is_told_how_to_be_written(tmp_path, busy, hint):
    text = f"class,model,deployment,utilisation\neasy,own,,\n,,own_h100,{busy}\n"
    (problem,) = problems(tmp_path / "today.csv", text, fleet())
    assert f"utilisation is {busy}, and has to be more than 0 and less than 1" in problem.message
    assert hint in (problem.hint or "")
    assert (problem.line, problem.column) == (3, 12)


def test_a_time_per_token_that_no_lane_has_is_told_with_the_shortest(tmp_path):
    text = "class,model,deployment,tpot_ms\neasy,own,,\n,,own_h100,0.5\n"
    (problem,) = problems(tmp_path / "today.csv", text, fleet())
    assert problem.message == "`own_h100` cannot take 0.5 ms a token"
    alpha = fleet()["deployments"]["own_h100"]["alpha_ms"]
    assert f"it takes {alpha:g} ms when idle" in (problem.hint or "")


@pytest.mark.parametrize("rows", ["0.8\nask,strong,0.4", "0.8\nask,cheap,0.4"])
def test_shares_that_sum_to_more_than_the_class_are_told_at_the_row(tmp_path, rows):
    text = f"{HEAD}commit,strong,1\nask,cheap,{rows}\ndeploy,strong,1\n"
    (problem,) = problems(tmp_path / "today.csv", text, api_and_humans())
    assert problem.message == "the shares of `ask` sum to 1.2, more than all of it"
    assert problem.line == 4


def by_period() -> dict:
    config = fleet()
    config["periods"] = {"day": {"hours": 10}, "night": {"hours": 14, "demand_scale": 0.5}}
    return config


def test_shares_are_summed_in_their_periods(tmp_path):
    head, path = "class,model,period,share\n", tmp_path / "today.csv"
    path.write_text(head + "easy,own,day,1\neasy,own,night,0.7\neasy,api,night,0.305\n")
    assert len(read_observed(path, load_dict(by_period())).sent) == 3
    (problem,) = problems(path, head + "easy,own,,0.7\neasy,own,night,0.4\n", by_period())
    assert problem.message == "the shares of `easy` in `night` sum to 1.1, more than all of it"
    assert problem.line == 3


def test_a_share_that_is_too_much_alone_is_told_once(tmp_path):
    (problem,) = problems(tmp_path / "today.csv", HEAD + "task,cheap,1.5\n")
    assert "share is 1.5" in problem.message


@pytest.fixture(scope="module")
def result():
    return solve(load_dict(by_period()), ranges=False).to_dict()


def test_a_result_of_another_config_is_told_once(tmp_path, result):
    (problem,) = problems(tmp_path / "result.json", json.dumps(result))
    assert "is a result of another config: this one has no class `easy`, `hard`" in problem.message
    assert "period `day`, `night`" in problem.message
    assert "deployment `own_h100`" in problem.message
    assert "allocate solve CONFIG --out result.json" in (problem.hint or "")


def test_so_is_one_of_many_names_and_only_some_are_shown(tmp_path, result):
    lines = [dict(result["layers"]["router"][0]) for _ in range(50)]
    for i, line in enumerate(lines):
        line["class"] = f"kind_{i}"
    many = result | {"layers": result["layers"] | {"router": lines}}
    (problem,) = problems(tmp_path / "result.json", json.dumps(many), by_period())
    assert problem.message.endswith("no class `kind_0`, `kind_1`, `kind_2` and 47 more")


def test_a_result_of_the_same_names_and_other_numbers_is_read(tmp_path, result):
    path, config = tmp_path / "result.json", by_period()
    path.write_text(json.dumps(result))
    config["gpus"]["h100"]["available"] *= 2
    loaded = load_dict(config)
    assert loaded.sha256 != result["config_sha256"]
    assert read_observed(path, loaded).sent


@pytest.mark.parametrize(("layer", "key"), [("router", "ways"), ("serving", "speed_utilisation")])
def test_a_result_that_says_too_little_is_no_bug(tmp_path, result, layer, key):
    old = json.loads(json.dumps(result))
    for line in old["layers"][layer]:
        del line[key]
    (problem,) = problems(tmp_path / "result.json", json.dumps(old), by_period())
    assert "is of an older allocate" in problem.message


def test_a_cell_over_two_lines_is_no_slip_beside_one(tmp_path):
    text = HEAD + 'task,"cheap\n",0.5\ntask,cheap,0.5,9\n'
    (only,) = problems(tmp_path / "t.csv", text)
    assert "has 4 cells" in only.message


@pytest.mark.parametrize(("share", "wrong"), [("1.005", False), ("1.02", True)])
def test_one_row_and_several_are_rounded_alike(tmp_path, share, wrong):
    path = tmp_path / "t.csv"
    for text in (f"task,cheap,{share}\n", f"task,cheap,0.5\ntask,cheap,{float(share) - 0.5:.3f}\n"):
        path.write_text(HEAD + text)
        if wrong:
            with pytest.raises(DataError):
                read_observed(path, load_dict(two_models()))
        else:
            assert read_observed(path, load_dict(two_models())).sent


def test_a_lane_s_period_holds_in_every_scenario(tmp_path):
    path = tmp_path / "t.csv"
    lanes = "\n,own_h100,day,3,0.3\n,own_h100,,2,0.5\n"
    path.write_text(f"class,deployment,period,replicas,utilisation\neasy,,,,{lanes}")
    read = read_observed(path, load_dict(by_period()))
    for moment, busy, count in (("day", 0.3, 3), ("calm: day", 0.3, 3), ("calm: night", 0.5, 2)):
        assert read.busy("own_h100", moment) == busy
        assert read.running("own_h100", moment) == count
    assert read.busy("another", "day") is None
