"""Scalar roots for whole arrays: Wright's ω in closed form, and a safeguarded iteration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from allocate.models.curves.namespace import namespace
from allocate.models.limits import TINY

Array = Any
_STEPS = 100
FAR = 690.0  # |log| of every number considered: e^±690 is beyond any real quantity


def wright_omega(x: Array) -> tuple[Array, Array]:
    """(ω, log ω) with ω + log ω = x, to a few units of rounding.

    A start within 8 % and two steps of fourth order: Fritsch, Shafer and Crowley (1973),
    Communications of the ACM 16, algorithm 443.
    """
    xp = namespace(x)
    small, large = xp.exp(xp.minimum(x, 1.0)), xp.maximum(x, 1.0)
    w = xp.where(
        x > 1.0,
        large - xp.log(large) * (large / (1.0 + large)),
        small * (1.0 + 4.0 / 3.0 * small) / (1.0 + small * (7.0 / 3.0 + 5.0 / 6.0 * small)),
    )
    w = xp.maximum(w, TINY)
    log_w = xp.log(w)
    for last in (False, True):
        r = x - w - log_w
        one = 1.0 + w
        q = one * (one + 2.0 / 3.0 * r)
        grown = r / one * ((q - 0.5 * r) / (q - r))
        w = w * (1.0 + grown)
        if last:  # the step is small by now: no other logarithm is needed
            log_w = log_w + grown * (1.0 - grown * (0.5 - grown / 3.0))
        else:
            w = xp.maximum(w, TINY)
            log_w = xp.log(w)
    tiny = x < -40.0
    return xp.where(tiny, small, w), xp.where(tiny, x - small, log_w)


def settle(
    propose: Callable[[Array, tuple], Array],
    data: tuple,
    start: Array,
    close: float = 1e-8,
    low: float = -FAR,
    high: float = FAR,
) -> Array:
    """The point that ``propose`` maps to itself, one for each element.

    Args:
        propose: (z, data) → a better z, on the side of the answer on which the answer lies
            (a Newton step of an increasing function does that), with quadratic convergence.
        data: arrays of the shape of z, handed on to ``propose``; they are cut down to the
            elements that still move.
        start: first z, any shape.
        close: a step this small, relative to max(1, |z|), is the last.
        low: lower end of the bracket.
        high: upper end.

    A proposal that leaves the shrinking bracket, that is not a number, or that does not
    halve the step before the last is replaced by the middle of the bracket (the safeguard
    of *Numerical Recipes*, ``rtsafe``). An element that does not settle in 100 steps keeps
    its last z: whoever relies on it must look at the residual (``RequestCurve.excess``).
    """
    xp = namespace(start, *data)
    first = _start(xp, start, low, high)
    close = max(close, 4.0 * float(np.finfo(first[0].dtype).eps))  # no closer than its digits
    if xp is np:
        return _settle_numpy(propose, data, first, close)
    from jax import lax

    def going(state: tuple) -> Array:
        return (state[0] < _STEPS) & ~xp.all(state[-1])

    def step(state: tuple) -> tuple:
        n, *before, done = state
        after = _advance(propose, data, tuple(before), close)
        kept = tuple(xp.where(done, b, a) for b, a in zip(before, after[:-1], strict=True))
        return (n + 1, *kept, done | after[-1])

    return lax.while_loop(going, step, (0, *first, xp.zeros(start.shape, bool)))[1]


def _start(xp: Any, start: Array, low: float, high: float) -> tuple:
    """(z, low, high, last step, the one before)."""
    wide = xp.full_like(start, np.inf)
    ends = xp.full_like(start, low), xp.full_like(start, high)
    return xp.clip(start, low, high), *ends, wide, wide


def _advance(propose: Any, data: tuple, state: tuple, close: float) -> tuple:
    z, low, high, last, before = state
    xp = namespace(z)
    new = propose(z, data)
    move = new - z
    low, high = xp.where(move > 0, z, low), xp.where(move < 0, z, high)
    size = xp.abs(move)
    small = size <= close * xp.maximum(1.0, xp.abs(z))
    good = small | ((new >= low) & (new <= high) & (size <= 0.5 * before))
    taken = xp.where(good, new, 0.5 * (low + high))
    step = xp.abs(taken - z)
    done = small | (step <= 4.0 * np.finfo(z.dtype).eps * xp.maximum(1.0, xp.abs(z)))
    return taken, low, high, step, last, done


def _settle_numpy(propose: Any, data: tuple, state: tuple, close: float) -> Array:
    shape = state[0].shape
    state = tuple(np.reshape(a, -1) for a in state)
    data = tuple(np.reshape(a, -1) for a in data)
    out = state[0]
    at = np.arange(out.size)
    for _ in range(_STEPS):
        *after, done = _advance(propose, data, state, close)
        if done.any():
            out[at[done]] = after[0][done]
            left = np.flatnonzero(~done)
            if not left.size:
                break
            at, state = at[left], tuple(a[left] for a in after)
            data = tuple(a[left] for a in data)
        else:
            state = tuple(after)
    else:
        out[at] = state[0]
    return out.reshape(shape)
