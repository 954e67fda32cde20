"""One figure of a report as a picture that stands alone: its finding is its title."""

from __future__ import annotations

import textwrap
from typing import Any

from allocate.cli.report.draw import WIDE
from allocate.cli.report.kinds import ReportError
from allocate.cli.report.labels import LETTER
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Figure, Page

SCALE = 2.0  # pixels of a picture for one of the page: sharp on a projector
KINDS = ("png", "pdf", "svg")
TITLE = 15  # pixels


def named_figure(page: Page, name: str | None) -> Figure:
    """Find a figure by its name.

    Raises:
        ReportError: there is none of that name, or no name was given; the message has them all.
    """
    figures = page.figures
    if name is not None and name in figures:
        return figures[name]
    if not figures:
        raise ReportError("these files have no figure to draw")
    listed = "\n".join(f"  {key}: {figure.title}" for key, figure in figures.items())
    said = "name one figure with --figure" if name is None else f"there is no figure {name!r}"
    raise ReportError(f"{said}; there are\n{listed}")


def titled(figure: Figure, width: int = WIDE) -> dict[str, Any]:
    """Return the figure's spec with its finding above it."""
    spec = figure.chart(width)
    beneath = spec.get("title")
    unit = beneath["text"] if isinstance(beneath, dict) else None
    lines = textwrap.wrap(figure.title, int(width / (LETTER * TITLE / 12)))
    spec["title"] = {
        "text": lines,
        "anchor": "start",
        "frame": "bounds",
        "fontSize": TITLE,
        "color": light("ink"),
        "offset": 10,
        **({"subtitle": unit, "subtitleColor": light("muted")} if unit else {}),
    }
    spec["height"] += 20 * len(lines) + 14
    spec["background"] = light("paper")
    spec["padding"] = 12
    return spec


def draw_single(figure: Figure, kind: str) -> bytes:
    """Draw a figure as PNG, PDF or SVG."""
    import vl_convert
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        spec = titled(figure)
    if kind == "png":
        return vl_convert.vegalite_to_png(spec, scale=SCALE)
    if kind == "pdf":
        return vl_convert.vegalite_to_pdf(spec)
    return vl_convert.vegalite_to_svg(spec).encode()
