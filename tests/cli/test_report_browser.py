"""The report in a real browser: every figure drawn, nothing overflows, and what moves works."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from allocate.cli.report.kinds import read_page
from allocate.cli.report.page import draw_page
from tests.cli.test_report_whole import flowing

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
WIDTHS = (360, 1280, 1920)
OTHERS = ("comparison.json", "fleet_diagnosis.json", "plan.json", "plan_reserved.json")


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        why = "the report is NOT tested in a browser: no chromium here (apt-get install chromium)"
        print(f"\n{'!' * 80}\n{why}\n{'!' * 80}", file=sys.__stderr__, flush=True)
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The report of all kinds of documents, with names that are long, odd or markup."""
    result = json.loads((HERE / "fixtures" / "result_coding_agent.json").read_text("utf-8"))
    odd = {
        "fix-test/easy": "<script>document.title='run'</script>",
        "fix-test/hard": "種類の名前はとても長いことがあります" * 3,
        "deploy/prod": "a_name_without_any_blank_that_is_longer_than_a_phone_is_wide_by_far",
    }
    for part in ("router", "autonomy"):
        for line in result["layers"][part]:
            line["class"] = odd.get(line["class"], line["class"])
    flowing(result)
    result["prices"] *= 4  # a table that can be searched
    folder = tmp_path_factory.mktemp("report")
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    path = folder / "report.html"
    others = [HERE / "fixtures" / name for name in OTHERS]
    path.write_text(draw_page(read_page(folder / "result.json", *others)), encoding="utf-8")
    return path


@pytest.fixture
def show(browser, report):
    """Open the report at a width; nothing may be logged or fetched."""
    opened, logged, asked = [], [], []

    def at(width: int, scheme: str = "light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        page = context.new_page()
        page.on("console", lambda message: logged.append(message.text))
        page.on("pageerror", lambda error: logged.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        opened.append(context)
        return page

    yield at
    for context in opened:
        context.close()
    assert logged == []
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}


CUT = """svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(text => {
    const box = text.getBoundingClientRect();
    return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  }).map(text => text.textContent);
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_and_every_figure_is_drawn(show, width):
    page = show(width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert "run" not in page.title()
    figures = page.locator("figure")
    drawn = page.locator(".chart svg:visible")
    assert drawn.count() == figures.count() >= 20
    for i in range(drawn.count()):
        box = drawn.nth(i).bounding_box()
        assert box["width"] > 250
        assert box["height"] > 60
        assert drawn.nth(i).locator(".role-mark path[aria-label]").count() >= 1
        assert drawn.nth(i).evaluate(CUT) == []  # no word of a figure is cut


CUT = """svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(text => {
    const box = text.getBoundingClientRect();
    return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  }).map(text => text.textContent);
}"""


def test_figures_turn_dark(show):
    light, dark = show(1280), show(1280, "dark")
    bar = ".chart.wide path[fill='#0072b2']"
    fill = "e => getComputedStyle(e).fill"
    ground = "getComputedStyle(document.body).backgroundColor"
    assert light.locator(bar).first.evaluate(fill) == "rgb(0, 114, 178)"
    assert dark.locator(bar).first.evaluate(fill) == "rgb(74, 163, 223)"
    assert light.evaluate(ground) != dark.evaluate(ground)
    dark.get_by_role("button", name="Dark").click()
    assert dark.evaluate(ground) == light.evaluate(ground)


def test_a_bar_says_its_numbers_under_the_pointer(show):
    page = show(1280)
    bar = page.locator("#balance-chart .chart.wide .role-mark path[aria-label]").first
    bar.scroll_into_view_if_needed()
    page.wait_for_timeout(200)  # what scrolls hides the words
    bar.hover()
    tip = page.get_by_role("tooltip")
    assert tip.inner_text() == bar.get_attribute("aria-label")
    page.keyboard.press("Escape")
    assert not tip.is_visible()


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ("waterfall", "joint answer: $793.62/h of welfare"),
        ("curve-1", "one more is worth"),
        ("heat", "of its peak"),
        ("flow", "tokens/h"),
        ("findings", "Fix:"),
    ],
)
def test_every_form_of_chart_says_its_numbers(show, figure, said):
    page = show(1280)
    drawn = page.locator(f"#{figure} .chart.wide .role-mark path[aria-label]")
    marks = [m for m in drawn.all() if said in m.get_attribute("aria-label")]
    assert marks
    marks[-1].scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    box = marks[-1].bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.get_by_role("tooltip").is_visible()


def test_what_is_in_short_leads_to_its_section(show):
    page = show(1280)
    page.locator(".brief a").first.click()
    assert page.url.endswith("#advised")
    assert page.locator("#advised").is_visible()


def test_tables_sort_by_number_with_the_keyboard(show):
    page = show(1280)
    table = page.locator("#requests-all-table table")
    head = table.locator("thead th", has_text="share")
    head.get_by_role("button").focus()
    column = head.evaluate("e => e.cellIndex")
    cells = "(t, c) => [...t.tBodies].map(b => parseFloat(b.rows[0].cells[c].textContent))"
    page.keyboard.press("Enter")
    down = table.evaluate(f"t => ({cells})(t, {column})")
    assert head.get_attribute("aria-sort") == "descending"
    assert down == sorted(down, reverse=True)
    page.keyboard.press("Enter")
    assert table.evaluate(f"t => ({cells})(t, {column})") == sorted(down)


def test_a_long_table_can_be_searched(show):
    page = show(390)
    rows = page.locator("#prices-all-table tbody:visible")
    assert rows.count() == 20
    page.get_by_label("Find in All prices").fill("h100")
    assert rows.count() == 4


def test_data_opens_with_the_keyboard_and_can_be_saved(show):
    page = show(1280)
    details = page.locator("#balance-chart details")
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    assert details.locator("table").is_visible()
    with page.expect_download() as saved:
        details.get_by_role("link", name="balance.csv").click()
    text = Path(saved.value.path()).read_text("utf-8")
    assert text.splitlines()[0] == "name,amount,means"
    assert "6234.118" in text


def test_skip_link_comes_first(show):
    page = show(1280)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_page_prints_light_and_in_full(show):
    page = show(1280, "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".chart.wide svg:visible").count() == page.locator("figure").count()
    assert not page.locator("nav").is_visible()
    page.set_viewport_size({"width": 700, "height": 900})  # A4 is about as wide
    assert page.locator(".chart.wide svg").first.bounding_box()["width"] == 700
    assert page.pdf().startswith(b"%PDF")


def test_a_picture_of_the_page_is_not_blank(show, tmp_path):
    page = show(390)
    path = tmp_path / "report.png"
    page.screenshot(path=path, full_page=True)
    assert path.stat().st_size > 50_000
