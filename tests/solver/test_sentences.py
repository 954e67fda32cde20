"""A sentence speaks of a step for which the price holds, and of no other."""

import pytest

from allocate.models.program import Resource
from allocate.solver.sentences import sentence


def limit(capacity, path="limits.risk_per_h", **more):
    return Resource(path, "risk envelope", "USD", capacity, noun="unit of loss an hour", **more)


@pytest.mark.parametrize(
    ("capacity", "reach", "said"),
    [
        (25.0, (1.0, 36.0), "The next unit of loss an hour is worth $7,500 an hour."),
        (25.0, (1.0, None), "The next unit of loss an hour is worth $7,500 an hour."),
        (0.0, (None, None), "The next unit of loss an hour is worth $7,500 an hour."),
        (0.15, (0.1, 0.17), "0.01 more gains $75 an hour."),
        (0.15, (0.1, None), "0.1 more gains $750 an hour."),
        (25.0, (1.0, 25.6), "0.1 more gains $750 an hour."),
        (0.15, (0.12, 0.15), "The last 0.01 gains $75 an hour. More gains less."),
        (25.0, (1.0, 25.0), "The last 1 gains $7,500 an hour. More gains less."),
        (0.15, (0.15, 0.15), "The next unit of loss an hour is worth $7,500 an hour."),
    ],
)
def test_a_step_stays_in_the_range(capacity, reach, said):
    assert sentence(limit(capacity), 7500.0, 0.0, False, reach) == said


def test_a_step_that_is_paid_for_says_all_three_numbers():
    said = sentence(limit(0.15), 7500.0, 100.0, False, (0.1, 0.17))
    assert said == "0.01 more gains $75 an hour: it is worth $76 and costs $1."


def test_a_floor_costs_by_the_step():
    floor = limit(0.3, "limits.shares.s.min_share")
    assert "0.01 more lowers welfare by $5" in sentence(floor, -500.0, 0.0, False, (0.25, 0.33))
    assert "0.01 less raises welfare by $5" in sentence(floor, -500.0, 0.0, False, (0.25, 0.3))


def test_tiny_amounts_are_written_out():
    assert "$0.000005 an hour" in sentence(limit(25.0), 5e-6, 0.0, False, (1.0, 36.0))


def test_what_is_left_is_to_spare_and_what_nobody_wants_is_not():
    assert "to spare" in sentence(limit(3.0), 0.0, 0.0, True, (1.0, None))
    assert sentence(limit(3.0), 0.0, 0.0, False, (3.0, None)).startswith("Nobody")
