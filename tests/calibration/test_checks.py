"""``--check OTHER`` on every kind: what it compares, and that it says when it compares nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from allocate.cli.main import main
from allocate.models.calibration import models, training
from allocate.models.calibration.registry import KINDS
from allocate.models.calibration.result import SEEN, Options
from allocate.models.calibration.running import run

DATA = Path(__file__).parents[1] / "data"
CASES = {  # kind → what is calibrated, what it is checked against, keys of the check
    "trace": (["trace/azure_code_2023.csv.gz"], "trace/burstgpt.csv",
              ["arrival_rate_per_s", "mean_input_tokens", "mean_output_tokens", "burstiness",
               "queueing_delay"]),
    "reuse": (["reuse/qwen.jsonl"], "reuse/mooncake_conversation_first30min.jsonl.gz",
              ["max_error_points", "sizes"]),
    "lanes": (["lanes/vllm_bench.json"], "lanes/ttft_tpot.csv", ["tpot", "ttft"]),
    "models": (["models/aider.csv"], "models/aider.csv", ["success", "verify.risk_tokens"]),
    "spans": (["spans/otlp_new.jsonl"], "spans/langfuse.json", ["plan_tokens", "cache_hit"]),
    "prices": (["prices/price_map.json"], "prices/litellm_prices.csv", ["model_prices"]),
    "training": (["training/staleness.csv", "training/sync_async.csv"], "training/staleness.csv",
                 ["efficiency"]),
}  # fmt: skip
KEYS = {"recognised", "rows_used", "rows_dropped", "parameters", "check", "files"}


def called(capsys, *arguments, code=0):
    """The document that a run prints, which ends with a code."""
    capsys.readouterr()
    ended = main(["calibrate", *map(str, arguments), "--format", "json"])
    out, err = capsys.readouterr()
    assert ended == code, err
    return json.loads(out)


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def numbers(value):
    if isinstance(value, dict):
        return [n for part in value.values() for n in numbers(part)]
    if isinstance(value, list):
        return [n for part in value for n in numbers(part)]
    return [value] if is_number(value) else []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_scored_against_other_data(kind, capsys):
    sources, other, keys = CASES[kind]
    blocks = ["--blocks", "10,200"] if kind == "reuse" else []
    found = called(
        capsys, kind, *(DATA / s for s in sources), "--check", DATA / other, *blocks
    )  # fmt: skip
    assert found.keys() >= KEYS
    for name in keys:
        assert numbers(found["check"][name]), name
    assert not any("compared nothing" in note for note in found["notes"])
    for p in found["parameters"]:
        assert list(p) == ["name", "value", "low", "high", "unit", "fit"]
        assert p["fit"].keys() >= {"method", "rows", "goodness", "seen"}
        assert all(end is None or is_number(end) for end in (p["low"], p["high"]))


def test_lanes_checks_have_the_promised_errors(capsys):
    found = called(
        capsys, "lanes", DATA / "lanes/ttft_tpot.csv", "--check", DATA / "lanes/splitwise.csv"
    )
    for time in ("tpot", "ttft"):
        assert found["check"][time].keys() >= {"median_relative_error", "p90_relative_error"}
        assert found["check"][time]["p90_relative_error"] > 0


@pytest.mark.parametrize(
    ("kind", "source", "other"),
    [
        ("lanes", "lanes/ttft_tpot.csv", "lanes/ttft_tpot.csv"),
        ("prices", "prices/price_map.json", "prices/gpu_prices.csv"),
        ("models", "models/routellm.csv", "models/routerarena.csv"),
        ("training", "training/law.csv", "training/law.csv"),
        ("reuse", "reuse/qwen.jsonl", "reuse/qwen.jsonl"),
    ],
)
def test_nothing_to_compare_is_said_and_ends_with_1(kind, source, other, capsys):
    large = ["--blocks", "50000"] if kind == "reuse" else []
    found = called(capsys, kind, DATA / source, "--check", DATA / other, *large, code=1)
    assert any("the check compared nothing: " in note for note in found["notes"])


def test_what_verifying_is_worth_is_checked(tmp_path):
    """Twice as many repaired in the other runs: told, and outside both intervals."""
    head = "model,test_cases,pass_rate_1,pass_rate_2,completion_tokens\n"
    for name, last in (("a", 60), ("b", 80)):
        rows = "".join(f"m{i},225,40,{last + i},{225 * 3000}\n" for i in range(6))
        (tmp_path / f"{name}.csv").write_text(head + rows)
    found = models.calibrate([tmp_path / "a.csv"], Options())
    check = models.check(found, [tmp_path / "b.csv"], Options())["verify.repaired_share"]
    assert check["predicted"] == pytest.approx((22.5 - 0) / 60, abs=0.01)
    assert check["measured"] == pytest.approx(42.5 / 60, abs=0.01)
    assert check["within_interval"] is False


def outcomes_of(path, rng, same):
    shared, one = rng.random(800) < same, rng.random(800)
    a, b = (np.where(shared, one, rng.random(800)) < 0.6 for _ in range(2))
    rows = "".join(f"q{i},{int(x)},{int(y)}\n" for i, (x, y) in enumerate(zip(a, b, strict=True)))
    path.write_text("query,a_correct,b_correct\n" + rows)
    return path


def test_correlation_of_failures_is_checked(tmp_path):
    rng = np.random.default_rng(1)
    found = models.calibrate([outcomes_of(tmp_path / "a.csv", rng, 0.5)], Options())
    for same, expected in ((0.5, True), (0.1, False)):
        other = outcomes_of(tmp_path / "b.csv", rng, same)
        check = models.check(found, [other], Options())["failure_correlation"]
        row = check["a.b.failure_correlation"]
        assert row["measured"] == pytest.approx(same, abs=0.08)
        assert row["within_interval"] is expected


# --- training ------------------------------------------------------------------------------


def ages(path, hours, rng=None):
    at = np.linspace(0, 1500, 12)
    noise = np.zeros(12) if rng is None else rng.normal(0, 0.05, 12)
    rows = "\n".join(
        f"{h},{30 + 10 * np.exp(-h / hours + e):.4f}" for h, e in zip(at, noise, strict=True)
    )
    path.write_text("age_h,score\n" + rows + "\n")
    return path


def test_depreciation_is_checked_with_the_base_that_was_given(tmp_path):
    rng = np.random.default_rng(2)
    found = training.calibrate(
        [ages(tmp_path / "a.csv", 720, rng)], Options(settings={"base": "30"})
    )
    same = training.check(found, [ages(tmp_path / "b.csv", 720, rng)], Options())
    other = training.check(found, [ages(tmp_path / "c.csv", 300)], Options())
    assert same["depreciation_per_h"]["within_interval"] is True
    assert other["depreciation_per_h"]["within_interval"] is False
    assert other["depreciation_per_h"]["relative_error"] == pytest.approx(300 / 720 - 1, abs=0.1)


def test_hours_are_checked(tmp_path):
    source = DATA / "training/sync_async.csv"
    found = training.calibrate([DATA / "training/staleness.csv", source], Options())
    (tmp_path / "h.csv").write_text(
        "setting,model,training_hours\nsynchronous,m,30\nasynchronous,m,10\n"
    )
    check = training.check(found, [tmp_path / "h.csv"], Options())["cost_without_staleness"]
    assert check["predicted"] == pytest.approx(41 / 14.8)
    assert check["measured"] == pytest.approx(3)


def test_a_staleness_left_out_needs_no_run_without_staleness(tmp_path):
    """The gain without staleness is that of the calibrated runs."""
    lines = (DATA / "training/staleness.csv").read_text().splitlines()
    column = lines[0].split(",").index("max_staleness_eta")
    held = [line for line in lines[1:] if line.split(",")[column] == "2"]
    kept = [line for line in lines[1:] if line not in held]
    for name, rows in (("fit", kept), ("other", held)):
        (tmp_path / f"{name}.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    found = training.calibrate(
        [tmp_path / "fit.csv", DATA / "training/sync_async.csv"], Options()
    )  # fmt: skip
    check = training.check(found, [tmp_path / "other.csv"], Options())
    row = check["efficiency"]["decoupled_ppo/AIME24"]
    # fitted 1 at 1 and 4 versions; (41.8 - 29.3)/(42 - 29.3) was measured at 2
    assert row["points"] == 1
    assert row["max_error_points"] == pytest.approx(100 * (1 - 12.5 / 12.7), abs=1.5)


def test_the_law_of_others_is_scored_against_runs(tmp_path):
    found = training.calibrate([DATA / "training/law.csv"], Options(settings={"size": "32B"}))
    known = {p.name: p.value for p in found.parameters}
    x = np.array([1000.0, 10_000.0, 40_000.0])
    error = known["gain.floor"] + known["gain.b"] / (x + known["gain.c"])
    score = 1 - error ** known["gain.power"]
    rows = "".join(f"{a},{b + 0.02:.6f}\n" for a, b in zip(x, score, strict=True))
    (tmp_path / "run.csv").write_text("samples,score\n" + rows)
    check = training.check(found, [tmp_path / "run.csv"], Options())["score"]["run"]
    assert check["max_error_points"] == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    ("kind", "names", "options", "used"),
    [
        ("trace", ["azure_code_2023.csv.gz"], ["--option", "until_s=900"], None),
        ("trace", ["mooncake.jsonl"], [], 200),
        ("trace", ["burstgpt.csv"], [], None),
        ("reuse", ["qwen.jsonl"], ["--blocks", "10"], 60),
        ("spans", ["otlp_new.jsonl"], [], None),
        ("spans", ["otlp_old.json"], [], None),
        ("spans", ["langfuse.json"], [], 60),
        ("prices", ["price_map.json"], [], 2),  # its example is no model
        ("prices", ["price_map.json"], ["--option", "models=gpt-5"], 1),
        ("prices", ["litellm_prices.csv", "price_map.json"], [], 4),  # two stand in both
        ("prices", ["litellm_config.yaml", "price_map.json"], [], 6),
        ("prices", ["litellm_config.yaml"], ["--option", "models=own"], 1),
        ("prices", ["gpu_prices.csv"], [], 12),
        ("prices", ["gpu_prices.csv"], ["--option", "gpus=H100-SXM"], 6),
        ("prices", ["gpu_prices.csv"], ["--option", "spot=yes"], 4),
        ("models", ["routellm.csv"], [], 180),
        ("models", ["routerarena.csv"], [], 40),
    ],
)
def test_every_row_is_used_or_dropped_for_a_reason(kind, names, options, used, capsys):
    found = called(capsys, kind, *(DATA / kind / name for name in names), *options)
    rows = sum(source["rows"] for source in found["sources"])
    assert found["rows_used"] + sum(found["rows_dropped"].values()) == rows
    assert used is None or found["rows_used"] == used
    assert all(count > 0 for count in found["rows_dropped"].values())


def test_spans_that_cannot_be_read_are_rows_of_their_source_too(tmp_path, capsys):
    lines = (DATA / "spans/otlp_new.jsonl").read_text()
    path = tmp_path / "s.jsonl"
    path.write_text(lines + '{"resourceSpans": [{"scopeSpans": [{"spans": [{}, {}]}]}]}\n')
    found = called(capsys, "spans", path)
    assert found["rows_dropped"] == {"no trace id": 2}
    assert (found["rows_used"], found["sources"][0]["rows"]) == (94, 96)


@pytest.mark.parametrize(
    ("kind", "sample"),
    [("models", "models/routellm.csv"), ("prices", "prices/price_map.json")],
)
def test_a_check_with_the_files_of_the_fit_is_told(kind, sample):
    path = DATA / sample
    again = run(kind, [path], check=[path])
    assert any(note.startswith(SEEN) and path.name in note for note in again.notes)


def test_two_parts_of_one_log_are_no_check_with_the_fit():
    path = DATA / "trace" / "azure_code_2023.csv.gz"
    parts = ["until_s=1800", "check_from_s=1800"]
    assert not any(n.startswith(SEEN) for n in run("trace", [path], [path], (), parts).notes)
    assert any(n.startswith(SEEN) for n in run("trace", [path], [path]).notes)
