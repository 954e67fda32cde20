"""Lays a sheet out in columns of a given width, with the notes under their lines."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len, set_cell_size

from allocate.cli.render.sheet import Sheet
from allocate.cli.render.text import wrapped

GAPS = (2, 1)  # between columns; the narrow one where the wide one leaves no room
LEAST = 8  # cells that a name keeps when the screen is narrow
FIRST = 24  # that the first name keeps before a column is left out for it
INDENT = "    "


def lay_out(sheet: Sheet, width: int) -> list[tuple[str, str]]:
    """Return (style, line) pairs; the styles are ``head``, ``row`` and ``note``."""
    asked = sheet
    sheet = _narrowed(asked, width)
    heads = [[c.name for c in sheet.columns]]
    if any(c.unit for c in sheet.columns):
        heads.append([c.unit for c in sheet.columns])
    widths, gap = _fit(sheet, heads, width)
    lines = [("head", line) for cells in heads for line in _row(sheet, cells, widths, gap)]
    for i, cells in enumerate(sheet.rows):
        lines += [("row", line) for line in _row(sheet, cells, widths, gap)]
        if i in sheet.notes:
            lines += _note(sheet.notes[i], width)
    if left_out := [c.name for c in asked.columns if c not in sheet.columns]:
        lines += _note(f"no room for {', '.join(left_out)}: use a wider screen", width)
    if sheet.hidden:
        what = "line" if sheet.hidden == 1 else "lines"
        lines.append(("note", f"{INDENT}{sheet.hidden} more {what}: --all shows them"))
    return lines


def _note(text: str, width: int) -> list[tuple[str, str]]:
    return [("note", INDENT + line) for line in wrapped(text, width - len(INDENT))]


def _narrowed(sheet: Sheet, width: int) -> Sheet:
    """Leave out optional columns, the last first, until the others fit at their narrowest."""
    keep = list(range(len(sheet.columns)))
    least = [
        min(
            max(cell_len(cell) for cell in (c.name, c.unit, *(row[i] for row in sheet.rows))),
            width if c.right or c.whole or c.optional else FIRST if i == 0 else LEAST,
        )
        for i, c in enumerate(sheet.columns)
    ]
    for i in reversed(range(len(sheet.columns))):
        if sum(least[k] + GAPS[-1] for k in keep) - GAPS[-1] <= width:
            break
        if sheet.columns[i].optional:
            keep.remove(i)
    if len(keep) == len(sheet.columns):
        return sheet
    columns = [sheet.columns[k] for k in keep]
    return replace(sheet, columns=columns, rows=[[row[k] for k in keep] for row in sheet.rows])


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
        # the first name and whole ones give way last
        kept = [i for i in names if not sheet.columns[i].whole and (i > 0 or widths[i] > FIRST)]
        widest = max(kept or names, key=lambda i: widths[i])
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
