"""Which files are which, and all of them read into one frame of measurements."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocate.models.calibration import reading
from allocate.models.calibration.lanes import engines, rows, tables
from allocate.models.calibration.lanes.hardware import Books
from allocate.models.calibration.result import Options, Source
from allocate.models.calibration.settings import whole

if TYPE_CHECKING:
    import polars as pl


@dataclass
class Sources:
    """Everything that the files hold: runs, and books of geometry and data sheets."""

    frame: pl.DataFrame
    books: Books
    files: list[Source]
    formats: list[str]
    dropped: dict[str, int] = field(default_factory=dict)


def recognise(path: Path) -> str | None:
    """Say which format a file is, from its beginning."""
    if path.suffix == ".parquet":
        return None
    text = reading.head(path).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    start = text.lstrip()[:1]
    if start in ("{", "["):
        return _json(text)
    if engines.is_metrics(text):
        return "vLLM metrics"
    line = reading.first_line(path)
    header = next(csv.reader([line]), []) if line else []
    return tables.kind(header)


def _json(text: str) -> str | None:
    if all(f'"{key}"' in text for key in ("model_id", "total_output_tokens", "completed")):
        return "vLLM bench serve"
    if '"hidden_size"' in text and '"model_type"' in text:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return "model config.json" if tables.is_model_config(document) else None
    return None


def read(paths: Sequence[Path], options: Options) -> Sources:
    """Read all files; runs of every format go into one frame."""
    import polars as pl

    settings = _settings(options)
    out = Sources(rows.frame([]), Books(), [], [])
    frames: list[pl.DataFrame] = []
    scrapes = [path for path in paths if recognise(path) == "vLLM metrics"]
    for path in paths:
        what = recognise(path) or "table by its columns"
        if what not in out.formats:
            out.formats.append(what)
        count = 0
        if what == "vLLM bench serve":
            records, failed = engines.benchmark(path, settings)
            _count(out.dropped, "runs that completed nothing", failed)
            frames.append(rows.frame(records))
            count = len(records) + failed
        elif what == "model config.json":
            _add(out.books, tables.model_config(path, settings.get("model")))
            count = 1
        elif what == "vLLM metrics":
            if path is scrapes[0]:
                records, dropped = engines.metrics(scrapes, settings)
                for reason, n in dropped.items():
                    _count(out.dropped, reason, n)
                frames.append(rows.frame(records))
            count = 1
        else:
            table = reading.read_table(path)
            count = table.height
            if what in ("model geometry", "GPU data sheets"):
                _add(out.books, tables.books(path, table))
            else:
                frame, dropped = tables.read(path, table, options.columns, settings)
                rows.check_units(frame, path)
                for reason, n in dropped.items():
                    _count(out.dropped, reason, n)
                frames.append(frame)
        out.files.append(reading.source(path, count))
    if frames:
        together = _asked(pl.concat(frames), settings, out.dropped)
        out.frame = rows.usable(together, out.dropped)
    return out


def _settings(options: Options) -> dict[str, str]:
    for name in rows.SIZES:
        whole(options, name)
    return dict(options.settings)


def _asked(frame: pl.DataFrame, settings: dict[str, str], dropped: dict[str, int]) -> pl.DataFrame:
    """Keep the rows that a setting asks for."""
    import polars as pl

    for name in (*rows.NAMES, *rows.SIZES):
        if name not in settings:
            continue
        wanted: Any = settings[name] if name in rows.NAMES else float(settings[name])
        kept = frame.filter(pl.col(name) == wanted)
        _count(dropped, f"another {name} than asked for", frame.height - kept.height)
        frame = kept
    return frame


def _add(books: Books, more: Books) -> None:
    books.models.update(more.models)
    books.gpus.update(more.gpus)


def _count(dropped: dict[str, int], reason: str, n: int) -> None:
    if n:
        dropped[reason] = dropped.get(reason, 0) + n
