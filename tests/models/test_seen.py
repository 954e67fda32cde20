"""An answer that leaves the range of a calibrated number says so, with where the number stands."""

import pytest

from allocate.errors import ConfigError
from allocate.models.loader import load, load_dict
from allocate.models.reading.seen import farthest
from allocate.solver.solve import solve
from tests.models.test_draws import BASE

RATE = "classes.a.rate_per_s"


def answer(calibrated, *overrides):
    loaded = load_dict({**BASE, "calibrated": calibrated}, overrides=overrides)
    return solve(loaded, ranges=False)


@pytest.mark.parametrize(
    ("span", "away"),
    [((2, 3), None), ((0.9, 3), 0.9), ((2, 5), 5), ((0.1, 4.1), 0.1), ((0.995, 4.03), None)],
)
def test_the_farthest_end_outside(span, away):
    assert farthest(span, (1.0, 4.0)) == away


def test_arrivals_beyond_the_log_are_extrapolated_with_demand():
    entry = {RATE: {"value": 2.0, "of": "requests_per_s", "seen": [1.0, 3.0]}}
    assert answer(entry).to_dict()["extrapolated"] == []
    found = answer(entry, "demand.scale=2")
    assert found.to_dict()["extrapolated"] == [
        {"parameters": [RATE], "of": "requests_per_s", "unit": "requests/s",
         "seen": [1.0, 3.0], "answer": pytest.approx(4.0), "at": RATE}
    ]  # fmt: skip
    words = "is used at 4 requests/s, and has been seen from 1 to 3 only"
    assert any(words in w for w in found.warnings())


def test_batch_and_context_of_a_lane():
    entries = {
        f"deployments.lane.{name}": {"value": value, "of": of, "seen": seen}
        for name, value, of, seen in (
            ("alpha_ms", 10, "batch", [1000, 2000]),
            ("beta_ms", 0.1, "batch", [1000, 2000]),
            ("gamma_ms_per_ktok", 0.02, "context_tokens", [1, 1e9]),
        )
    }
    found = answer(entries, "models.api.api.output_usd_per_mtok=1000").to_dict()
    lanes = [line["batch"] for line in found["layers"]["serving"]]
    assert lanes
    (record,) = found["extrapolated"]
    assert record["parameters"] == ["deployments.lane.alpha_ms", "deployments.lane.beta_ms"]
    assert record["answer"] == pytest.approx(min(lanes))


def test_tokens_written_beyond_those_of_the_scores():
    entry = {"value": [0.5, 0.6, 0.65], "of": "output_tokens", "seen": [1, 2]}
    found = answer(
        {"models.own.success.points": entry}, "models.api.api.output_usd_per_mtok=1000"
    ).to_dict()
    written = [x["tokens"]["answer"] for x in found["layers"]["autonomy"] if x["model"] == "own"]
    assert found["extrapolated"][0]["answer"] == pytest.approx(max(written))


def test_a_number_of_the_users_own_is_not_the_calibrations():
    entry = {RATE: {"value": 1.9, "of": "requests_per_s", "seen": [5.0, 6.0]}}
    assert answer(entry).to_dict()["extrapolated"] == []


def test_without_calibrated_numbers_nothing_is_said():
    assert "extrapolated" not in solve(load_dict(BASE), ranges=False).to_dict()


def test_the_place_is_that_of_the_number_in_the_included_file(tmp_path):
    (tmp_path / "piece.yaml").write_text(
        "classes:\n  a: {rate_per_s: 2.0}\ncalibrated:\n"
        f"  {RATE}: {{value: 2.0, of: requests_per_s, seen: [5, 6]}}\n"
    )
    (tmp_path / "config.yaml").write_text(
        "version: 1\ninclude: [piece.yaml]\nmodels: {m: {quality: 0.5}}\n"
        "classes: {a: {value_usd: 1}}\n"
    )
    loaded = load(tmp_path / "config.yaml")
    assert loaded.places[RATE] == f"{tmp_path / 'piece.yaml'}:2:19"
    said = solve(loaded, ranges=False).warnings()
    assert any("piece.yaml:2:19" in w for w in said)


def test_a_path_that_leads_nowhere_is_an_error():
    with pytest.raises(ConfigError) as caught:
        load_dict({**BASE, "calibrated": {"classes.b.rate_per_s": {"value": 1}}})
    assert caught.value.problems[0].code == "CFG012"
