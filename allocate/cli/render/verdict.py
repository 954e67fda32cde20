"""What a result says in sentences: the verdict, what binds, what was assumed, what next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from allocate.cli.render.text import clean, money, noiseless, number

COSTS = ("money", "latency", "risk", "oversight", "training")
NEARLY = 0.95  # of a capacity: used so far that it will bind soon

MEANING = {
    "optimal": "optimal: the certificate proves that nothing better exists",
    "feasible": "feasible, NOT certified: the limits hold, a better answer may exist",
    "stopped": "stopped early, NOT certified: the best answer so far",
    "infeasible": "infeasible: the limits exclude each other",
    "unbounded": "unbounded: something valuable is free and without limit",
}


def verdict(result: dict[str, Any]) -> list[str]:
    """Say the status, the welfare, and how well both are proved."""
    status, welfare = result["status"], result["objective"]["welfare"]
    first = MEANING.get(status, clean(status))
    if welfare is None:
        return [first]
    return [f"{money(welfare)}/h welfare - {first}", _proof(result["certificate"])]


def _proof(certificate: dict[str, Any]) -> str:
    gap, violation, tolerance = (
        certificate[key] for key in ("relative_gap", "max_violation", "tolerance")
    )
    parts = []
    if gap is not None:
        below = (certificate.get("dual") or 0.0) - (certificate.get("primal") or 0.0)
        parts.append(f"within {money(max(below, 0.0), 2)}/h of the best (gap {_tiny(gap)})")
    if violation is not None:
        parts.append(f"limits kept to {_tiny(violation)}")
    if certificate["holds"]:
        return f"certified {', '.join(parts)}"
    return f"NOT certified at {_tiny(tolerance)}: {', '.join(parts) or 'no bound is known'}"


def _tiny(value: float) -> str:
    return "0" if abs(value) < 1e-15 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def balance(result: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the objective's parts in order, value first; costs stand as they are, to subtract."""
    objective = result["objective"]
    scale = abs(objective["value"] or 0.0) or 1.0
    parts = [("value", objective["value"])] + [(name, objective[name]) for name in COSTS]
    return [(name, noiseless(amount, scale)) for name, amount in parts if amount is not None]


def equation(result: dict[str, Any]) -> list[str]:
    """Write welfare as value less its costs, each under its name."""
    parts = balance(result)
    if not parts:
        return []
    welfare = ("welfare", number(result["objective"]["welfare"]))
    cells = [welfare] + [(name, number(amount)) for name, amount in parts]
    widths = [max(len(name), len(text)) for name, text in cells]
    names = "   ".join(name.rjust(w) for (name, _), w in zip(cells, widths, strict=True))
    texts = [text.rjust(w) for (_, text), w in zip(cells, widths, strict=True)]
    return [names + "   unit", f"{texts[0]} = {' - '.join(texts[1:])}   USD/h"]


def bindings(result: dict[str, Any]) -> list[str]:
    """Say which capacities bind, and which nearly do."""
    binds = [clean(p["label"]) for p in result["prices"] if p["binding"]]
    nearly = [
        f"{clean(p['label'])} ({number(100 * p['used'] / p['capacity'], 3)} % used)"
        for p in result["prices"]
        if not p["binding"] and p["capacity"] and (p["used"] or 0.0) >= NEARLY * p["capacity"]
    ]
    slack = len(result["prices"]) - len(binds) - len(nearly)
    lines = [f"Binding: {', '.join(binds)}" if binds else "Binding: nothing; more changes nothing"]
    if nearly:
        lines.append(f"Nearly: {', '.join(nearly)}")
    if slack:
        lines.append(f"Slack, so price 0: {slack} other{'s' if slack > 1 else ''}")
    return lines


def remark(entry: Any) -> str:
    """Write one entry of ``assumed`` or ``warnings``, a text or a record, on a line."""
    if not isinstance(entry, dict):
        return clean(entry)
    place = entry.get("path") or entry.get("resource") or entry.get("code")
    words = entry.get("reason") or entry.get("message") or entry.get("text")
    value = entry.get("value")
    head = "" if place is None else clean(place)
    if value is not None:
        head += f" = {number(value) if isinstance(value, int | float) else clean(value)}"
    if words is None and not head:
        return clean(entry)
    return f"{head}: {clean(words)}" if head and words else head or clean(words)


def next_commands(result: dict[str, Any], config: Path | None) -> list[tuple[str, str]]:
    """Offer three commands that exist today, with the user's own file in them."""
    file = shlex.quote(clean(config)) if config else "CONFIG"
    save = (f"allocate solve {file} --out result.json", "keep the whole answer")
    if result["status"] in ("infeasible", "unbounded"):
        return [
            (f"allocate validate {file}", "check what the file says"),
            (f"allocate solve {file} --set PATH=VALUE", "loosen one of the limits above"),
            ("allocate schema config", "every field with its unit"),
        ]
    bound = [p for p in result["prices"] if p["binding"] and p["capacity"]]
    if not bound:
        ask = (f"allocate solve {file} --set demand.scale=1.2", "a fifth more demand")
    else:
        top = max(bound, key=lambda p: abs((p["value"] or 0.0) * p["capacity"]))
        more = shlex.quote(f"{clean(top['resource'])}={_plain(1.1 * top['capacity'])}")
        ask = (f"allocate solve {file} --set {more}", f"a tenth more {clean(top['label'])}")
    every = (f"allocate solve {file} --all", "every line of every table")
    if result["status"] != "optimal":
        every = (f"allocate solve {file} --tolerance 1e-4", "certify less tightly")
    return [ask, save, every]


def _plain(value: float) -> str:
    return (
        f"{value:.6g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.0f}" if value > 1 else str(value)
    )
