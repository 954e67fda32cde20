"""Starting from an earlier result costs or saves time, never correctness."""

from __future__ import annotations

import json

import pytest

from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.warm import StartError, Warm
from benchmarks.instances import draw
from tests.solver.cases import fleet

TRAITS = ("api", "gpu", "uses", "humans", "risk", "budget")


def document_of(seed: int, **more: object) -> dict:
    config = {**draw(8, seed, TRAITS), **more}
    return json.loads(json.dumps(solve(load_dict(config), ranges=False).to_dict()))


def test_the_same_config_starts_at_its_answer() -> None:
    cold = document_of(4)
    loaded = load_dict(draw(8, 4, TRAITS))
    warm = solve(loaded, ranges=False, warm_from=cold)
    assert warm.status == "optimal"
    assert warm.welfare == pytest.approx(cold["objective"]["welfare"], rel=2e-6)
    assert warm.solver["passes"] < cold["solver"]["passes"]
    reused = warm.solver["reused"]
    assert reused["prices"] == reused["of"] > 0


def test_classes_and_rows_may_come_and_go() -> None:
    cold = document_of(4)
    config = draw(8, 4, TRAITS)
    config["classes"].popitem()
    config["classes"]["new"] = {"rate_per_s": 0.01, "value_usd": 1.0, "output_tokens": 500}
    config.pop("budgets", None)
    truth = solve(load_dict(config), ranges=False)
    warm = solve(load_dict(config), ranges=False, warm_from=cold)
    assert warm.status == truth.status == "optimal"
    assert warm.welfare == pytest.approx(truth.welfare, rel=2e-6)
    assert 0 < warm.solver["reused"]["prices"]


@pytest.mark.parametrize("wild", [0.0, 1e9, 1e-12])
def test_a_foreign_start_never_changes_the_answer(wild: float) -> None:
    cold = document_of(4)
    start = {**cold["start"], "prices": {k: wild for k in cold["start"]["prices"]}}
    warm = solve(load_dict(draw(8, 4, TRAITS)), ranges=False, warm_from={**cold, "start": start})
    assert warm.status == "optimal"
    assert warm.welfare == pytest.approx(cold["objective"]["welfare"], rel=2e-6)


def test_a_start_of_nothing_known_is_a_cold_one() -> None:
    cold = document_of(4)
    start = {"prices": {"nobody knows me": 3.0}, "speeds": {}, "capability": {}, "worth": {}}
    warm = solve(load_dict(draw(8, 4, TRAITS)), ranges=False, warm_from={"start": start})
    assert warm.solver["reused"]["prices"] == 0
    assert warm.welfare == pytest.approx(cold["objective"]["welfare"], rel=2e-6)


@pytest.mark.parametrize("document", [{}, {"start": None}, {"start": {"prices": 3}}, []])
def test_a_file_without_prices_is_refused(document: object) -> None:
    with pytest.raises(StartError, match="no prices to start from"):
        Warm.read(document)


LISTED = ["deployments.own_h100.tpot_ms=[11]"]


@pytest.mark.parametrize("speeds", [[1e6], [-1.0], [1.5], [0.0], [1.0], [float("nan")], [0.9999]])
def test_speeds_of_a_start_that_are_none_change_no_answer(speeds):
    config = fleet()
    right = solve(load_dict(config), ranges=False)
    start = right.to_dict()
    start["start"]["speeds"] = {f: speeds for f in start["start"]["speeds"]}
    found = solve(load_dict(config), ranges=False, warm_from=start)
    assert found.status == "optimal"
    assert found.welfare == pytest.approx(right.welfare, rel=2e-6)


def test_speeds_that_the_config_lists_stay_those_and_no_others():
    free = solve(load_dict(fleet()), ranges=False)
    listed = load_dict(fleet(), overrides=LISTED)
    cold = solve(listed, ranges=False)
    warm = solve(listed, ranges=False, warm_from=free.to_dict())
    assert warm.welfare == pytest.approx(cold.welfare, rel=1e-6)
    assert {x["tpot_ms"] for x in warm.layers.serving} == {11.0}
    back = solve(load_dict(fleet()), ranges=False, warm_from=cold.to_dict())
    assert back.welfare == pytest.approx(free.welfare, rel=2e-6)
