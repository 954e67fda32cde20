"""``result.plot``: the figures of the report, for notebooks.

The drawing stands in the terminal's part of the package, which results know nothing of. So it is
found by its name when a figure is first asked for, as a plotting backend is.
"""

from __future__ import annotations

import importlib
from typing import Any

from allocate.errors import AllocateError

BACKEND = "allocate.cli.report.notebook"


class Plotting:
    """A property of every result: its figures, by name."""

    def __get__(self, result: Any, owner: type | None = None) -> Any:
        """Return the figures of a result; of a class, this property itself."""
        if result is None:
            return self
        try:
            import altair  # noqa: F401
        except ImportError as error:
            raise AllocateError(
                "figures need Altair, not installed here: from a checkout pip install '.[report]', "
                "else pip install 'allocate[report]'."
            ) from error
        return importlib.import_module(BACKEND).Plots(result.to_dict())
