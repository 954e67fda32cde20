"""Draws a chart as SVG that can stand inside a page beside others."""

from __future__ import annotations

import html
import re
from typing import Any

WIDE, NARROW = 880, 330  # pixels: a page, and a phone


def draw_svg(spec: dict[str, Any], alt: str, key: str) -> str:
    """Draw a Vega-Lite spec as an SVG element, with its words for those who cannot see it.

    Names inside a spec are data, which the chart library escapes; a spec holds all of its data, so
    nothing is fetched. ``key`` tells the chart from the others of the page.
    """
    import vl_convert

    svg = _own_names(vl_convert.vegalite_to_svg(spec), f"{key}-")
    words = html.escape(alt, quote=True)
    return re.sub(r"^<svg ", f'<svg role="img" aria-label="{words}" ', svg, count=1)


def _own_names(svg: str, prefix: str) -> str:
    """Give clips and gradients names that no other chart of the page has."""
    svg = re.sub(r'(<(?:clipPath|linearGradient|radialGradient) id=")', rf"\g<1>{prefix}", svg)
    return re.sub(r'="url\(#', f'="url(#{prefix}', svg)
