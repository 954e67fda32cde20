"""Solves of a crowd that begin badly, or are cut short."""

from dataclasses import replace

import numpy as np
import pytest

from allocate.solver.certificate import certify
from allocate.solver.methods.prices import SMALL, solve_prices
from allocate.solver.methods.start import first_prices, sampled
from benchmarks.families import FAMILIES


@pytest.fixture(scope="module")
def program():
    return FAMILIES["synthetic"].build(SMALL + 3000, 16, 12, 0)


@pytest.fixture(scope="module")
def cold(program):
    return solve_prices(program, first_prices(program))


BAD = {
    "zeros": lambda d: 0.0 * d,
    "a thousand times": lambda d: 1e3 * d,
    "all huge": lambda d: np.full(len(d), 1e9),
    "scattered": lambda d: d * 10.0 ** np.random.default_rng(0).uniform(-2, 2, len(d)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_start_that_is_not_near_costs_time_and_nothing_else(program, cold, name):
    found = solve_prices(program, BAD[name](cold.duals), warm=True)
    judged = certify(program, found.allocation, found.duals)
    assert judged.holds
    assert judged.primal == pytest.approx(program.welfare(cold.allocation), rel=2e-6)
    assert found.passes <= 4 * cold.passes


def test_ctrl_c_in_the_first_solve_keeps_an_allocation_that_the_judge_accepts(program):
    told = []

    def stop(state):
        if state.get("members") == len(program.streams[0].rate):
            told.append(state)
            if len(told) == 2:
                raise KeyboardInterrupt

    found = solve_prices(program, first_prices(program), progress=stop)
    assert found.stopped
    judged = certify(program, found.allocation, found.duals)
    assert judged.feasible
    assert 0 <= judged.relative_gap < 0.01


def test_ctrl_c_before_all_members_were_looked_at_is_passed_on(program):
    def stop(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_prices(program, first_prices(program), progress=stop)


def test_a_sample_is_of_those_who_ask(program):
    crowd = program.streams[0]
    rate = np.zeros(len(crowd.rate))
    rate[17] = 5.0
    alone = replace(program, streams=(replace(crowd, rate=rate), *program.streams[1:]))
    part = sampled(alone, 600, np.random.default_rng(0)).streams[0]
    assert len(part.rate) == 600
    assert part.rate.sum() == 5.0
