"""``calibrated:`` of a config: what a measured number rests on.

``allocate calibrate`` writes it into its fragments, beside the numbers themselves. ``solve`` warns
where an answer leaves the range that a number was seen in, and draws from the intervals for
``--samples``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from allocate.models.section import Section

Numbers = float | list[float]
Driver = Literal[
    "value",
    "requests_per_s",
    "batch",
    "context_tokens",
    "prompt_tokens",
    "output_tokens",
    "retention_s",
    "index",
    "versions",
]
"""Quantities of an answer that a number's validity can depend on; ``value`` is its own."""
UNITS: dict[Driver, str] = {
    "value": "",
    "requests_per_s": "requests/s",
    "batch": "sequences in a batch",
    "context_tokens": "tokens of context",
    "prompt_tokens": "tokens of a prompt",
    "output_tokens": "tokens written for a request",
    "retention_s": "s kept",
    "index": "of the training index",
    "versions": "versions behind",
}


class Calibrated(Section):
    """One calibrated number, or the heights of a curve's points, with its interval."""

    value: Numbers = Field(
        description="as calibrated; of another number in the config this says nothing"
    )
    low: Numbers | None = Field(default=None, description="90 % interval: 5 % lie below")
    high: Numbers | None = Field(default=None, description="5 % lie above")
    normal: bool = Field(
        default=False, description="errors are those of a linear fit: normal, as wide as to `high`"
    )
    least: float | None = Field(default=None, description="no draw is below this; default 0")
    most: float | None = Field(default=None, description="no draw is above this")
    unit: str = ""
    of: Driver | None = Field(default=None, description="the quantity that `seen` is about")
    seen: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="least and most of that quantity in the data"
    )
    method: str = Field(default="", description="how it was fitted")
    rows: float | None = Field(default=None, description="rows that it rests on")
    goodness: dict[str, float | None] = Field(default_factory=dict, description="of the fit")
    source: str = Field(default="", description="files that it comes from, each with its hash")
    correlation: dict[str, Annotated[float, Field(ge=-1, le=1)]] = Field(
        default_factory=dict, description="other dotted path → correlation of the errors"
    )
