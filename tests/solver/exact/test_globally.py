"""Training × routing over all capabilities: against grids, and against a judge that replays."""

import itertools
import json

import numpy as np
import pytest

from allocate.models.investing import shared
from allocate.models.loader import load_dict
from allocate.models.state import State
from allocate.solver.answer import Request, answer_to
from allocate.solver.exact.amounts import Amounts
from allocate.solver.exact.branching import Limits, search
from allocate.solver.global_certificate import Cut, Proof, certify_globally, proved_bound
from allocate.solver.methods.start import first_prices
from allocate.solver.result import check_result
from allocate.solver.solve import solve
from tests.solver.exact.cases import random, two_optima


def direct(config: dict, amounts: np.ndarray) -> float:
    """Welfare at given gains, by hand: every class takes its best model, inputs are inverted."""
    out, assets = 0.0, list(config["training"]["assets"].values())
    gain = {a["model"]: g for a, g in zip(assets, amounts, strict=True)}
    for k in config["classes"].values():
        best = 0.0
        for name, m in config["models"].items():
            more = k.get("trainability", 1.0) * gain.get(name, 0.0)
            best = max(best, k["value_usd"] * (m["quality"] + more) - m["cost_per_task_usd"])
        out += 3600 * k["rate_per_s"] * best
    for a, g in zip(assets, amounts, strict=True):
        form = a["gain"]
        if form["form"] == "saturating":
            index = (
                -form["scale"] * np.log1p(-g / form["ceiling"]) if g < form["ceiling"] else np.inf
            )
        elif form["form"] == "cobb_douglas":
            index = g / form["scale"]
        else:
            start = (form["floor"] + form["b"] / form["c"]) ** form["power"]
            error = max(start - g, 0.0) ** (1 / form["power"]) - form["floor"]
            index = (form["b"] / error - form["c"]) / form["samples"] if error > 0 else np.inf
        made = a["rollout"]
        tokens = max(index, 0.0) ** (1 / made["exponent"]) * made["reference_tokens"]
        out -= tokens * config["training"]["depreciation_per_h"] * made["price_usd_per_mtok"] / 1e6
        std = a.get("gain_std", 0.0)
        out -= config["training"].get("risk_aversion", 0.0) / 2 * (std * g) ** 2
    return out


def grid_best(config: dict, most: np.ndarray, steps: int) -> float:
    axes = [np.linspace(0.0, m, steps) for m in most]
    return max(direct(config, np.array(a)) for a in itertools.product(*axes))


def searched(config: dict, gap: float = 1e-4, **limits):
    loaded = load_dict(config)
    goods = shared(loaded.config, loaded.classes, State())
    assert goods is not None
    quiet = Request("prices")
    start = first_prices(goods.at(np.zeros(len(goods.goods))))
    problem = Amounts(goods, lambda p, d: answer_to(p, d, quiet, warm=True), start)
    ended = search(problem, Limits(lambda best: gap * abs(best), **limits))
    return goods, problem, ended


def test_a_fixed_point_is_wrong_where_returns_increase(monkeypatch):
    monkeypatch.setattr("allocate.solver.solve.second_start", lambda *_: None)  # which finds it
    config = two_optima()
    found = solve(load_dict(config), ranges=False, search_s=60.0)
    document = found.to_dict()
    of = document["global_optimum"]
    assert found.status == "optimal"
    assert of["holds"]
    assert of["convex_welfare"] == pytest.approx(8064.0)  # nobody trains what nobody uses
    assert found.welfare == pytest.approx(grid_best(config, np.array([0.4499]), 40_000), rel=1e-6)
    assert of["difference_usd_per_hour"] == pytest.approx(found.welfare - 8064.0, rel=1e-6)
    assert found.welfare <= of["bound"] <= found.welfare * (1 + 1e-4)
    assert any("would have ended" in w for w in document["warnings"])
    check_result(document)


def test_where_training_is_dear_the_fixed_point_is_proved_the_best():
    config = two_optima(price=1e5)
    found = solve(load_dict(config), ranges=False, search_s=60.0)
    of = found.to_dict()["global_optimum"]
    assert found.status == "optimal"
    assert of["difference_usd_per_hour"] == pytest.approx(0.0, abs=1e-6)
    assert of["bound"] == pytest.approx(8064.0, rel=1e-4)


def test_an_answer_that_was_not_searched_says_so():
    found = solve(load_dict(two_optima()), ranges=False)
    assert found.status == "optimal"  # at its capability, which the warning says
    assert any("not searched" in w for w in found.warnings())


def test_a_search_that_proves_nothing_is_not_called_optimal():
    found = solve(load_dict(two_optima()), ranges=False, search_s=1e-6)
    of = found.to_dict()["global_optimum"]
    assert not of["holds"]
    assert found.status == "feasible"
    assert "bound leaves room" in of["why"] or of["difference_usd_per_hour"] > 0


def test_a_class_pays_what_a_capability_brings_it():
    found = solve(load_dict(two_optima()), ranges=False, search_s=60.0)
    lines = found.to_dict()["global_optimum"]["lindahl"]
    assert sum(line["share"] for line in lines) == pytest.approx(1.0)
    assert [line["usd_per_h_per_point"] for line in lines] == pytest.approx(
        [3600 * v for v in (0.5, 0.8, 1.0, 1.5, 2.0)]
    )


@pytest.mark.parametrize(("seed", "models"), [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2)])
def test_a_grid_over_capabilities_agrees(seed, models):
    config = random(seed, models)
    goods, problem, ended = searched(config)
    best = grid_best(config, goods.most * (1 - 1e-9), 4001 if models == 1 else 121)
    assert ended.stopped is None
    assert best <= ended.bound * (1 + 1e-9)  # no point of the grid is above the bound
    assert problem.best >= best * (1 - 1e-4)
    at = np.minimum(goods.made(problem.leader.allocation), goods.most)
    assert direct(config, at) == pytest.approx(problem.best, rel=1e-5)  # and can be had


def test_a_stalled_start_does_not_leave_a_bound_loose():
    """Beside a point where one model is hardly trained, prices from there lead nowhere."""
    found = solve(load_dict(random(5, 2)), ranges=False, search_s=300.0)
    of = found.to_dict()["global_optimum"]
    assert of["holds"]
    assert of["points"] < 60  # 240 did not do


def test_the_bound_holds_whatever_the_prices():
    config = random(3, 2)
    goods, problem, _ = searched(config, splits=6, gap=0.0)
    truth = grid_best(config, goods.most * (1 - 1e-9), 81)
    rng = np.random.default_rng(0)
    proof = problem.proof
    for _ in range(5):
        wrong = [p * rng.uniform(0.5, 1.5, len(p)) for p in proof.prices]
        bound, _ = proved_bound(goods, Proof(proof.cuts, wrong, proof.again))
        assert bound >= truth * (1 - 1e-9)


def test_the_judge_replays_the_cuts_and_refuses_what_does_not_cover():
    goods, problem, ended = searched(random(1, 2))
    kept = Proof.from_dict(json.loads(json.dumps(problem.proof.to_dict())))
    judged = certify_globally(goods, kept, problem.leader.at, problem.leader.allocation)
    assert judged.holds
    assert judged.bound == pytest.approx(ended.bound, rel=1e-6)
    for wrong in (Cut(99, 0, 1, 0.5), Cut(0, 0, 1, 0.0), Cut(0, 0, 2, 0.5)):
        with pytest.raises(ValueError, match="not of an edge"):
            proved_bound(goods, Proof([wrong], [*kept.prices[:4], kept.prices[0]]))


def test_a_search_that_is_stopped_tells_an_honest_gap():
    config = two_optima()
    goods, problem, ended = searched(config, gap=0.0, splits=0)
    best = grid_best(config, goods.most * (1 - 1e-9), 2001)
    assert ended.stopped == "nodes"
    assert best <= ended.bound * (1 + 1e-9)
    assert ended.bound > problem.best * (1 + 1e-12)  # what is left open is not hidden
