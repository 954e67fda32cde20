"""A report of several documents: sections in order, numbers as in the files, what is absent."""

import copy
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from allocate.cli.report import kinds
from allocate.cli.report.absent import absent_parts
from allocate.cli.report.chart_flow import THIN, flow
from allocate.cli.report.compared import LAYERS
from allocate.cli.report.draw import NARROW, WIDE
from allocate.cli.report.kinds import ReportError
from allocate.cli.report.page import draw_page
from allocate.cli.report.palette import COLOURS, DARK_FROM, STEPS
from allocate.cli.report.parts import Figure, Page
from allocate.cli.report.whole import ORDER
from allocate.solver.result import ResultError
from tests.cli.test_report import HOSTILE, hostile, luminance, parse, words

HERE = Path(__file__).parent / "fixtures"
FILES = {
    "solve": "result_coding_agent.json",
    "compare": "comparison.json",
    "diagnose": "fleet_diagnosis.json",
    "plan": "plan.json",
    "reserved": "plan_reserved.json",
}


@pytest.fixture
def documents() -> dict[str, dict[str, Any]]:
    return {key: json.loads((HERE / name).read_text("utf-8")) for key, name in FILES.items()}


def page_of(*documents: dict[str, Any]) -> Page:
    return kinds.page_of([kinds.known(d, f"{i}.json") for i, d in enumerate(documents)])


def rows(figure: Figure) -> list[dict[str, str]]:
    text = next(iter(figure.table.files.values()))
    return list(csv.DictReader(io.StringIO(text)))


def drawn(figure: Figure, width: int = WIDE) -> str:
    return json.dumps(figure.chart(width), ensure_ascii=False)


def marks(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The records that a chart's marks are drawn of; layers that share them have them once."""
    first = spec["layer"][0]
    return (first.get("data") or first.get("layer", [{}])[0].get("data") or spec["data"])["values"]


def test_all_documents_make_one_page_in_the_order_it_is_read(documents):
    page = page_of(*documents.values())
    stems = [s.key.rsplit("-", 1)[0] if s.key[-1].isdigit() else s.key for s in page.sections]
    assert [ORDER.index(stem) for stem in stems] == sorted(ORDER.index(stem) for stem in stems)
    figures = list(page.figures)
    wanted = (
        "advice-gain until curve-1 frontier-chart waterfall heat findings ledger steps scenarios"
    )
    assert set(wanted.split()) <= set(figures)
    assert len(figures) == sum(len(s.figures) for s in page.sections)  # no name twice
    assert page.verdict.startswith("$4,013.51/h welfare")
    for figure in page.figures.values():
        spec = figure.chart(NARROW)  # Altair checks it
        assert "NaN" not in json.dumps(spec)
        assert '"url"' not in json.dumps(spec)


def test_the_page_of_all_is_valid_and_names_stay_names(documents):
    marked = {key: hostile(copy.deepcopy(d)) for key, d in documents.items()}
    for key, document in marked.items():
        document["format_version"], document["status"] = "1.0", documents[key]["status"]
    marked["compare"]["against"] = documents["compare"]["against"]
    for one, other in zip(
        marked["compare"]["baselines"], documents["compare"]["baselines"], strict=True
    ):
        one["name"] = other["name"]
    marked["plan"]["frontier"]["parts"] = documents["plan"]["frontier"]["parts"]
    tree, errors = parse(draw_page(page_of(*marked.values())))
    assert errors == []
    text = " ".join(tree.itertext())
    assert HOSTILE in text
    html = "{http://www.w3.org/1999/xhtml}"
    assert len(list(tree.iter(f"{html}script"))) == 1
    assert not list(tree.iter(f"{html}img"))
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    files = [a.get("download") for a in tree.iter(f"{html}a") if a.get("download")]
    assert len(files) == len(set(files))


def test_other_configs_on_one_page_are_told(documents):
    page = page_of(documents["solve"], documents["plan"])
    assert "1.json is of another config" in page.doubts[0]
    documents["plan"]["config_sha256"] = documents["solve"]["config_sha256"]
    assert page_of(documents["solve"], documents["plan"]).doubts == []


def test_what_is_missing_has_its_reason_and_command(documents):
    page = page_of(documents["solve"])
    said = {item.head: item for item in page.absent}
    top = max(
        (p for p in documents["solve"]["prices"] if p["binding"]),
        key=lambda p: p["value"] * p["capacity"],
    )
    assert f"--sweep {top['resource']}=0:" in said["Marginal value curves"].link
    assert said["Frontier"].link.startswith("allocate plan CONFIG --frontier")
    assert said["Diagnosis"].link == "allocate diagnose CONFIG --out diagnose.json"
    assert all(item.text for item in page.absent)
    whole = page_of(*documents.values())
    assert {item.head for item in whole.absent} <= {"Token flow"}
    assert absent_parts([], set(ORDER), []) is not None


def test_the_waterfall_ends_where_it_should(documents):
    compare = documents["compare"]
    steps = rows(page_of(compare).figures["waterfall"])
    by = {b["name"]: b for b in compare["baselines"]}
    ends = {line["name"]: float(line["end"]) for line in steps}
    assert ends["local rules, tuned"] == by["greedy-tuned"]["welfare"]
    assert ends["joint, at the same spending"] == by["greedy-tuned"]["equal_spend"]["welfare"]
    assert ends["joint answer"] == compare["joint"]["welfare"]
    for before, after in zip(steps, steps[1:], strict=False):
        start = float(after["start"])
        assert start == 0.0 or start == pytest.approx(float(before["end"]), rel=1e-6)
    layers = [s for s in steps if s["name"] in LAYERS.values()]
    gain = sum(float(s["end"]) - float(s["start"]) for s in layers)
    assert gain == pytest.approx(compare["attribution"]["gain"], rel=1e-6)


@pytest.mark.parametrize("lack", [["attribution"], ["attribution", "split"]])
def test_a_waterfall_without_shares_by_layer(documents, lack):
    compare = documents["compare"] | dict.fromkeys(lack)
    names = [line["name"] for line in rows(page_of(compare).figures["waterfall"])]
    assert ("knowing" in names) is (len(lack) == 1)
    assert ("deciding together" in names) is (len(lack) == 2)


def test_a_comparison_without_its_baseline_has_no_waterfall(documents):
    compare = documents["compare"]
    line = next(b for b in compare["baselines"] if b["name"] == compare["against"])
    line.clear()
    line |= {"name": compare["against"], "welfare": None, "reason": "a limit is broken"}
    page = page_of(compare | {"split": None, "attribution": None})
    assert "waterfall" not in page.figures
    assert "baselines" in page.figures


def test_the_curve_meets_the_market_price_where_the_net_price_ends(documents):
    plan = documents["plan"] | {"periods": []}
    figure = page_of(plan).figures["curve-1"]
    path = plan["axes"][0]["path"]
    pay = next(r["pay"] for r in plan["resources"] if r["resource"] == path)
    for line, point in zip(
        rows(figure),
        sorted(plan["sweep"], key=lambda p: (p["set"]["demand.scale"], p["set"][path])),
        strict=True,
    ):
        assert float(line["net"]) == point["prices"][path]
        assert float(line["y"]) == pytest.approx(point["prices"][path] + pay)
    assert f"market price ${pay:.2f}" in drawn(figure)
    over_the_day = page_of(documents["plan"]).figures["curve-1"]
    assert "market price" not in drawn(over_the_day)  # what a unit costs hangs on the hours


def test_a_sweep_of_words_has_a_table(documents):
    plan = documents["plan"]
    plan["axes"] = [{"path": "models.m.name", "values": ["a", "b"]}]
    for i, point in enumerate(plan["sweep"]):
        point["set"] = {"models.m.name": f"m{i}"}
    section = next(s for s in page_of(plan).sections if s.key == "sweep")
    assert section.figures == []
    assert len(section.tables[0].rows) == len(plan["sweep"])


def test_the_heat_map_has_every_price_and_shades_by_its_peak(documents):
    plan = documents["plan"]
    figure = page_of(plan).figures["heat"]
    cells = marks(figure.chart(WIDE))
    peak: dict[str, float] = {}
    for line in plan["periods"]:
        peak[line["resource"]] = max(peak.get(line["resource"], 0.0), line["value"])
    assert len(cells) == sum(peak[line["resource"]] > 0 for line in plan["periods"])
    assert {cell["step"] for cell in cells if cell["say"].endswith("(100 % of its peak)")} == {5}


def test_no_periods_no_heat_map(documents):
    page = page_of(documents["plan"] | {"periods": []})
    assert "heat" not in page.figures
    assert any("one period" in item.text for item in page.absent)


def flowing(result: dict[str, Any]) -> dict[str, Any]:
    """Give the fixture ways and costs, as a result of solve has them."""
    arms = {(a["class"], a["model"], a["autonomy"]): a for a in result["layers"]["autonomy"]}
    lane = result["layers"]["serving"][0]
    for line in result["layers"]["router"]:
        arm = arms.get((line["class"], line["model"], line["autonomy"]))
        if arm is None:
            continue
        rest = dict.fromkeys(("latency_usd", "risk_usd", "oversight_usd"), 0.0)
        arm["vector"] = {"value_usd": 2.0, "cost_usd": 0.25, **rest}
        arm["tokens"] = {"read": 900.0, "plan": 100.0}
        line["ways"] = [
            {
                "way": "own",
                "lane": lane["lane"],
                "prefill": None,
                "retention_s": 0.0,
                "shared_prefix": False,
                "tokens": arm["tokens"],
                "requests_per_s": line["requests_per_s"],
            }
        ]
    return result


def test_tokens_are_neither_lost_nor_made_on_their_way(documents):
    result = flowing(documents["solve"])
    figure = page_of(result).figures["flow"]
    tokens: dict[tuple[str, str], float] = {}
    for line in rows(figure):
        tokens[line["from"], line["to"]] = float(line["tokens"])
        assert float(line["price"]) == pytest.approx(0.25 / 1000.0 * 1e6)
    served = {x["class"] for x in result["layers"]["router"] if x.get("ways")}
    total = sum(
        3600.0 * 1000.0 * x["requests_per_s"] for x in result["layers"]["router"] if x.get("ways")
    )
    uses = {"read", "plan"}
    models = {b for a, b in tokens if a in served}
    for sources in (served, models, uses):
        assert sum(v for (a, _), v in tokens.items() if a in sources) == pytest.approx(total)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_bands_stay_inside_and_do_not_overlap_at_their_ends(width):
    links = [
        {
            "column": c,
            "source": f"{c}{i}",
            "target": f"{c + 1}{j}",
            "size": 1.0 + i * 7 + j,
            "step": 0,
            "say": "x",
            "source_say": "x",
            "target_say": "x",
        }
        for c in range(3)
        for i in range(4)
        for j in range(4)
    ]
    spec = flow(links, width, columns=("a", "b", "c", "d"), keys=["k"])
    bands = marks(spec)
    assert all(0 <= p["x"] <= width and 0 <= p["y"] < p["y2"] <= spec["height"] for p in bands)
    starts = [p for p in bands if p["x"] == 12.0]  # beside the nodes of the first column
    starts.sort(key=lambda p: p["y"])
    for above, below in zip(starts, starts[1:], strict=False):
        assert below["y"] >= above["y2"] - THIN  # a thin band is drawn wider than it is


def test_nothing_is_left_to_gain_on_ways_in_use(documents):
    result = documents["solve"]
    result["artifacts"]["router_regret"] = {
        "usd_per_hour": 0.0,
        "bound_usd_per_hour": 0.0,
        "classes": [
            {
                "class": "a",
                "models": ["m"],
                "next_model": "n",
                "margin_usd": 0.5,
                "regret_usd": 1e-16,
                "best_model": "m",
                "hindsight_usd": 0.0,
                "requests_per_h": 1.0,
            }
        ],
    }
    figure = page_of(result).figures["equimarginal"]
    assert figure.title.startswith("Zero on every way in use")
    sizes = [bar["size"] for bar in marks(figure.chart(WIDE))]
    assert sizes == [0.0, -0.5]
    result["artifacts"]["router_regret"]["classes"][0]["regret_usd"] = 0.25
    figure = page_of(result).figures["equimarginal"]
    assert figure.title == "A request could be better off by up to $0.25 elsewhere"


def test_spread_of_prices_over_draws(documents):
    result = documents["solve"]
    spread = {"value": 2.0, "p05": 1.0, "median": 2.0, "p95": 3.0}
    price = {"resource": "gpus.a.available", "label": "A", "unit": "USD", "binding_share": 1.0}
    share = {"class": "a", "model": "m", "autonomy": "free"}
    result["samples"] = {
        "asked": 3,
        "finished": 3,
        "certified": 3,
        "seed": 0,
        "stopped": False,
        "statuses": {"optimal": 3},
        "welfare": spread,
        "prices": [price | spread],
        "decisions": [share | spread],
        "drawn": [],
        "kept": [],
        "draws": [],
        "seconds": 1.0,
        "draws_per_s": 3.0,
    }
    figure = page_of(result).figures["spread-chart"]
    bar = marks(figure.chart(WIDE))[0]
    assert (bar["low"], bar["at"], bar["high"]) == (50.0, 100.0, 150.0)
    result["samples"] |= {"certified": 0}
    assert "spread-chart" not in page_of(result).figures


def test_reservations_of_a_plan_replace_those_of_a_result(documents):
    plan, result = documents["reserved"], documents["solve"]
    for key in ("reservations", "gpu_hours", "scenarios"):
        result[key] = copy.deepcopy(plan[key])
    result["config_sha256"] = plan["config_sha256"]
    sections = [s for s in page_of(result, plan).sections if s.key.startswith("capacity")]
    assert len(sections) == 1
    assert "other-plans" in {f.key for f in sections[0].figures}
    assert sections[0].sentences[0].startswith("Reserve 3.05 H100 SXM")


def test_two_plans_keep_their_names_apart(documents):
    one, two = documents["plan"], copy.deepcopy(documents["plan"])
    two["config_sha256"] = "1" * 64
    page = page_of(one, two)
    assert {"advice-gain", "advice-gain-2", "heat", "heat-2"} <= set(page.figures)
    with pytest.raises(ReportError, match="at most 12"):
        page_of(*[one] * 13)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("plan", {"resources": [{"resource": 1}]}),
        ("plan", {"frontier": []}),
        ("compare", {"baselines": [{"welfare": 1.0}]}),
        ("diagnose", {"totals": {}}),
        ("diagnose", {"findings": ["x"]}),
    ],
)
def test_a_document_of_another_form_is_refused(documents, key, change):
    with pytest.raises(ResultError, match=next(iter(change))):
        page_of(documents[key] | change)


def test_a_document_that_is_not_proved_is_told(documents):
    result, compare = documents["solve"], documents["compare"] | {"status": "stopped"}
    compare["config_sha256"] = result["config_sha256"]
    page = page_of(result, compare)
    assert not page.good
    assert page.doubts == ["1.json is stopped: not proved to the end."]


@pytest.mark.parametrize("face", [0, 1])
def test_words_on_shades_can_be_read(face):
    ink, paper = (luminance(COLOURS[name][face]) for name in ("ink", "paper"))
    for i, faces in enumerate(STEPS.values()):
        ground, text = luminance(faces[face]), paper if i >= DARK_FROM else ink
        ratio = (max(ground, text) + 0.05) / (min(ground, text) + 0.05)
        assert ratio >= 4.5, i
    order = [luminance(faces[face]) for faces in STEPS.values()]
    assert order == sorted(order, reverse=face == 0)  # shades can be told apart without colour


def test_figures_of_a_result_in_a_notebook(documents):
    from allocate.cli.report.notebook import Plots

    plots = Plots(documents["solve"])
    assert "worth_pay" in dir(plots)
    spec = plots.gain().to_dict()
    assert spec["title"]["text"][0].startswith("1 % more human review time")
    assert spec["layer"][0]["encoding"]["tooltip"]["field"] == "say"
    assert repr(documents["solve"]["prices"][0]["value"]) in plots.data("gain")
    with pytest.raises(AttributeError, match="there are balance_chart"):
        plots.none()


def test_every_result_has_its_figures():
    from allocate.plots import Plotting
    from allocate.solver.solution import Solution
    from allocate.solver.studies.comparison import Comparison
    from allocate.solver.studies.diagnosis.study import Diagnosis
    from allocate.solver.studies.plan.planning import Plan

    for kind in (Solution, Comparison, Diagnosis, Plan):
        assert isinstance(kind.plot, Plotting)

    class Result:
        plot = Plotting()

        def to_dict(self):
            return json.loads((HERE / FILES["compare"]).read_text("utf-8"))

    assert "waterfall" in repr(Result().plot)


def test_the_newcomer_finds_the_words(documents):
    tree, _ = parse(draw_page(page_of(documents["compare"])))
    shown = words(tree)
    assert "In short" not in shown  # one document says it at the top
    for text in ("Words on this page", "what everything together is worth", "Not on this page"):
        assert text in shown


def test_a_diagnosis_of_an_older_version_is_drawn_without_what_it_does_not_say(documents):
    document = documents["diagnose"]
    for line in document["ledger"]:
        for key in ("named", "shown", "classes"):
            del line[key]
    assert "findings" in page_of(document).figures
