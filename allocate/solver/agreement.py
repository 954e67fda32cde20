"""Solve again until an answer and the program that it implies agree.

A program depends on its own answer in two ways: its menu is made finer where the answer
lies, and some of its numbers hang on what the answer does with them. Both are in its state.
Every round starts from the prices of the last one. The last *certified* round is what is
given back, also when the user stops the search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from allocate.models.ladder import laddered
from allocate.models.loader import Loaded
from allocate.models.stack import Built, State, advance, build, kin
from allocate.solver.answer import Answer, Request, answer_to
from allocate.solver.balanced import balanced
from allocate.solver.certificate import certify

_REFINEMENTS = 10
_FIXED_POINT = 30
_WORTH = 0.01  # of the tolerance: what a speed must gain, as a share of the welfare
_QUIET = 2  # rounds that gain nothing before the menu is left alone
_MIXED = 4  # rounds from which the next numbers are guessed
_PARALLEL = 1e-3  # rounds that say so nearly the same count as one
_AGREED = 1e-4  # program and answer agree on every number to this share


class Round(NamedTuple):
    """A program at a state, and the answer to it."""

    built: Built
    answer: Answer


def rounds(loaded: Loaded, first: Round, request: Request) -> Iterator[Round]:
    """Rounds after the first, each the program that the answer before implies.

    The menu is refined first, every round also refreshing the numbers; then the numbers
    alone until they stand still.
    """
    latest, quiet, path = first, 0, _Path()
    worth = _WORTH * request.tolerance
    for number in range(_REFINEMENTS + _FIXED_POINT):
        built, answer = latest
        refine = number < _REFINEMENTS and quiet < _QUIET
        state = advance(built, answer.allocation, answer.duals if refine else None, worth)
        if moved(built.state, state) <= _AGREED and state.grid == built.state.grid:
            return
        state = path.onward(built.state, state)
        phase = "speeds" if refine else "training"
        following = build(loaded.config, loaded.classes, state)
        said = {"phase": phase, "round": number + 1}
        prices = _known(following, latest)
        found = answer_to(following.program, prices, request, warm=True, said=said)
        if not found.certificate.holds:
            return
        gain = found.certificate.primal - answer.certificate.primal
        nothing = abs(gain) <= 1e-3 * request.tolerance * abs(found.certificate.primal)
        small = abs(gain) <= 0.1 * request.tolerance * abs(found.certificate.primal)
        if refine:
            quiet = (_QUIET if nothing else quiet + 1) if small else 0
        latest = Round(following, found)
        yield latest
        if not state.numbers and quiet >= _QUIET:
            return


def at_best_speeds(found: Round, request: Request) -> Round:
    """The round with prices at which its speeds are the best, as far as that is proved."""
    built, answer = found
    duals = balanced(answer.program, built.splits, answer.allocation, answer.duals)
    certificate = certify(answer.program, answer.allocation, duals, request.tolerance)
    if not certificate.holds:
        return found
    return Round(built, replace(answer, duals=duals, certificate=certificate))


def widened(loaded: Loaded, found: Round, request: Request) -> Round | None:
    """A round with a ladder of speeds around its own; None if not certified."""
    state = laddered(found.built, found.answer.allocation)
    built = build(loaded.config, loaded.classes, state)
    prices = _known(built, found)
    answer = answer_to(built.program, prices, request, warm=True, said={"phase": "ranges"})
    return at_best_speeds(Round(built, answer), request) if answer.certificate.holds else None


def moved(before: State, after: State) -> float:
    """How far the numbers of two states are from agreeing, relative to themselves."""
    old, new = before.numbers, after.numbers
    return max(
        (
            abs(x - old.get(n, 0.0)) / max(abs(x), abs(old.get(n, 0.0)), 1e-12)
            for n, x in new.items()
        ),
        default=0.0,
    )


class _Path:
    """What went in and came out of the last rounds, and the input that they point to.

    The mix of the outputs whose inputs and outputs would differ least (Anderson 1965), which
    is the secant method where there is one number.
    """

    def __init__(self) -> None:
        self.inputs: deque[np.ndarray] = deque(maxlen=_MIXED)
        self.outputs: deque[np.ndarray] = deque(maxlen=_MIXED)

    def onward(self, before: State, after: State) -> State:
        """The state to look at next: the menu of ``after``, numbers from all rounds."""
        names = list(after.numbers)
        if not names:
            return after
        self.inputs.append(np.array([before.numbers.get(n, 0.0) for n in names]))
        self.outputs.append(np.array([after.numbers[n] for n in names]))
        inputs, outputs = np.array(self.inputs), np.array(self.outputs)
        last, size = outputs[-1], np.maximum(np.abs(outputs).max(axis=0), 1e-12)
        off = (outputs - inputs) / size
        mix = np.linalg.lstsq((off[:-1] - off[-1]).T, -off[-1], rcond=_PARALLEL)[0]
        guess = last + mix @ (outputs[:-1] - last)
        guess = np.where((guess >= 0.5 * last) & (guess <= 2.0 * last), guess, last)
        return after.at(dict(zip(names, guess.tolist(), strict=True)))


def _known(built: Built, before: Round) -> np.ndarray:
    """[rows]: the prices of the last round, matched by row name or the nearest of its kind."""
    rows = before.answer.program.rows
    known = {row.name: d for row, d in zip(rows, before.answer.duals, strict=True)}
    nearest = kin(built, before.built)
    return np.array([known.get(nearest.get(row.name, row.name), 0.0) for row in built.program.rows])
