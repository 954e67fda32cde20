import datetime as dt
import gzip

import numpy as np
import polars as pl
import pytest

from allocate.errors import ConfigError
from allocate.models.classes import LISTS, NUMBERS, TEXTS, Coded
from allocate.models.config import RequestClass
from allocate.models.loader import load_dict

BASE = {
    "version": 1,
    "models": {"cheap": {"quality": 0.7}, "frontier": {"quality": 0.9}},
    "tenants": {"search": {}, "chat": {}},
}
INLINE = {
    "plain": {"rate_per_s": 1, "value_usd": 10},
    "full": {
        "rate_per_s": 2,
        "value_usd": 5,
        "latency_usd_per_s": 0.1,
        "tenant": "chat",
        "models": ["cheap"],
        "quality": {"cheap": 0.4},
        "decline": False,
    },
}


def read(directory, **sections):
    return load_dict({**BASE, **sections}, directory).classes


def told(directory, **sections):
    with pytest.raises(ConfigError) as caught:
        read(directory, **sections)
    return caught.value.problems


def write(directory, text, name="classes.csv"):
    (directory / name).write_text(text)
    return {"path": name}


def test_every_field_has_a_column():
    columns = {*NUMBERS, *TEXTS, *LISTS, "decline", "quality"}
    assert columns == set(RequestClass.model_fields)


def test_classes_of_the_config(tmp_path):
    classes = read(tmp_path, classes=INLINE)
    assert len(classes) == classes.inline == 2
    assert list(classes.names) == ["plain", "full"]
    np.testing.assert_array_equal(classes.rate_per_s, [1, 2])
    np.testing.assert_array_equal(classes.latency_usd_per_s, [np.nan, 0.1])
    np.testing.assert_array_equal(classes.quality["cheap"], [np.nan, 0.4])
    np.testing.assert_array_equal(classes.decline, [True, False])
    assert (classes.tenant[0], classes.tenant[1]) == (None, "chat")
    assert (classes.models[0], classes.models[1]) == (None, ("cheap",))
    assert classes.action.labels == ("act",)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_a_table_of_each_kind(tmp_path, suffix):
    frame = pl.DataFrame(
        {
            "name": ["a", "b", "c"],
            "rate_per_s": [1.0, 2.0, 3.0],
            "value_usd": [10, 20, 30],
            "tenant": ["chat", None, "search"],
            "models": ["cheap|frontier", "", "cheap"],
            "quality.frontier": [0.5, None, 0.25],
            "decline": [True, False, None],
            "max_tpot_ms": [None, 20.0, None],
        }
    )
    path = tmp_path / f"classes.{suffix}"
    if suffix == "parquet":
        frame.write_parquet(path)
    else:
        text = frame.write_csv().encode()
        path.write_bytes(gzip.compress(text) if suffix == "csv.gz" else text)
    classes = read(tmp_path, class_table={"path": path.name})
    assert list(classes.names) == ["a", "b", "c"]
    np.testing.assert_array_equal(classes.value_usd, [10, 20, 30])
    np.testing.assert_array_equal(classes.quality["frontier"], [0.5, np.nan, 0.25])
    np.testing.assert_array_equal(classes.max_tpot_ms, [np.nan, 20, np.nan])
    np.testing.assert_array_equal(classes.decline, [True, False, True])
    np.testing.assert_array_equal(classes.calls, [1, 1, 1])
    assert [classes.tenant[k] for k in range(3)] == ["chat", None, "search"]
    assert [classes.models[k] for k in range(3)] == [("cheap", "frontier"), None, ("cheap",)]


WRONG = {
    "date": dt.date(2020, 1, 1),
    "duration": dt.timedelta(seconds=1),
    "list": [1.0],
    "struct": {"a": 1.0},
    "binary": b"1",
    "true or false": True,
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_column_that_holds_no_numbers_is_told(tmp_path, kind):
    frame = pl.DataFrame({"rate_per_s": [1.0, 2.0], "value_usd": [WRONG[kind]] * 2})
    frame.write_parquet(tmp_path / "classes.parquet")
    (problem,) = told(tmp_path, class_table={"path": "classes.parquet"})
    assert problem.code == "CFG042"
    assert "`value_usd` must be numbers" in problem.message
    assert kind in problem.message


def test_table_follows_the_config(tmp_path):
    table = write(tmp_path, "rate_per_s,value_usd,tenant,quality.frontier\n3,1,search,0.9\n4,1,,\n")
    classes = read(tmp_path, classes=INLINE, class_table=table)
    assert list(classes.names) == ["plain", "full", "1", "2"]
    assert classes.names[1:3] == ["full", "1"]
    assert classes.names[-1] == "2"
    np.testing.assert_array_equal(classes.rate_per_s, [1, 2, 3, 4])
    np.testing.assert_array_equal(classes.quality["cheap"], [np.nan, 0.4, np.nan, np.nan])
    np.testing.assert_array_equal(classes.quality["frontier"], [np.nan, np.nan, 0.9, np.nan])
    assert [classes.tenant[k] for k in range(4)] == [None, "chat", "search", None]


def test_mapped_columns_and_defaults(tmp_path):
    table = write(tmp_path, "rps,tenant\n3,chat\n4,\n") | {
        "columns": {"rate_per_s": "rps"},
        "defaults": {"value_usd": "7 USD", "tenant": "search", "quality": {"cheap": 0.5}},
    }
    classes = read(tmp_path, class_table=table)
    np.testing.assert_array_equal(classes.rate_per_s, [3, 4])
    np.testing.assert_array_equal(classes.value_usd, [7, 7])
    np.testing.assert_array_equal(classes.quality["cheap"], [0.5, 0.5])
    assert [classes.tenant[k] for k in range(2)] == ["chat", "search"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("name,rate_per_s,value_usd\na,,1\n", 2, "row 1, column `rate_per_s` is empty"),
        ("rate_per_s,value_usd\n1,1\nx,1\n", 3, "row 2, column `rate_per_s`: `x` is not a number"),
        ("rate_per_s,value_usd\n1,1\n-1,1\n", 3, "`-1` is not at least 0"),
        ("rate_per_s,value_usd\nnan,1\n", 2, "`nan` is not a finite number"),
        ("rate_per_s,value_usd\ninf,1\n", 2, "`inf` is not a finite number"),
        ("rate_per_s,value_usd,calls\n1,1,0\n", 2, "`0` is not more than 0"),
        ("rate_per_s,value_usd,quality.cheap\n1,1,1.5\n", 2, "`1.5` is not at most 1"),
        ("name,rate_per_s,value_usd\na,1,1\na,1,1\n", 3, "`a` is the name of an earlier class"),
        ("rate_per_s,value_usd,tenant\n1,1,serach\n", 2, "names `serach`"),
        ("rate_per_s,value_usd,models\n1,1,cheap|cheep\n", 2, "names `cheep`"),
        ("rate_per_s,value_usd,autonomy\n1,1,fre\n", 2, "names `fre`"),
        ("rate_per_s,value_usd,decline\n1,1,maybe\n", 2, "is not true or false"),
        ("rate_per_s,vlaue_usd\n1,1\n", None, "the column `value_usd` is missing"),
        ("rate_per_s,value_usd,cals\n1,1,1\n", None, "the column `cals` is not known"),
        (
            "rate_per_s,rate_per_s,value_usd\n1,1,1\n",
            None,
            "`rate_per_s` stands in the table twice",
        ),
        ("rate_per_s,value_usd\n", None, "the table has no rows"),
    ],
)
def test_a_mistake_in_a_table(tmp_path, text, line, message):
    problems = told(tmp_path, class_table=write(tmp_path, text))
    found = next(problem for problem in problems if message in problem.message)
    assert found.file == str(tmp_path / "classes.csv")
    assert found.line == line
    assert found.hint or line is None


def test_five_examples_and_the_count(tmp_path):
    table = write(tmp_path, "rate_per_s,value_usd\n" + "-1,1\n" * 1000)
    (problem,) = told(tmp_path, class_table=table)
    assert problem.message.endswith("likewise rows 2, 3, 4, 5, 6, … (999 in all)")


@pytest.mark.parametrize(
    ("name", "raw"),
    [("t.csv", b""), ("t.csv", b"a\n\xff\n"), ("t.parquet", b"x"), ("t.csv.gz", b"\x1f\x8b\x08x")],
)
def test_a_file_that_is_no_table(tmp_path, name, raw):
    (tmp_path / name).write_bytes(raw)
    assert [p.code for p in told(tmp_path, class_table={"path": name})] == ["CFG040"]


def test_rows_that_nothing_serves(tmp_path):
    fast = {"cheap": {"quality": 0.7, "api": {"tpot_ms": 20}}}
    table = write(
        tmp_path, "rate_per_s,value_usd,max_tpot_ms,decline\n1,1,10,no\n1,1,30,no\n1,1,5,yes\n"
    )
    (problem,) = told(tmp_path, models=fast, class_table=table)
    assert problem.code == "CFG034"
    assert problem.message.startswith("row 1 can be neither served nor declined")


def test_labels_keep_their_meaning_when_columns_meet():
    above = Coded.encode(["x", None, "y"])
    below = Coded.encode([None, "z", "y", "x"])
    both = above.append(below)
    assert [both[k] for k in range(7)] == ["x", None, "y", None, "z", "y", "x"]
    assert Coded.encode([]).append(below).labels == below.labels


def test_a_large_table(tmp_path):
    rows = 200_000
    random = np.random.default_rng(0)
    pl.DataFrame(
        {
            "rate_per_s": random.random(rows),
            "value_usd": random.random(rows),
            "tenant": np.array(["search", "chat"])[random.integers(0, 2, rows)],
            "models": np.array(["cheap", "cheap|frontier", ""])[random.integers(0, 3, rows)],
        }
    ).write_csv(tmp_path / "classes.csv")
    classes = read(tmp_path, class_table={"path": "classes.csv"})
    assert len(classes) == rows
    assert classes.names[rows - 1] == str(rows)
    assert classes.models.labels == tuple(dict.fromkeys(classes.models.labels))
