"""Draws of the calibrated intervals: spreads, counts of what failed, the same for the same seed."""

import numpy as np
import pytest

from allocate.models.draws import drawable, draws
from allocate.models.loader import load_dict
from allocate.solver.result import check_result
from allocate.solver.solve import solve
from allocate.solver.studies.many import Asked, in_turn
from allocate.solver.studies.samples import (
    Outcome,
    SamplesError,
    configs,
    require_numbers,
    routes,
    sample,
    solved,
)

CONFIG = {
    "version": 1,
    "models": {
        "cheap": {"quality": 0.6, "cost_per_task_usd": 0.01},
        "dear": {"quality": 0.8, "cost_per_task_usd": 0.1},
    },
    "classes": {
        "low": {"rate_per_s": 1.0, "value_usd": 0.2},
        "high": {"rate_per_s": 0.5, "value_usd": 5.0},
    },
    "budgets": {"money_usd": 400},
    "calibrated": {
        "models.cheap.quality": {"value": 0.6, "low": 0.5, "high": 0.7, "most": 1},
        "classes.low.rate_per_s": {"value": 1.0, "low": 0.5, "high": 2.0},
    },
}
HERE = Asked(workers=1)


def sampled(config, count=24, asked=HERE):
    loaded = load_dict(config)
    base = solve(loaded, ranges=False).to_dict()
    return base, sample(loaded, base, count, asked)


def test_spread_is_that_of_solving_each_draw_alone():
    base, got = sampled(CONFIG)
    drawn = draws(drawable(load_dict(CONFIG).config), 24, 0)
    alone = []
    for values in drawn:
        config = load_dict(CONFIG, overrides=[f"{k}={v!r}" for k, v in values.items()])
        alone.append(solve(config, ranges=False).welfare)
    assert got["statuses"] == {"optimal": 24}
    assert [d["welfare"] for d in got["draws"]] == pytest.approx(alone, rel=1e-6)
    ends = np.quantile(alone, [0.05, 0.5, 0.95])
    spread = got["welfare"]
    assert [spread["p05"], spread["median"], spread["p95"]] == pytest.approx(list(ends), rel=1e-6)
    assert spread["value"] == base["objective"]["welfare"]
    budget = next(p for p in got["prices"] if p["resource"] == "budgets.money_usd")
    assert budget["p05"] <= budget["median"] <= budget["p95"]
    check_result({**base, "samples": got})


def test_the_same_seed_gives_the_same_and_another_another():
    first, again, other = (sampled(CONFIG, 4, Asked(seed=s, workers=1))[1] for s in (1, 1, 2))
    assert first["draws"] == again["draws"]
    assert first["draws"] != other["draws"]


def test_a_draw_that_cannot_be_kept_is_counted_and_does_not_spread():
    limits = {"budgets": {"money_usd": 40}, "classes": {
        "low": {"rate_per_s": 1.0, "value_usd": 0.2, "decline": False},
    }}  # fmt: skip
    _, got = sampled({**CONFIG, **limits})
    assert got["statuses"]["infeasible"] > 0
    assert got["statuses"]["infeasible"] + got["certified"] == got["finished"] == 24
    lost = [d for d in got["draws"] if d["status"] == "infeasible"]
    assert all(d["message"] and d["welfare"] is None and not d["holds"] for d in lost)


def test_a_draw_that_is_no_config_is_refused_and_counted():
    entry = {"value": 0.6, "low": 0.2, "high": 3.0}  # no `most`: shares above 1 are drawn
    _, got = sampled({**CONFIG, "calibrated": {"models.cheap.quality": entry}})
    assert got["statuses"]["refused"] > 0
    assert got["statuses"]["refused"] + got["certified"] == 24


def test_shares_of_a_class_and_of_all_requests_sum_to_1():
    base, got = sampled(CONFIG, 6)
    for of in (None, "low", "high"):
        lines = [d for d in got["decisions"] if d["class"] == of]
        assert sum(d["value"] for d in lines) == pytest.approx(1.0)
    assert set(routes(base["layers"]["router"])) <= {
        (d["class"], d["model"], d["autonomy"], None, None) for d in got["decisions"]
    }


def test_workers_give_what_one_process_gives():
    loaded = load_dict(CONFIG)
    base = solve(loaded, ranges=False).to_dict()
    one = sample(loaded, base, 4, HERE)
    two = sample(loaded, base, 4, Asked(workers=2))
    for a, b in zip(one["draws"], two["draws"], strict=True):
        assert a["welfare"] == pytest.approx(b["welfare"], rel=1e-9)


def test_the_seam_takes_configs_and_what_is_none():
    loaded = load_dict(CONFIG)
    base = solve(loaded, ranges=False).to_dict()
    mixed = [Outcome("refused"), *configs(loaded, [{"models.cheap.quality": 0.5}])]
    out = dict(in_turn(iter(mixed), base, 2, HERE, solved))
    assert out[0].status == "refused"
    assert out[1].status == "optimal"
    assert out[1].welfare < base["objective"]["welfare"]


@pytest.mark.parametrize(
    ("calibrated", "words"),
    [
        ({}, "this config has none"),
        ({"models.cheap.quality": {"value": 0.6}}, "models.cheap.quality: it has no interval"),
    ],
)
def test_nothing_to_draw_is_an_error(calibrated, words):
    with pytest.raises(SamplesError, match=words):
        require_numbers(load_dict({**CONFIG, "calibrated": calibrated}))
