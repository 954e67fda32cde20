"""What the documents of compare, diagnose and plan give to a page beside their sections."""

from __future__ import annotations

from allocate.cli.render import verdict as words
from allocate.cli.render.diagnosis import verdict as diagnosis_verdict
from allocate.cli.render.plan import verdict as plan_verdict
from allocate.cli.render.text import clean, money
from allocate.cli.report.compared import compared_sections
from allocate.cli.report.diagnosed import WORDS, diagnosed_sections
from allocate.cli.report.parts import Drawn, Fact, Item, Row, Section
from allocate.cli.report.planned.advice import advised_section, stops_section
from allocate.cli.report.planned.capacity import capacity_section
from allocate.cli.report.planned.change import change_section
from allocate.cli.report.planned.curves import sweep_section
from allocate.cli.report.planned.frontier import frontier_section
from allocate.cli.report.planned.periods import periods_section

NOT_PROVED = "stopped early or not certified: what follows is what is known so far"
_PLANNED = (
    advised_section,
    stops_section,
    sweep_section,
    frontier_section,
    capacity_section,
    periods_section,
    change_section,
)


def compared(document: Row) -> Drawn:
    """Draw what ``allocate compare`` writes."""
    good = document["status"] == "optimal"
    joint = document["joint"]["welfare"]
    line = {b["name"]: b for b in document["baselines"]}.get(document["against"], {})
    gain = (line.get("equal_spend") or {}).get("gain")
    facts = [] if joint is None else [Fact(f"{money(joint, 4)}/h", "welfare of the joint answer")]
    extra = []
    if gain is not None:
        text = f"{'+' if gain > 0 else ''}{money(gain, 4)}/h"
        extra.append(Fact(text, "by deciding together, at the same spending"))
    verdict = clean(document["verdict"])
    return Drawn(
        good,
        verdict,
        [] if good else [NOT_PROVED],
        [*facts, *extra],
        _filled(compared_sections(document)),
        _source(document),
        [Item("Deciding together", verdict, "together")],
        extra,
        {"warnings": document["warnings"]},
    )


def diagnosed(document: Row) -> Drawn:
    """Draw what ``allocate diagnose`` writes."""
    good = document["status"] == "optimal"
    verdict, totals = diagnosis_verdict(document), document["totals"]
    what = WORDS.get(document["diagnosed"], clean(document["diagnosed"]))
    extra = [Fact(f"{money(totals['together'], 4)}/h", f"of loss found in {what}")]
    facts = [
        Fact(f"{money(document['welfare'], 4)}/h", "welfare of what is diagnosed"),
        Fact(f"{money(document['joint']['welfare'], 4)}/h", "welfare of the joint answer"),
    ]
    why = f"the joint answer is {clean(document['status'])}, so prices are not proved"
    return Drawn(
        good,
        verdict,
        [] if good else [why],
        [*facts, *extra],
        _filled(diagnosed_sections(document)),
        _source(document),
        [Item("Diagnosis", verdict, "diagnosis")],
        extra if totals["findings"] else [],
        {"warnings": document["warnings"], "assumed": document["assumed"]},
    )


def planned(document: Row) -> Drawn:
    """Draw what ``allocate plan`` writes."""
    first, *rest = plan_verdict(document)
    sections = _filled([make(document) for make in _PLANNED])
    keys = [section.key for section in sections]
    link = keys[0] if keys else ""
    linked = {"Best change": "advised", "From $": "change", "Reserve": "capacity"}
    brief = []
    for text in rest:
        found = next((key for head, key in linked.items() if text.startswith(head)), link)
        brief.append(Item("", text, found if found in keys else link))
    brief.sort(key=lambda item: item.link != "advised")  # what to do stands first
    brief += [
        Item(section.title.partition(":")[0], section.figures[0].title, section.key)
        for section in sections
        if section.key in ("sweep", "frontier") and section.figures
    ]
    message = [clean(document["message"])] if document.get("message") else []
    return Drawn(
        document["status"] == "optimal",
        first,
        [*message, *rest],
        _facts(document),
        sections,
        _source(document),
        brief,
        _best(document),
        {"warnings": document["warnings"], "assumed": document["assumed"]},
    )


def _facts(document: Row) -> list[Fact]:
    base = document["base"]
    if base is None or base["objective"]["welfare"] is None:
        return _best(document)
    objective = base["objective"]
    costs = [objective[name] for name in words.COSTS if objective.get(name) is not None]
    binding = sum(r["binding"] for r in document["resources"])
    facts = [Fact(f"{money(objective['welfare'], 4)}/h", "welfare as it stands")]
    if costs:
        facts.append(Fact(f"{money(sum(costs), 4)}/h", "all costs: " + ", ".join(words.COSTS)))
    if document["resources"]:
        facts.append(Fact(f"{binding} of {len(document['resources'])}", "capacities are scarce"))
    return [*facts, *_best(document)]


def _best(document: Row) -> list[Fact]:
    if document["advice"]:
        gain = money(document["advice"][0]["gain_usd_per_hour"], 4)
        return [Fact(f"+{gain}/h", "by the best change of capacities")]
    return []


def _filled(sections: list[Section]) -> list[Section]:
    return [section for section in sections if section.filled]


def _source(document: Row) -> list[Fact]:
    """Say where a document comes from."""
    return [
        Fact(clean(document.get("created_at", "not known")), "solved at"),
        Fact(clean(document.get("allocate_version", "not known")), "allocate"),
        Fact(clean(document.get("format_version")), "format of the document"),
        Fact(clean(document.get("config_sha256", "not known")), "SHA-256 of the config"),
    ]
