"""Better speeds for what runs on a tier: one lane whose best speed is known in closed form."""

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.stack import State, build
from allocate.models.vertices import vertices
from allocate.solver.answer import Request, answer_to
from tests.models.test_speeds import chat

_BUSY_S = 0.02  # of a replica, for a request of ``chat``
_WAIT_S = 1.01  # of its user, on an idle replica


def better(speeds, **changes):
    """At the optimum on a menu of one lane: what each tier in use should have beside it."""
    config = chat(latency_usd_per_s=1e-5)
    for path, value in changes.items():
        at = config
        *way, last = path.split("__")
        for key in way:
            at = at[key]
        at[last] = value
    loaded = load_dict(config)
    built = build(loaded.config, loaded.classes, State(grid={"d": speeds}))
    answer = answer_to(built.program, np.zeros(len(built.program.rows)), Request())
    return vertices(built.program, built.tiers, answer.allocation, answer.duals, 1e-10)


def speed(x):
    return 1 / (1 + np.exp(-x))


def best(latency_usd_per_s):
    """logit u at which φ r/u + λκ/(1 − u) is least."""
    return 0.5 * np.log(3 / 3600 * _BUSY_S / (latency_usd_per_s * _WAIT_S))


@pytest.mark.parametrize("off", [-0.05, 0.02])
def test_a_lone_tier_is_told_the_best_speed(off):
    """The parabola's error is of third order in the step."""
    middle = best(1e-5) + off
    (tiers,) = better([speed(middle + x) for x in (-0.1, 0.0, 0.1)]).values()
    at = [x for points in tiers.values() for x in points]
    assert at[0] == pytest.approx(best(1e-5), abs=3e-3)


def test_the_best_speed_asks_for_no_other():
    (tiers,) = better([speed(best(1e-5) + x) for x in (-0.1, 0.0, 0.1)]).values()
    assert list(tiers.values()) == [[]]


def test_work_that_would_part_is_told_both_ways():
    """Two kinds of requests, one to wait less for and one more, meet on the only near tier."""
    middle = best(1e-5)
    kind = chat()["classes"]["chat"]
    found = better(
        [speed(middle + x) for x in (-2.0, 0.0, 2.0)],
        classes={
            "hurried": {**kind, "latency_usd_per_s": 1e-5 * np.exp(0.8)},
            "patient": {**kind, "latency_usd_per_s": 1e-5 * np.exp(-0.8)},
        },
    )["d"]
    (points,) = found.values()
    assert min(points) < middle - 0.2
    assert max(points) > middle + 0.2


def test_the_best_speed_of_two_scarcities_is_where_they_cross():
    """Busy r/u and places κ/(B(1 − u)), one decoding second each: equal at odds rB/κ."""
    odds = _BUSY_S * 40 / 1.0
    at = np.log(odds) + np.array([-0.3, 0.1, 0.4])
    found = better(
        list(speed(at)), classes__chat__latency_usd_per_s=0, deployments__d__max_batch=40
    )
    (points,) = found["d"].values()
    assert points[0] == pytest.approx(np.log(odds), abs=5e-3)


def test_an_end_of_the_menu_is_told_nothing():
    """Nothing is known beyond it: the search steps outward instead."""
    at = best(1e-5) + np.array([0.0, 0.5, 1.0])
    assert better(list(speed(at))) == {}
