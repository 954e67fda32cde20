"""Members that differ only in their requests are solved as one, and each gets its part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocate.models.loader import load_dict
from allocate.models.program import Program
from allocate.models.stack import build
from allocate.solver.certificate import certify
from allocate.solver.methods import prices as module
from allocate.solver.methods import search
from allocate.solver.methods.alike import alike
from allocate.solver.methods.newton import newton
from allocate.solver.methods.prices import solve_prices
from allocate.solver.methods.start import first_prices
from benchmarks.instances import draw

TRAITS = [
    ("api", "budget", "humans", "risk"),
    ("api", "gpu", "uses"),
    ("gpu", "caches", "periods"),
    ("api", "tenants", "budget"),
    ("api", "uses", "training"),
]


def repeated(seed: int, kinds: int = 4, times: int = 60) -> Program:
    """A program with every member so many times, at rates of its own."""
    loaded = load_dict(draw(kinds, seed, TRAITS[seed % len(TRAITS)]))
    program = build(loaded.config, loaded.classes).program
    crowd, rng = program.streams[0], np.random.default_rng(seed)
    members = rng.permutation(np.repeat(np.arange(len(crowd.rate)), times))
    rate = crowd.rate[members] * rng.exponential(1.0, len(members)) / times
    return replace(program, streams=(crowd.part(members, rate), *program.streams[1:]))


@given(st.integers(0, 200))
@settings(max_examples=15, deadline=None)
def test_every_member_gets_its_part_and_the_whole_is_the_same(seed: int) -> None:
    program = repeated(seed)
    few = alike(program)
    assert few is not None
    crowd, kinds = program.streams[0], few.program.streams[0]
    assert len(kinds.rate) <= len(crowd.rate) / 50
    assert kinds.rate.sum() == pytest.approx(crowd.rate.sum())
    found = newton(few.program, first_prices(few.program))
    assert found.allocation is not None
    spread = few.spread(found.allocation)
    assert program.welfare(spread) == pytest.approx(few.program.welfare(found.allocation))
    use = few.program.usage(found.allocation)
    assert program.usage(spread) == pytest.approx(use, abs=1e-12 * np.abs(use).max())
    served = np.bincount(spread.flows[0].member, spread.flows[0].requests, len(crowd.rate))
    assert np.all(served <= crowd.rate * (1 + 1e-12))
    proof = certify(program, spread, found.duals)
    assert proof.holds == certify(few.program, found.allocation, found.duals).holds


def test_what_is_not_alike_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_dict(draw(300, 1, TRAITS[0]))
    program = build(loaded.config, loaded.classes).program
    assert alike(program) is None
    crowd = program.streams[0]
    cost = np.arange(len(crowd.rate), dtype=float)  # what declining costs tells them apart
    same = repeated(1, kinds=1, times=200)
    one = same.streams[0]
    apart = replace(one, decline_cost=cost[: len(one.rate)] % 200)
    assert alike(same) is not None
    assert alike(replace(same, streams=(apart, *same.streams[1:]))) is None


def test_a_crowd_of_a_few_kinds_is_certified_to_the_last_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SMALL", 50)
    program = repeated(3)
    found = solve_prices(program, first_prices(program))
    assert found.allocation is not None
    proof = certify(program, found.allocation, found.duals)
    assert proof.holds
    assert abs(proof.relative_gap) < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_a_few_members_with_most_of_the_money_are_no_crowd(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and rates over six orders of magnitude each."""
    monkeypatch.setattr(module, "SMALL", 200)
    loaded = load_dict(draw(900, 20 + seed, TRAITS[seed]))
    program = build(loaded.config, loaded.classes).program
    crowd, rng = program.streams[0], np.random.default_rng(seed)
    wide = crowd.rate * 10 ** rng.uniform(-3, 3, len(crowd.rate))
    program = replace(program, streams=(replace(crowd, rate=wide), *program.streams[1:]))
    assert len(search.Search(program, first_prices(program), None).heavy) > 5
    found = solve_prices(program, first_prices(program))
    assert found.allocation is not None
    assert certify(program, found.allocation, found.duals).holds
