"""Writes a calibration into a folder: tables, a fragment of a config, and what was found.

Each file is written beside its place and renamed; ``calibration.json``, which names them all, comes
last. It holds one entry a kind, so that several kinds share a folder; a kind that is calibrated
again replaces its own, and what its last run wrote and this one does not is removed. Of two
processes that write into one folder, one waits for the other.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from allocate.cells import cell
from allocate.files import alone, write_whole
from allocate.models.calibration.private import cleaned_table, without_paths
from allocate.models.calibration.reading import fail, read_json
from allocate.models.calibration.result import Calibration
from allocate.plain import plain

RECORD = "calibration.json"
FORMAT_VERSION = 1
MOST_CSV_ROWS = 100_000


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
    kind = calibration.kind
    tables = {name: cleaned_table(table) for name, table in calibration.tables.items()}
    files = dict(_table(f"{kind}-{name}", table) for name, table in tables.items())
    files[f"{kind}.yaml"] = fragment_text(calibration, version).encode()
    names = [*files, RECORD]
    document = calibration.to_dict(names) | {"fragment": plain(calibration.piece())}
    with alone(folder):
        record: dict[str, Any] = read_record(folder) | {"allocate_version": version}
        before = record["calibrations"].get(kind)
        record["calibrations"][kind] = document
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
        for name, raw in files.items():
            write_whole(folder / name, raw)
        write_whole(folder / RECORD, text + "\n")
        for name in _stale(before, kind, names):
            (folder / name).unlink(missing_ok=True)
    return names


def _stale(before: Any, kind: str, names: list[str]) -> list[str]:
    """Tables that the last run of a kind wrote and this one does not; its own names only."""
    listed = before.get("files") if isinstance(before, dict) else None
    old = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    own = [n for n in old if n.startswith(f"{kind}-") and Path(n).name == n and "\\" not in n]
    return [name for name in own if name not in names]


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
    used = f"{calibration.rows_used:,} row{'' if calibration.rows_used == 1 else 's'} used"
    lines.append(f"{used}, {dropped:,} dropped; see {RECORD}")
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
        yaml.dump(plain(calibration.piece()), text)
    return comments + text.getvalue()


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in without_paths(text))


def _table(name: str, table: pl.DataFrame) -> tuple[str, bytes]:
    raw = io.BytesIO()
    if table.height > MOST_CSV_ROWS:
        table.write_parquet(raw)
        return f"{name}.parquet", raw.getvalue()
    harmless(table).write_csv(raw)
    return f"{name}.csv", raw.getvalue()


def harmless(table: pl.DataFrame) -> pl.DataFrame:
    """Keep a spreadsheet from running a text of the table as a formula."""
    return table.with_columns(
        pl.col(pl.String).map_elements(cell, return_dtype=pl.String, skip_nulls=True)
    )
