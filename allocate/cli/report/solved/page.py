"""One answer: verdict and facts, then its sections."""

from __future__ import annotations

from allocate.cli.render import verdict
from allocate.cli.render.text import clean, number
from allocate.cli.report.parts import Drawn, Fact, Row, Section
from allocate.cli.report.planned.capacity import capacity_section
from allocate.cli.report.solved.balance import balance_section
from allocate.cli.report.solved.margins import margins_section
from allocate.cli.report.solved.prices import advice_section, prices_section
from allocate.cli.report.solved.proof import conflicts_section, proof_section
from allocate.cli.report.solved.requests import requests_section
from allocate.cli.report.solved.serving import serving_section
from allocate.cli.report.solved.spread import spread_section
from allocate.cli.report.solved.training import training_section

_SECTIONS = (
    conflicts_section,
    advice_section,
    balance_section,
    prices_section,
    capacity_section,
    requests_section,
    serving_section,
    training_section,
    margins_section,
    spread_section,
    proof_section,
)


def solved_page(result: Row) -> Drawn:
    """Draw a result document that the reader has checked."""
    first, *proof = verdict.verdict(result)
    sections: list[Section] = [make(result) for make in _SECTIONS]
    return Drawn(
        good=result["status"] == "optimal",
        verdict=first,
        proof=proof,
        facts=_facts(result),
        sections=[section for section in sections if section.filled],
        source=_source(result),
        remarks={key: result[key] for key in ("warnings", "assumed")},
    )


def _facts(result: Row) -> list[Fact]:
    objective = result["objective"]
    if objective["welfare"] is None:
        return []
    costs = [objective[name] for name in verdict.COSTS if objective[name] is not None]
    sums = {
        "welfare": objective["welfare"],
        "value of what is solved": objective["value"],
        "all costs: " + ", ".join(verdict.COSTS): sum(costs) if costs else None,
    }
    known = {label: usd for label, usd in sums.items() if usd is not None}
    texts = verdict.amounts([*known.values(), *(usd for _, usd in verdict.balance(result))])
    facts = [Fact(_usd(text), label) for label, text in zip(known, texts, strict=False)]
    if result["prices"]:
        binding = sum(p["binding"] for p in result["prices"])
        facts.append(Fact(f"{binding} of {len(result['prices'])}", "capacities are scarce"))
    return facts


def _usd(text: str) -> str:
    """Write an amount as the verdict does."""
    return f"-${text[1:]}/h" if text.startswith("-") else f"${text}/h"


def _source(result: Row) -> list[Fact]:
    """Say where the page comes from, so that it can be made again."""
    solver, timing = result["solver"], result["timing"]
    seconds = sum(v for key, v in timing.items() if v is not None and key.endswith("_s"))
    facts = [
        Fact(clean(result["created_at"]), "solved at"),
        Fact(clean(result["allocate_version"]), "allocate"),
        Fact(clean(result["format_version"]), "format of the result"),
        Fact(clean(result["config_sha256"]), "SHA-256 of the config"),
    ]
    if solver["method"] is not None:
        facts.append(Fact(clean(solver["method"]), "method"))
    if seconds:
        facts.append(Fact(f"{number(seconds, 3)} s", "time"))
    return facts
