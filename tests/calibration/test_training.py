"""Training runs → gains, staleness, depreciation: recovery, formats, disagreement."""

from pathlib import Path

import numpy as np
import pytest

from allocate.errors import DataError
from allocate.models.calibration import training
from allocate.models.calibration.result import Options
from allocate.models.calibration.training import formats, gain, staleness
from allocate.models.curves.capability import ScalingLaw
from allocate.models.curves.success import Saturating

DATA = Path(__file__).parents[1] / "data" / "training"


def run(*names, **settings):
    return training.calibrate([DATA / name for name in names], Options(settings=settings))


def test_known_saturating_gain_lies_in_its_intervals():
    rng = np.random.default_rng(1)
    x = np.linspace(2000, 60000, 25)
    true = np.asarray(Saturating(0.3, 15000.0).value(x))
    hits = np.zeros(2)
    for _ in range(80):
        found = gain.saturating(x, 0.3 + true + rng.normal(0, 0.01, len(x)))
        assert found is not None
        spans = found.values["ceiling"], found.values["scale"]
        hits += [low <= t <= high for (_, low, high), t in zip(spans, (0.3, 15000), strict=True)]
    assert np.all(hits / 80 >= 0.83), hits / 80
    assert np.all(hits / 80 <= 0.97), hits / 80


@pytest.mark.slow
def test_known_scaling_law_lies_in_its_intervals_and_is_chosen():
    rng = np.random.default_rng(2)
    law = ScalingLaw(0.02, 300.0, 4000.0, 0.3)
    start = 1 - (0.02 + 300.0 / 4000.0) ** 0.3
    assert law.start == pytest.approx(start)
    x = np.geomspace(200, 100000, 40)
    hits, n = np.zeros(4), 12
    for _ in range(n):
        found = gain.fit(x, start + np.asarray(law.value(x)) + rng.normal(0, 0.004, len(x)))
        assert found is not None
        assert found.form == "scaling_law"
        for i, name in enumerate(("floor", "b", "c", "power")):
            _, low, high = found.values[name]
            hits[i] += low <= getattr(law, name) <= high
        # the numbers are only loosely known, the gain is known well
        assert found.gain(x[-1]) + found.start == pytest.approx(start + law.value(x[-1]), abs=0.01)
    assert np.all(hits / n >= 0.75), hits / n


def test_known_efficiency_and_decay_lie_in_their_intervals():
    rng = np.random.default_rng(3)
    true = np.array([1, 0.97, 0.93, 0.85, 0.7, 0.5])
    versions = np.repeat([0.0, 1, 2, 4, 8, 16], 3)
    hits, decays = np.zeros(6), 0
    age = np.linspace(0, 2000, 30)
    for i in range(80):
        score = 0.3 + 0.13 * np.repeat(true, 3) + rng.normal(0, 0.005, 18)
        found = staleness.fit(versions, score, 0.3, draws=150, seed=i)
        hits += (found.low <= true + 1e-12) & (true <= found.high + 1e-12)
        left = 0.1 * np.exp(-age / 720 + rng.normal(0, 0.1, 30))
        rate = staleness.decay(age, left)
        assert rate is not None
        decays += rate.low <= 1 / 720 <= rate.high
    assert np.all(hits / 80 >= 0.82), hits / 80
    assert 0.82 <= decays / 80 <= 0.97


def test_areal_table():
    names = ("staleness.csv", "sync_async.csv", "law.csv")
    calibration = run(*names, model="qwen", size="32B", samples="51200")
    assert calibration.recognised.startswith("score against staleness, training hours")
    alone = run(*names[:2])
    assert alone.fragment == {}
    assert any("the fragment is empty" in note for note in alone.notes)
    menu = calibration.fragment["training"]["assets"]["rl"]["staleness"]
    assert [level["versions"] for level in menu] == [0, 1, 2, 4, 8, 16]
    efficiencies = [level["efficiency"] for level in menu]
    assert efficiencies == sorted(efficiencies, reverse=True)
    assert menu[0]["cost"] == pytest.approx(41 / 14.8, rel=1e-4)
    assert menu[3]["cost"] == 1
    notes = " ".join(calibration.notes)
    assert "naive_ppo/AIME24 does not fall steadily" in notes
    assert "no score of the untrained model on AIME25" in notes
    table = calibration.tables["staleness"]
    decoupled = table.filter(table["algorithm"] == "decoupled_ppo")
    assert decoupled["scores_alone"].to_list()[3] == pytest.approx((42.2 - 29.3) / (42 - 29.3))


def test_a_base_score_is_needed_and_taken():
    calibration = run("staleness.csv", base="AIME24=29.3|AIME25=24")
    names = [p.name for p in calibration.parameters]
    assert "decoupled_ppo/AIME25.efficiency_8" in names
    with pytest.raises(DataError, match="untrained model"):
        run("staleness.csv")


def test_law_of_others_has_no_interval():
    calibration = run("law.csv", size="32B", samples="51200")
    numbers = calibration.fragment["training"]["assets"]["rl"]["gain"]
    assert numbers["floor"] == pytest.approx(0.0107835, rel=1e-4)
    assert numbers["power"] == pytest.approx(0.1981144, rel=1e-5)
    assert numbers["samples"] == 51200
    assert calibration.to_dict()["parameters"][0]["low"] is None
    with pytest.raises(DataError, match="B0_8B"):
        run("law.csv", size="8B")


def write_curve(path, score):
    x = np.linspace(1000, 40000, 24)
    rows = "\n".join(f"{a:.0f},{b:.5f}" for a, b in zip(x, score(x), strict=True))
    path.write_text("samples,score\n" + rows + "\n")


def test_half_a_run_predicts_the_other_half(tmp_path):
    rng = np.random.default_rng(4)
    curve = Saturating(0.25, 6000.0)
    write_curve(tmp_path / "run.csv", lambda x: 0.4 + curve.value(x) + rng.normal(0, 0.004, len(x)))
    lines = (tmp_path / "run.csv").read_text().splitlines()
    (tmp_path / "a.csv").write_text("\n".join(lines[:14]) + "\n")
    (tmp_path / "b.csv").write_text("\n".join([lines[0], *lines[14:]]) + "\n")
    calibration = training.calibrate([tmp_path / "a.csv"], Options())
    check = training.check(calibration, [tmp_path / "b.csv"], Options())
    assert check["score"]["run"]["points"] == 11
    assert check["score"]["run"]["max_error_points"] < 3


def test_a_late_start_is_said_to_disagree(tmp_path):
    write_curve(tmp_path / "s.csv", lambda x: 0.2 + 0.4 / (1 + np.exp(-(x - 20000) / 2500)))
    calibration = training.calibrate([tmp_path / "s.csv"], Options())
    assert any("sigmoid" in note for note in calibration.notes)


def test_age_of_a_training(tmp_path):
    path = tmp_path / "age.csv"
    hours = np.linspace(0, 1500, 12)
    rows = "\n".join(f"{h},{30 + 10 * np.exp(-h / 720):.4f}" for h in hours)
    path.write_text("age_h,score\n" + rows + "\n")
    calibration = training.calibrate([path], Options(settings={"base": "30"}))
    assert calibration.value("depreciation_per_h") == pytest.approx(1 / 720, rel=1e-3)
    assert calibration.fragment == {}  # an asset needs a gain


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("samples,score\n1,abc\n", "CAL006", "`abc`"),
        ("samples,score\n1,250\n", "CAL008", "neither"),
        ("samples,score\n1,0.2\n2,0.3\n3,0.4\n4,55\n", "CAL008", "some scores"),
        ("samples,score\n1,0.2\n2,0.3\n", "CAL007", "nothing could be fitted"),
        ("height,width\n1,2\n", "CAL005", "no score"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, text, code, words):
    path = tmp_path / "f.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        training.calibrate([path], Options())
    (problem,) = caught.value.problems
    assert problem.code == code
    assert words in problem.message


# --- which run, which benchmark, which model ---------------------------------------------------


def curve_rows(run, count, noise):
    rng = np.random.default_rng(7)
    x = np.linspace(1000, 40000, count)
    y = 0.4 + np.asarray(Saturating(0.25, 6000.0).value(x)) + rng.normal(0, noise, count)
    return "".join(f"{run},{a:.0f},{b:.5f}\n" for a, b in zip(x, y, strict=True))


def test_the_interval_of_a_gain_is_that_of_its_own_run(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("run,samples,score\n" + curve_rows("a", 5, 0.01) + curve_rows("b", 20, 0.002))
    found = training.calibrate([path], Options())
    own = {p.name: p.fit for p in found.parameters}["b.gain.ceiling"]
    entry = found.grounds["training.assets.rl.gain.ceiling"]
    assert entry["rows"] == own["rows"] == 20
    deviation = own["goodness"]["deviation_points"]
    assert entry["goodness"]["deviation_points"] == pytest.approx(deviation, rel=1e-5)
    assert any("the fragment holds the gain of b" in note for note in found.notes)


def aged(tmp_path, header="age_h,score", end="", rate=1 / 720):
    path = tmp_path / "age.csv"
    hours = np.linspace(0, 1500, 12)
    rows = "".join(f"{h},{30 + 10 * np.exp(-h * rate):.4f}{end}\n" for h in hours)
    path.write_text(f"{header}\n{rows}")
    return path


@pytest.mark.parametrize("base", ["AIME24=29.3|AIME25=24", "AIME25=24|AIME24=29.3"])
def test_depreciation_does_not_hang_on_the_order_of_the_base_scores(tmp_path, base):
    settings = {"base": base}
    with pytest.raises(DataError, match="scores by age do not say theirs") as caught:
        training.calibrate([aged(tmp_path)], Options(settings=settings))
    assert caught.value.problems[0].code == "CAL009"
    told = aged(tmp_path, "age_h,score,benchmark", ",AIME24")
    rate = training.calibrate([told], Options(settings=settings)).value("depreciation_per_h")
    alone = training.calibrate([aged(tmp_path)], Options(settings={"base": "29.3"}))
    assert rate == alone.value("depreciation_per_h")
    check = training.check(alone, [told], Options(settings=settings))
    assert check["depreciation_per_h"]["within_interval"] is True


def test_ages_of_two_benchmarks_are_one_too_many(tmp_path):
    path = aged(tmp_path, "age_h,score,benchmark", ",x")
    path.write_text(path.read_text() + "10,35,y\n")
    with pytest.raises(DataError, match="of several benchmarks"):
        training.calibrate([path], Options(settings={"base": "29.3"}))


def test_hours_are_those_of_the_smallest_model_whatever_the_order(tmp_path):
    lines = (DATA / "sync_async.csv").read_text().splitlines()
    turned = tmp_path / "sync_async.csv"
    turned.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    kept = []
    for path in (DATA / "sync_async.csv", turned):
        found = training.calibrate([DATA / "staleness.csv", path], Options())
        kept.append({p.name: p.value for p in found.parameters})
        assert any("hours of R1-Distill-Qwen-1.5B" in note for note in found.notes)
    assert kept[0] == kept[1]
    assert kept[0]["cost_without_staleness"] == pytest.approx(41 / 14.8)


@pytest.mark.parametrize(
    ("run", "size"), [("R1-Distill-Qwen-1.5B", 1.5e9), ("qwen_1p5b", 1.5e9), ("Qwen2.5-72B", 72e9),
                      ("SmolLM-360M", 3.6e8), ("gpt-4", np.inf)]
)  # fmt: skip
def test_size_of_a_model_in_its_name(run, size):
    assert formats.size(run) == size


def test_a_table_that_cannot_stand_alone_says_what_it_needs():
    with pytest.raises(DataError, match="nothing could be fitted") as caught:
        run("staleness.csv")
    assert "--option base=29.3" in str(caught.value.problems[0].hint)
