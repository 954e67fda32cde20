"""Why to believe it: certificate, conflicts, what was assumed, what to beware of."""

from __future__ import annotations

from typing import Any

from allocate.cli.render import verdict
from allocate.cli.render.text import clean, number
from allocate.cli.report.names import is_number
from allocate.cli.report.parts import Field, Item, Row, Section, Table, named, table_of

_CERTIFICATE = (
    ("primal", "USD/h", "welfare of this answer, computed again from the answer alone"),
    ("dual", "USD/h", "no answer of this program exceeds it"),
    ("relative_gap", "", "the distance between the two, as a share"),
    ("max_violation", "", "largest excess over a limit, as a share of it"),
    (
        "max_foc_residual",
        "",
        "largest failure of marginal value = marginal cost; not in the verdict",
    ),
    ("max_slackness", "", "largest price × slack, as a share"),
    ("tolerance", "", "what gap and violation may be"),
)
_RATES = {
    "usd": ("1 + dual of the budget", "USD of welfare per USD"),
    "lambda_usd_per_s": ("λ: a second of waiting", "USD/s"),
    "rho_usd_per_loss": ("ρ: a unit of expected loss", "USD"),
    "rho_irreversible_usd_per_loss": ("ρ of loss that cannot be undone", "USD"),
}


def conflicts_section(result: Row) -> Section:
    """Name the limits that exclude each other, and the weights that prove it."""
    named = result.get("conflicts")
    items = [Item("", clean(text)) for text in named] if isinstance(named, list) else []
    proof = result["certificate"].get("infeasibility")
    tables = [_weights(proof)] if isinstance(proof, dict) else []
    tables = [table for table in tables if table.rows]
    sentences = []
    if isinstance(proof, dict) and is_number(proof.get("least_give")):
        sentences.append(
            f"Every allocation exceeds the limits by {number(proof['least_give'])} in all, each "
            "measured against its size: that is proved."
        )
    if not items and not sentences:
        return Section("conflicts", "Conflicting limits")
    return Section("conflicts", "Conflicting limits", sentences, items, tables=tables)


def _weights(proof: Row) -> Table:
    held = proof.get("multipliers")
    pairs = held.items() if isinstance(held, dict) else ()
    lines = [{"row": clean(k), "weight": v} for k, v in pairs if is_number(v) and v != 0]
    lines.sort(key=lambda line: -abs(line["weight"]))
    fields = [Field("limit", "row", write=clean), Field("weight", "weight")]
    return table_of("infeasible", "Weights of the limits that prove it", fields, lines)


def assumed_section(result: Row) -> Section:
    """List what was assumed and what to beware of, warnings first."""
    warnings = [Item("Warning", verdict.remark(entry)) for entry in result["warnings"]]
    lines = []
    for entry in result["assumed"]:
        text = verdict.remark(entry)
        head, _, words = text.partition(" ")
        placed = bool(words) and ("." in head or head.endswith(":"))
        lines.append({"what": head.rstrip(":"), "why": words} if placed else {"why": text})
    fields = [Field("of", "what", write=named), Field("what and why", "why", write=clean)]
    tables = [table_of("assumed-all", "Assumed", fields, lines)] if lines else []
    return Section("assumed", "Warnings and assumptions", items=warnings, tables=tables)


def proof_section(result: Row) -> Section:
    """Show the certificate's numbers and what they mean, λ and ρ, and whole replicas."""
    tables = [_certificate(result), _rates(result), _whole(result)]
    holds = result["certificate"]["holds"]
    said = "The certificate holds." if holds else "The certificate does not hold."
    sentences = [
        f"{said} It is computed from the answer alone, without the solver: a bound that no "
        "allocation can exceed, how well every limit is kept, and whether marginal value meets "
        "marginal cost wherever something is bought."
    ]
    if result["objective"]["welfare"] is None:
        sentences = []
    kept = [table for table in tables if table is not None and table.rows]
    return Section("certificate", "Certificate and prices behind it", sentences, tables=kept)


def _certificate(result: Row) -> Table | None:
    held = result["certificate"]
    if not is_number(held["primal"]):  # there is no answer to judge
        return None
    lines = [
        {"name": key.replace("_", " "), "value": held[key], "unit": unit, "means": means}
        for key, unit, means in _CERTIFICATE
        if is_number(held.get(key))
    ]
    fields = [
        Field("quantity", "name", write=clean),
        Field("value", "value", write=_exact),
        Field("unit", "unit", write=clean),
        Field("what it says", "means", write=clean),
    ]
    return table_of("certificate-table", "Certificate", fields, lines)


def _rates(result: Row) -> Table | None:
    held = result.get("rates")
    if not isinstance(held, dict):
        return None
    lines = [
        {"name": name, "value": held[key], "unit": unit}
        for key, (name, unit) in _RATES.items()
        if is_number(held.get(key))
    ]
    limits = held.get("lambda_of_limits_usd_per_s")
    for limit, value in (limits if isinstance(limits, dict) else {}).items():
        if is_number(value):
            shown = value if abs(value) > 1e-9 else 0.0
            name = f"λ added by the latency limit {clean(limit)}"
            lines.append({"name": name, "value": shown, "unit": "USD/s"})
    fields = [
        Field("quantity", "name", write=clean),
        Field("value", "value"),
        Field("unit", "unit", write=clean),
    ]
    return table_of("rates", "What a second and a loss are worth", fields, lines)


def _whole(result: Row) -> Table | None:
    held = result.get("whole_replicas")
    if not isinstance(held, dict):
        return None
    names = {
        "welfare_bound": ("bound with fractions of replicas", "USD/h"),
        "integer_gap": ("gap to it, as a share", ""),
        "cost_of_rounding_usd_per_hour": ("what whole replicas cost", "USD/h"),
    }
    lines = [
        {"name": name, "value": held[key], "unit": unit}
        for key, (name, unit) in names.items()
        if is_number(held.get(key))
    ]
    fields = [
        Field("quantity", "name", write=clean),
        Field("value", "value"),
        Field("unit", "unit", write=clean),
    ]
    return table_of("whole", "Whole replicas", fields, lines)


def _exact(value: Any) -> str:
    """Write a certificate's number: sums in full, shares with two digits."""
    if is_number(value) and value != 0 and abs(value) < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-")
    return number(value, 8)
