"""The figures of a report in a notebook: ``result.plot.gain()`` is a chart of Altair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from allocate.cli.report.draw import WIDE
from allocate.cli.report.kinds import known, page_of
from allocate.cli.report.parts import Figure, Page
from allocate.cli.report.single import titled


class Plots:
    """The figures of one or several results, each a method of its name.

        >>> solution.plot  # doctest: +SKIP
        <figures: balance_chart, gain, worth_pay, …>
        >>> solution.plot.gain()  # doctest: +SKIP
        >>> solution.plot("gain", width=600)  # doctest: +SKIP

    ``data()`` of a chart's name returns its records as CSV text, in full precision.
    """

    def __init__(self, *documents: Mapping[str, Any]) -> None:
        """Take result documents (``to_dict()`` of a result)."""
        given = [known(document, f"document {i + 1}") for i, document in enumerate(documents)]
        self._page: Page = page_of(given)

    def __repr__(self) -> str:
        return f"<figures: {', '.join(self._names())}>"

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names()]

    def __call__(self, name: str, width: int = WIDE) -> Any:
        """Return a figure as an Altair chart that says its numbers under the pointer."""
        import altair as alt

        spec = titled(self._figure(name), width)
        _hover(spec)
        return alt.Chart.from_dict(spec)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        self._figure(name)

        def draw(width: int = WIDE) -> Any:
            return self(name, width)

        return draw

    def data(self, name: str) -> str:
        """Return the data behind a figure as CSV."""
        return next(iter(self._figure(name).table.files.values()))

    def _names(self) -> list[str]:
        return [key.replace("-", "_") for key in self._page.figures]

    def _figure(self, name: str) -> Figure:
        by = {key.replace("-", "_"): figure for key, figure in self._page.figures.items()}
        found = by.get(name.replace("-", "_"))
        if found is None:
            raise AttributeError(f"no figure {name!r}; there are {', '.join(by)}")
        return found


def _hover(spec: dict[str, Any]) -> None:
    """Let every mark that has words for a screen reader say them under the pointer too."""
    encoding = spec.get("encoding", {})
    if "description" in encoding:
        encoding["tooltip"] = dict(encoding["description"])
    for layer in spec.get("layer", []):
        _hover(layer)
