"""Request logs: formats, what is dropped, known parameters, and the half that was not seen."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from allocate.errors import DataError
from allocate.models.calibration import trace
from allocate.models.calibration.result import LEVEL, Options
from allocate.models.calibration.trace import arrivals, lengths, queue
from allocate.models.calibration.trace.clock import Clock

DATA = Path(__file__).parents[1] / "data" / "trace"
AZURE = DATA / "azure_code_2023.csv.gz"


def table(tmp_path, rows, header="time,input_tokens,output_tokens", name="t.csv"):
    path = tmp_path / name
    path.write_text(header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def poisson(seed=0, n=200, rate=2.0):
    draw = np.random.default_rng(seed)
    return np.cumsum(draw.exponential(1 / rate, n))


# --- formats -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "recognised", "rows", "mean_input"),
    [
        ("azure_code_2023.csv.gz", "Azure LLM inference trace (CSV)", 8819, 2047.848),
        ("burstgpt.csv", "BurstGPT trace (CSV)", 60, 2434.0),
        ("vidur.csv", "Vidur processed trace (CSV)", 60, 2434.0),
        ("splitwise.csv", "Splitwise-sim trace (CSV)", 60, 2434.0),
        ("mooncake.jsonl", "Mooncake trace (JSON lines, times in ms)", 200, 13168.0),
    ],
)
def test_formats(name, recognised, rows, mean_input):
    assert trace.detects(DATA / name) == recognised
    found = trace.calibrate([DATA / name], Options())
    assert (found.recognised, found.rows_used) == (recognised, rows)
    assert found.rows_dropped == {}
    assert found.value("mean_input_tokens") == pytest.approx(mean_input, rel=0.2)
    assert found.sources[0].rows == rows
    assert 1 < found.value("arrival_rate_per_s") < 6


def test_the_azure_figures_are_those_of_the_file():
    """Against a plain count: 8,819 requests in 3,436 s."""
    found = trace.calibrate([AZURE], Options())
    assert found.value("arrival_rate_per_s") == pytest.approx(8819 / 3435.95, rel=1e-4)
    assert found.value("mean_input_tokens") == pytest.approx(2047.848, rel=1e-6)
    assert found.value("mean_output_tokens") == pytest.approx(27.8825, rel=1e-5)
    assert found.value("gap_variation") == pytest.approx(13.15, abs=0.01)
    classes = found.fragment["classes"]
    assert sum(c["rate_per_s"] for c in classes.values()) == pytest.approx(2.5667, rel=1e-3)
    assert found.tables["rates"]["requests"].sum() == 8819


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        (None, lambda t: f"{t:.6f}"),
        ("ms", lambda t: f"{1000 * t:.3f}"),
        (None, lambda t: f"{1.7e9 + t:.6f}"),
        (None, lambda t: f"{1000 * (1.7e9 + t):.3f}"),
        (None, lambda t: f"{int(1e9 * (1.7e9 + t))}"),
        (None, lambda t: str(datetime.fromtimestamp(1.7e9 + t, UTC).replace(tzinfo=None))),
        (None, lambda t: datetime.fromtimestamp(1.7e9 + t, UTC).isoformat()),
    ],
)
def test_times_in_any_unit_give_the_same_rate(tmp_path, unit, written):
    path = table(tmp_path, [(written(t), 100, 10) for t in poisson()])
    settings = {"time_unit": unit} if unit else {}
    found = trace.calibrate([path], Options(settings=settings))
    times = poisson()
    assert found.value("arrival_rate_per_s") == pytest.approx(
        200 / (times[-1] - times[0]), rel=2e-3
    )


def test_offsets_are_one_clock():
    clock = Clock(Path("x"))
    texts = pl.Series(
        ["2024-05-10 00:00:00.5+00:00", "2024-05-10T02:00:01+0200", "2024-05-10T00:00:02Z"]
    )
    seconds = clock.seconds(texts, 2)
    assert (seconds - seconds[0]).to_list() == pytest.approx([0, 0.5, 1.5])


def test_any_csv_by_map_and_what_is_dropped_says_why(tmp_path):
    good = [(t, 50, 5) for t in poisson()]
    bad = [
        ("", 1, 1), (500, "=cmd|' /C calc'!A0", 1), (500, 1, ""), (500, -3, 1), (500, 1, 1e12),
        (500, 0, 0), ("inf", 1, 1), (500, "4k", 1), (500, "nan", 1),
    ]  # fmt: skip
    path = table(tmp_path, good + bad, "when,p,g")
    options = Options({"timestamp": "when", "input_tokens": "p", "output_tokens": "g"})
    found = trace.calibrate([path], options)
    assert found.rows_used == 200
    assert found.rows_dropped == {
        "no readable time": 2,
        "input tokens are not a number": 3,
        "output tokens are not a number": 1,
        "negative tokens": 1,
        "more than 100 million tokens": 1,
        "no tokens at all": 1,
    }


@pytest.mark.parametrize(
    ("rows", "code", "message"),
    [
        ([(1.7e9 + t, 1, 1) for t in range(40)] + [(1.7e12, 1, 1)], "CAL008", "does not fit"),
        ([("2024-01-01 00:00:00", 1, 1)] + [(t, 1, 1) for t in range(40)], "CAL008", "dates in"),
        ([(5, 1, 1)] * 40, "CAL007", "within 0 s"),
        ([(1, 1, 1), (2, 1, 1)], "CAL007", "2 usable requests"),
        ([("x", "y", "z")] * 50, "CAL007", "0 usable requests"),
    ],
)
def test_logs_that_cannot_be_fitted(tmp_path, rows, code, message):
    with pytest.raises(DataError, match=message) as caught:
        trace.calibrate([table(tmp_path, rows)], Options())
    assert caught.value.problems[0].code == code


def test_a_missing_column_says_what_the_file_has(tmp_path):
    path = table(tmp_path, [(1, 2, 3)] * 30, "time,a,b")
    with pytest.raises(DataError, match="no column was found for input_tokens, output_tokens"):
        trace.calibrate([path], Options())


def judged(found, options):
    trace.calibrate([DATA / "vidur.csv"], options)
    trace.check(found, [DATA / "vidur.csv"], options)


@pytest.mark.parametrize("name", ["busy", "periods", "classes", "until_s", "time_unit"])
def test_wrong_settings_are_told(name):
    options = Options(settings={name: "0.x"})
    found = trace.calibrate([DATA / "vidur.csv"], Options())
    with pytest.raises(DataError) as caught:
        judged(found, options)
    assert caught.value.problems[0].code == "CAL009"


# --- fits ----------------------------------------------------------------------------------


def bursty(seed, hours=0.5, rate=1.0):
    """A log with known parameters: two classes, and a rate drawn anew every 10 s."""
    draw = np.random.default_rng(seed)
    steps = int(hours * 360)
    counts = draw.poisson(10 * rate * draw.gamma(4, 1 / 4, size=steps))
    times = np.sort(10 * (np.repeat(np.arange(steps), counts) + draw.random(counts.sum())))
    long = draw.random(len(times)) < 0.3
    inputs = np.where(long, 8000, 500) * draw.lognormal(0, 0.2, len(times))
    outputs = np.where(long, 400, 30) * draw.lognormal(0, 0.2, len(times))
    return list(zip(times.round(4), inputs.round(), outputs.round(), strict=True))


@pytest.mark.slow
def test_known_parameters_lie_in_their_intervals(tmp_path):
    draw = np.random.default_rng(0)
    minutes = draw.poisson(10 * draw.gamma(4, 1 / 4, size=(200_000, 6))).sum(axis=1)
    spread = np.exp(0.02)  # mean of the lognormal factor
    truth = {
        "arrival_rate_per_s": 1.0,
        "mean_input_tokens": (0.3 * 8000 + 0.7 * 500) * spread,
        "mean_output_tokens": (0.3 * 400 + 0.7 * 30) * spread,
        "burstiness": np.quantile(minutes, 0.9) / minutes.mean(),
    }
    by_class = {"rate": (0.7, 0.3), "prompt": (500 * spread, 8000 * spread)}
    tries = 40
    held = dict.fromkeys([*truth, *by_class], 0)
    for seed in range(tries):
        found = trace.calibrate([table(tmp_path, bursty(seed))], Options())
        for p in found.parameters:
            if p.name in truth:
                held[p.name] += p.low <= truth[p.name] <= p.high
        classes = found.tables["classes"]
        assert classes.height == 2
        for name, wanted in by_class.items():
            k = seed % 2
            held[name] += classes[f"{name}_low"][k] <= wanted[k] <= classes[f"{name}_high"][k]
    least = binom.ppf(0.01, tries, LEVEL)
    assert min(held.values()) >= least, held
    assert sum(held.values()) >= 0.87 * tries * len(held), held


def test_poisson_arrivals_are_hardly_bursty(tmp_path):
    rows = [(t, 100, 10) for t in poisson(n=20_000, rate=5.0)]
    found = trace.calibrate([table(tmp_path, rows)], Options())
    assert found.value("gap_variation") == pytest.approx(1, abs=0.03)
    # the 90th percentile of a Poisson count of mean 300: 1 + 1.28 / sqrt(300)
    assert found.value("burstiness") == pytest.approx(1.074, abs=0.03)


def test_a_day_becomes_periods(tmp_path):
    """Three days at 0.02/s, but four times as much from 9 to 17."""
    draw = np.random.default_rng(1)
    hours = np.tile(np.where((np.arange(24) >= 9) & (np.arange(24) < 17), 0.08, 0.02), 3)
    times = np.concatenate([
        1704067200 + 3600 * h + np.sort(3600 * draw.random(draw.poisson(3600 * rate)))
        for h, rate in enumerate(hours)
    ])  # fmt: skip
    path = table(tmp_path, [(f"{t:.3f}", 100, 10) for t in times])
    periods = trace.calibrate([path], Options(settings={"periods": "2"})).fragment["periods"]
    assert list(periods) == ["h09_h17", "h17_h09"]
    assert [p["hours"] for p in periods.values()] == [8, 16]
    scales = [p["demand_scale"] for p in periods.values()]
    assert scales == pytest.approx([2.0, 0.5], rel=0.05)


def test_clusters_do_not_depend_on_the_order_of_rows():
    draw = np.random.default_rng(2)
    inputs = np.concatenate([draw.lognormal(5, 0.2, 300), draw.lognormal(9, 0.2, 200)])
    outputs = np.full(500, 20.0)
    labels = lengths.cluster(inputs, outputs, None, 0)
    assert labels.tolist() == [0] * 300 + [1] * 200
    turned = lengths.cluster(inputs[::-1], outputs, None, 0)
    assert turned.tolist() == labels[::-1].tolist()


def test_one_size_is_one_class(tmp_path):
    found = trace.calibrate([table(tmp_path, [(t, 7, 7) for t in poisson()])], Options())
    assert list(found.fragment["classes"]) == ["in7_out7"]


# --- streaming ------------------------------------------------------------------------------


def test_blocks_bins_and_samples_change_nothing_that_is_exact(tmp_path, monkeypatch):
    path = table(tmp_path, bursty(5))
    whole = trace.calibrate([path], Options())
    monkeypatch.setattr("allocate.models.calibration.reading.BLOCK", 2000)
    monkeypatch.setattr("allocate.models.calibration.trace.stream.SAMPLE", 300)
    monkeypatch.setattr("allocate.models.calibration.trace.stream.MOST_BINS", 500)
    parts = trace.calibrate([path], Options())
    assert parts.state["log"].width > 1
    assert parts.state["log"].sample.height == 300
    for name in ("arrival_rate_per_s", "mean_input_tokens", "mean_output_tokens", "gap_variation"):
        assert parts.value(name) == pytest.approx(whole.value(name), rel=1e-9)
    rates = [c["rate_per_s"] for c in parts.fragment["classes"].values()]
    assert sum(rates) == pytest.approx(parts.value("arrival_rate_per_s"), rel=1e-5)


def test_two_files_are_one_log(tmp_path):
    rows = bursty(6)
    one = trace.calibrate([table(tmp_path, rows)], Options())
    files = [table(tmp_path, rows[:100], name="a.csv"), table(tmp_path, rows[100:], name="b.csv")]
    two = trace.calibrate(files, Options())
    assert [p.value for p in one.parameters] == pytest.approx([p.value for p in two.parameters])
    assert [s.name for s in two.sources] == ["a.csv", "b.csv"]


# --- the queue ------------------------------------------------------------------------------


def test_waits_are_those_of_a_step_by_step_queue():
    draw = np.random.default_rng(3)
    times, work = np.sort(draw.random(500)) * 400, draw.exponential(0.7, 500)
    free, slow = 0.0, []
    for t, s in zip(times, work, strict=True):
        slow.append(max(free - t, 0.0))
        free = max(free, t) + s
    assert queue.waits(times, work) == pytest.approx(slow, abs=1e-9)


def test_poisson_arrivals_wait_as_pollaczek_says(tmp_path):
    rows = [(t, 1000, 20) for t in poisson(n=60_000, rate=2.0)]
    path = table(tmp_path, rows)
    found = trace.calibrate([path], Options())
    judged = trace.check(found, [path], Options())["queueing_delay"]
    assert judged["measured_mean_wait_s"] == pytest.approx(judged["poisson_mean_wait_s"], rel=0.1)
    assert judged["predicted_mean_wait_s"] == pytest.approx(judged["poisson_mean_wait_s"], rel=0.1)


def test_the_second_half_of_the_azure_trace_from_the_first():
    """Out of sample. The rates of the halves differ by more than half: the trace is that bursty."""
    options = Options(settings={"until_s": "1718", "check_from_s": "1718"})
    found = trace.calibrate([AZURE], options)
    judged = trace.check(found, [AZURE], options)
    for name in ("arrival_rate_per_s", "mean_input_tokens", "mean_output_tokens", "burstiness"):
        assert judged[name]["within_interval"], judged[name]
    assert abs(judged["mean_input_tokens"]["relative_error"]) < 0.03
    assert abs(judged["mean_output_tokens"]["relative_error"]) < 0.04
    wait = judged["queueing_delay"]
    # At the load of the second half, bursts of the first predict its wait within a quarter,
    assert wait["predicted_mean_wait_s"] == pytest.approx(wait["measured_at_same_load_s"], rel=0.25)
    # which Poisson arrivals miss by a factor of more than ten.
    assert wait["measured_at_same_load_s"] > 10 * wait["poisson_mean_wait_s"]


def test_segments_are_the_best_ones():
    values = np.array([1.0, 1, 5, 5, 5, 2, 2, 1])
    found = arrivals.periods(np.repeat(values, 3), 3)
    assert sum(hours for _, hours, _ in found) == 24
    assert {(first, hours) for first, hours, _ in found} == {(6, 9), (15, 6), (21, 9)}
