"""What `allocate report` reads and refuses, and where it writes."""

import json
from importlib.util import find_spec
from typing import Any

import pytest

from allocate.cli.report.kinds import KINDS
from allocate.solver.result import FORMAT_VERSION


@pytest.fixture
def report(cli, tmp_path):
    """Write a document, draw its report, and return the run and the page."""

    def draw(document: Any, *flags: str):
        source, page = tmp_path / "result.json", tmp_path / "report.html"
        text = document if isinstance(document, str) else json.dumps(document)
        source.write_text(text, encoding="utf-8")
        ran = cli("report", source, "--out", page, *flags)
        return ran, page.read_text("utf-8") if page.exists() else ""

    return draw


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": "2.3"}, ["2.3", FORMAT_VERSION]),
        ({"format_version": None}, ["format_version"]),
        ({"prices": None}, ["is not a result", "prices"]),
    ],
)
def test_other_documents_are_refused(report, result, change, said):
    ran, page = report(result | change)
    assert (ran.code, page) == (2, "")
    assert all(text in ran.err for text in said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("[]", "holds no JSON object"),
        ("{}", "format_version"),
        ('{"format_version": "1.0"}', "has no `layers`"),
        ('{"format_version": "1.0", "layers": NaN}', "NaN is no number"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_result_is_refused(report, text, said):
    ran, page = report(text)
    assert (ran.code, page) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_without_its_parts_is_refused(report, kind):
    ran, page = report({"format_version": FORMAT_VERSION, kind.key: []})
    assert (ran.code, page) == (2, "")
    assert "status" in ran.err  # one of the parts that it lacks


def test_two_answers_to_one_question_are_refused(cli, tmp_path, result):
    names = [tmp_path / "a.json", tmp_path / "b.json"]
    for name in names:
        name.write_text(json.dumps(result))
    ran = cli("report", *names, "--out", tmp_path / "report.html")
    assert ran.code == 2
    assert "2 results of `allocate solve`" in ran.err


def test_another_major_format_is_told_before_anything_else(report):
    ran, _ = report({"format_version": "7.0", "nobody": "knows"})
    assert ran.code == 2
    assert "7.0" in ran.err
    assert FORMAT_VERSION in ran.err


def test_a_result_from_stdin(cli, result, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(result)))
    ran = cli("report", "-")
    assert ran.code == 0
    assert ran.out.startswith("<!DOCTYPE html>")


def test_a_file_that_is_not_there(cli, tmp_path):
    ran = cli("report", tmp_path / "none.json")
    assert ran.code == 2
    assert "cannot be read" in ran.err


def test_the_result_is_not_overwritten(cli, tmp_path, result):
    source = tmp_path / "result.html"
    source.write_text(json.dumps(result))
    assert cli("report", source, "--out", source).code == 2
    assert json.loads(source.read_text()) == result


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("report.docx", [], ".html"),
        ("report.pdf", [], "a browser prints one"),
        ("report.html", ["--figure", "gain"], "--format png"),
        ("report.html", ["--format", "png", "--figure", "gain"], ".png"),
        ("gain.png", [], "balance-chart: Of 6,234.12 USD/h of value"),
        ("gain.png", ["--figure", "none"], "there is no figure 'none'"),
    ],
)
def test_what_is_not_written_says_what_can_be(cli, tmp_path, result, name, flags, said):
    source = tmp_path / "result.json"
    source.write_text(json.dumps(result))
    ran = cli("report", source, "--out", tmp_path / name, *flags)
    assert ran.code == 2
    assert said in ran.err
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("kind", "first"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<svg")]
)
def test_a_figure_as_a_picture(cli, tmp_path, result, kind, first):
    source, out = tmp_path / "result.json", tmp_path / f"gain.{kind}"
    source.write_text(json.dumps(result))
    ran = cli("report", source, "--figure", "gain", "--out", out)
    assert (ran.code, ran.out) == (0, "")
    assert out.read_bytes().startswith(first)
    if kind == "svg":
        assert "1 % more human review time" in out.read_text("utf-8")  # its finding is its title


def test_a_missing_extra_says_what_to_install(report, result, monkeypatch):
    hidden = lambda name: None if name == "vl_convert" else find_spec(name)  # noqa: E731
    monkeypatch.setattr("allocate.cli.commands.report.find_spec", hidden)
    ran, page = report(result)
    assert (ran.code, page) == (2, "")
    assert "vl-convert" in ran.err
    assert "allocate[report]" in ran.err
