"""An answer that was cut short says so in its own document, not on the screen alone."""

import dataclasses

from allocate.models.loader import load_dict
from allocate.solver import solve as solving
from tests.solver.cases import two_models


def interrupted(*args, **kwargs):
    raise KeyboardInterrupt


def test_an_answer_without_ranges_says_that_it_was_stopped(monkeypatch):
    monkeypatch.setattr(solving, "price_ranges", interrupted)
    document = solving.solve(load_dict(two_models(10.0))).to_dict()
    assert document["status"] == "optimal"  # the answer is whole; its ranges are not
    assert document["warnings"][0].startswith("stopped at your request before the prices")


def test_the_best_answer_so_far_says_that_it_was_stopped():
    solution = solving.solve(load_dict(two_models(10.0)))
    assert not [w for w in solution.warnings() if "stopped" in w]
    document = dataclasses.replace(solution, stopped=True).to_dict()
    assert document["warnings"][0].startswith("stopped at your request: this is the best")
