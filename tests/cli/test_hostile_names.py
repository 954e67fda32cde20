"""Names in configs are names: never markup, escape codes, Markdown or formulas."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocate.cli.render.text import clean, number, short

NAMES = {
    "[red]x": "[red]x",
    "[/]": "[/]",
    ":smile:": ":smile:",
    "a\x1b[31mb": "a[31mb",
    "a\u202eb\u0000": "ab",
    "two\nlines": "two lines",
    "a\x9b31mb": "a31mb",
}


@pytest.mark.parametrize("flags", [[], ["--all"], ["--format", "markdown"], ["--format", "csv"]])
def test_hostile_names_do_not_break_out(cli, solved, flags):
    for price, name in zip(solved["prices"], NAMES, strict=False):
        price |= {"resource": name, "label": name, "sentence": f"The next {name}."}
    for line, name in zip(solved["layers"]["router"], NAMES, strict=False):
        line["class"] = name
    solved["warnings"] = list(NAMES)
    out = cli("solve", "c.yaml", *flags).out
    assert not set(out) & set("\x1b\x00\x9b\u202e")
    assert "x" in out


@pytest.mark.parametrize(("name", "shown"), NAMES.items())
def test_a_name_stays_a_name_on_the_screen(cli, solved, name, shown):
    solved["layers"]["router"][0]["class"] = name
    assert shown in cli("solve", "c.yaml").out


def test_markdown_shows_pipes_as_text(cli, solved):
    solved["layers"]["router"][0]["class"] = "a|b<script>"
    assert "a\\|b\\<script\\>" in cli("solve", "c.yaml", "--format", "markdown").out


def test_problems_as_csv_are_never_formulas(cli, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text('version: 1\nmodels: {"=HYPERLINK(1)": 3}\n')
    rows = list(csv.reader(io.StringIO(cli("validate", path, "--format", "csv").out)))
    assert len(rows) > 1
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for r in rows for cell in r)


def test_csv_is_never_a_formula(cli, solved):
    solved["prices"][0]["label"] = '=HYPERLINK("x")'
    out = cli("solve", "c.yaml", "--format", "csv").out
    first = next(csv.DictReader(io.StringIO(out)))
    assert first["label"] == '\'=HYPERLINK("x")'


def test_csv_keeps_full_precision(cli, solved):
    out = cli("solve", "c.yaml", "--format", "csv", "--table", "prices").out
    first = next(csv.DictReader(io.StringIO(out)))
    assert float(first["value"]) == solved["prices"][0]["value"]


def test_wide_characters_keep_the_columns_within_the_width(cli, solved):
    from rich.cells import cell_len

    solved["layers"]["router"][0]["class"] = "種類" * 30
    assert max(cell_len(line) for line in cli("solve", "c.yaml").out.splitlines()[6:]) <= 120


@given(st.text())
def test_clean_leaves_one_printable_line(text):
    assert len(clean(text).splitlines()) <= 1


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_float_is_written_shortly(value):
    assert len(number(value)) <= 24
    assert len(short(value)) <= 24


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234567.8, "1,234,568"),
        (999.96, "1,000"),
        (0.0182349, "0.01823"),
        (-3.14159, "-3.142"),
        (12, "12"),
        (1e-14, "1e-14"),
        (2.5e17, "2.5e17"),
        (None, "-"),
        (float("nan"), "-"),
    ],
)
def test_numbers_as_a_person_reads_them(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(912.2, "912"), (18234.5, "18.2k"), (999_999.0, "1M"), (1e-9, "0"), (None, "-")],
)
def test_counts_are_short(value, text):
    assert short(value) == text
