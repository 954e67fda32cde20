"""Puts a page into one HTML file: its style, its script and its charts stand inside it."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from allocate.cli.report.draw import NARROW, WIDE, draw_svg
from allocate.cli.report.palette import style
from allocate.cli.report.parts import Figure, Page
from allocate.cli.report.words import WORDS

MOST_ROWS = 500  # of a table on the page; its file has all
FILTERED = 15  # rows from which a table can be searched


def draw_page(page: Page) -> str:
    """Draw a page as HTML. All text is escaped; only the charts and our own files are markup."""
    from altair.utils.schemapi import debug_mode
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def chart(figure: Figure) -> dict[str, Any]:
        return {
            name: Markup(draw_svg(figure.chart(width), figure.alt, f"{figure.key}-{name}"))
            for name, width in (("wide", WIDE), ("narrow", NARROW))
        }

    environment = Environment(
        loader=PackageLoader("allocate.cli.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent_encoded"] = quote
    script = _own("report.js")
    with debug_mode(False):  # the forms of charts are checked by the tests: half the time saved
        return environment.get_template("report.html.j2").render(
            page=page,
            words=WORDS,
            chart=chart,
            style=Markup(style() + _own("report.css")),
            script=Markup(script),
            policy=_policy(script),
            most_rows=MOST_ROWS,
            filtered=FILTERED,
        )


def _own(name: str) -> str:
    return (files("allocate.cli.report") / "templates" / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Let a browser run this script and no other, and load nothing from anywhere."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
