"""Lays a sheet out in columns of a given width, with the notes under their lines."""

from __future__ import annotations

import textwrap

from rich.cells import cell_len, set_cell_size

from allocate.cli.render.sheets import Sheet

GAPS = (2, 1)  # between columns; the narrow one where the wide one leaves no room
LEAST = 8  # cells that a name keeps when the screen is narrow
INDENT = "    "


def lay_out(sheet: Sheet, width: int) -> list[tuple[str, str]]:
    """Return (style, line) pairs; the styles are ``head``, ``row`` and ``note``."""
    heads = [[c.name for c in sheet.columns]]
    if any(c.unit for c in sheet.columns):
        heads.append([c.unit for c in sheet.columns])
    widths, gap = _fit(sheet, heads, width)
    lines = [("head", line) for cells in heads for line in _row(sheet, cells, widths, gap)]
    for i, cells in enumerate(sheet.rows):
        lines += [("row", line) for line in _row(sheet, cells, widths, gap)]
        if i in sheet.notes:
            room = max(width - len(INDENT), 20)
            lines += [("note", INDENT + text) for text in textwrap.wrap(sheet.notes[i], room)]
    if sheet.hidden:
        what = "line" if sheet.hidden == 1 else "lines"
        lines.append(("note", f"{INDENT}{sheet.hidden} more {what}: --all shows them"))
    return lines


def _fit(sheet: Sheet, heads: list[list[str]], width: int) -> tuple[list[int], int]:
    """Give each column what its longest cell needs; names give way when there is no room."""
    widths = [
        max(cell_len(row[i]) for row in [*heads, *sheet.rows]) for i in range(len(sheet.columns))
    ]
    gaps = len(widths) - 1
    gap = next((g for g in GAPS if sum(widths) + g * gaps <= width), GAPS[-1])
    spare = width - sum(widths) - gap * gaps
    while spare < 0:
        names = [i for i, c in enumerate(sheet.columns) if not c.right and widths[i] > LEAST]
        if not names:
            break
        widest = max(names, key=lambda i: widths[i])
        widths[widest] -= 1
        spare += 1
    return widths, gap


def _row(sheet: Sheet, cells: list[str], widths: list[int], gap: int) -> list[str]:
    """Draw one line; a first name that is too long takes a line of its own, uncut."""
    above: list[str] = []
    if cell_len(cells[0]) > widths[0]:
        above, cells = [cells[0]], ["", *cells[1:]]
    drawn = []
    for column, cell, wide in zip(sheet.columns, cells, widths, strict=True):
        if cell_len(cell) > wide:
            cell = set_cell_size(cell, wide - 1) + "~"
        room = " " * (wide - cell_len(cell))
        drawn.append(room + cell if column.right else cell + room)
    return [*above, (" " * gap).join(drawn).rstrip()]
