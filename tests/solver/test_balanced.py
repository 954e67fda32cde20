"""Prices where two scarcities of a lane meet: what solving again with more of one gains."""

from dataclasses import replace

import numpy as np
import pytest

import allocate
from allocate.solver.balanced import balanced

FLEET = "examples/fleet.yaml"
BATCH = "deployments.large_h200.max_batch"
MEMORY = "deployments.medium_h200.kv_memory_gb"


@pytest.fixture(scope="module")
def base():
    return allocate.solve(FLEET, ranges=False, tolerance=1e-8)


def price_of(solution, path):
    return next(p for p in solution.prices if p.resource == path)


@pytest.mark.parametrize("path", [BATCH, MEMORY])
def test_what_is_built_into_a_replica_is_worth_what_more_of_it_gains(base, path):
    price = price_of(base, path)
    step = 2e-3 * price.capacity
    ends = [
        allocate.solve(
            FLEET,
            [f"{path}={price.capacity + sign * step}"],
            ranges=False,
            tolerance=1e-8,
            warm_from=base.to_dict(),
        ).certificate.primal
        for sign in (1.0, -1.0)
    ]
    assert price.value > 0
    assert price.value == pytest.approx((ends[0] - ends[1]) / (2.0 * step), rel=0.01)


def test_another_split_is_a_dual_too_and_is_brought_back(base):
    program, splits, allocation = base.program, base.built.splits, base.allocation
    mine = [
        s
        for s in splits(program, allocation, base.duals, 1e-6)
        if program.rows[min(s)].name.startswith("large_h200")
    ]
    assert mine, "the lane runs where places and busy time meet"
    wrong = base.duals.copy()
    for split in mine:
        busy, batch, _ = split
        limit = price_of(base, BATCH).capacity
        wrong[batch], wrong[busy] = 0.0, wrong[busy] + limit * wrong[batch]
    assert program.dual(wrong) == pytest.approx(program.dual(base.duals), rel=1e-8)
    assert not np.allclose(wrong, base.duals, rtol=1e-2)
    back = balanced(program, splits, allocation, wrong)
    for split in mine:
        assert back[list(split)] == pytest.approx(base.duals[list(split)], rel=1e-5)


def test_without_lanes_nothing_moves(base):
    built = replace(base.built, tiers=())
    assert balanced(base.program, built.splits, base.allocation, base.duals) is base.duals
