"""The path of numbers to a program that its own answer agrees with."""

import numpy as np
import pytest

from allocate.models.state import State
from allocate.solver.agreement import _Path

_NAMES = [("worth", "own"), ("worth", "api"), ("capability", "own")]
_FIXED = np.array([500.0, 80.0, 0.02])


def state(numbers):
    return State().at(dict(zip(_NAMES, np.asarray(numbers).tolist(), strict=True)))


def walked(answer, rounds, start=_FIXED * 0.8):
    """How far from the fixed point, in shares of it, each round's program was."""
    path, at, off = _Path(), state(start), []
    for _ in range(rounds):
        now = np.array([at.numbers[n] for n in _NAMES])
        off.append(np.abs(now / _FIXED - 1).max())
        at = path.onward(at, state(answer(now)))
    return off


@pytest.mark.parametrize("slope", [0.95, -0.95])
def test_one_slow_direction_is_found_in_a_few_rounds(slope):
    """Plain repetition would be at 0.2 · 0.95⁵ = 15 % of the way after six."""
    off = walked(lambda x: _FIXED + slope * (x - _FIXED), 6)
    assert off[-1] < 1e-3


def test_coupled_numbers_are_found_together():
    scale = np.diag(_FIXED)
    pull = (
        scale @ np.array([[0.6, 0.3, 0], [-0.5, 0.4, 0.1], [0.2, 0, -0.7]]) @ np.linalg.inv(scale)
    )
    off = walked(lambda x: _FIXED + pull @ (x - _FIXED), 9)
    assert off[-1] < 1e-4 < off[3]


def test_a_guess_far_from_what_an_answer_said_is_not_believed():
    """Nearly parallel rounds point anywhere: each number stays within a factor 2 of the last."""
    path, before = _Path(), state(_FIXED)
    for step in range(1, 5):
        after = state(_FIXED * (1.0 + 0.1 * step))
        onward = path.onward(before, after)
        last = np.array([after.numbers[n] for n in _NAMES])
        now = np.array([onward.numbers[n] for n in _NAMES])
        assert np.all((0.5 * last <= now) & (now <= 2.0 * last))
        before = after


def test_where_nothing_is_trained_there_is_nothing_to_guess():
    lone = State(grid={"lane": (0.2, 0.5)})
    assert _Path().onward(State(), lone) is lone
