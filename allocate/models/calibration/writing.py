"""Writes a calibration into a folder: tables, a fragment of a config, and what was found.

Each file is written beside its place and renamed. ``calibration.json`` holds one entry a
kind, so that several kinds share a folder; a kind that is calibrated again replaces its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from allocate.models.calibration.reading import fail, read_json
from allocate.models.calibration.result import Calibration

RECORD = "calibration.json"
FORMAT_VERSION = 1
MOST_CSV_ROWS = 100_000
_FORMULA = r"^\s*[=+\-@]"


def write(calibration: Calibration, folder: Path, version: str = "") -> list[str]:
    """Write a calibration and return the names of its files in the folder.

    Args:
        calibration: what a reader found.
        folder: where to write; made if missing.
        version: of the program, for the record.

    Raises:
        OSError: the folder or a file cannot be written.
        DataError: the folder holds a ``calibration.json`` that is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = read_record(folder) | {"allocate_version": version}
    files = {}
    for name, table in calibration.tables.items():
        file, raw = _table(f"{calibration.kind}-{name}", table)
        files[file] = raw
    files[f"{calibration.kind}.yaml"] = fragment_text(calibration, version).encode()
    names = [*files, RECORD]
    document = calibration.to_dict(names) | {"fragment": calibration.fragment}
    record["calibrations"][calibration.kind] = document
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    files[RECORD] = (text + "\n").encode()
    for name, raw in files.items():
        _replace(folder / name, raw)
    return names


def read_record(folder: Path) -> dict[str, Any]:
    """Read what a folder holds already: ``{format_version, calibrations: {kind: …}}``."""
    path = folder / RECORD
    if not path.exists():
        return {"format_version": FORMAT_VERSION, "allocate_version": "", "calibrations": {}}
    record = read_json(path)
    good = isinstance(record, dict) and isinstance(record.get("calibrations"), dict)
    if not good:
        fail("CAL006", "this is not a record of calibrations", path, 1, 1, "choose another folder")
    if record.get("format_version") != FORMAT_VERSION:
        message = f"format_version {record.get('format_version')} is not {FORMAT_VERSION}"
        fail("CAL006", message, path, 1, 1, "calibrate again into another folder")
    return record


def fragment_text(calibration: Calibration, version: str = "") -> str:
    """Write the fragment as YAML, with what each number rests on in comments above it."""
    from ruamel.yaml import YAML

    lines = [
        f"{f'allocate {version}'.strip()} calibrate {calibration.kind}: {calibration.recognised}"
    ]
    lines += [f"{s.name}, {s.rows:,} rows, sha256 {s.sha256[:16]}" for s in calibration.sources]
    dropped = sum(calibration.rows_dropped.values())
    lines.append(f"{calibration.rows_used:,} rows used, {dropped:,} dropped; see {RECORD}")
    for p in calibration.parameters[:60]:
        reach = f" [{p.low:.5g}, {p.high:.5g}]" if p.low == p.low else ""
        lines.append(f"{p.name} {p.value:.6g}{reach} {p.unit}")
    lines += calibration.notes
    comments = "".join(f"# {_one_line(line)}\n" for line in lines)
    yaml = YAML()
    yaml.default_flow_style = None  # leaves in one line, sections as blocks
    yaml.width = 100
    text = io.StringIO()
    if calibration.fragment:
        yaml.dump(calibration.fragment, text)
    return comments + text.getvalue()


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _table(name: str, table: pl.DataFrame) -> tuple[str, bytes]:
    raw = io.BytesIO()
    if table.height > MOST_CSV_ROWS:
        table.write_parquet(raw)
        return f"{name}.parquet", raw.getvalue()
    harmless(table).write_csv(raw)
    return f"{name}.csv", raw.getvalue()


def harmless(table: pl.DataFrame) -> pl.DataFrame:
    """Keep a spreadsheet from running a text of the table as a formula."""
    texts = pl.col(pl.String)
    plain = texts.str.replace_all(r"[\p{C}]", " ")
    return table.with_columns(
        pl.when(plain.str.contains(_FORMULA)).then("'" + plain).otherwise(plain).name.keep()
    )


def _replace(path: Path, raw: bytes) -> None:
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, path.stat().st_mode if path.exists() else 0o666 & ~mask)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
