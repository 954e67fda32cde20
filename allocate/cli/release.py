"""The one place that says what this release cannot do yet, and what to do instead."""

from __future__ import annotations

from allocate.cli.flags import Method
from allocate.errors import AllocateError

#: Methods this release solves with.
METHODS_TODAY = frozenset({Method.AUTO, Method.PRICES, Method.CONIC, Method.GRADIENT})


class NotInRelease(AllocateError):
    """Something that has a name but is not built yet."""

    exit_code = 2


def require_method(method: Method) -> str:
    """Return the method's name if this release has it."""
    if method not in METHODS_TODAY:
        today = " or ".join(sorted(METHODS_TODAY))
        raise NotInRelease(f"--method {method} is not in this release yet: use {today}.")
    return method.value
