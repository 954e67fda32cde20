"""Labels of bars: short enough for their chart, unlike each other, and given the room they need."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from allocate.cli.report.parts import Row

LETTER = 7.6  # pixels, of a wide font at 12 pixels: a reader's font may be wider than the drawer's
PHONE = 500  # pixels, below which labels get less room
LONGEST = {False: 36, True: 17}  # cells of a label's line; on a phone less


def extent(names: Sequence[str]) -> float:
    """Estimate the room that labels need, so that a reader's wider font is not cut."""
    from rich.cells import cell_len

    cells = max((cell_len(part) for name in names for part in name.split("\n")), default=0)
    return LETTER * cells + 12


def short_names(lines: Sequence[Row], width: int) -> list[Row]:
    """Fold or cut names that are too long for a label; what is cut alike is numbered."""
    longest, short, taken = LONGEST[width <= PHONE], {}, set()
    for name in dict.fromkeys(line["name"] for line in lines):
        shown = _folded(name, longest)
        times = 1
        while shown in taken:
            times += 1
            shown = f"{_folded(name, longest - 4)} ({times})"
        short[name] = shown
        taken.add(shown)
    return [{**line, "name": short[line["name"]]} for line in lines]


def _folded(name: str, longest: int) -> str:
    for unit in ("ms", "%"):  # a number keeps its unit
        name = name.replace(f" {unit}", f"\u00a0{unit}")
    parts = name.split("\n")
    if len(parts) == 1:
        parts = textwrap.wrap(name, longest, max_lines=2, placeholder="…") or [name]
    return "\n".join(cut(part, longest) for part in parts)


def cut_middle(text: str, longest: int) -> str:
    """Cut a text to so many cells in its middle: names often differ at their end."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= longest:
        return text
    tail = max((longest - 1) // 2, 1)
    end = text[-tail:]
    while cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(text, longest - 1 - cell_len(end)).rstrip() + "…" + end


def cut(text: str, longest: int) -> str:
    """Cut a text to so many cells, and show that it was."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= longest else set_cell_size(text, longest - 1).rstrip() + "…"
