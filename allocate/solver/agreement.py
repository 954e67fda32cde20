"""Solve again until an answer and the program that it implies agree.

A program depends on its own answer in two places: the menu of speeds, made finer where the
answer lies, and the worth of training, which hangs on the routing that profits from it.
Every round starts from the prices of the last one. The last *certified* round is what is
given back, also when the user stops the search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from allocate.models.loader import Loaded
from allocate.models.stack import Built, State, advance, build, kin
from allocate.solver.answer import Answer, Request, answer_to

_REFINEMENTS = 10
_FIXED_POINT = 30
_QUIET = 2  # rounds that gain nothing before the speed menu is left alone
_AGREED = 1e-4  # routing and training agree on capability and its worth to this share


def rounds(loaded: Loaded, first: Answer, request: Request) -> Iterator[Answer]:
    """Answers after the first, each to the program that the one before implies.

    Speeds are refined first, every round also refreshing training; then training alone
    until it agrees with the routing.
    """
    answer, quiet, path = first, 0, [_built(first).state]
    for number in range(_REFINEMENTS + _FIXED_POINT):
        built = _built(answer)
        refine = number < _REFINEMENTS and quiet < _QUIET
        state = advance(built, answer.allocation, refine_speeds=refine)
        if moved(built.state, state) <= _AGREED and state.grid == built.state.grid:
            return
        path.append(state)
        if number % 3 == 2:
            state = _extrapolated(path[-3:])
        phase = "speeds" if refine else "training"
        following = _again(
            build(loaded.config, loaded.classes, state), answer, request, phase, number
        )
        if not following.certificate.holds:
            return
        gain = following.certificate.primal - answer.certificate.primal
        small = abs(gain) <= 0.1 * request.tolerance * abs(following.certificate.primal)
        if refine:
            quiet = quiet + 1 if small else 0
        answer = following
        yield answer
        if loaded.config.training is None and quiet >= _QUIET:
            return


def moved(before: State, after: State) -> float:
    """How far capability and its worth are from agreeing, relative to themselves."""
    pairs = [(before.worth, after.worth), (before.capability, after.capability)]
    return max(
        (
            abs(new[m] - old.get(m, 0.0)) / max(abs(new[m]), abs(old.get(m, 0.0)), 1e-12)
            for old, new in pairs
            for m in new
        ),
        default=0.0,
    )


def _built(answer: Answer) -> Built:
    assert answer.built is not None, "an answer of a config knows its program's origin"
    return answer.built


def _extrapolated(path: list[State]) -> State:
    """The limit that three states in a row point to (Aitken), where they contract."""
    if len(path) < 3:
        return path[-1]
    a, b, c = path

    def limit(x: Mapping[str, float], y: Mapping[str, float], z: Mapping[str, float]) -> dict:
        out = {}
        for m, last in z.items():
            first, second = x.get(m, 0.0), y.get(m, 0.0)
            bend = last - 2.0 * second + first
            guess = last - (last - second) ** 2 / bend if abs(bend) > 1e-300 else last
            contracts = abs(last - second) < 0.9 * abs(second - first)
            out[m] = guess if contracts and 0.5 * last <= guess <= 2.0 * last else last
        return out

    return State(
        c.grid,
        limit(a.capability, b.capability, c.capability),
        limit(a.worth, b.worth, c.worth),
    )


def _again(built: Built, before: Answer, request: Request, phase: str, number: int) -> Answer:
    """Solve a neighbouring program from the prices of the last one, matched by row name."""
    known = {row.name: d for row, d in zip(before.program.rows, before.duals, strict=True)}
    nearest = kin(built, _built(before))
    duals = np.array(
        [known.get(nearest.get(row.name, row.name), 0.0) for row in built.program.rows]
    )
    said = {"phase": phase, "round": number + 1}
    answer = answer_to(built.program, duals, request, warm=True, said=said)
    answer.built = built
    return answer
