"""The tables that other programs poll, as the terminal shows them with ``--all``."""

from __future__ import annotations

from allocate.cli.render.artifact_sheets import artifact_sheet
from allocate.cli.render.records import draw_csv
from allocate.cli.report.parts import Row, Table, table_of_sheet


def artifact_tables(result: Row, *names: str) -> list[Table]:
    """Take those of the tables that have lines."""
    found = [(name, artifact_sheet(result, name, whole=True)) for name in names]
    return [
        table_of_sheet(name, sheet.title, sheet, {f"{name}.csv": draw_csv(result, name)})
        for name, sheet in found
        if sheet.rows
    ]
