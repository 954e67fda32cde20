"""The judge's bound: no lower than the dual, and no higher than rounding makes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from allocate.models.curves import RequestCurve, Response
from allocate.models.loader import load_dict
from allocate.models.stack import build
from allocate.solver.dual_bound import dual_bound
from allocate.solver.solve import solve
from benchmarks.instances import draw

KINDS = [
    ("api", "uses", "humans", "risk"),
    ("api", "gpu", "uses", "tenants"),
    ("api", "uses", "tail", "humans", "risk", "latency"),
]


@pytest.mark.parametrize("traits", KINDS, ids="-".join)
@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_dual_to_rounding(traits: tuple[str, ...], seed: int) -> None:
    loaded = load_dict(draw(25, seed, traits))
    program = build(loaded.config, loaded.classes).program
    rng = np.random.default_rng(seed)
    duals = rng.uniform(0, 0.05, len(program.rows))
    exact = program.dual(duals)
    if not np.isfinite(exact):
        pytest.skip("supply at a loss: any price will not do")
    bound = dual_bound(program, duals)
    assert exact - 1e-9 * abs(exact) <= bound <= exact + 1e-9 * abs(exact)


class _Lazy(RequestCurve):
    """A curve whose response buys a tenth of what it should."""

    def best_response(self, *prices: Any) -> Response:
        r = super().best_response(*prices)
        value, p, wrong, factor, difficulty = prices
        tokens = 0.1 * r.tokens
        success, wrongs = self.outcome(tokens, factor, difficulty)
        profit = value * success - wrong * wrongs - (p * tokens).sum(-1)
        return Response(tokens, success, wrongs, profit, r.log_revenue)


def test_a_wrong_best_response_never_lowers_it() -> None:
    loaded = load_dict(draw(25, 3, KINDS[0]))
    solution = solve(loaded, ranges=False)
    program, duals = solution.program, solution.duals
    stream = program.streams[0]
    lazy = tuple(_Lazy(c.success, c.effort, c.risk, c.caps) for c in stream.technologies)
    wrong = replace(program, streams=(replace(stream, technologies=lazy), *program.streams[1:]))
    assert wrong.dual(duals) < program.dual(duals) - 1e-6 * abs(program.dual(duals))
    assert dual_bound(wrong, duals) >= program.dual(duals) * (1 - 1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_where_it_looks_first_changes_nothing(seed: int) -> None:
    loaded = load_dict(draw(25, seed, KINDS[1]))
    solution = solve(loaded, ranges=False)
    program, flows = solution.program, solution.allocation.flows
    plain = dual_bound(program, solution.duals)
    assert dual_bound(program, solution.duals, flows) == pytest.approx(plain, rel=1e-12)
