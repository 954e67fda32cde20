"""What a calibration hands back: parameters with intervals, tables, a piece of a config."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from allocate.models.calibration.grounds import with_source
from allocate.models.calibration.private import cleaned
from allocate.plain import plain

if TYPE_CHECKING:
    import polars as pl

LEVEL = 0.90
"""Every interval ``low`` to ``high`` is meant to hold the true value this often."""

DEFAULT_BLOCKS = (1000, 5000, 20000, 50000)

COMPARED_NOTHING = "the check compared nothing"
"""How the note of a check begins that had nothing to compare."""
SEEN = "the check used files of the fit"
"""How the note of a check begins whose data were used before."""


@dataclass(frozen=True)
class Parameter:
    """One fitted number with its interval.

    ``fit`` holds ``method`` (text), ``rows`` (how many were used), ``goodness`` (a mapping
    such as ``{"r2": 0.97}`` or ``{"median_relative_error": 0.03}``, or None) and ``seen``
    (``[lo, hi]``, the range of the data in the parameter's own driving quantity, or None);
    a reader may add keys, such as ``of`` (which quantity ``seen`` is about).
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    fit: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"the parameter {self.name} is not finite")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it; an interval that could not be told is null."""
        fit = {"method": None, "rows": None, "goodness": None, "seen": None} | self.fit
        return {
            "name": self.name,
            "value": plain(self.value),
            "low": plain(self.low),
            "high": plain(self.high),
            "unit": self.unit,
            "fit": plain(fit),
        }


@dataclass(frozen=True)
class Source:
    """A file that was read: its name only, never where it stands."""

    name: str
    sha256: str
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {"name": self.name, "sha256": self.sha256, "rows": self.rows}


@dataclass(frozen=True)
class Options:
    """What the user said besides the files.

    ``columns`` is ``--map field=column``; ``settings`` is ``--option name=value``, texts that
    the reader checks against its own ``OPTIONS``; ``blocks`` are cache sizes of ``reuse``.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    blocks: tuple[int, ...] = DEFAULT_BLOCKS
    seed: int = 0


@dataclass
class Calibration:
    """Everything that one run of a reader found.

    ``fragment`` is a piece of a config in plain values (mappings, lists, numbers, texts);
    ``tables`` are polars data frames by name; ``rows_dropped`` counts rows by reason;
    ``notes`` are sentences for the reader of the result; ``check`` is what the data that
    were not used say, or None. ``state`` may hold what ``check`` needs and nobody prints.
    """

    kind: str
    recognised: str
    rows_used: int
    rows_dropped: dict[str, int]
    parameters: list[Parameter]
    tables: dict[str, pl.DataFrame]
    fragment: dict[str, Any]
    sources: list[Source]
    notes: list[str] = field(default_factory=list)
    check: dict[str, Any] | None = None
    grounds: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Dotted path in the fragment → what that number rests on, as ``grounds.ground`` writes it."""
    state: dict[str, Any] = field(default_factory=dict, repr=False)

    def piece(self) -> dict[str, Any]:
        """The fragment with what its numbers rest on: a piece of a config, without paths."""
        if not self.fragment or not self.grounds:
            return cleaned(self.fragment)
        return cleaned(self.fragment | {"calibrated": with_source(self.grounds, self.sources)})

    @property
    def compared_nothing(self) -> bool:
        """Whether a check was asked for and found nothing to compare; its note says why."""
        return self.check is not None and any(n.startswith(COMPARED_NOTHING) for n in self.notes)

    def value(self, name: str) -> float:
        """Return a parameter's value by name.

        Raises:
            KeyError: there is no such parameter.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter.value
        raise KeyError(name)

    def to_dict(self, files: list[str] | None = None) -> dict[str, Any]:
        """Return the document that ``--format json`` prints; no text of it holds a path."""
        document = {
            "kind": self.kind,
            "recognised": self.recognised,
            "rows_used": self.rows_used,
            "rows_dropped": dict(self.rows_dropped),
            "interval_level": LEVEL,
            "parameters": [parameter.to_dict() for parameter in self.parameters],
            "check": plain(self.check),
            "notes": list(self.notes),
            "sources": [source.to_dict() for source in self.sources],
        }
        return cleaned(document) | {"files": files or []}  # where the user asked for them
