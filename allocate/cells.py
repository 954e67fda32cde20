"""Texts that strangers may have written, made safe for a spreadsheet's cell."""

from __future__ import annotations

import unicodedata

FORMULA = ("=", "+", "-", "@")
"""A spreadsheet runs a text that begins so, also after spaces."""


def clean(value: object) -> str:
    """Return a text on one line, without control, direction or unassigned characters."""
    text = str(value).replace("\n", " ").replace("\t", " ")
    return "".join(c for c in text if unicodedata.category(c)[0] != "C")


def cell(text: object) -> str:
    """Return a text as a cell of a CSV file: one line, and never a formula.

    >>> cell("=HYPERLINK(1)"), cell("plain")
    ("'=HYPERLINK(1)", 'plain')
    """
    plain = clean(text)
    return f"'{plain}" if plain.lstrip().startswith(FORMULA) else plain
