"""What a page does not show, why, and the command whose document would fill it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from allocate.cli.render.text import clean
from allocate.cli.report.parts import Item, Section

if TYPE_CHECKING:
    from allocate.cli.report.kinds import Document

CONFIG = "CONFIG"


def absent_parts(
    documents: Sequence[Document], shown: set[str], sections: Sequence[Section]
) -> list[Item]:
    """List the parts that are not on the page; ``text`` is why, ``link`` the command."""
    commands = {document.kind.command for document in documents}
    out = []
    if "solve" not in commands:
        why = "Prices, requests, serving, the token flow and the certificate"
        out.append(Item(why, "no result of solve was given", _command("solve", "", "result")))
    if not shown & {"advised", "stops"}:
        out.append(
            Item(
                "Changes checked by solving again, and where buying stops",
                "no plan with advice was given",
                _command("plan", "", "plan"),
            )
        )
    if "sweep" not in shown:
        sweep = f"--sweep {shlex.quote(_spread(documents))}"
        why = "no sweep was given"
        out.append(Item("Marginal value curves", why, _command("plan", sweep, "sweep")))
    if "frontier" not in shown:
        why = "no frontier was given"
        flags = "--frontier money,latency"
        out.append(Item("Frontier", why, _command("plan", flags, "frontier")))
    if "together" not in shown:
        why = "no comparison was given"
        out.append(Item("Waterfall from local rules", why, _command("compare", "", "compare")))
    if "diagnosis" not in shown:
        why = "no diagnosis was given"
        out.append(Item("Diagnosis", why, _command("diagnose", "", "diagnose")))
    if "periods" not in shown:
        out += _no_periods(documents, commands)
    if "requests" in shown and not any(
        figure.key == "flow" for section in sections for figure in section.figures
    ):
        why = "the result does not say what each way of serving costs"
        out.append(Item("Token flow", why, _command("solve", "", "result")))
    return out


def _no_periods(documents: Sequence[Document], commands: set[str]) -> list[Item]:
    name = "Heat map of prices by part of the day"
    if "plan" not in commands:
        return [Item(name, "no plan was given", _command("plan", "", "plan"))]
    plans = [d.content for d in documents if d.kind.command == "plan"]
    if not any(plan["periods"] for plan in plans):
        return [Item(name, "the config has one period: demand is the same all day", "")]
    return [Item(name, "no capacity is scarce in any part of the day", "")]


def _command(command: str, flags: str, name: str) -> str:
    return " ".join(filter(None, ["allocate", command, CONFIG, flags, f"--out {name}.json"]))


def _spread(documents: Sequence[Document]) -> str:
    """Propose a sweep: of the dearest capacity, from nothing to twice what there is."""
    for document in documents:
        key = {"solve": "prices", "plan": "resources"}.get(document.kind.command)
        lines: list[dict[str, Any]] = document.content[key] if key else []
        bound = [p for p in lines if p["binding"] and p["capacity"]]
        if bound:
            top = max(bound, key=lambda p: abs((p["value"] or 0.0) * p["capacity"]))
            return f"{clean(top['resource'])}=0:{2 * top['capacity']:.12g}:9"
    return "PATH=0:100:9"
