"""``include``: what a config says goes before what it includes, and errors name the piece."""

import textwrap

import pytest

from allocate.errors import ConfigError
from allocate.models.loader import load

PIECE = """\
classes:
  low: {rate_per_s: 1, prompt_tokens: 500}
  high: {rate_per_s: 2, prompt_tokens: 900}
periods:
  day: {hours: 12, demand_scale: 2}
"""


def write(tmp_path, config, **pieces):
    for name, text in pieces.items():
        (tmp_path / f"{name}.yaml").write_text(textwrap.dedent(text))
    path = tmp_path / "config.yaml"
    path.write_text("version: 1\nmodels: {m: {quality: 0.5}}\n" + textwrap.dedent(config))
    return path


def problems(path, *overrides):
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    return caught.value.problems


VALUES = "classes: {low: {value_usd: 1, rate_per_s: 7}, high: {value_usd: 5}}\n"


def test_the_config_goes_before_its_pieces(tmp_path):
    loaded = load(write(tmp_path, "include: [a.yaml]\n" + VALUES, a=PIECE))
    classes = loaded.config.classes
    assert [classes[k].rate_per_s for k in ("low", "high")] == [7, 2]
    assert [classes[k].prompt_tokens for k in ("low", "high")] == [500, 900]
    assert loaded.config.periods["day"].hours == 12


def test_the_later_piece_goes_before_the_earlier(tmp_path):
    b = "classes: {low: {rate_per_s: 3, prompt_tokens: 9}, high: {rate_per_s: 4}}"
    config = "include: [a.yaml, b.yaml]\nclasses: {low: {value_usd: 1}, high: {value_usd: 5}}"
    loaded = load(write(tmp_path, config, a=PIECE, b=b))
    classes = loaded.config.classes
    assert (classes["low"].rate_per_s, classes["low"].prompt_tokens) == (3, 9)
    assert (classes["high"].rate_per_s, classes["high"].prompt_tokens) == (4, 900)


def test_items_of_a_list_are_joined_by_name(tmp_path):
    config = (
        "include: [a.yaml]\nclasses:\n- {name: high, value_usd: 5}\n- {name: low, value_usd: 1}"
    )
    loaded = load(write(tmp_path, config, a=PIECE))
    assert list(loaded.config.classes) == ["high", "low"]
    assert loaded.config.classes["low"].prompt_tokens == 500


def test_overrides_reach_what_was_included(tmp_path):
    path = write(tmp_path, "include: [a.yaml]\n" + VALUES, a=PIECE)
    loaded = load(path, ["classes.high.prompt_tokens=11"])
    assert loaded.config.classes["high"].prompt_tokens == 11


def test_a_change_of_a_piece_is_another_config(tmp_path):
    path = write(tmp_path, "include: [a.yaml]\n" + VALUES, a=PIECE)
    before = load(path).sha256
    write(tmp_path, "include: [a.yaml]\n" + VALUES, a=PIECE.replace("900", "901"))
    assert load(path).sha256 != before


def test_a_wrong_value_is_shown_in_its_piece(tmp_path):
    piece = PIECE.replace("prompt_tokens: 900", "prompt_tokens: -1")
    (found,) = problems(write(tmp_path, "include: [a.yaml]\n" + VALUES, a=piece))
    assert found.code == "CFG008"
    assert str(found.file).endswith("a.yaml")
    assert found.line == 3


def test_a_missing_value_points_at_what_needs_it(tmp_path):
    found = problems(write(tmp_path, "include: [a.yaml]\n", a=PIECE))
    assert [p.code for p in found] == ["CFG005", "CFG005"]
    assert all("value_usd" in p.message and str(p.file).endswith("a.yaml") for p in found)


@pytest.mark.parametrize(
    ("piece", "code", "message"),
    [
        ("version: 1\n", "CFG004", "`version` has no place in an included file"),
        ("include: [b.yaml]\n", "CFG004", "`include` has no place"),
        ("a: [", "CFG002", "not valid YAML"),
        ("", "CFG005", "the file is empty"),
        ("clases: {}\n", "CFG004", "`clases` is not a key of a config"),
        (
            "classes:\n  low: {rate_per_s: 1}\n  low: {rate_per_s: 2}\n",
            "CFG006",
            "stands here twice",
        ),
    ],
)
def test_pieces_that_are_wrong(tmp_path, piece, code, message):
    found = problems(write(tmp_path, "include: [a.yaml]\n" + VALUES + "", a=piece))
    first = next(p for p in found if p.code == code)
    assert message in first.message
    assert str(first.file).endswith("a.yaml")


def test_a_missing_piece(tmp_path):
    (found,) = problems(write(tmp_path, "include: [a.yaml]\n" + VALUES))
    assert found.code == "CFG001"
    assert str(found.file).endswith("a.yaml")


@pytest.mark.parametrize("include", ["a.yaml", "[1]", "{a: b}"])
def test_include_of_the_wrong_kind(tmp_path, include):
    found = problems(write(tmp_path, f"include: {include}\n" + VALUES, a=PIECE))
    assert any(p.code == "CFG007" for p in found)
