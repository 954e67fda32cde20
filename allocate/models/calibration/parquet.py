"""Reads a Parquet table, which may unfold to a million times its size on disk, within a limit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocate.models.calibration.opening import fail, plain_bytes

if TYPE_CHECKING:
    import polars as pl

_CELL = 8
"""Bytes that a cell takes at least."""


def read(path: Path, most_bytes: int, most_columns: int) -> pl.DataFrame:
    """Read a table whole, every column as text; columns of lists and records are left out.

    Args:
        path: the file.
        most_bytes: what it may take in memory.
        most_columns: how many columns it may have.
    """
    import polars as pl

    plain_bytes(path).close()  # says what is wrong with a folder, a pipe or a missing file
    plain, rows = _shape(path)
    if len(plain) > most_columns:
        message = f"the table has {len(plain):,} columns, more than {most_columns:,}"
        fail("CAL004", message, path)
    if rows * len(plain) * _CELL > most_bytes:
        _too_large(path, most_bytes)
    if not rows or not plain:
        fail("CAL003", "the table has no rows of plain values", path)
    frame = _tried(path, lambda: pl.scan_parquet(path).select(plain).collect())
    text = frame.with_columns(pl.all().cast(pl.String, strict=False))
    if text.estimated_size() > most_bytes:
        _too_large(path, most_bytes)
    return text


def _shape(path: Path) -> tuple[list[str], int]:
    """Names of the columns with plain values, and rows, of the file's footer alone."""
    import polars as pl

    lazy = _tried(path, lambda: pl.scan_parquet(path))
    schema = _tried(path, lazy.collect_schema)
    rows = _tried(path, lambda: lazy.select(pl.len()).collect().item())
    return [name for name, kind in schema.items() if not kind.is_nested()], int(rows)


def _too_large(path: Path, most_bytes: int) -> None:
    hint = "keep only the columns that are needed, or give a part of the rows"
    fail("CAL004", f"the table is larger than {most_bytes >> 20} MiB", path, hint=hint)


def _tried(path: Path, call: Any) -> Any:
    """Call; a damaged file ends in a message, also where the library panics."""
    import polars as pl

    try:
        return call()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).partition("\n")[0]
        fail("CAL001", f"cannot read the table: {reason}", path)
