"""The first welfare theorem: each layer alone, handed the shared prices, does its joint part."""

from dataclasses import replace

import numpy as np
import pytest

from allocate.models.program import Activity, Allocation, Program
from allocate.solver.certificate import certify
from allocate.solver.methods.newton import newton
from allocate.solver.methods.start import first_prices
from tests.solver.cases import changed, everything, fleet, solved

MAKE = {
    "everything": everything,
    "fleet": fleet,
    "full batches": lambda: changed(fleet(), deployments__own_h100__max_batch=2),
    "periods": lambda: changed(
        fleet(),
        periods={
            "day": {"hours": 8, "demand_scale": 1.5},
            "night": {"hours": 16, "demand_scale": 0.3},
        },
    ),
}


def block_of(
    program: Program, duals: np.ndarray, streams: list[int], activities: list[int]
) -> Program:
    """A block by itself: what it uses is bought at the shared prices, what it makes is sold."""
    own = [program.activities[i] for i in activities]
    made = {r for a in own for r, v in a.uses if v < 0}
    gross = np.abs(program.capacity) + abs(program.use) @ np.full(len(program.activities), 1e3)
    market = [
        Activity(
            f"market {r}",
            ((r, 1.0 if r in made else -1.0),),
            -price if r in made else price,
            upper=1e3 * (1.0 + gross[r]),
            loose=True,
        )
        for r, price in enumerate(duals)
    ]
    chosen = tuple(program.streams[i] for i in streams)
    nobody = tuple(replace(s, rate=np.zeros_like(s.rate)) for s in program.streams[:1])
    return replace(
        program,
        rows=tuple(replace(row, capacity=0.0) for row in program.rows),
        streams=chosen or nobody,
        activities=(*own, *market),
        terms=(),
        resources=(),
        offsets=(),
    )


def alone(block: Program) -> float:
    """What the block earns by itself, USD per hour: solved from nothing, and certified."""
    found = newton(block, first_prices(block))
    assert found.allocation is not None
    judged = certify(block, found.allocation, found.duals, 1e-7)
    assert judged.feasible
    assert judged.dual - judged.primal <= 1e-7 * max(abs(judged.primal), 1.0)
    return judged.primal


@pytest.mark.parametrize("name", MAKE)
def test_layers_alone_at_the_shared_prices_earn_the_joint_welfare(name):
    solution = solved(MAKE[name]())
    program, duals, joint = solution.program, solution.duals, solution.allocation
    lanes = list(range(len(program.activities)))
    requests, serving = block_of(program, duals, [0], []), block_of(program, duals, [], lanes)
    earned = {"router and autonomy": alone(requests), "serving": alone(serving)}
    rent = float(program.capacity @ duals)
    assert rent > 0
    assert sum(earned.values()) + rent == pytest.approx(solution.welfare, rel=1e-6)

    # joined: in the joint answer each of them does as well as it could do alone
    stream, flows = program.streams[0], joint.flows[0]
    use = stream.row_use(flows.member, flows.arm, stream.amounts(flows), len(program.rows))
    bought = np.asarray(use @ flows.requests).ravel()
    part = requests.welfare(Allocation((flows,), bought))
    assert part == pytest.approx(earned["router and autonomy"], rel=1e-6)
    traded = np.abs(np.asarray(program.use @ joint.levels).ravel())
    made = np.concatenate([joint.levels, traded])
    nobody = flows._replace(
        member=flows.member[:0],
        arm=flows.arm[:0],
        requests=flows.requests[:0],
        tokens=flows.tokens[:0],
    )
    part = serving.welfare(Allocation((nobody,), made))
    assert part == pytest.approx(earned["serving"], abs=1e-6 * solution.welfare)
    # and what the one buys the other makes, or stands in a capacity
    net = bought + np.asarray(program.use @ joint.levels).ravel()
    assert np.all(net <= program.capacity + 1e-6 * (1 + np.abs(bought)))

    told = solution.layer_profits()
    for layer, amount in earned.items():
        assert told[layer] == pytest.approx(amount, abs=1e-6 * solution.welfare)


def test_at_other_prices_the_layers_alone_claim_more_than_there_is():
    solution = solved(everything())
    for factor in (0.5, 2.0):
        claimed = solution.program.dual(factor * solution.duals)
        assert claimed > solution.welfare * (1 + 1e-4)
