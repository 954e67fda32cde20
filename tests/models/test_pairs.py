"""Pairs answered together say what each says alone."""

from __future__ import annotations

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.pairs import Pairs, Pricer
from allocate.models.stack import build
from allocate.models.totals import totals
from benchmarks.instances import draw

KINDS = [
    ("api", "gpu", "uses", "tenants", "humans", "risk"),
    ("api", "gpu", "caches", "periods"),
    ("api", "uses", "latency", "tail", "humans", "risk"),
]


@pytest.mark.parametrize("traits", KINDS, ids="-".join)
def test_prices_answers_and_use_are_those_of_the_stream(traits: tuple[str, ...]) -> None:
    loaded = load_dict(draw(30, 7, traits))
    program = build(loaded.config, loaded.classes).program
    stream, n_rows = program.streams[0], len(program.rows)
    rng = np.random.default_rng(3)
    member = np.repeat(np.arange(len(stream.rate)), 5)
    arm = rng.integers(len(stream.arms), size=len(member))
    duals = rng.uniform(0, 0.02, n_rows)
    pairs, at = Pairs(stream, member, arm), Pricer(stream, duals)
    alone, found = stream.columns(duals, member, arm), pairs.columns(at)
    for mine, theirs in zip(found, alone, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    answer = pairs.answer(at)
    np.testing.assert_allclose(answer.amounts, alone.amounts[pairs.order], rtol=1e-9, atol=1e-12)
    flow = rng.uniform(0, 5, len(member))
    use = stream.row_use(member, arm, alone.amounts, n_rows) @ flow
    np.testing.assert_allclose(pairs.use(flow, answer.amounts, n_rows), use, rtol=1e-9, atol=1e-9)


def test_totals_are_the_same_in_one_piece_and_in_many(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_dict(draw(40, 9, KINDS[0]))
    program = build(loaded.config, loaded.classes).program
    stream, n_rows = program.streams[0], len(program.rows)
    from allocate.models import totals as module
    from allocate.models.stream import Flows

    rng = np.random.default_rng(1)
    member = np.arange(len(stream.rate))
    arm = rng.integers(len(stream.arms), size=len(member))
    tokens = rng.uniform(0, 1000, (len(member), stream.n_uses))
    flows = Flows(member, arm, stream.rate * rng.uniform(0, 1, len(member)), tokens)
    whole = totals(stream, flows, n_rows)
    monkeypatch.setattr(module, "_CHUNK", 7)
    for mine, theirs in zip(totals(stream, flows, n_rows), whole, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    use, cost = stream.slot_use(flows)
    np.testing.assert_allclose(whole.costs, cost.T @ flows.requests, rtol=1e-9)
    by_row = stream.row_use(member, arm, stream.amounts(flows), n_rows) @ flows.requests
    np.testing.assert_allclose(whole.use, by_row, rtol=1e-9)
    assert use.shape == cost.shape
