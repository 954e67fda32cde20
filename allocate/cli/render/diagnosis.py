"""One diagnosis, drawn as it was asked for."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allocate.cli.flags import Color
from allocate.cli.render.diagnosis_sheets import (
    FIRST,
    findings_sheet,
    ledger_sheet,
    note,
    place,
    unnamed,
)
from allocate.cli.render.lines import Line, folded, listed, next_steps, paint, table
from allocate.cli.render.markdown import draw_sheet, escape
from allocate.cli.render.text import clean, money, number
from allocate.cli.terminal import make_console, plain_console

_ROUNDING = 1e-6
WORDS = "Words and columns: docs/diagnose.md"
_DONE_BY = {"greedy": "what each layer would do alone", "observed": "what is done today"}


def draw_diagnosis(
    document: dict[str, Any],
    chosen: str,
    *,
    config: Path | None = None,
    observed: Path | None = None,
    whole: bool = False,
    color: Color = Color.AUTO,
    to_file: bool = False,
) -> str:
    """Draw a diagnosis in a format, for stdout or for a file."""
    if chosen == "json":
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if chosen == "github":
        return "\n".join(workflow_commands(document))
    if chosen == "markdown":
        return _markdown(document, whole)
    console = plain_console() if to_file else make_console(sys.stdout, color)
    return paint(_lines(document, console.width, config, observed, whole), console)


def verdict(document: dict[str, Any]) -> str:
    """Say in a sentence how many findings there are and what they cost."""
    totals, what = document["totals"], _DONE_BY.get(document["diagnosed"], document["diagnosed"])
    found, aside = totals["findings"], totals["not_shown"]
    gap, together = document["gap"], totals["together"]
    beside = _beside(aside, " more" if found else "")
    if not found:
        rest = gap - sum(part["usd_per_hour"] for part in aside.values())
        lost = (
            f", and the joint answer is worth {money(rest)}/h more for other reasons"
            if rest > max(totals["least"], 0.0)
            else ""
        )
        smaller = aside["smaller"]["findings"]
        size = f" of at least {money(totals['least'])}/h" if smaller else ""
        if smaller:
            ones, them = ("one", "it") if smaller == 1 else ("ones", "them")
            beside.append(f"{smaller} smaller {ones}: --at-least 0% shows {them}")
        unsure = totals["hidden"] - smaller
        if unsure and document["status"] != "optimal":
            beside.append(f"{unsure} within what the joint answer leaves open")
        return f"No findings{size} in {what}{_bracketed(beside)}{lost}."
    share = f", {number(100 * together / gap, 3)} % of all that it loses" if gap > 0 else ""
    noun = "finding" if found == 1 else "findings"
    text = f"{found} {noun} in {what}, worth {money(together)}/h together{share}"
    return f"{text}{_bracketed(beside)}."


def _beside(aside: dict[str, Any], more: str) -> list[str]:
    """Say what findings are not shown though they are large enough."""
    words = {"accepted": "accepted", "unselected": "of rules not asked for"}
    return [
        f"{aside[why]['findings']} {text}, worth {money(aside[why]['usd_per_hour'])}/h{more}"
        for why, text in words.items()
        if aside[why]["findings"]
    ]


def _bracketed(parts: list[str]) -> str:
    return f" ({'; '.join(parts)})" if parts else ""


def _balance(document: dict[str, Any]) -> str:
    joint, totals = document["joint"]["welfare"], document["totals"]
    text = f"welfare {money(document['welfare'])}/h, joint answer {money(joint)}/h"
    if totals["findings"] > 1:
        text += f"; one by one the findings sum to {money(totals['sum'])}/h"
        if totals["together"] > (1 + _ROUNDING) * totals["sum"]:
            text += " (together they are more than the sum: one hides another)"
    if parts := unnamed(document):
        lost = ", ".join(f"{clean(p['what'])} {money(p['usd_per_hour'], 4)}/h" for p in parts)
        text += f"; lost without a finding: {lost}"
    return text


# --- the terminal --------------------------------------------------------------------------


def _lines(
    document: dict[str, Any], width: int, config: Path | None, observed: Path | None, whole: bool
) -> Iterator[Line]:
    good = not document["findings"] and document["status"] == "optimal"
    yield from folded("good" if good else "bad", verdict(document), width, "")
    yield from folded("plain", _balance(document), width, "")
    if document["status"] != "optimal":
        text = f"the joint answer is {document['status']}, so prices are not proved"
        yield from folded("bad", text, width, "")
    yield from table(findings_sheet(document, whole), width)
    yield from table(ledger_sheet(document), width)
    for title, entries in _lists(document):
        yield from listed(title, entries, width, whole)
    if config is not None:
        yield from next_steps(_next(document, config, observed), width)
    yield "plain", ""
    yield "note", WORDS


def _lists(document: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [
        ("Accepted by the config", _accepted(document)),
        ("Assumed where the table is silent", document["assumed"]),
        ("Warnings", document["warnings"]),
    ]


def _accepted(document: dict[str, Any]) -> list[str]:
    return [
        f"{f['code']} {place(f)}, {money(f['usd_per_hour'])}/h: {clean(f['reason'])}"
        for f in document["accepted"]
    ]


def _next(document: dict[str, Any], config: Path, observed: Path | None) -> list[tuple[str, str]]:
    file = shlex.quote(clean(config))
    seen = f" --observed {shlex.quote(clean(observed))}" if observed is not None else ""
    offers = []
    if document["findings"]:
        first = document["findings"][0]["code"]
        offers.append((f"allocate explain {first}", "what it means and how to repair it"))
    offers.append((f"allocate solve {file}", "the joint answer itself and its prices"))
    if observed is None:
        offers.append((f"allocate diagnose {file} --observed TABLE", "of what you do today"))
    elif len(document["findings"]) > FIRST:
        offers.append((f"allocate diagnose {file}{seen} --all", "every finding"))
    return offers


# --- Markdown and GitHub ----------------------------------------------------------------------


def _markdown(document: dict[str, Any], whole: bool) -> str:
    parts = [f"**{escape(verdict(document))}**", "", escape(_balance(document))]
    for sheet in (findings_sheet(document, whole), ledger_sheet(document)):
        if sheet.rows:
            parts += draw_sheet(sheet)
    for title, entries in _lists(document):
        if entries:
            parts += [f"\n## {title}\n", *(f"- {escape(clean(e))}" for e in entries)]
    return "\n".join(parts).rstrip() + "\n"


def workflow_commands(document: dict[str, Any]) -> Iterator[str]:
    """Yield workflow commands of GitHub Actions: a warning for each finding, at its class."""
    for f in document["findings"]:
        at = f.get("at") or {}
        spot = [f"{key}={_property(at[key])}" for key in ("file", "line", "col") if at.get(key)]
        title = f"{f['code']} {f['name']}, {money(f['usd_per_hour'])}/h"
        text = f"{place(f)}: {note(f)}; more on it: allocate explain {f['code']}"
        yield f"::warning {','.join([*spot, f'title={_property(title)}'])}::{_data(text)}"
    yield f"::notice title=allocate diagnose::{_data(verdict(document))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: Any) -> str:
    return _data(clean(value)).replace(":", "%3A").replace(",", "%2C")
