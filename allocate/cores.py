"""The cores that this process may use, and work spread over them by threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def available_cores() -> int:
    """Cores that the process is allowed on; all of the machine's where nobody can say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_cores(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What ``work`` makes of each item, in their order; a thread for each core.

    The threads are kept: the C library gives every new one memory that it does not take back,
    which doubled the peak of a solve of a million classes. So ``work`` may not ask for threads
    itself. The first error, and Ctrl-C, give up what has not begun.
    """
    return list(_threads().map(work, items))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(available_cores(), thread_name_prefix="allocate")


if hasattr(os, "register_at_fork"):  # threads do not live on in a fork
    os.register_at_fork(after_in_child=_threads.cache_clear)
