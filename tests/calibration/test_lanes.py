"""Engine measurements → lanes: formats, recovery of known lanes, what was left out."""

import json
from pathlib import Path

import numpy as np
import pytest

from allocate.errors import DataError
from allocate.models.calibration import lanes
from allocate.models.calibration.lanes import checking, fit, hardware, rows, surface
from allocate.models.calibration.result import Options
from allocate.models.curves.lane import Lane

DATA = Path(__file__).parents[1] / "data" / "lanes"
TRUE = np.array([10.0, 0.12, 0.03, 40.0])


def run(*names, **settings):
    return lanes.calibrate([DATA / name for name in names], Options(settings=settings))


def generated(rng, noise=0.03, loads=(1, 4, 8, 16, 32, 64, 128)):
    records = []
    for load in loads:
        for isl, osl in ((1024, 1024), (8192, 1024), (1024, 8192)):
            at = [np.array([float(x)]) for x in (load, isl + osl / 2, isl / osl)]
            tpot = fit.step_ms(TRUE, *at)[0] * np.exp(rng.normal(0, noise))
            records.append(
                dict(model="Qwen/Qwen3-32B", gpu="h100_sxm", tp=2.0, isl=isl, osl=osl)
                | dict(concurrency=load, tpot_ms=tpot)
            )
    return rows.frame(records)


def test_known_lane_lies_in_its_intervals_nine_times_in_ten():
    rng = np.random.default_rng(0)
    replica = hardware.machine(hardware.Books(), "Qwen/Qwen3-32B", "h100_sxm", "fp8", 2.0)
    hits = np.zeros(4)
    for i in range(120):
        found = fit.fit(generated(rng), replica if i % 2 else None)
        assert found is not None
        hits += (found.low <= TRUE) & (found.high >= TRUE)
    assert np.all(hits / 120 >= 0.84), hits / 120
    assert np.all(hits / 120 <= 0.97), hits / 120


def test_step_time_is_the_curves_own():
    lane = Lane(0.01, 0.00012, 3e-8, 4e-5)
    batch, context, mix = np.array([32.0]), np.array([5000.0]), np.array([0.5])
    busy = lane.busy(1.0, mix, context)
    step = 1e3 * (lane.alpha + batch * busy)
    assert fit.step_ms(TRUE, batch, context, mix) == pytest.approx(step)


def test_terms_that_data_leave_open_lean_on_the_roofline():
    rng = np.random.default_rng(1)
    frame = generated(rng)
    same = frame.filter((frame["isl"] == 1024) & (frame["osl"] == 1024))
    replica = hardware.machine(hardware.Books(), "Qwen/Qwen3-32B", "h100_sxm", "fp8", 2.0)
    found = fit.fit(same, replica)
    assert found is not None
    assert not found.open[0]
    assert found.open[1:].all()
    error = np.abs(
        fit.step_ms(found.value, fit.batch_of(same), fit.context_of(same), same["mix"].to_numpy())
        / same["tpot_ms"].to_numpy()
        - 1
    )
    assert np.median(error) < 0.05
    assert np.all(found.high[1:] - found.low[1:] > found.value[1:])


def test_table_recognised_used_and_dropped():
    calibration = run("ttft_tpot.csv")
    assert calibration.recognised == "TTFT/TPOT table"
    assert calibration.rows_dropped == {"prefill and decode on separate pools": 2}
    assert calibration.rows_used == 72
    check = calibration.check
    assert check is not None
    assert check["tpot"]["median_relative_error"] < 0.05
    assert check["ttft"]["rows"] == check["rows"] > 40
    for deployment in calibration.fragment["deployments"].values():
        assert deployment["alpha_ms"] > 0
        assert deployment["kv_memory_gb"] > 0
    assert {"deployments", "times"} == set(calibration.tables)


def test_held_out_rows_beat_the_nearest_point(tmp_path):
    text = (DATA / "ttft_tpot.csv").read_text().splitlines()
    at = text[0].split(",").index("concurrency")
    held = [line for line in text[1:] if line.split(",")[at] == "16"]
    for name, lines in (
        ("train.csv", [x for x in text[1:] if x not in held]),
        ("other.csv", held),
    ):
        (tmp_path / name).write_text("\n".join([text[0], *lines]) + "\n")
    calibration = lanes.calibrate([tmp_path / "train.csv"], Options())
    check = lanes.check(calibration, [tmp_path / "other.csv"], Options())
    assert check["rows"] == len(held)
    assert check["rows_used_by_the_fit_too"] == 0
    near = check["baselines"]["nearest measured point"]["tpot"]["median_relative_error"]
    assert check["tpot"]["median_relative_error"] < 0.06 < near
    assert "known configuration" in check["by_kind"]
    assert "unseen model and GPU" not in check["by_kind"]
    again = lanes.check(calibration, [tmp_path / "train.csv"], Options())
    assert again["rows"] == 0
    assert again["rows_used_by_the_fit_too"] == calibration.rows_used


def test_unseen_gpu_is_predicted_from_its_data_sheet(tmp_path):
    calibration = run("ttft_tpot.csv")
    text = (DATA / "ttft_tpot.csv").read_text()
    other = "\n".join(
        line.replace("h100_sxm", "h200_sxm") for line in text.splitlines() if "Qwen" in line
    )
    (tmp_path / "other.csv").write_text(text.splitlines()[0] + "\n" + other + "\n")
    check = lanes.check(calibration, [tmp_path / "other.csv"], Options())
    assert check["by_kind"].keys() == {"unseen model and GPU"}
    assert check["tpot"]["median_relative_error"] < 0.5


def test_left_out_in_closed_form_is_a_refit():
    rng = np.random.default_rng(2)
    frame = generated(rng, loads=(4, 16, 64))
    design = surface.Design.of(frame, hardware.Books())
    flat = surface.TPOT
    every = surface.Surface.fit(design, frame["tpot_ms"].to_numpy(), "tpot_ms", flat)
    block = np.flatnonzero(frame["concurrency"].to_numpy() == 16)
    rest = np.setdiff1d(np.arange(frame.height), block)
    closed = every.left_out([block])[block]
    part = surface.Design.of(frame[rest], hardware.Books())
    refit = surface.Surface.fit(part, frame["tpot_ms"].to_numpy()[rest], "tpot_ms", flat)
    again = refit.predict(surface.Design.of(frame[block], hardware.Books()))
    assert closed == pytest.approx(again, rel=0.01)  # the weights of outliers are refitted


def test_outlier_does_not_move_the_surface():
    rng = np.random.default_rng(3)
    frame = generated(rng, noise=0.01)
    design = surface.Design.of(frame, hardware.Books())
    clean = frame["tpot_ms"].to_numpy().copy()
    dirty = clean.copy()
    dirty[7] *= 4
    ends = [
        surface.Surface.fit(design, y, "tpot_ms", surface.TPOT).predict(design)
        for y in (clean, dirty)
    ]
    others = np.arange(len(clean)) != 7
    assert np.abs(ends[1] / ends[0] - 1)[others].max() < 0.12


def test_step_times_measured_alone_have_prefill_of_their_own():
    calibration = run("splitwise.csv")
    assert calibration.recognised == "Splitwise step times"
    (name, deployment), *_ = calibration.fragment["deployments"].items()
    assert name == "llama2_70b_a100_80gb_x8"
    assert deployment["alpha_ms"] == pytest.approx(44.2, rel=0.03)
    assert deployment["delta_ms_per_ktok"] == pytest.approx(150, rel=0.1)


def test_vllm_benchmarks_give_the_lane_they_were_made_with():
    calibration = run("vllm_bench.json", "vllm_bench_append.json")
    assert calibration.recognised == "vLLM bench serve"
    assert calibration.rows_used == 6
    frame = calibration.state["frame"]
    assert frame["isl"].to_list() == [1024.0] * 6
    assert frame["osl"].to_list() == [256.0] * 6
    assert sorted(frame["concurrency"].to_list()) == [1, 4, 8, 16, 32, 64]
    assert frame["tp"].to_list() == [2.0] * 6
    (deployment,) = calibration.fragment["deployments"].values()
    assert deployment["alpha_ms"] == pytest.approx(12, rel=0.1)


def test_metrics_are_differences_between_scrapes():
    calibration = run("vllm_metrics_1.txt", "vllm_metrics_2.txt", gpu="h100_sxm", tp="2")
    frame = calibration.state["frame"]
    assert frame["concurrency"].to_list() == pytest.approx([4, 8, 16, 32], rel=0.02)
    assert frame["tpot_ms"].to_list() == pytest.approx([12.8, 13.6, 15.2, 18.4], rel=0.01)
    assert frame["ttft_ms"].to_list() == pytest.approx([114, 138, 186, 282], rel=0.02)
    assert frame["isl"].to_list() == pytest.approx([1024] * 4)


def test_geometry_and_data_sheets_alone_are_marked_a_roofline():
    calibration = lanes.calibrate(
        [DATA / "config.json", DATA / "gpu_specs.csv"],
        Options(settings={"model": "mine/new-32b", "gpu": "h100_sxm", "precision": "fp8"}),
    )
    (name, deployment), *rest = calibration.fragment["deployments"].items()
    assert not rest
    assert name == "new_32b_h100_sxm_x1"
    assert "roofline" in calibration.fragment["assumed"][f"deployments.{name}"]
    assert all(p.fit["method"] == "roofline" for p in calibration.parameters)
    assert all(p.low < p.value < p.high for p in calibration.parameters if p.value > 0)
    # 32.8e9 bytes of weights at 3.35e12 bytes/s, and 64 layers at 60 µs
    assert deployment["alpha_ms"] == pytest.approx(1e3 * 32.8e9 / 3.35e12 + 64 * 0.06, rel=0.1)
    assert deployment["kv_bytes_per_token"] == 2 * 64 * 8 * 128
    check = lanes.check(calibration, [DATA / "ttft_tpot.csv"], Options())
    assert 0.01 < check["tpot"]["median_relative_error"] < 0.7


def test_any_table_by_its_columns(tmp_path):
    path = tmp_path / "mine.csv"
    lines = ["in,out,users,step seconds"]
    for users in (1, 8, 32):
        lines.append(f"1000,500,{users},{(10 + 0.3 * users) / 1e3}")
    path.write_text("\n".join(lines))
    columns = {"isl": "in", "osl": "out", "concurrency": "users", "tpot_s": "step seconds"}
    settings = {"model": "Qwen/Qwen3-32B", "gpu": "h100_sxm", "tp": "2"}
    calibration = lanes.calibrate([path], Options(columns=columns, settings=settings))
    assert calibration.rows_used == 3
    assert list(calibration.fragment["deployments"]) == ["qwen3_32b_h100_sxm_x2"]


HEADER = "model,system,isl,osl,concurrency,ttft_ms,tpot_ms\n"


@pytest.mark.parametrize(
    ("body", "code", "words", "line"),
    [
        ("m,h100_sxm,1024,128,4,10,abc\n", "CAL006", "`abc`", 2),
        ("m,h100_sxm,1024,128,4,10,=cmd|'/C calc'!A0\n", "CAL006", "=cmd", 2),
        ("m,h100_sxm,1024,128,4,0.01,0.012\n" * 4, "CAL008", "0.012 ms", 1),
        ("m,h100_sxm,1024,128,4\n", "CAL003", "5 cells", 2),
        ("m,,1024,128,4,10,12\n", "CAL007", "no model or GPU named", None),
        ("m,h100_sxm,1024,128,0,10,12\n", "CAL007", "no number of requests", None),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, body, code, words, line):
    path = tmp_path / "runs.csv"
    path.write_text(HEADER + body)
    with pytest.raises(DataError) as caught:
        lanes.calibrate([path], Options())
    (problem,) = caught.value.problems
    assert problem.code == code
    assert words in problem.message
    assert problem.line == line


def test_benchmark_text_is_never_kept(tmp_path):
    document = json.loads((DATA / "vllm_bench.json").read_text())
    document |= {"generated_texts": ["a secret"], "errors": ["another"], "input_lens": [1]}
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(document))
    found = lanes.sources.read([path], Options())
    assert "secret" not in str(found.frame.to_dicts())
    document["completed"] = "many"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="not a number"):
        lanes.calibrate([path], Options())


def test_wrong_size_setting_is_refused():
    with pytest.raises(DataError, match="not a whole number"):
        run("ttft_tpot.csv", tp="two")


def test_levels_are_whole_and_at_least_four():
    frame = generated(np.random.default_rng(4))
    blocks = checking.levels(frame)
    assert sorted(len(b) for b in blocks) == [3] * 7
    assert not checking.levels(generated(np.random.default_rng(4), loads=(1, 2, 4)))


def test_a_lane_fits_the_loads_it_is_asked_for():
    narrow, wide = run("ttft_tpot.csv", load="16:128"), run("ttft_tpot.csv")
    assert narrow.rows_used == wide.rows_used  # the surface takes all
    name = "qwen3_32b_h100_sxm_x2"
    seen = next(p for p in narrow.parameters if p.name == f"{name}.alpha_ms").fit["seen"]
    assert seen[0] > 8
    with pytest.raises(DataError, match="no range"):
        run("ttft_tpot.csv", load="16")


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("deep.json", '{"hidden_size": 1, "model_type": ' + "[" * 100_000),
        ("deep2.json", '{"model_id": 1, "total_output_tokens": 1, "completed": ' + "[" * 100_000),
        ("list.json", '[{"model_id": "m", "total_output_tokens": 1, "completed": 1}, 7]'),
        ("nan.txt", 'vllm:generation_tokens_total{model_name="m"} NaN\n'),
        ("word.txt", 'vllm:generation_tokens_total{model_name="m"} many\n'),
        ("cut.csv", "model,system,isl,osl,concurrency,tpot_ms\nm,h100_sxm,1,2"),
    ],
)
def test_hostile_files_end_in_a_message(tmp_path, name, raw):
    path = tmp_path / name
    path.write_text(raw)
    with pytest.raises(DataError):
        lanes.calibrate([path], Options(settings={"gpu": "h100_sxm"}))
