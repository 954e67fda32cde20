"""First come, first served: shares at a full row, choices after the first, who must be served."""

import numpy as np
import pytest

from allocate.solver.certificate import certify
from allocate.solver.studies.baselines.greedy import Knobs, decide
from allocate.solver.studies.baselines.settle import settle
from allocate.solver.studies.investment import Investment
from tests.solver.cases import api_and_humans, changed, everything, fleet
from tests.studies.cases import own_only, scene_of


def settled(config, **knobs):
    ground, _ = scene_of(config).ground(Investment())
    allocation = settle(ground.program, decide(ground, Knobs(**knobs)).candidates)
    assert allocation is not None
    return ground, allocation


def shares(ground, allocation):
    flows = allocation.flows[0]
    served = np.bincount(flows.member, flows.requests, len(ground.stream.rate))
    return served / ground.stream.rate


def test_all_get_the_same_share_of_a_full_row():
    ground, allocation = settled(own_only(gpus=1.0))
    got = shares(ground, allocation)
    assert 0.01 < got[0] < 0.99
    assert got[0] == pytest.approx(got[1], rel=1e-6)


def test_nobody_is_turned_away_where_there_is_room():
    ground, allocation = settled(own_only(gpus=100.0))
    assert shares(ground, allocation) == pytest.approx(1.0)


def test_what_is_turned_away_tries_its_next_choice():
    # a floor of 0 sends everything to the own model first; the API takes what does not fit
    config = changed(fleet(), gpus__h100__available=1.0)
    ground, allocation = settled(config, quality_floor=0.0)
    flows = allocation.flows[0]
    models = {ground.stream.arms[a].labels["model"] for a in flows.arm}
    assert models == {"own", "api"}
    assert shares(ground, allocation) == pytest.approx(1.0)


def test_a_class_that_may_not_be_declined_goes_first():
    config = changed(own_only(gpus=1.0), classes__hard__decline=False)
    got = shares(*settled(config))
    assert got[1] == pytest.approx(1.0)
    assert got[0] < 0.9


def test_others_go_on_when_one_row_is_full():
    # the tenant's budget stops its own requests only
    config = changed(api_and_humans(), tenants__alpha__money_usd=0.5)
    got = shares(*settled(config, approval={"act": "free", "commit": "free", "deploy": "free"}))
    assert got[0] < 0.9
    assert got[1:] == pytest.approx(1.0)


@pytest.mark.parametrize("config", [everything(), fleet(), own_only(0.3), api_and_humans()])
def test_limits_are_kept(config):
    ground, allocation = settled(config)
    judged = certify(ground.program, allocation, np.zeros(len(ground.program.rows)))
    assert judged.max_violation <= 1e-9


def test_a_floor_on_shares_is_met_or_refused():
    config = fleet()
    config["limits"] = {"shares": {"some": {"models": ["own"], "min_share": 0.2}}}
    ground, _ = scene_of(config).ground(Investment())
    cheap = settle(ground.program, decide(ground, Knobs(quality_floor=0.0)).candidates)
    assert cheap is not None
    best = decide(ground, Knobs(quality_floor=1.0)).candidates
    assert settle(ground.program, best) is None  # it never tries the own model
