"""One diagnosis, drawn as it was asked for."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allocate.cli.flags import Color
from allocate.cli.render.diagnosis_sheets import FIRST, findings_sheet, ledger_sheet
from allocate.cli.render.lines import Line, folded, listed, next_steps, paint, table
from allocate.cli.render.markdown import draw_sheet, escape
from allocate.cli.render.text import clean, money, number
from allocate.cli.terminal import make_console, plain_console

_WORDS = {"greedy": "what each layer would do alone", "observed": "what is done today"}


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
    totals, what = document["totals"], _WORDS.get(document["diagnosed"], document["diagnosed"])
    found = totals["findings"]
    gap, together = document["gap"], totals["together"]
    if not found:
        beside = f"; {len(document['accepted'])} accepted" if document["accepted"] else ""
        lost = (
            f", and the joint answer is worth {money(gap)}/h more for other reasons"
            if gap > max(totals["least"], 0.0)
            else ""
        )
        return f"No findings in {what}{beside}{lost}."
    share = f", {number(100 * together / gap, 3)} % of all that it loses" if gap > 0 else ""
    noun = "finding" if found == 1 else "findings"
    return f"{found} {noun} in {what}, worth {money(together)}/h together{share}."


def _balance(document: dict[str, Any]) -> str:
    joint, totals = document["joint"]["welfare"], document["totals"]
    text = f"welfare {money(document['welfare'])}/h, joint answer {money(joint)}/h"
    if totals["findings"] > 1:
        text += f"; one by one the findings sum to {money(totals['sum'])}/h"
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


def _lists(document: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [
        ("Accepted by the config", _accepted(document)),
        ("Assumed where the table is silent", document["assumed"]),
        ("Warnings", document["warnings"]),
    ]


def _accepted(document: dict[str, Any]) -> list[str]:
    return [
        f"{f['code']} {clean(' '.join(f['where'].values()))}, {money(f['usd_per_hour'])}/h: "
        f"{clean(f['reason'])}"
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
        place = f.get("at") or {}
        spot = [
            f"{key}={_property(place[key])}" for key in ("file", "line", "col") if place.get(key)
        ]
        title = f"{f['code']} {f['name']}, {money(f['usd_per_hour'])}/h"
        where = clean(", ".join(f["where"].values()))
        also = f" ({' and '.join(f['also'])} fits as well)" if f["also"] else ""
        text = f"{where}: {clean(f['message'])}{also}. Fix: {clean(f['fix'])}. See {f['page']}"
        yield f"::warning {','.join([*spot, f'title={_property(title)}'])}::{_data(text)}"
    yield f"::notice title=allocate diagnose::{_data(verdict(document))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: Any) -> str:
    return _data(clean(value)).replace(":", "%3A").replace(",", "%2C")
