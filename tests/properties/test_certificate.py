"""The judge refuses what is not an optimum, and nothing is optimal without the judge."""

from dataclasses import replace

import numpy as np
import pytest

from allocate.errors import SolveError
from allocate.models.program import Activity, Allocation, Program, Row
from allocate.solver.certificate import certify
from tests.solver.cases import (
    HOURLY,
    api_and_humans,
    changed,
    everything,
    solved,
    two_models,
)


@pytest.fixture(scope="module")
def answer():
    return solved(everything())


@pytest.fixture(scope="module")
def desk():
    return solved(changed(api_and_humans(), budgets={"money_usd": 10}, humans__minutes_per_h=100))


def judge(solution, flows=None, levels=None, duals=None, tolerance=1e-6):
    allocation = solution.allocation
    if flows is not None:
        allocation = allocation._replace(flows=(flows, *allocation.flows[1:]))
    if levels is not None:
        allocation = allocation._replace(levels=levels)
    duals = solution.duals if duals is None else duals
    return certify(solution.program, allocation, duals, tolerance)


def test_the_answer_as_it_is_holds(answer, desk):
    for solution in (answer, desk):
        found = judge(solution)
        assert found.holds
        assert found.feasible
        assert found.primal == pytest.approx(solution.welfare, rel=1e-12)
        assert abs(found.relative_gap) <= 1e-6
        assert found.max_foc_residual < 1e-4


def busiest(solution):
    flows = solution.allocation.flows[0]
    return int(np.argmax(flows.requests))


@pytest.mark.parametrize("factor", [0.9, 0.999, 1.001, 1.1])
def test_perturbed_prices_do_not_hold(answer, factor):
    # rows of lanes that nobody uses have a range of right prices; those of capacities do not
    capacities = {r for p in answer.program.resources for r, _ in p.rows if answer.duals[r] > 0}
    assert len(capacities) >= 3
    for row in capacities:
        duals = answer.duals.copy()
        duals[row] *= factor
        found = judge(answer, duals=duals)
        assert found.dual >= answer.certificate.dual * (1 - 1e-9)
        if abs(factor - 1) > 0.01:
            assert found.dual > answer.certificate.dual
            assert found.feasible  # it is the prices that are wrong


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_prices_that_are_no_prices_do_not_hold(answer, bad):
    duals = answer.duals.copy()
    duals[0] = bad
    assert not judge(answer, duals=duals).holds


def test_zero_prices_do_not_hold(answer, desk):
    for solution in (answer, desk):
        assert not judge(solution, duals=np.zeros_like(solution.duals)).holds


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_perturbed_flows_do_not_hold(answer, desk, factor):
    for solution in (answer, desk):
        flows = solution.allocation.flows[0]
        requests = flows.requests.copy()
        requests[busiest(solution)] *= factor
        found = judge(solution, flows=flows._replace(requests=requests))
        assert not found.holds
        assert factor < 1 or found.violated is not None


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_perturbed_tokens_do_not_hold(answer, desk, factor):
    for solution in (answer, desk):
        flows = solution.allocation.flows[0]
        tokens = flows.tokens.copy()
        tokens[busiest(solution)] *= factor
        found = judge(solution, flows=flows._replace(tokens=tokens))
        assert not found.holds
        assert found.max_foc_residual > 1e-2


def test_violated_rows_are_named(answer):
    levels = answer.allocation.levels.copy()
    replicas = int(np.argmax(levels))
    levels[replicas] *= 1.01
    found = judge(answer, levels=levels)
    assert not found.holds
    assert not found.feasible
    assert found.violated in ("gpus.h100.available", "budgets.money_usd")
    levels[replicas] *= 0.98
    found = judge(answer, levels=levels)
    assert not found.feasible
    assert "busy" in found.violated


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["requests", "tokens", "levels"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_numbers_that_are_not_finite_do_not_hold(answer, where, bad):
    flows, levels = answer.allocation.flows[0], answer.allocation.levels.copy()
    if where == "levels":
        levels[0] = bad
    else:
        array = getattr(flows, where).copy()
        array.flat[0] = bad
        flows = flows._replace(**{where: array})
    found = judge(answer, flows=flows, levels=levels)
    assert not found.holds
    assert not found.feasible


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_negative_flows_and_tokens_do_not_hold(answer):
    flows = answer.allocation.flows[0]
    for field in ("requests", "tokens"):
        array = getattr(flows, field).copy()
        array.flat[0] = -1e-3 * abs(array).max()
        found = judge(answer, flows=flows._replace(**{field: array}))
        assert not found.holds
        assert found.violated is not None


def test_a_closed_arm_does_not_hold():
    config = two_models()
    config["classes"]["other"] = {"rate_per_s": 0.001, "value_usd": 3.0, "models": ["cheap"]}
    solution = solved(config)
    stream, flows = solution.program.streams[0], solution.allocation.flows[0]
    closed = [
        int(np.flatnonzero(~stream.menu[stream.group[k]])[0])
        if (~stream.menu[stream.group[k]]).any()
        else int(a)
        for k, a in zip(flows.member, flows.arm, strict=True)
    ]
    assert closed != list(flows.arm)
    found = judge(solution, flows=flows._replace(arm=np.array(closed)))
    assert not found.holds
    assert "closed" in found.violated


def test_serving_more_than_arrives_does_not_hold():
    solution = solved(two_models())
    flows = solution.allocation.flows[0]
    found = judge(solution, flows=flows._replace(requests=flows.requests * 1.001))
    assert not found.holds
    assert found.violated == "an arrival rate"


def test_a_class_that_must_be_served_may_not_be_left_out():
    config = changed(two_models(), classes__task__decline=False)
    solution = solved(config)
    flows = solution.allocation.flows[0]
    found = judge(solution, flows=flows._replace(requests=flows.requests * 0.999))
    assert not found.holds
    assert "declined" in found.violated


def test_the_gap_is_measured_with_its_sign(answer):
    # more welfare than the dual allows is as wrong as less
    program = replace(answer.program, offsets=(("money", 0.01 * answer.welfare),))
    found = certify(program, answer.allocation, answer.duals)
    assert found.holds  # a constant moves both
    cheaper = replace(answer.certificate, relative_gap=-1e-3)
    assert not cheaper.holds
    assert not replace(answer.certificate, relative_gap=np.nan).holds
    assert not replace(answer.certificate, max_violation=np.nan).holds
    assert not replace(answer.certificate, primal=np.nan).holds
    assert not replace(answer.certificate, dual=np.inf).holds


@pytest.mark.parametrize(
    "lie",
    [
        {"relative_gap": 1e-3},
        {"max_violation": 1e-3},
        {"relative_gap": float("nan")},
        {"primal": float("nan")},
        {"dual": float("inf")},
    ],
)
def test_without_a_certificate_nothing_is_optimal_and_no_price_is_shown(answer, lie):
    mutant = replace(answer, certificate=replace(answer.certificate, **lie))
    assert mutant.status != "optimal"
    with pytest.raises(SolveError):
        _ = mutant.prices
    assert mutant.rates == {}
    document = mutant.to_dict()
    assert document["status"] != "optimal"
    assert document["prices"] == []
    assert document["certificate"]["holds"] is False
    assert any("not certified" in w for w in document["warnings"])


def test_a_solver_that_stops_early_is_not_believed(monkeypatch):
    from allocate.models.loader import load_dict
    from allocate.solver.methods import prices as module
    from allocate.solver.solve import solve

    true = module.newton

    def claims(program, duals, **options):
        result = true(program, duals, **options)
        result.duals = result.duals * 0.5
        return result

    monkeypatch.setattr(module, "newton", claims)
    config = changed(api_and_humans(), budgets={"money_usd": 10})
    solution = solve(load_dict(config), method="prices", ranges=False)
    assert solution.status != "optimal"
    assert solution.certificate.relative_gap > 1e-6


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-9])
def test_the_tolerance_asked_for_is_the_one_that_is_kept(tolerance):
    config = changed(api_and_humans(), budgets={"money_usd": 10})
    solution = solved(config, tolerance=tolerance)
    assert solution.certificate.tolerance == tolerance
    assert abs(solution.certificate.relative_gap) <= tolerance
    assert solution.certificate.max_violation <= tolerance


# --- best responses are not believed ----------------------------------------------------------


def steep(scale: float, uses: dict) -> dict:
    """Success that saturates at ``scale`` of the reference effort, at USD 1e3 a token."""
    model = {"success": {"form": "saturating", "ceiling": 0.9, "scale": scale}}
    task = {"rate_per_s": HOURLY, "value_usd": 10}
    if "verify" in uses:
        model["wrong_action_rate"], task["loss"] = 0.1, 5
    return {
        "version": 1,
        "prices": {"risk_usd": 1},
        "token_uses": uses,
        "models": {"m": model},
        "classes": {"task": task},
    }


ONE_USE = {"think": {"exponent": 0.9, "price_usd": 1e3}}
TWO_USES = {
    "think": {"exponent": 0.5, "price_usd": 1e3},
    "verify": {"exponent": 0.4, "price_usd": 1e3, "risk_tokens": 50},
}


@pytest.mark.parametrize("uses", [ONE_USE, TWO_USES], ids=["one use", "two uses"])
@pytest.mark.parametrize("scale", [1e-4, 3e-6, 1e-6, 1e-8, 1e-11])
def test_what_is_nearly_free_is_served_at_any_scale(scale, uses):
    """Full success for less than a cent; a root finder that crawls would decline it all."""
    solution = solved(steep(scale, uses))
    assert solution.certificate.relative_gap <= 1e-9
    lost = 0.5 if "verify" in uses else 0.0  # verifying at USD 1e3 a token averts nothing
    tokens = np.geomspace(1e-14, 1.0, 40001)
    y = tokens**0.9 * (np.prod([(a / 0.9) ** a for a in (0.5, 0.4)]) if lost else 1.0)
    best = np.max(9.0 * -np.expm1(-y / scale) - 1e3 * tokens) - lost
    assert solution.welfare == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("found", ["nothing", "half", "nan"])
def test_a_root_finder_that_fails_is_not_believed(monkeypatch, found):
    from allocate.models.curves import RequestCurve

    solution = solved(steep(1e-6, ONE_USE))
    assert solution.certificate.holds
    true = RequestCurve.best_response

    def fails(self, *prices):
        r = true(self, *prices)
        tokens = r.tokens * {"nothing": 0.0, "half": 0.5, "nan": np.nan}[found]
        success, wrong = self.outcome(tokens, *prices[3:])
        worth = prices[0] * success - prices[2] * wrong - (prices[1] * tokens).sum(-1)
        return r._replace(tokens=tokens, success=success, wrong=wrong, profit=np.nan_to_num(worth))

    monkeypatch.setattr(RequestCurve, "best_response", fails)
    idle = solution.allocation.flows[0]._replace(requests=np.zeros(1))
    declined = judge(solution, flows=idle)
    assert declined.primal == 0.0
    assert declined.dual >= solution.welfare * (1 - 1e-12)  # still a bound on every answer
    assert not declined.holds


def test_a_negative_level_is_measured_in_its_own_rows():
    """Not against the largest level of any activity: tokens an hour stand beside replicas."""
    program = Program(
        rows=(Row("tokens", "tokens/h", 1e9), Row("replicas", "replicas", 3.0)),
        streams=(),
        activities=(
            Activity("decode", ((0, 1.0),), cost=1e-9),
            Activity("replica", ((1, 1.0),), cost=2.0),
        ),
    )
    for replicas, feasible in ((-1e-3, False), (-1e-10, True), (0.0, True)):
        allocation = Allocation((), np.array([1e9, replicas]))
        found = certify(program, allocation, np.zeros(2))
        assert found.feasible == feasible
        if not feasible:
            assert found.violated == "a negative level"
            assert found.max_violation == pytest.approx(2e-3, rel=1e-2)  # of USD 1 an hour
