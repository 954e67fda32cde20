"""The report: one page that needs nothing else, says what the screen says, and believes no name."""

import copy
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tinyhtml5.parser import HTMLParser

from allocate.cli.render.solve_sheets import layer_sheets, prices_sheet
from allocate.cli.render.verdict import bindings, verdict
from allocate.cli.report import kinds
from allocate.cli.report.draw import NARROW, WIDE
from allocate.cli.report.kinds import read_page
from allocate.cli.report.page import draw_page
from allocate.cli.report.palette import COLOURS, SERIES
from allocate.solver.result import ResultError, check_result, without_answer

HOSTILE = """</script><script>alert(1)</script><img src=x onerror=alert(2)> & "q" 'r' {{ 7*7 }}"""
HERE = Path(__file__).parent
HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"


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


@pytest.fixture(scope="module")
def page() -> str:
    """The page of the realistic result."""
    return draw_page(read_page(HERE / "fixtures" / "result_coding_agent.json"))


def parse(page: str):
    parser = HTMLParser()
    tree = parser.parse(page)
    return tree, [error for _, error, _ in parser.errors]


def words(element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def pages_of(*documents: dict[str, Any]):
    return kinds.page_of([kinds.known(d, f"{i}.json") for i, d in enumerate(documents)])


def test_page_is_valid_html_with_words_for_every_figure(page):
    tree, errors = parse(page)
    assert errors == []
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    targets = [a.get("href")[1:] for a in tree.iter(HTML + "a") if a.get("href")[0] == "#"]
    assert len(targets) >= 7
    assert set(targets) <= set(ids)
    figures = list(tree.iter(HTML + "figure"))
    assert len(figures) >= 8
    for figure in figures:
        drawings = list(figure.iter(SVG + "svg"))
        assert [d.get("role") for d in drawings] == ["img", "img"]  # for a page and for a phone
        assert all(len(d.get("aria-label")) > 30 for d in drawings)
        assert len(list(figure.iter(HTML + "tr"))) >= 2  # the data behind it
        assert words(next(figure.iter(HTML + "h3")))
    levels = [int(e.tag[-1]) for e in tree.iter() if re.fullmatch(HTML + "h[1-6]", str(e.tag))]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))


def test_page_needs_nothing_from_anywhere(page):
    tree, _ = parse(page)
    for element in tree.iter():
        for key in ("src", "href", "{http://www.w3.org/1999/xlink}href", "action", "data"):
            if place := element.get(key):
                assert place.startswith(("#", "data:"))
        assert not [key for key in element.attrib if str(key).startswith("on")]
    assert not re.search(r"@import|url\((?!#)", page)
    policy = next(e.get("content") for e in tree.iter(HTML + "meta") if e.get("http-equiv"))
    assert "default-src 'none'" in policy


def test_page_says_what_the_screen_says(page, result):
    shown = words(parse(page)[0])
    for sentence in [*verdict(result), *bindings(result)]:
        assert sentence in shown
    for sheet in [prices_sheet(result, True), *layer_sheets(result, True)]:
        for cells in sheet.rows:
            assert " ".join(" ".join(cells).split()) in shown
        assert all(note in shown for note in sheet.notes.values())


def test_files_hold_full_precision(page, result):
    links = [a for a in parse(page)[0].iter(HTML + "a") if a.get("download")]
    files = {a.get("download"): unquote(a.get("href").partition(",")[2]) for a in links}
    assert len(files) == len(links)
    assert repr(result["prices"][0]["value"]) in files["prices.csv"]
    assert repr(result["layers"]["router"][0]["share"]) in files["router.csv"]
    assert repr(result["objective"]["latency"]) in files["balance.csv"]


def hostile(value: Any, key: str = "") -> Any:
    """Put markup into every text of a document but those that the format fixes."""
    if isinstance(value, dict):
        keep = {"format_version", "status", "objective"}
        return {
            (HOSTILE + k if key in ("tokens", "levels") else k): v if k in keep else hostile(v, k)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [hostile(v, key) for v in value]
    return f"{value} {HOSTILE}" if isinstance(value, str) else value


def test_names_stay_names(report, result):
    document = hostile(result)
    document["conflicts"] = [HOSTILE]
    document["warnings"] = [HOSTILE]
    ran, page = report(document)
    assert ran.code == 0
    tree, errors = parse(page)
    assert errors == []
    assert len(list(tree.iter(HTML + "script"))) == 1
    assert not list(tree.iter(HTML + "img"))
    assert not list(tree.iter(SVG + "image"))
    assert not [k for e in tree.iter() for k in e.attrib if str(k).startswith("on")]
    assert "<script>alert" not in page
    assert "<img" not in page
    assert HOSTILE in " ".join(tree.itertext())
    assert "49" not in words(next(tree.iter(HTML + "ul")))  # no template runs in a name


def test_the_same_result_gives_the_same_page(report, result):
    result |= {"prices": [], "layers": {key: [] for key in result["layers"]}}
    ran, page = report(result)
    assert (ran.code, ran.out) == (0, "")
    assert "<svg" in page
    assert report(result)[1] == page


def test_charts_are_valid_at_both_widths(result):
    """Altair checks a spec against Vega-Lite's schema when it is made."""
    figures = [f for section in pages_of(result).sections for f in section.figures]
    for figure in figures:
        for width in (WIDE, NARROW):
            spec = figure.chart(width)
            assert spec["width"] == width
            assert '"url"' not in json.dumps(spec)


def test_findings_agree_with_the_numbers(result):
    figures = {f.key: f for s in pages_of(result).sections for f in s.figures}
    irreversible = 0.01 * 412.33 * 0.35
    reviewers = 0.01 * 1.13042 * 240
    assert reviewers > irreversible
    assert figures["gain"].title.startswith("1 % more human review time would add $2.71/h")
    assert figures["worth-pay"].title == "A dollar more for human review time brings back $1.90"
    assert figures["used"].title == "3 of 5 capacities are scarce"
    assert figures["balance-chart"].title == (
        "Of 6,234.12 USD/h of value, 4,013.51 is left; money takes most, 1,188.20"
    )
    steps = [line for line in figures["balance-chart"].table.rows]
    assert [cells[0] for cells in steps][-1] == "welfare"
    rows = dict((cells[0], cells) for cells in figures["reach"].table.rows)
    assert rows["H100 GPU"][1:] == ["28.12", "32", "37.9"]


def test_infeasible_result_names_the_conflict(report):
    document = without_answer(
        "infeasible",
        config_sha256="0" * 64,
        tolerance=1e-6,
        conflicts=["budgets.money_usd = 1 needs at least 7200"],
        infeasibility={"least_give": 0.99, "multipliers": {"budgets.money_usd": 1.0, "demand": 0}},
    ) | {"message": "no allocation keeps every limit"}
    ran, page = report(document)
    assert ran.code == 0
    tree, errors = parse(page)
    shown = words(tree)
    assert errors == []
    assert "infeasible: no allocation keeps every limit" in shown
    assert "budgets.money_usd = 1 needs at least 7200" in shown
    assert "exceeds the limits by 0.99 in all" in shown
    assert not list(tree.iter(HTML + "figure"))
    assert "Certificate" not in shown
    assert next(tree.iter(HTML + "h1")).get("class") == "bad"


@pytest.mark.parametrize("status", ["stopped", "feasible"])
def test_result_without_proof_is_marked(report, result, status):
    result["status"], result["prices"] = status, []
    result["certificate"] |= {"holds": False, "relative_gap": 0.031}
    _, page = report(result)
    tree, _ = parse(page)
    assert "NOT certified" in words(tree)
    assert "The certificate does not hold." in words(tree)
    assert next(tree.iter(HTML + "h1")).get("class") == "bad"


def nothing(value: Any) -> Any:
    """Make null what may be null: optional numbers and the open parts."""
    keep = {"share", "requests_per_s", "replicas", "welfare"}
    if isinstance(value, dict):
        return {
            k: None if isinstance(v, float) and k not in keep else nothing(v)
            for k, v in value.items()
        }
    return [nothing(v) for v in value] if isinstance(value, list) else value


def test_what_is_missing_is_left_out(result):
    whole = {f.key for s in pages_of(result).sections for f in s.figures}
    document = nothing(result) | dict.fromkeys(("rates", "whole_replicas", "conflicts"))
    document["artifacts"] = dict.fromkeys(result["artifacts"])
    figures = [f for s in pages_of(document).sections for f in s.figures]
    assert {f.key for f in figures} < whole
    for figure in figures:
        assert "NaN" not in json.dumps(figure.chart(WIDE))


@pytest.mark.parametrize("odd", ["x", [1, "x", {}], [{"levels": 3, "lane": 1}]])
@pytest.mark.parametrize("part", ["rates", "whole_replicas", "artifacts", "conflicts", "start"])
def test_a_part_of_another_form_is_refused(result, part, odd):
    if part == "artifacts":
        odd = dict.fromkeys(result["artifacts"], odd)
    with pytest.raises(ResultError, match=part):
        check_result(result | {part: odd})


def test_periods_that_are_alike_share_a_bar(result):
    router = result["layers"]["router"]
    day = [{**line, "period": p} for line in router for p in ("night", "day")]
    for line in day:
        if line["class"] == "fix-test/easy" and line["period"] == "day":
            line["share"] = 0.5
    result["layers"]["router"] = day
    figure = next(f for s in pages_of(result).sections for f in s.figures if f.key == "shares")
    text = json.dumps(figure.chart(WIDE))
    assert "fix-test/easy, night" in text
    assert "fix-test/easy, day" in text
    assert "fix-test/medium, " not in text


def test_a_thousand_lines_leave_room(result):
    line = result["layers"]["router"][0]
    result["layers"]["router"] = [{**line, "class": f"class {i}"} for i in range(1000)]
    sections = {section.key: section for section in pages_of(result).sections}
    shares = next(f for f in sections["requests"].figures if f.key == "shares")
    assert "976 more are in the data" in shares.about
    assert shares.chart(WIDE)["height"] < 1500
    assert len(shares.table.rows) == 1000


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("face", [0, 1])
def test_colours_stand_out(face):
    """WCAG 2.2: 4.5 for words, 3 for what a chart draws."""
    paper = luminance(COLOURS["paper"][face])
    for name, faces in COLOURS.items():
        ink = luminance(faces[face])
        ratio = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
        if name in ("ink", "muted"):
            assert ratio >= 4.5, name
        elif name in (*SERIES, "grey"):
            assert ratio >= 3.0, name


def test_series_have_colours_of_their_own():
    assert len({copy.copy(faces[0]) for faces in COLOURS.values()}) == len(COLOURS)


def test_reading_a_page_imports_no_solver(tmp_path, result):
    from tests.cli.test_start import run_python

    path = tmp_path / "result.json"
    path.write_text(json.dumps(result))
    out = run_python(
        "import sys\nfrom pathlib import Path\nfrom allocate.cli.report.kinds import read_page\n"
        f"read_page(Path({str(path)!r}))\n"
        "print([m for m in ('cvxpy', 'jax', 'numpy', 'altair') if m in sys.modules])"
    )
    assert out == "[]\n"
    assert read_page(path).good
