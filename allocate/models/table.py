"""Request classes in a CSV or Parquet file, checked a column at a time.

An empty cell is never a zero: in a required column it is an error, in any other it means
the default of the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError

from allocate.errors import DataError, Problem
from allocate.models import messages
from allocate.models.classes import LISTS, NUMBERS, TEXTS, Coded, Floats, Names, named_rows
from allocate.models.config import ClassTable, Config, RequestClass
from allocate.models.paths import Node, nearest, validate
from allocate.models.units import Quantity

_FIELDS = RequestClass.model_fields
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_BOUNDS: dict[str, tuple[str, Callable[[Floats, float], NDArray[np.bool_]]]] = {
    "ge": ("at least", np.greater_equal),
    "gt": ("more than", np.greater),
    "le": ("at most", np.less_equal),
    "lt": ("less than", np.less),
}


@dataclass
class Table:
    """The rows of a class table as columns, by field of ``RequestClass``."""

    names: Sequence[str]
    columns: dict[str, Any]
    quality: dict[str, Floats]


def read_table(config: Config, base_dir: Path) -> Table:
    """Read the class table of a config, or raise a ``DataError`` with all its problems."""
    assert config.class_table is not None
    path = base_dir / config.class_table.path
    reader = _Reader(config, config.class_table, path, _open(path))
    table = reader.read()
    if reader.problems:
        raise DataError(reader.problems)
    return table


def _open(path: Path) -> pl.DataFrame:
    at = ("class_table", "path")
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.name.endswith((".csv", ".csv.gz")):
            return pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        hint = "the path is relative to the config"
        problem = Problem("CFG040", f"there is no file `{path}`", hint=hint, path=at)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        problem = Problem("CFG040", f"cannot read `{path}`: {reason}", path=at)
    else:
        hint = "give a .csv, .csv.gz or .parquet file"
        problem = Problem("CFG040", f"`{path.name}` is not a kind of table", hint=hint, path=at)
    raise DataError([problem])


@dataclass
class _Reader:
    config: Config
    table: ClassTable
    path: Path
    frame: pl.DataFrame
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> Table:
        sources = self._sources()
        defaults = self._defaults()
        if self.frame.height == 0:
            self._say("CFG040", "the table has no rows")
        columns: dict[str, Any] = {}
        for name in NUMBERS:
            columns[name] = self._numbers(name, sources.get(name), defaults[name])
        for name in (*TEXTS, *LISTS):
            columns[name] = self._labels(name, sources.get(name), defaults[name])
        columns["decline"] = self._truths(sources.get("decline"), defaults["decline"])
        quality = self._quality(sources, defaults["quality"])
        return Table(self._names(sources.get("name")), columns, quality)

    # --- which column is which ------------------------------------------------------------

    def _sources(self) -> dict[str, str]:
        """Field → column of the file; unknown and missing columns become problems."""
        known = {"name", *_FIELDS} - {"quality"} | {f"quality.{m}" for m in self.config.models}
        sources: dict[str, str] = {}
        for name, column in self.table.columns.items():
            at = ("class_table", "columns", name)
            if name not in known:
                message = f"`{name}` is not a field of a class"
                self._config("CFG041", message, at, nearest(name, known))
            elif column not in self.frame.columns:
                message = f"{self.path} has no column `{column}`"
                self._config("CFG041", message, at, nearest(column, self.frame.columns))
            else:
                sources[name] = column
        mapped = set(sources.values())
        for column in self.frame.columns:
            if column in mapped:
                continue
            if column in known:
                sources.setdefault(column, column)
                continue
            original, twice, _ = column.rpartition("_duplicated_")
            if twice and original in self.frame.columns:
                self._say("CFG041", f"the column `{original}` stands in the table twice")
                continue
            hint = nearest(column, sorted(known - sources.keys()))
            self._say("CFG041", f"the column `{column}` is not known", hint)
        for name, info in _FIELDS.items():
            if info.is_required() and name not in sources and name not in self.table.defaults:
                hint = f"add the column, or `class_table.defaults.{name}`"
                self._say("CFG041", f"the column `{name}` is missing", hint)
        return sources

    def _defaults(self) -> dict[str, Any]:
        """Field → value of an empty cell; NaN stands for a number that is not given."""
        values = {
            name: info.get_default(call_default_factory=True) for name, info in _FIELDS.items()
        }
        for name, given in self.table.defaults.items():
            at = ("class_table", "defaults", name)
            if name not in _FIELDS:
                message = f"`{name}` is not a field of a class"
                self._config("CFG004", message, at, nearest(name, _FIELDS))
                continue
            try:
                values[name] = validate(("classes", "*", name), given)
            except ValidationError as error:
                for detail in error.errors():
                    problem = messages.problem({**detail, "loc": at}, {})
                    self._config(problem.code, problem.message, at, problem.hint)
                continue
            known = _known(self.config).get(name)
            for part in _parts(values[name]) if known is not None else ():
                if known is not None and part not in known:
                    message = f"`{name}` names `{part}`, which the config does not have"
                    self._config("CFG020", message, at, nearest(part, known))
        return values

    # --- columns of one kind --------------------------------------------------------------

    def _numbers(self, name: str, column: str | None, default: Any) -> Floats:
        required = _FIELDS[name].is_required() and name not in self.table.defaults
        fill = default if isinstance(default, float) else np.nan
        if column is None:
            return np.full(self.frame.height, fill)
        return self._floats(column, _node(name).quantity, fill, required)

    def _floats(
        self, column: str, quantity: Quantity | None, fill: float, required: bool
    ) -> Floats:
        raw = self.frame[column]
        if not (raw.dtype.is_numeric() or raw.dtype in (pl.String, pl.Null)):
            kind = str(raw.dtype.base_type()).lower()
            what = "true or false" if raw.dtype == pl.Boolean else f"of the type {kind}"
            self._say("CFG042", f"the column `{column}` must be numbers, not {what}")
            return np.full(len(raw), fill)
        if raw.dtype == pl.String:
            raw = raw.str.strip_chars()
            empty = raw.is_null() | (raw == "")
        else:
            empty = raw.is_null()
        numbers = raw.cast(pl.Float64, strict=False)
        values = numbers.fill_null(fill).to_numpy()
        self._cells(column, empty, "is empty", required, "fill it in: an empty cell is not 0")
        unit = "" if quantity is None or quantity.unit == "1" else f" of {quantity.unit}"
        hint = f"write a plain number{unit}"
        self._cells(column, numbers.is_null() & ~empty, "is not a number", hint=hint)
        finite = numbers.is_finite().fill_null(True)
        self._cells(column, ~finite, "is not a finite number", hint=hint)
        given = (finite & ~empty & numbers.is_not_null()).to_numpy()
        for bound, (words, holds) in _BOUNDS.items():
            limit = getattr(quantity, bound)
            if limit is not None:
                wrong = pl.Series(given & ~holds(values, limit))
                self._cells(column, wrong, f"is not {words} {limit:g}", hint=hint)
        return values

    def _labels(self, name: str, column: str | None, default: Any) -> Coded[Any]:
        listed = name in LISTS
        fill = tuple(default) if listed and default is not None else default
        count = self.frame.height
        if column is None:
            labels = () if fill is None else (fill,)
            code = -1 if fill is None else 0
            return Coded(np.full(count, code, dtype=np.int32), labels)
        raw = self.frame[column]
        if isinstance(raw.dtype, pl.List):
            raw = raw.cast(pl.List(pl.String)).list.join("|")
        text = raw.cast(pl.String).str.strip_chars()
        text = text.set(text == "", None)
        unique = text.drop_nulls().unique(maintain_order=True)
        codes = (
            text.replace_strict(
                unique, pl.arange(len(unique), dtype=pl.Int32, eager=True), default=-1
            )
            .fill_null(-1)
            .to_numpy()
        )
        found = [tuple(p.strip() for p in u.split("|")) if listed else u for u in unique]
        self._references(name, column, found, codes, text)
        merged = Coded.encode(found)  # "a|b" and "a | b" are one label
        codes = np.append(merged.codes, -1)[codes].astype(np.int32)
        if fill is None:
            return Coded(codes, merged.labels)
        labels = tuple(dict.fromkeys([*merged.labels, fill]))
        return Coded(np.where(codes < 0, labels.index(fill), codes).astype(np.int32), labels)

    def _truths(self, column: str | None, default: bool) -> NDArray[np.bool_]:
        if column is None:
            return np.full(self.frame.height, default)
        text = self.frame[column].cast(pl.String).str.strip_chars().str.to_lowercase()
        empty = text.is_null() | (text == "")
        known = text.replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean)
        self._cells(
            column, known.is_null() & ~empty, "is not true or false", hint="write true or false"
        )
        return known.fill_null(default).to_numpy()

    def _quality(self, sources: dict[str, str], default: dict[str, float]) -> dict[str, Floats]:
        quantity = Node(_node("quality").item).quantity
        quality = {model: np.full(self.frame.height, value) for model, value in default.items()}
        for name, column in sources.items():
            if name.startswith("quality."):
                model = name.removeprefix("quality.")
                fill = default.get(model, np.nan)
                quality[model] = self._floats(column, quantity, fill, required=False)
        return quality

    def _names(self, column: str | None) -> Sequence[str]:
        if column is None:
            return Names(self.frame.height, lambda k: str(k + 1))
        names = self.frame[column].cast(pl.String)
        empty = names.is_null() | (names.str.strip_chars() == "")
        self._cells(column, empty, "is empty", hint="give every row a name")
        again = ~names.is_first_distinct() & ~empty
        self._cells(column, again, "is the name of an earlier class", hint="rename it")
        if self.config.classes:
            taken = names.is_in(list(self.config.classes)) & ~again
            self._cells(column, taken, "is the name of a class in the config", hint="rename it")
        return Names(len(names), names.__getitem__)

    def _references(
        self, name: str, column: str, found: list[Any], codes: NDArray[np.int32], text: pl.Series
    ) -> None:
        """Labels must be names that the config has."""
        known = _known(self.config).get(name)
        if known is None:
            return
        for code, label in enumerate(found):
            for part in _parts(label):
                if part not in known:
                    rows = pl.Series(codes == code)
                    self._cells(
                        column,
                        rows,
                        f"names `{part}`, which the config does not have",
                        hint=nearest(part, known),
                    )

    # --- problems -------------------------------------------------------------------------

    def _cells(
        self,
        column: str,
        wrong: pl.Series,
        message: str,
        required: bool = True,
        hint: str | None = None,
    ) -> None:
        """Report the cells of one column that are wrong in one way."""
        rows = wrong.arg_true().to_numpy() if required else np.empty(0, dtype=np.int64)
        if not len(rows):
            return
        value = self.frame[column][int(rows[0])]
        cell = "" if value in (None, "") else f": `{value}`"
        first = f"row {rows[0] + 1}, column `{column}`{cell} {message}"
        also = f"; likewise {named_rows(rows[1:])}" if len(rows) > 1 else ""
        self._say("CFG042", first + also, hint, int(rows[0]))

    def _say(
        self, code: str, message: str, hint: str | None = None, row: int | None = None
    ) -> None:
        is_csv = self.path.suffix != ".parquet"
        line = row + 2 if row is not None and is_csv else None  # line 1 is the header
        self.problems.append(Problem(code, message, str(self.path), line, hint=hint))

    def _config(self, code: str, message: str, path: tuple[str, ...], hint: str | None) -> None:
        self.problems.append(Problem(code, message, hint=hint, path=path))


def _node(name: str) -> Node:
    return Node(_FIELDS[name].annotation, _FIELDS[name])


def _parts(label: Any) -> Iterable[str]:
    """The names in a label, which is a name or several."""
    return () if label is None else (label,) if isinstance(label, str) else label


def _known(config: Config) -> dict[str, Iterable[str]]:
    return {
        "quality": config.models,
        "tenant": config.tenants,
        "reuse": config.caching.reuse,
        "sharing": config.caching.sharing,
        "periods": config.periods,
        "models": config.models,
        "autonomy": config.autonomy,
    }
