"""One plan, drawn as it was asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from allocate.cli.flags import Color, Format
from allocate.cli.render.following import Question
from allocate.cli.render.grid import lay_out
from allocate.cli.render.lines import STYLES
from allocate.cli.render.markdown import draw_sheet, escape
from allocate.cli.render.plan_capacity import capacity_verdict
from allocate.cli.render.plan_sheets import number_typed, part_sheets, plan_sheets
from allocate.cli.render.records import draw_records
from allocate.cli.render.text import clean, money, wrapped
from allocate.cli.terminal import make_console, plain_console

Line = tuple[str, str]
_FEW = 5
WORDS = "Words and columns: docs/plan.md"


def draw_plan(
    document: dict[str, Any],
    chosen: Format,
    *,
    asked: Question | None = None,
    part: str | None = None,
    whole: bool = False,
    color: Color = Color.AUTO,
    to_file: bool = False,
) -> str:
    """Draw a plan in a format, for stdout or for a file; ``part`` draws one table of it."""
    if chosen is Format.JSON:
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if chosen is Format.CSV:
        return draw_records(records(document, part or main_part(document)))
    if chosen is Format.MARKDOWN:
        return _markdown(document, whole, part)
    console = plain_console() if to_file else make_console(sys.stdout, color)
    with console.capture() as captured:
        for style, line in _lines(document, console.width, asked, whole, part):
            console.print(Text(line, style=STYLES[style]), soft_wrap=True)
    return captured.get()


def main_part(document: dict[str, Any]) -> str:
    """The table that was asked for."""
    if document["axes"]:
        return "sweep"
    if document["frontier"] is not None:
        return "frontier"
    return "change" if document["change"] is not None else "resources"


def records(document: dict[str, Any], part: str) -> list[dict[str, Any]]:
    """A table as records."""
    if part == "frontier":
        frontier = document["frontier"] or {"points": []}
        return frontier["points"]
    if part == "plans":
        return (document.get("uncertainty") or {"plans": []})["plans"]
    if part == "change":
        steps = (document["change"] or {"steps": []})["steps"]
        kept = ("step", "welfare", "gain_usd_per_hour")
        return [{**{k: s[k] for k in kept}, **item} for s in steps for item in s["items"]]
    return document.get(part) or []


def verdict(document: dict[str, Any]) -> list[str]:
    """Say what there is now, and what is best done."""
    base, advice, change = document["base"], document["advice"], document["change"]
    out = []
    if base is None:
        out.append("no answer to the config as it stands")
    else:
        welfare = base["objective"]["welfare"]
        out.append(f"{money(welfare)}/h welfare as it stands - {_claim(document)}")
    out += capacity_verdict(document)
    if change is not None:
        out.append(_way(change))
    if advice:
        best = advice[0]
        gain = money(best["gain_usd_per_hour"])
        out.append(f"Best change: {clean(best['text'])}: +{gain}/h, checked by solving again.")
    elif advice is not None and document["status"] != "stopped":
        out.append("Nothing to advise: no change of a capacity gains more than the error.")
    return out


def _claim(document: dict[str, Any]) -> str:
    if document["status"] == "stopped":
        return "stopped: what follows is what is finished"
    base = document["base"]
    if base["status"] == "optimal":
        return "optimal for this menu of speeds" if document["periods"] else "optimal"
    return f"{clean(base['status'])}, NOT certified as the best"


def _way(change: dict[str, Any]) -> str:
    gain, error = change["gain_usd_per_hour"], change["error_usd_per_hour"]
    if gain <= error:
        return "Today's allocation is the best there is: nothing to change."
    count = len(change["steps"])
    steps = "one step" if count == 1 else f"{count} steps"
    fall = "none lowers welfare" if change["monotone"] else "NOT all of them keep welfare up"
    return (
        f"From {money(change['welfare_today'])}/h today to {money(change['welfare_best'])}/h "
        f"(+{money(gain)}/h) in {steps}; {fall}."
    )


def _lines(
    document: dict[str, Any], width: int, asked: Question | None, whole: bool, part: str | None
) -> Iterator[Line]:
    if part is not None:
        sheets = part_sheets(document, part, whole)
        if not sheets:
            yield "note", "nothing: this plan has no such lines"
        for i, sheet in enumerate(sheets):
            if i:
                yield "plain", ""
            yield from _table(sheet, width)
        return
    good = document["status"] == "optimal"
    for i, sentence in enumerate(verdict(document)):
        style = ("good" if good else "bad") if i == 0 else "plain"
        for line in wrapped(sentence, width, "  "):
            yield style, line
    for about in _about(document):
        yield from ((("plain" if good else "bad"), x) for x in wrapped(about, width, "  "))
    for sheet in plan_sheets(document, whole):
        yield "plain", ""
        yield from _table(sheet, width)
    yield from _listed("Warnings", _warnings(document), width, whole)
    yield from _next(document, asked, width)
    yield "plain", ""
    yield "note", WORDS


def _about(document: dict[str, Any]) -> Iterator[str]:
    """Say where a sweep ended before all its points were solved."""
    for name, about in (
        ("sweep", document["sweep_about"]),
        ("frontier", (document["frontier"] or {}).get("about")),
    ):
        if about and about["finished"] < about["points"]:
            yield f"The {name} was stopped: {about['finished']} of {about['points']} points."


def _warnings(document: dict[str, Any]) -> list[str]:
    """Warnings, and what was taken as given of today."""
    change = document["change"] or {"about": {}}
    about = change["about"]
    out = [clean(w) for w in document["warnings"]]
    if about.get("turned_away"):
        share = 100 * about["turned_away"]
        out.append(f"today: {share:.3g} % of what was logged does not fit the config's capacities")
    return out + [f"today: assumed: {clean(text)}" for text in about.get("assumed") or ()]


def _table(sheet: Any, width: int) -> Iterator[Line]:
    for line in wrapped(sheet.title, width):
        yield "title", line
    for line in wrapped(sheet.about, width):
        yield "note", line
    if sheet.rows:
        yield from lay_out(sheet, width)
    else:
        yield "note", "  nothing"


def _listed(title: str, texts: list[str], width: int, whole: bool) -> Iterator[Line]:
    if not texts:
        return
    yield "plain", ""
    yield "title", title
    for text in texts if whole else texts[:_FEW]:
        for line in wrapped(f"- {text}", width, "  "):
            yield "plain", line
    if not whole and len(texts) > _FEW:
        yield "note", f"    {len(texts) - _FEW} more: --all shows them"


def _next(document: dict[str, Any], asked: Question | None, width: int) -> Iterator[Line]:
    if asked is None or document["base"] is None:
        return
    offers = []
    if document["advice"]:
        best = document["advice"][0]["set"]
        values = {p: number_typed(v) for p, v in best.items()}
        offers.append((asked.changes(values), "follow the best advice"))
    bound = [r for r in document["resources"] if r["binding"] and r["capacity"]]
    if bound and not document["axes"]:
        top = bound[0]
        spread = f"{top['resource']}=0:{number_typed(2 * top['capacity'])}:9"
        command = asked.command("--sweep", spread).replace("allocate solve", "allocate plan", 1)
        offers.append((command, "welfare and price along the dearest capacity"))
    if not offers:
        return
    yield "plain", ""
    yield "title", "Next"
    for command, why in offers:
        beside = len(command) + len(why) + 6 <= width
        if not beside:
            yield "note", f"  # {why}"
        yield "command", f"  {command}  # {why}" if beside else f"  {command}"


def _markdown(document: dict[str, Any], whole: bool, part: str | None) -> str:
    if part is not None:
        sheets = part_sheets(document, part, whole)
        return "\n".join(x for sheet in sheets for x in draw_sheet(sheet)).strip() + "\n"
    first, *rest = verdict(document)
    lines = [f"**{escape(first)}**", *(f"\n{escape(x)}" for x in [*rest, *_about(document)])]
    for sheet in plan_sheets(document, whole):
        lines += draw_sheet(sheet)
    if texts := _warnings(document):
        lines += ["\n## Warnings\n", *(f"- {escape(text)}" for text in texts)]
    return "\n".join(lines).rstrip() + "\n"
