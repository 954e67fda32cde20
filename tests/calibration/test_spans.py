"""Agent traces: both conventions, Langfuse, which use tokens are for, and what is never kept."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from allocate.errors import DataError
from allocate.models.calibration import spans
from allocate.models.calibration.result import LEVEL, Options
from allocate.models.calibration.spans.rules import Rules
from allocate.models.calibration.writing import write

DATA = Path(__file__).parents[1] / "data" / "spans"
FILES = ("otlp_new.jsonl", "otlp_old.json", "langfuse.json")


def attributes(**values):
    return [
        {"key": key.replace("__", "."), "value": {"intValue": str(v)} if isinstance(v, int) else
         {"stringValue": v}}
        for key, v in values.items()
    ]  # fmt: skip


def span(trace, start, seconds, name="chat m", failed=False, **values):
    return {
        "traceId": trace,
        "name": name,
        "startTimeUnixNano": str(int(1e9 * start)),
        "endTimeUnixNano": str(int(1e9 * (start + seconds))),
        "attributes": attributes(**values),
        "status": {"code": 2} if failed else {},
    }


def call(trace, start, read, wrote, seconds=1.0, cached=None, name="chat m", failed=False, **more):
    values = {
        "gen_ai__operation__name": "chat",
        "gen_ai__request__model": "m",
        "gen_ai__usage__input_tokens": read,
        "gen_ai__usage__output_tokens": wrote,
    }
    if cached is not None:
        values["gen_ai__usage__cache_read__input_tokens"] = cached
    return span(trace, start, seconds, name, failed, **values, **more)


def tool(trace, start, name, seconds=0.1, failed=False):
    return span(trace, start, seconds, f"execute_tool {name}", failed, gen_ai__tool__name=name)


def otlp(tmp_path, parts, name="s.json"):
    path = tmp_path / name
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": parts}]}]}))
    return path


def values(found):
    return {p.name: p.value for p in found.parameters}


# --- formats -------------------------------------------------------------------------------


def test_new_names_in_json_lines():
    found = spans.calibrate([DATA / "otlp_new.jsonl"], Options())
    assert spans.detects(DATA / "otlp_new.jsonl") == "OpenTelemetry spans (OTLP JSON)"
    got = values(found)
    # 12 requests: 40 + 300 + 10i + 60 + 150 tokens, every fourth one 80 more
    assert (got["plan_tokens"], got["verify_tokens"]) == pytest.approx((40, 60))
    assert got["edit_tokens"] == pytest.approx(np.mean([450 + 10 * i for i in range(12)]) + 20)
    assert got["calls_per_request"] == 4.25
    assert got["retries_per_request"] == 0.25
    assert got["human_wait_s"] == pytest.approx(np.mean([45, 48, 51, 54]))
    assert got["models.gpt-5.tpot_ms"] == pytest.approx(12, rel=1e-3)
    assert got["models.gpt-5.ttft_s"] == pytest.approx(0.8, rel=1e-3)
    fresh = [2000 + 4100 + 700 + 500 + 4 * i - 0 + (400 if i % 4 == 0 else 0) for i in range(12)]
    assert got["read_tokens"] == pytest.approx(np.mean(fresh))


def test_old_names_say_nothing_of_caches():
    got = values(spans.calibrate([DATA / "otlp_old.json"], Options()))
    assert "cache_hit" not in got
    assert got["edit_tokens"] == pytest.approx(np.mean([450 + 10 * i for i in range(8)]) + 20)


def test_langfuse():
    found = spans.calibrate([DATA / "langfuse.json"], Options(settings={"class": "task"}))
    assert found.recognised == "Langfuse observations (JSON)"
    got = values(found)
    assert [got[f"{u}_tokens"] for u in ("read", "plan", "edit", "verify")] == [4000, 200, 600, 100]
    # of the calls that name a part read from a cache; the others do not say that it is 0
    assert got["cache_hit"] == pytest.approx(1100 / 1600)
    table = found.tables["observed"]
    assert table["class"].to_list() == ["bugfix", "question"]
    assert table["share"].to_list() == [1.0, 1.0]
    assert found.fragment["models"]["claude_sonnet_4_5"]["label"] == "claude-sonnet-4.5"


@pytest.mark.parametrize("name", FILES)
def test_no_text_of_a_person_is_kept(tmp_path, name):
    assert "SECRET" in (DATA / name).read_text()
    found = spans.calibrate([DATA / name], Options())
    write(found, tmp_path / "out")
    kept = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    for secret in ("SECRET", "alice", "sk-123", str(DATA)):
        assert secret not in kept


# --- rules ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("run_tests", "verify"), ("pytest", "verify"), ("CodeReviewer", "verify"),
        ("latest_news", None), ("apply_patch", "edit"), ("str_replace_editor", "edit"),
        ("TodoWrite", "plan"), ("readFile", "read"), ("Grep", "read"), ("askUser", "human"),
        ("request_approval", "human"), ("bash", None),
    ],
)  # fmt: skip
def test_names_of_tools(name, use):
    assert Rules().use(name) == use


def test_words_of_the_user_come_first():
    assert Rules({"verify": ("bash",), "read": ("apply",)}).use("bash") == "verify"
    assert Rules({"read": ("apply",)}).use("apply_patch") == "read"


def test_tokens_are_shared_by_the_tools_that_follow(tmp_path):
    parts = []
    for i in range(4):
        t = f"t{i}"
        parts += [
            call(t, 0, 100, 40), tool(t, 2, "read_file"),
            call(t, 3, 100, 60), tool(t, 5, "edit_file"), tool(t, 6, "run_tests"),
            call(t, 7, 100, 70, name="planner"), tool(t, 9, "edit_file"),
            call(t, 10, 100, 80),
        ]  # fmt: skip
    got = values(spans.calibrate([otlp(tmp_path, parts)], Options()))
    assert got["plan_tokens"] == 40 + 70
    assert got["edit_tokens"] == 30 + 80
    assert got["verify_tokens"] == 30


def test_agents_do_not_count_their_calls_twice(tmp_path):
    parts = []
    for i in range(3):
        parts.append(call(f"t{i}", 0, 100, 40))
        total = call(f"t{i}", 0, 100, 40, name="invoke_agent a")
        total["attributes"][0]["value"]["stringValue"] = "invoke_agent"
        parts.append(total)
    assert values(spans.calibrate([otlp(tmp_path, parts)], Options()))["calls_per_request"] == 1


@pytest.mark.parametrize(("read", "cached", "fresh"), [(100, 60, 40), (40, 60, 40)])
def test_cached_tokens_inside_or_beside_the_input(tmp_path, read, cached, fresh):
    parts = [call(f"t{i}", i, read, 10, cached=cached) for i in range(5)]
    got = values(spans.calibrate([otlp(tmp_path, parts)], Options()))
    assert got["read_tokens"] == fresh
    assert got["cache_hit"] == pytest.approx(0.6)


@pytest.mark.parametrize(("every", "silent"), [(2, "50.0%"), (200, "99.5%")])
def test_a_call_that_says_nothing_of_a_cache_is_not_one_that_read_nothing(tmp_path, every, silent):
    parts = [call(f"t{i}", i, 1000, 10, cached=None if i % every else 800) for i in range(200)]
    found = spans.calibrate([otlp(tmp_path, parts)], Options())
    hit = next(p for p in found.parameters if p.name == "cache_hit")
    assert hit.value == pytest.approx(0.8)
    assert hit.fit["rows"] == 200 // every
    assert np.isnan(hit.low) == (every == 200)  # one request tells no interval
    assert any(f"{silent} of calls do not say what they read" in note for note in found.notes)


def test_figures_say_how_far_requests_lie_from_them(tmp_path):
    parts = [call(f"t{i}", 10 * i, 100, 10 + 10 * (i % 2)) for i in range(100)]
    found = {p.name: p for p in spans.calibrate([otlp(tmp_path, parts)], Options()).parameters}
    assert found["edit_tokens"].fit["goodness"] == {"relative_scatter": pytest.approx(5 / 15)}
    rate = found["requests_per_s"].fit
    assert rate["method"].startswith("requests over time, jackknife over 12 slices of 82.5 s")
    assert rate["seen"][0] <= found["requests_per_s"].value <= rate["seen"][1]
    assert rate["seen"][0] > 0


def test_models_of_one_name_stay_apart(tmp_path):
    parts = []
    for i in range(4):
        part = call(f"t{i}", i, 100, 10)
        name = next(a for a in part["attributes"] if a["key"] == "gen_ai.request.model")
        name["value"]["stringValue"] = ("gpt-4.1", "gpt 4-1")[i % 2]
        parts.append(part)
    models = spans.calibrate([otlp(tmp_path, parts)], Options()).fragment["models"]
    assert sorted(models) == ["gpt_4_1", "gpt_4_1_2"]


def test_missing_counts_are_said_and_not_zero(tmp_path):
    parts = [call(f"t{i}", i, 100, 10) for i in range(9)]
    parts.append(span("t0", 0.5, 1, gen_ai__operation__name="chat"))
    found = spans.calibrate([otlp(tmp_path, parts)], Options())
    assert any("10.0% of calls do not say" in note for note in found.notes)
    nothing = [span(f"t{i}", i, 1, gen_ai__operation__name="chat") for i in range(9)]
    with pytest.raises(DataError, match="no model call says how many tokens"):
        spans.calibrate([otlp(tmp_path, nothing)], Options())


def test_what_never_happened_may_still_happen(tmp_path):
    parts = [call(f"t{i}", i, 100, 10) for i in range(100)]
    found = spans.calibrate([otlp(tmp_path, parts)], Options())
    retries = next(p for p in found.parameters if p.name == "retries_per_request")
    assert (retries.value, retries.low) == (0, 0)
    assert (1 - retries.high) ** 100 == pytest.approx(0.1, abs=0.01)


def test_unknown_tools_are_named_so_that_a_rule_can_be_given(tmp_path):
    parts = []
    for i in range(5):
        parts += [call(f"t{i}", 0, 9, 50), tool(f"t{i}", 2, "bash"), call(f"t{i}", 3, 9, 10)]
    path = otlp(tmp_path, parts)
    found = spans.calibrate([path], Options())
    assert any("bash (5)" in note for note in found.notes)
    marked = spans.calibrate([path], Options(settings={"verify": "bash"}))
    assert (values(found)["plan_tokens"], values(marked)["verify_tokens"]) == (50, 50)


# --- broken and hostile --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "CAL003"),
        ('{"resourceSpans": [', "CAL003"),
        ("[" * 200_000, "CAL004"),
        ('{"resourceSpans": "x"}', "CAL007"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": [1, "x", null, {}]}]}]}', "CAL007"),
        ('[{"traceId": 5, "type": "GENERATION"}, {"traceId": "a", "type": []}]', "CAL007"),
        ("[1, 2, 3]", "CAL007"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, code):
    path = tmp_path / "f.json"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        spans.calibrate([path], Options())
    assert caught.value.problems[0].code == code


def test_hostile_names_and_numbers(tmp_path):
    parts = [call(f"t{i}", i, 100, 10) for i in range(5)]
    parts.append(call("=cmd()", 9, 100, 10, name="=cmd|'/C calc'!A0"))
    bad = call("t1", 3, 100, 10)
    bad["startTimeUnixNano"] = "1e999"
    parts += [bad, {**call("t1", 3, 1, 1), "attributes": "x"}]
    for part in parts:
        for item in part["attributes"]:
            if item != "x" and item["key"] == "gen_ai.request.model":
                item["value"]["stringValue"] = "=HYPERLINK(\u202e/home/bob)"
    found = spans.calibrate([otlp(tmp_path, parts)], Options())
    names = write(found, tmp_path / "out")
    text = "".join((tmp_path / "out" / name).read_text() for name in names)
    assert "\u202e" not in text
    assert "bob" not in text
    assert ",=" not in text
    assert found.rows_dropped["no readable times"] == 1


# --- fits and streams ----------------------------------------------------------------------


@pytest.mark.slow
def test_known_parameters_lie_in_their_intervals(tmp_path):
    truth = {
        "edit_tokens": 300 * np.exp(0.125), "cache_hit": 0.6, "calls_per_request": 3.0,
        "human_waits_per_request": 0.2, "human_wait_s": 40.0, "failed_call_share": 0.1,
        "models.m.ttft_s": 0.5, "models.m.tpot_ms": 10.0,
    }  # fmt: skip
    tries, inside = 30, dict.fromkeys(truth, 0)
    for seed in range(tries):
        draw = np.random.default_rng(seed)
        parts = []
        for i in range(80):
            t, at = f"t{i}", 100.0 * i
            for _ in range(1 + draw.poisson(2.0)):
                wrote = int(100 * draw.lognormal(0, 0.5))
                took = (0.5 + 0.01 * wrote) * draw.normal(1, 0.05) + (draw.random() < 0.02) * 20
                read = int(1000 * draw.lognormal(0, 0.3))
                hit = int(read * np.clip(draw.normal(0.6, 0.1), 0, 1))
                failed = bool(draw.random() < 0.1)
                parts.append(call(t, at, read, wrote, took, hit, failed=failed))
                parts.append(tool(t, at + took, "edit_file", 0.01))
                at += took + 1
            if draw.random() < 0.2:
                parts.append(tool(t, at, "ask_user", float(draw.exponential(40.0))))
        found = spans.calibrate([otlp(tmp_path, parts)], Options())
        for p in found.parameters:
            if p.name in truth:
                inside[p.name] += p.low <= truth[p.name] <= p.high
    assert min(inside.values()) >= binom.ppf(0.01, tries, LEVEL), inside
    assert sum(inside.values()) >= 0.85 * tries * len(truth), inside


def test_a_stream_is_closed_when_memory_is_full(tmp_path, monkeypatch):
    parts = [s for i in range(60) for s in (call(f"t{i}", i, 10, 10), call(f"t{i}", i + 0.1, 9, 9))]
    lines = tmp_path / "s.jsonl"
    lines.write_text(
        "".join(
            json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [s]}]}]}) + "\n" for s in parts
        )
    )
    whole = values(spans.calibrate([lines], Options()))
    monkeypatch.setattr("allocate.models.calibration.spans.requests.OPEN_SPANS", 10)
    assert values(spans.calibrate([lines], Options())) == pytest.approx(whole)
    lines.write_text(
        "".join(sorted(lines.read_text().splitlines(True), key=lambda line: line[::-1]))
    )
    found = spans.calibrate([lines], Options())
    assert any("sort the spans by time" in note for note in found.notes)


def test_other_traces_are_compared():
    found = spans.calibrate([DATA / "otlp_new.jsonl"], Options())
    judged = spans.check(found, [DATA / "otlp_old.json"], Options())
    assert judged["edit_tokens"]["within_interval"]
    assert judged["edit_tokens"]["relative_error"] == pytest.approx(525 / 505 - 1)
