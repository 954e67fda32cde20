"""A solver knows no layer: without names and labels it finds the same numbers."""

from dataclasses import replace

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.program import Program
from allocate.models.stack import State, build
from allocate.solver.answer import Answer, Request, answer_to
from allocate.solver.methods.start import first_prices
from allocate.solver.wholes import Whole, whole_numbers
from tests.solver.cases import changed, everything, fleet

TRAINING = {
    "depreciation_per_h": 0.01,
    "risk_aversion": 0.1,
    "assets": {
        "rl": {
            "model": "own",
            "gain": {"form": "saturating", "ceiling": 0.02},
            "gain_std": 1.0,
            "rollout": {"exponent": 0.5, "reference_tokens": 1e7, "deployment": "own_h100"},
            "update": {"exponent": 0.3, "reference_tokens": 1e7, "price_usd_per_mtok": 5},
        }
    },
}
WHOLE = changed(fleet(), gpus__h100__available=2.6, deployments__own_h100__integer_replicas=True)
CONFIGS = {"everything": everything(), "training": changed(fleet(), training=TRAINING)}


def program_of(config) -> Program:
    loaded = load_dict(config)
    return build(loaded.config, loaded.classes, State(worth={"own": 500.0})).program


def nameless(program: Program) -> Program:
    """The same numbers, and nothing that says what they are."""
    return replace(
        program,
        rows=tuple(replace(r, name=f"row {i}") for i, r in enumerate(program.rows)),
        activities=tuple(
            replace(a, name=f"activity {i}", labels={}) for i, a in enumerate(program.activities)
        ),
        streams=tuple(
            replace(
                s,
                name="",
                slots=tuple(replace(slot, name="") for slot in s.slots),
                arms=tuple(replace(a, labels={}) for a in s.arms),
            )
            for s in program.streams
        ),
        resources=(),
        counts=tuple(replace(c, name=str(i), noun="") for i, c in enumerate(program.counts)),
    )


def answered(program: Program, method: str = "prices") -> Answer:
    answer = answer_to(program, first_prices(program), Request(method))
    assert answer.certificate.holds
    return answer


def same(one: Answer, other: Answer) -> bool:
    pairs = [(one.duals, other.duals), (one.allocation.levels, other.allocation.levels)]
    for flows, others in zip(one.allocation.flows, other.allocation.flows, strict=True):
        pairs += list(zip(flows, others, strict=True))
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("method", ["prices", "conic"])
@pytest.mark.parametrize("config", CONFIGS)
def test_names_and_labels_change_no_number(config, method):
    program = program_of(CONFIGS[config])
    assert same(answered(program, method), answered(nameless(program), method))


def test_names_and_labels_change_no_whole_number():
    def whole(program: Program) -> Whole:
        quiet = Request("prices")
        found = whole_numbers(answered(program), lambda p, d: answer_to(p, d, quiet, warm=True))
        assert found is not None
        return found

    program = program_of(WHOLE)
    named, bare = whole(program), whole(nameless(program))
    assert same(named.answer, bare.answer)
    assert list(named.report["replicas"].values()) == list(bare.report["replicas"].values()) == [2]
