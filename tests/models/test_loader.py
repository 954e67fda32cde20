import contextlib
import copy
import hashlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from allocate.errors import CODES, ConfigError
from allocate.models.loader import load, load_dict
from tests.broken import table

MAPPING = """\
version: 1
models:
  cheap: {quality: 0.7}
  frontier: {quality: 0.9}
classes:
  low: {rate_per_s: 1, value_usd: 10}
scenarios:
  peak: {demand.scale: 3}
  dear: {prices.risk_usd: 7, demand.scale: 2}
"""
LIST = """\
version: 1
models:
  - {name: cheap, quality: 0.7}
  - {name: frontier, quality: 0.9}
classes:
  - name: low
    rate_per_s: 1
    value_usd: 10
scenarios:
  peak: {demand.scale: 3}
  dear: {prices.risk_usd: 7, demand.scale: 2}
"""
VALUES = {
    "version": 1,
    "models": {"cheap": {"quality": 0.7}},
    "classes": {"low": {"rate_per_s": 1, "value_usd": 10}},
}


@pytest.fixture(params=[MAPPING, LIST], ids=["mapping", "list"])
def file(request, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(request.param)
    return path


def told(*args, **kwargs):
    """What a load that fails says."""
    with pytest.raises(ConfigError) as caught:
        load(*args, **kwargs)
    return caught.value.problems


# --- files with mistakes ----------------------------------------------------------------


def test_each_broken_file_is_listed():
    assert sorted(table.expected()) == table.files()


@pytest.mark.parametrize("name", table.files())
def test_broken_file(name):
    found = table.problems(name)
    expected = table.expected()[name]
    assert len(found) == len(expected)
    for problem, wanted in zip(found, expected, strict=True):
        place = (problem.code, problem.line, problem.column)
        assert place == (wanted["code"], wanted["line"], wanted["column"])
        assert wanted["message"] in problem.message
        assert wanted["hint"] in problem.hint


def test_every_code_has_a_broken_file():
    by_override = {"CFG013", "CFG014"}
    shown = {problem["code"] for found in table.expected().values() for problem in found}
    assert shown == {code for code in CODES if code.startswith("CFG")} - by_override


def test_a_problem_reads_like_a_compilers(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(MAPPING.replace("value_usd", "valu_usd"))
    unknown = next(problem for problem in told(path) if problem.code == "CFG004")
    assert str(unknown) == textwrap.dedent(f"""\
        error[CFG004] `valu_usd` is not a key of `low`
          --> {path}:6:24
         6 |   low: {{rate_per_s: 1, valu_usd: 10}}
           |                        ^^^^^^^^
        help: did you mean `value_usd`?""")


def test_missing_file(tmp_path):
    assert [p.code for p in told(tmp_path / "no.yaml")] == ["CFG001"]
    assert [p.code for p in told(tmp_path)] == ["CFG001"]


# --- overrides --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("classes.low.value_usd=100", lambda c: c.classes["low"].value_usd == 100),
        ("classes.low.value_usd=1 USD", lambda c: c.classes["low"].value_usd == 1),
        ("models.cheap.quality=0.8", lambda c: c.models["cheap"].quality == 0.8),
        ("prices.risk_usd=50", lambda c: c.prices.risk_usd == 50),
        ("budgets.money_usd=1e3", lambda c: c.budgets.money_usd == 1000),
        ("limits.risk_per_h=2", lambda c: c.limits.risk_per_h == 2),
        ("autonomy.free.human_minutes=2", lambda c: c.autonomy["free"].human_minutes == 2),
        ("models.cheap.api.ttft_s=300 ms", lambda c: c.models["cheap"].api.ttft_s == 0.3),
        ("classes.low.quality.cheap=0.5", lambda c: c.classes["low"].quality == {"cheap": 0.5}),
        ("classes.low.models=[cheap]", lambda c: c.classes["low"].models == ["cheap"]),
        ("caching.retention_s=[0, 60]", lambda c: c.caching.retention_s == [0, 60]),
        ("models.cheap={quality: 0.1}", lambda c: c.models["cheap"].quality == 0.1),
        ("budgets.money_usd=", lambda c: c.budgets.money_usd is None),
    ],
)
def test_override(file, override, value):
    assert value(load(file, [override]).config)


def test_a_later_override_wins(file):
    assert load(file, ["demand.scale=2", "demand.scale=5"]).config.demand.scale == 5


@pytest.mark.parametrize(
    ("override", "code", "hint"),
    [
        ("clases.low.value_usd=1", "CFG012", "`classes`"),
        ("classes.lov.value_usd=1", "CFG012", "`low`"),
        ("classes.low.value_us=1", "CFG012", "`value_usd`"),
        ("autonomy.fre.wait_s=1", "CFG012", "`free`"),
        ("prices.risk_usd.more=1", "CFG012", "end the path there"),
        ("classes.*.value_usd=1", "CFG012", "there is low"),
        ("=1", "CFG013", "prices.risk_usd=50"),
        ("prices.risk_usd", "CFG013", "prices.risk_usd=50"),
        ("name=[1", "CFG013", "quote"),
        ("models.cheap.quality=2", "CFG008", "write 0.02"),
        ("models.cheap.quality=yes", "CFG009", "plain number"),
        ("classes.low.tenant=search", "CFG020", "add `tenants: {search"),
        ("training.risk_aversion=1", "CFG005", "add `depreciation_per_h`"),
    ],
)
def test_override_with_a_mistake(file, override, code, hint):
    problem = told(file, [override])[0]
    assert problem.code == code
    assert problem.file == f"--set {override}"
    assert problem.line is None
    assert hint in problem.hint


def test_other_mistakes_keep_their_place(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(MAPPING.replace("0.9", "1.9"))
    in_file, in_override = told(path, ["models.cheap.quality=2"])
    assert (in_file.file, in_file.line) == (str(path), 4)
    assert in_override.file == "--set models.cheap.quality=2"


# --- scenarios --------------------------------------------------------------------------


def test_scenarios_apply_in_order_and_before_overrides(file):
    config = load(file, scenarios=["peak", "dear"]).config
    assert (config.demand.scale, config.prices.risk_usd) == (2, 7)
    assert load(file, ["demand.scale=9"], ["peak"]).config.demand.scale == 9


def test_unknown_scenario(file):
    (problem,) = told(file, scenarios=["peek"])
    assert (problem.code, problem.file) == ("CFG014", "--scenario peek")
    assert problem.hint == "did you mean `peak`?"


def test_a_scenarios_mistake_is_shown_in_the_scenario(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(MAPPING.replace("demand.scale: 3", "demand.scale: -3"))
    (problem,) = told(path, scenarios=["peak"])
    assert (problem.code, problem.line, problem.column) == ("CFG008", 8, 24)


# --- what a load gives ------------------------------------------------------------------


def test_positions_and_hash(file):
    loaded = load(file)
    assert loaded.path == file
    assert loaded.base_dir == file.parent
    assert loaded.positions[("version",)].value == (1, 10)
    assert loaded.sha256 == load(file).sha256
    assert len(loaded.sha256) == hashlib.sha256().digest_size * 2
    changed = [load(file, ["demand.scale=2"]), load(file, scenarios=["peak"])]
    assert len({loaded.sha256, *(other.sha256 for other in changed)}) == 3


def test_hash_covers_the_class_table(tmp_path):
    (tmp_path / "classes.csv").write_text("rate_per_s,value_usd\n1,10\n")
    values = {**VALUES, "class_table": {"path": "classes.csv"}}
    before = load_dict(values, tmp_path).sha256
    (tmp_path / "classes.csv").write_text("rate_per_s,value_usd\n1,11\n")
    assert load_dict(values, tmp_path).sha256 != before


def test_load_dict_says_dotted_paths():
    with pytest.raises(ConfigError, match=r"models\.cheap\.quality: `quality` must be at most 1"):
        load_dict({**VALUES, "models": {"cheap": {"quality": 7}}})


def test_load_dict_leaves_its_argument_alone():
    load_dict(VALUES, overrides=["models.cheap.quality=0.1"])
    assert VALUES["models"] == {"cheap": {"quality": 0.7}}


def test_a_class_that_nothing_serves_is_a_warning_if_it_may_be_declined():
    low = {"rate_per_s": 1, "value_usd": 10, "models": []}
    (warning,) = load_dict({**VALUES, "classes": {"low": low}}).warnings
    assert warning.code == "CFG034"
    assert "always be declined" in str(warning)
    with pytest.raises(ConfigError, match="neither served nor declined"):
        load_dict({**VALUES, "classes": {"low": {**low, "decline": False}}})


def test_a_warning_shows_its_place(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(MAPPING.replace("value_usd: 10", "value_usd: 10, models: []"))
    (warning,) = load(path).warnings
    assert str(warning).startswith("warning[CFG034]")
    assert warning.line == 6


def test_assumptions_may_speak_of_every_item(file):
    with file.open("a") as more:
        more.write("assumed: {classes.*.value_usd: a guess, models.cheap.quality: a guess}\n")
    assert len(load(file).config.assumed) == 2


def test_many_problems_are_counted_and_the_first_shown():
    wrong = {f"c{k}": {"rate_per_s": -1, "value_usd": 1} for k in range(150)}
    with pytest.raises(ConfigError) as caught:
        load_dict({**VALUES, "classes": wrong})
    assert len(caught.value.problems) == 150
    assert str(caught.value).endswith("150 errors, of which the first 100 are shown")


def test_a_limit_may_name_a_class_of_the_table(tmp_path):
    (tmp_path / "classes.csv").write_text("name,rate_per_s,value_usd\na,1,10\n")
    limits = {"latency": {"slo": {"mean_s": 1, "classes": ["a", "low"]}}}
    values = {**VALUES, "class_table": {"path": "classes.csv"}, "limits": limits}
    assert len(load_dict(values, tmp_path).classes) == 2
    limits["latency"]["slo"]["classes"].append("b")
    with pytest.raises(ConfigError, match="names `b`"):
        load_dict(values, tmp_path)


def test_anchors_and_merges(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "version: 1\n"
        "models:\n  a: &usual {quality: 0.7, wrong_action_rate: 0.1}\n"
        "  b: {<<: *usual, quality: 0.8}\n"
        "classes:\n  low: {rate_per_s: 1, value_usd: 1}\n"
    )
    models = load(path, ["models.a.wrong_action_rate=0.2"]).config.models
    assert (models["b"].quality, models["b"].wrong_action_rate) == (0.8, 0.1)


def places(value, path=()):
    """Every path in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inner:
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from places(part, (*path, key))


FLEET = YAML(typ="safe").load(Path(__file__).parents[2] / "examples" / "fleet.yaml")
JUNK = st.sampled_from(
    [None, True, -1, 0, 2.5, 1e308, 10**400, "", "x", "3 USD", [], [1], [[1]], {}, {"x": 1}, {3: 4}]
    + [{"name": "x"}, [{"name": "x"}], [{"name": "x"}, {"name": "x"}], {"form": "table"}]
)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(list(places(FLEET))), JUNK), min_size=1, max_size=3))
def test_junk_anywhere_is_a_problem_and_not_a_crash(changes):
    values = copy.deepcopy(FLEET)
    for path, junk in changes:
        *parents, key = path
        inside = values
        with contextlib.suppress(KeyError, IndexError, TypeError):
            for parent in parents:
                inside = inside[parent]
            inside[key] = junk
    with contextlib.suppress(ConfigError):
        load_dict(values)


@settings(max_examples=200)
@given(st.sampled_from(list(places(FLEET))), st.sampled_from(["", ".0", ".x", ".x.y"]), JUNK)
def test_no_override_crashes(path, more, junk):
    with contextlib.suppress(ConfigError):
        load_dict(FLEET, overrides=[f"{'.'.join(map(str, path))}{more}={junk}"])


@given(st.text(max_size=60) | st.text(alphabet="abc:{}[]-&*!'\"\n #|>%@", max_size=60))
def test_no_text_crashes(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "text.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(ConfigError):
        load(path)


def test_loading_imports_nothing_heavy():
    code = "import sys, allocate.models.loader; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"cvxpy", "jax", "pint", "polars", "scipy"} & set(modules)
