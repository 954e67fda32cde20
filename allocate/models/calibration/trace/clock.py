"""Times as they are written in logs → seconds on one clock, with the unit told apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from allocate.models.calibration.reading import fail

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
# A number of this size or more counts from 1970, in this unit (till the year 5138 in s).
_SINCE_1970 = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e8, "s"))
_FORMAT = "%Y-%m-%d %H:%M:%S%.f"


@dataclass
class Clock:
    """How a column of times is written; found in its first values, then held to.

    ``unit`` is that of numbers; None until it is known. ``absolute`` says whether times are
    dates (or count from 1970), so that hours of the day mean something.
    """

    path: Path
    unit: str | None = None
    written: str | None = None
    absolute: bool = False

    def seconds(self, texts: pl.Series, line: int) -> pl.Series:
        """Turn texts into seconds; null where one cannot be read.

        Args:
            texts: the column, as text.
            line: line of its first value, for messages.

        Raises:
            DataError: numbers and dates, or numbers of different units, are mixed.
        """
        texts = texts.cast(pl.String).str.strip_chars()
        numbers = texts.cast(pl.Float64, strict=False)
        numbers = numbers.set(~numbers.is_finite().fill_null(True), None)
        if numbers.null_count() < len(numbers):
            self._hold("numbers", line)
        if numbers.null_count() == 0:
            return self._scaled(numbers, line)
        dates = _dates(texts)
        if dates.null_count() < len(dates):
            self._hold("dates", line)
        if self.written == "numbers":
            return self._scaled(numbers, line)
        self.absolute = True
        return dates

    def _hold(self, written: str, line: int) -> None:
        if self.written not in (None, written):
            hint = "write all times in one way"
            fail("CAL008", "times are dates in some rows and numbers in others", self.path, line,
                 hint=hint)  # fmt: skip
        self.written = written

    def _scaled(self, numbers: pl.Series, line: int) -> pl.Series:
        known = numbers.drop_nulls().abs()
        if self.unit is None and len(known):
            middle = float(known.median())  # type: ignore[arg-type]
            self.unit = _since_1970(middle)
            self.absolute = self.unit is not None
            self.unit = self.unit or "s"
        if self.absolute and len(known):
            for value in (float(known.min()), float(known.max())):  # type: ignore[arg-type]
                if _since_1970(value) != self.unit:
                    message = f"times count in {self.unit}, but {value:.6g} does not fit that"
                    hint = "the rows mix units, or some times are wrong: separate them"
                    fail("CAL008", message, self.path, line, hint=hint)
        return numbers * UNITS[self.unit or "s"]


def _since_1970(value: float) -> str | None:
    return next((unit for least, unit in _SINCE_1970 if value >= least), None)


def _dates(texts: pl.Series) -> pl.Series:
    """ISO dates, with an offset or in UTC, as seconds since 1970."""
    plain = texts.str.replace("T", " ", literal=True).str.replace(r"(Z| UTC)$", "+00:00")
    zoned = plain.str.contains(r"[+-]\d\d:?\d\d$").fill_null(False)
    here = plain.set(zoned, None).str.to_datetime(_FORMAT, strict=False, time_unit="us")
    there = plain.set(~zoned, None).str.to_datetime(
        f"{_FORMAT}%#z", strict=False, time_unit="us", time_zone="UTC"
    )
    return (here.dt.epoch("us").fill_null(there.dt.epoch("us"))).cast(pl.Float64) / 1e6
