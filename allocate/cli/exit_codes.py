"""What a process of ``allocate`` ends with."""

from __future__ import annotations

DONE = 0
NO = 1  # done, and the answer to the question asked is no
COULD_NOT_START = 2
NO_ANSWER = 3  # infeasible or unbounded
NOT_PROVED = 4  # stopped early, or not certified
BUG = 70

#: By the status of a result.
EXIT_CODES = {
    "optimal": DONE,
    "infeasible": NO_ANSWER,
    "unbounded": NO_ANSWER,
    "feasible": NOT_PROVED,
    "stopped": NOT_PROVED,
}
