"""Lanes: inverses, Little's law, a simulated replica, the latency price, draft models."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocate.models.curves import Lane, speed_grid
from tests.models.curves import faces
from tests.models.curves.faces import positive

lanes = st.builds(Lane, positive(1e-3, 0.1), positive(1e-5, 1e-2), positive(1e-9, 1e-6))
LANE = Lane(8e-3, 4e-4, 3e-8, 5e-5)


# --- value -----------------------------------------------------------------------------------


@given(lanes, st.floats(0.0, 0.999))
def test_tpot_and_utilisation_are_inverse(lane, u):
    assert lane.utilisation(lane.tpot(u)) == pytest.approx(u, rel=1e-12, abs=1e-12)


def test_edges_of_utilisation():
    assert LANE.tpot(0.0) == LANE.alpha
    assert LANE.tpot(1.0) == np.inf
    assert LANE.ttft(1000.0, 0.0) == pytest.approx(0.05)
    assert LANE.ttft(1000.0, 1.0) == np.inf
    assert LANE.ttft(0.0, 0.5) == 0.0
    np.testing.assert_allclose(LANE.tpot(np.array([0.5, 0.75, 1.0])), [16e-3, 32e-3, np.inf])


def test_busy_at_known_points():
    assert LANE.busy(0.0, 0.0, 1e4) == 0.0
    assert LANE.busy(1000.0, 0.0, 0.0) == pytest.approx(0.4)
    assert LANE.busy(1000.0, 2000.0, 1e4) == pytest.approx(0.4 + 0.3 + 0.1)


@given(lanes, positive(1.0, 1e4), st.floats(0.0, 1e5), st.floats(0.01, 0.99))
def test_littles_law(lane, decode, context, u):
    """In flight D·τ on n replicas is the batch whose step takes τ."""
    n = lane.busy(decode, 0.0, context) / u
    tpot = lane.tpot(u)
    batch = decode * tpot / n
    step = lane.alpha + batch * (lane.beta + lane.gamma * context)
    assert step == pytest.approx(tpot, rel=1e-10)


@given(positive(1e-3, 0.1), positive(1e-5, 1e-2), positive(1.0, 1e4), st.floats(0.01, 0.99))
def test_residence_is_littles_law_at_constant_context(alpha, beta, decode, u):
    lane = Lane(alpha, beta)
    busy = lane.busy(decode, 0.0, 0.0)
    in_flight = decode * lane.tpot(u)
    assert lane.residence(busy, busy / u) == pytest.approx(in_flight, rel=1e-10)


def test_residence_at_the_edges():
    assert LANE.residence(0.0, 0.0) == 0.0
    assert LANE.residence(0.0, 5.0) == 0.0
    assert LANE.residence(3.0, 3.0) == np.inf
    assert LANE.residence(3.0, 2.0) == np.inf
    assert LANE.residence(1.0, 1e12) == pytest.approx(LANE.alpha / LANE.beta)


@given(st.tuples(*[st.tuples(positive(0.01, 10.0), positive(0.01, 10.0))] * 2))
def test_residence_is_jointly_convex_and_homogeneous(pairs):
    (w1, spare1), (w2, spare2) = pairs
    n1, n2 = w1 + spare1, w2 + spare2
    apart = LANE.residence(w1, n1) + LANE.residence(w2, n2)
    assert LANE.residence(w1 + w2, n1 + n2) <= apart * (1 + 1e-12)
    assert LANE.residence(3 * w1, 3 * n1) == pytest.approx(3 * LANE.residence(w1, n1), rel=1e-10)


def test_residence_cone_is_value():
    bounds, constraints, expected = [], [], []
    points = [(0.0, 1.0), *((w, w / u) for w, u in faces.rng(60).uniform(0.1, 0.95, (10, 2)))]
    for w, n in points:
        (held_w, fix_w), (held_n, fix_n) = faces.fixed(w), faces.fixed(n)
        bound = cp.Variable()
        constraints += fix_w + fix_n + LANE.cone(held_w, held_n, bound)
        bounds.append(bound)
        expected.append(float(LANE.residence(w, n)))
    faces.solve(cp.Minimize(cp.sum(cp.hstack(bounds))), constraints, 1e-9)
    np.testing.assert_allclose([b.value for b in bounds], expected, rtol=1e-6, atol=1e-5)


# --- a simulated replica -----------------------------------------------------------------------


@pytest.mark.parametrize("in_flight", [1, 4, 32, 128])
@pytest.mark.parametrize("prompt", [0, 500])
def test_a_replica_with_a_closed_batch(in_flight, prompt):
    """b sequences, always as many: one that ends is followed by the next, whose prompt is
    prefilled in the same steps. The long-run rates must be those of the formula."""
    random = faces.rng(61, in_flight)
    output = 40
    done = random.integers(0, output, in_flight)  # tokens made so far, out of phase
    clock = tokens = prefilled = context_sum = 0.0
    steps = 30 * output
    for _ in range(steps):
        context = prompt + done
        clock += LANE.alpha + np.sum(LANE.beta + LANE.gamma * context)
        tokens += in_flight
        context_sum += context.sum()
        done += 1
        ended = done == output
        done[ended] = 0
        prefilled += prompt * ended.sum()
        clock += LANE.delta * prompt * ended.sum()
    decode, mean_context = tokens / clock, context_sum / tokens
    busy = LANE.busy(decode, prefilled / clock, mean_context)  # of one replica
    assert 0 < busy < 1
    assert LANE.tpot(busy) == pytest.approx(clock / steps, rel=1e-10)
    assert decode * LANE.tpot(busy) == pytest.approx(in_flight, rel=1e-10)
    # and from the batch alone: τ = α + b(β + γ·context + δ·input/output)
    per_token = LANE.beta + LANE.gamma * mean_context + LANE.delta * prompt / output
    assert clock / steps == pytest.approx(LANE.alpha + in_flight * per_token, rel=1e-10)
    if prompt == 0:
        flat = Lane(LANE.alpha, LANE.beta + LANE.gamma * mean_context)
        assert flat.residence(busy, 1.0) == pytest.approx(in_flight, rel=1e-9)


# --- one latency price ---------------------------------------------------------------------------


def cost(lane, u, latency_price, replica_price):
    """Of a unit of busy work."""
    return latency_price * lane.alpha / lane.beta / (1 - u) + replica_price / u


@given(lanes, positive(1e-6, 1e3), positive(1e-3, 1e3))
def test_best_utilisation_by_brute_force(lane, latency_price, replica_price):
    u = lane.best_response(latency_price, replica_price)
    assert 0 < u < 1
    grid = np.linspace(1e-4, 1 - 1e-4, 4001)
    near = np.clip(u + (1 - u) * u * np.linspace(-0.01, 0.01, 41), 1e-12, 1 - 1e-12)
    best = cost(lane, u, latency_price, replica_price) * (1 - 1e-13)
    assert np.all(cost(lane, grid, latency_price, replica_price) >= best)
    assert np.all(cost(lane, near, latency_price, replica_price) >= best)


def test_edges_of_the_latency_price():
    assert LANE.best_response(0.0, 1.0) == 1.0
    assert LANE.best_response(1e12, 1.0) == pytest.approx(0.0, abs=1e-5)


def test_the_menu_of_speeds_tends_to_the_best_response():
    """The best tier costs more than the best speed by the second order of the step."""
    utilisations = np.linspace(0.1, 0.95, 801)
    kappa = LANE.alpha / LANE.beta
    prices = ((1 - utilisations) / utilisations) ** 2 / kappa  # where each is best, at r = 1
    np.testing.assert_allclose(
        [LANE.best_response(p, 1.0) for p in prices], utilisations, rtol=1e-12
    )
    least = cost(LANE, utilisations, prices, 1.0)
    excess = []
    for count in (17, 33, 65, 129, 257):
        tiers = speed_grid(count)
        menu = cost(LANE, tiers[:, None], prices, 1.0).min(0)
        assert np.all(menu >= least * (1 - 1e-13))
        excess.append(np.mean(menu / least - 1))
    orders = np.array(excess[:-1]) / np.array(excess[1:])
    np.testing.assert_allclose(orders[1:], 4.0, rtol=0.15)
    assert excess[-1] < 1e-3


@pytest.mark.parametrize("count", [2, 8, 64])
def test_speed_grid(count):
    grid = speed_grid(count)
    assert len(grid) == count
    assert np.all(np.diff(grid) > 0)
    np.testing.assert_allclose(grid[[0, -1]], [0.05, 0.97])
    odds = np.log(grid / (1 - grid))
    np.testing.assert_allclose(np.diff(odds), (odds[-1] - odds[0]) / (count - 1))


# --- draft models --------------------------------------------------------------------------------


def test_a_draft_that_is_never_right_is_wasted():
    drafted = LANE.with_draft(1e-3, 1e-5, 4, 0.0, 0.1)
    assert drafted.alpha == pytest.approx(LANE.alpha + 4e-3)
    assert drafted.beta == pytest.approx(LANE.beta * 1.4 + 4e-5)
    assert drafted.gamma == LANE.gamma  # one pass over the context checks all proposals
    assert drafted.delta == LANE.delta


def test_a_draft_that_is_always_right_makes_one_token_more_than_it_proposes():
    drafted = LANE.with_draft(1e-3, 1e-5, 4, 1.0)
    assert drafted.alpha == pytest.approx((LANE.alpha + 4e-3) / 5)
    near = LANE.with_draft(1e-3, 1e-5, 4, 1.0 - 1e-13)
    assert near.alpha == pytest.approx(drafted.alpha, rel=1e-12)


def test_no_draft_tokens_is_no_draft():
    assert LANE.with_draft(1e-3, 1e-5, 0, 0.7, 0.5) == LANE


@given(st.integers(1, 12), st.floats(0.0, 0.99))
def test_more_acceptance_is_faster(tokens, acceptance):
    some, more = (LANE.with_draft(1e-3, 1e-5, tokens, a) for a in (acceptance, acceptance + 0.01))
    assert more.alpha < some.alpha
    assert more.beta < some.beta


@pytest.mark.parametrize(("tokens", "acceptance"), [(1, 0.5), (4, 0.3), (4, 0.8), (8, 0.95)])
def test_draft_against_simulated_acceptance(tokens, acceptance):
    """Proposals are kept up to the first one refused; the model adds a token of its own."""
    random = faces.rng(62, tokens)
    batch, overhead, steps = 16, 0.02, 20_000
    kept = np.cumprod(random.random((steps, batch, tokens)) < acceptance, axis=-1).sum(-1)
    made = (kept + 1).sum() / (steps * batch)
    step = tokens * (1e-3 + 1e-5 * batch)
    step += LANE.alpha + batch * (LANE.beta * (1 + overhead * tokens) + LANE.gamma * 2000)
    drafted = LANE.with_draft(1e-3, 1e-5, tokens, acceptance, overhead)
    formula = drafted.alpha + batch * (drafted.beta + drafted.gamma * 2000)
    assert formula == pytest.approx(step / made, rel=5e-3)
