"""A part of a result as CSV: every key, full precision, for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from allocate.cells import cell, clean
from allocate.cli.render.artifact_sheets import KEYS, artifact_lines


def draw_csv(result: dict[str, Any], part: str) -> str:
    """Write one table; nested records become ``name.key`` columns."""
    if part in KEYS:
        lines = artifact_lines(result, part)
    else:
        lines = result["prices"] if part == "prices" else result["layers"][part]
    return draw_records(lines, () if lines else _fields(part))


def _fields(part: str) -> list[str]:
    """List the columns that every line of a table has, for one without lines."""
    from allocate.solver.form import artifacts, layers, prices

    lines = {
        "prices": prices.Price,
        "router": layers.RouterLine,
        "autonomy": layers.AutonomyLine,
        "serving": layers.ServingLine,
        "training": layers.TrainingLine,
        "schedule": artifacts.AutonomySchedule,
        "regret": artifacts.RegretLine,
        "token-prices": artifacts.TokenPrices,
        "cache": artifacts.CacheLine,
        "hits": artifacts.HitsLine,
        "investment": artifacts.Invested,
        "vectors": artifacts.VectorLine,
    }
    fields = lines[part].model_fields.items()
    return [field.alias or name for name, field in fields if field.is_required()]


def draw_records(lines: list[dict[str, Any]], fields: Iterable[str] = ()) -> str:
    """Write records as CSV; nested ones become ``name.key`` columns, ``fields`` come first."""
    flat = [_flat(line) for line in lines]
    header = list(dict.fromkeys([*fields, *(key for line in flat for key in line)]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(line.get(key)) for key in header] for line in flat)
    return text.getvalue()


def _flat(line: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in line.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{clean(key)}.")
        else:
            flat[prefix + clean(key)] = value
    return flat


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return cell(value)
