"""What can go wrong, said so that a person can act on it.

Every error that is the user's to fix derives from ``AllocateError`` and knows the exit
code that the command line ends with. Errors in files are collected as ``Problem`` values
and raised once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

CODES = {
    "CFG001": "the file cannot be read",
    "CFG002": "the file is not valid YAML",
    "CFG003": "the file is nested too deeply or grows too large",
    "CFG004": "a key is not known",
    "CFG005": "a key that is needed is missing",
    "CFG006": "a key or name stands there twice",
    "CFG007": "a value is of the wrong kind",
    "CFG008": "a number or a length is out of range",
    "CFG009": "a unit does not fit, or is not known",
    "CFG010": "a name cannot be used in a dotted path",
    "CFG011": "a value is not one of the choices",
    "CFG012": "a dotted path leads nowhere",
    "CFG013": "an override is not written as path=value",
    "CFG014": "a scenario is not known",
    "CFG020": "a name refers to nothing",
    "CFG021": "there are no request classes",
    "CFG022": "a model's success is given twice or not at all",
    "CFG023": "a success curve has no token use to act on",
    "CFG024": "the exponents of the token uses sum to more than 1",
    "CFG025": "more than one token use cuts the risk",
    "CFG026": "measured points are not increasing or not concave",
    "CFG027": "a speed tier or utilisation is impossible for its deployment",
    "CFG028": "prefill and decode deployments do not fit together",
    "CFG029": "KV memory is given without the bytes of a token",
    "CFG030": "retention tiers do not increase from 0",
    "CFG031": "limits on shares contradict each other",
    "CFG032": "the probabilities of the loss scenarios do not sum to 1",
    "CFG033": "a level of autonomy is described as human but the human does not do the task",
    "CFG034": "no model and level of autonomy may serve a class",
    "CFG035": "the correlations of training assets do not form a correlation matrix",
    "CFG036": "a training input is missing or made in more than one way",
    "CFG037": "a deployment that decodes has no step time, or no limit",
    "CFG038": "a price per million tokens looks like the price of one token",
    "CFG039": "the hours of the periods are nearly a day's",
    "CFG040": "the class table cannot be read",
    "CFG041": "a column of the class table is missing or not known",
    "CFG042": "a cell of the class table is empty or wrong",
    "CFG043": "the probabilities of the scenarios do not sum to 1",
    "CFG044": "GPUs are bought in a way that cannot be",
    "OBS001": "the table of what is done today cannot be read",
    "OBS002": "a column of the table of what is done today is not known",
    "OBS003": "a cell of the table of what is done today is wrong",
    "CAL001": "a source cannot be read",
    "CAL002": "a source is of no known format",
    "CAL003": "a source ends early or is damaged",
    "CAL004": "a source is too large, grows too large or is nested too deeply",
    "CAL005": "a column or field of a source is missing",
    "CAL006": "a value in a source is wrong",
    "CAL007": "there is too little to fit",
    "CAL008": "values of a source are in different units",
    "CAL009": "an option of the calibration is wrong",
}
"""Every error code and what it means; a code is never given a new meaning."""

SHOWN = 100
"""How many problems a message prints; the exception holds all of them."""

# What a caret underlines: a quoted text, or everything up to the next mark of YAML.
_TOKEN = re.compile(r""""[^"]*"|'[^']*'|[^\s,:\[\]{}]+|.""")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it stands, and what to try.

    ``path`` is the dotted path of the value, as tuple of its parts. ``file`` is what the
    message points at: a file, or the ``--set`` that caused the problem. ``line`` and
    ``column`` count from 1.
    """

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    hint: str | None = None
    source_line: str | None = None
    path: tuple[str | int, ...] = ()
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        lines = [f"{self.severity}[{self.code}] {self.message}"]
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        if place:
            lines.append(f"  --> {place}")
        if self.source_line is not None and self.line and self.column:
            lines += self._excerpt(self.source_line, self.line, self.column - 1)
        if self.hint:
            lines.append(f"help: {self.hint}")
        return "\n".join(lines)

    @staticmethod
    def _excerpt(source: str, line: int, start: int) -> list[str]:
        token = _TOKEN.match(source, start)
        width = len(token.group()) if token else 1
        cut = max(0, start - 60)  # a line of a thousand characters is shown around its caret
        source, start = source[cut : cut + 100], start - cut
        width = max(1, min(width, len(source) - start))
        margin = " " * len(str(line))
        # Tabs are kept so that the caret stays under its column in any terminal.
        indent = "".join("\t" if c == "\t" else " " for c in source[:start])
        return [f" {line} | {source.rstrip()}", f" {margin} | {indent}{'^' * width}"]


class AllocateError(Exception):
    """Base of every error that a user can do something about."""

    exit_code = 2

    @property
    def told(self) -> str:
        """What a person is told: it begins with what kind of thing it is."""
        return f"error: {self}"


class ProblemsError(AllocateError):
    """Several problems, found in one pass."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(str(self))

    @property
    def told(self) -> str:
        """Every problem begins with its code."""
        return str(self)

    def __str__(self) -> str:
        parts = [str(problem) for problem in self.problems[:SHOWN]]
        count = len(self.problems)
        if count > 1:
            more = f", of which the first {SHOWN} are shown" if count > SHOWN else ""
            parts.append(f"{count:,} errors{more}")
        return "\n\n".join(parts)


class ConfigError(ProblemsError):
    """The config cannot be used."""


class DataError(ProblemsError):
    """A table or log cannot be used."""


class UnitError(AllocateError, ValueError):
    """A text is not a number with a unit that fits.

    It is a ``ValueError`` too, so that pydantic collects it with the other problems.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class SolveError(AllocateError):
    """There is no answer to give: the limits conflict, or nothing bounds the welfare.

    ``conflicts`` names the limits; ``proof`` holds the multipliers that prove the conflict.
    """

    def __init__(
        self,
        status: str,
        message: str,
        conflicts: Sequence[str] = (),
        proof: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.conflicts = tuple(conflicts)
        self.proof = proof
        self.exit_code = 3 if status in {"infeasible", "unbounded"} else 4

    @property
    def told(self) -> str:
        """It begins with the status."""
        return str(self)

    def __str__(self) -> str:
        if not self.conflicts:
            return f"{self.status}: {self.message}"
        listed = "\n".join(f"  {name}" for name in self.conflicts)
        return f"{self.status}: {self.message}\nlimits in conflict:\n{listed}"
