"""Programs with decisions held or spending limited say the same of the same allocation."""

from dataclasses import replace

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.program import Allocation
from allocate.solver.certificate import certify
from allocate.solver.solve import solve
from allocate.solver.studies.inner import solved
from allocate.solver.studies.investment import investment, is_training, without_training
from allocate.solver.studies.terms import (
    MACHINES,
    SPENDING,
    divided,
    frozen,
    limited,
    spending,
    with_menu,
)
from tests.solver.cases import api_and_humans, everything, fleet
from tests.studies.cases import trainable


@pytest.fixture(scope="module", params=[api_and_humans, fleet, everything])
def answer(request):
    return solve(load_dict(request.param()), ranges=False)


def test_spending_is_what_the_accounts_say(answer):
    accounts = answer.program.accounts(answer.allocation)
    paid = spending(answer.program, answer.allocation, SPENDING)
    assert paid == pytest.approx(accounts["money"] + accounts["oversight"])
    assert spending(answer.program, answer.allocation, MACHINES) == pytest.approx(accounts["money"])


def test_the_new_row_counts_spending(answer):
    program = limited(answer.program, "spending", SPENDING, 1e9)
    use = program.usage(answer.allocation)[-1]
    assert use == pytest.approx(spending(answer.program, answer.allocation, SPENDING))
    assert program.welfare(answer.allocation) == pytest.approx(answer.welfare)


def test_a_limit_on_spending_binds_and_costs(answer):
    paid = spending(answer.program, answer.allocation, SPENDING)
    known = {r.name: d for r, d in zip(answer.program.rows, answer.duals, strict=True)}
    less = solved(limited(answer.program, "spending", SPENDING, 0.7 * paid), known)
    assert less.certificate.holds
    assert spending(less.program, less.allocation, SPENDING) <= 0.7 * paid * (1 + 1e-6)
    assert less.certificate.primal < answer.welfare


def test_frozen_tokens_are_worth_what_they_were(answer):
    stream, flows = answer.program.streams[0], answer.allocation.flows[0]
    n_t = len(stream.technologies)
    tokens = np.zeros((len(stream.rate), n_t, stream.n_uses))
    tokens[flows.member, stream.technology_of[flows.arm]] = flows.tokens
    # a member may use one technology at two token counts; then the last one counts for both
    given = flows._replace(tokens=tokens[flows.member, stream.technology_of[flows.arm]])
    program = replace(answer.program, streams=(frozen(stream, tokens),))
    still = given._replace(tokens=np.zeros((len(flows.arm), 1)))
    before = answer.program.accounts(answer.allocation._replace(flows=(given,)))
    after = program.accounts(answer.allocation._replace(flows=(still,)))
    assert after == pytest.approx(before)
    assert program.usage(answer.allocation._replace(flows=(still,))) == pytest.approx(
        answer.program.usage(answer.allocation._replace(flows=(given,)))
    )


def test_a_narrower_menu_keeps_rows_and_values(answer):
    stream, flows = answer.program.streams[0], answer.allocation.flows[0]
    allowed = np.zeros((len(stream.rate), len(stream.arms)), bool)
    allowed[flows.member, flows.arm] = True
    program = replace(answer.program, streams=(with_menu(stream, allowed),))
    again = solved(program)
    assert again.certificate.primal == pytest.approx(answer.welfare, rel=1e-6)


def test_divided_members_serve_what_they_are_told(answer):
    stream, flows = answer.program.streams[0], answer.allocation.flows[0]
    total = np.bincount(flows.member, flows.requests, len(stream.rate))
    parent = np.flatnonzero(total > 0)
    opened = stream.menu[stream.group][parent]
    program = divided(answer.program, parent, total[parent], opened)
    again = solved(program)
    served = np.bincount(
        again.allocation.flows[0].member, again.allocation.flows[0].requests, len(parent)
    )
    assert served == pytest.approx(total[parent], rel=1e-6)
    assert again.certificate.primal == pytest.approx(answer.welfare, rel=1e-6)


def test_held_training_keeps_welfare_and_room():
    answer = solve(load_dict(trainable()), ranges=False)
    program, levels = answer.program, answer.allocation.levels
    plan = investment(program, levels, answer.allocation.flows[1])
    assert sum(plan.capability.values()) > 0
    rest, left = without_training(program, plan)
    assert not is_training(rest).any()
    allocation = Allocation(answer.allocation.flows[:1], levels[left])
    assert rest.welfare(allocation) == pytest.approx(answer.welfare, rel=1e-9)
    slack = certify(rest, allocation, np.zeros(len(rest.rows))).max_violation
    assert slack <= 1e-6
