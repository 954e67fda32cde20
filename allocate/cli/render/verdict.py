"""What a result says in sentences: the verdict, its proof, the balance, what binds."""

from __future__ import annotations

import math
from typing import Any

from allocate.cli.render.text import apart, clean, money, noiseless, number

COSTS = ("money", "latency", "risk", "oversight", "training")
NEARLY = 0.95  # of a capacity: used so far that it will bind soon
CENT = 0.01  # USD
ROUNDING = 1e-12  # a gap below this is one of the last digits
KEPT = 1e-9  # a limit exceeded by this share of itself is kept, but for rounding

MEANING = {
    "feasible": "feasible, NOT certified: the limits hold, a better answer may exist",
    "stopped": "stopped early, NOT certified: the best answer so far",
    "infeasible": "infeasible: the limits exclude each other",
    "unbounded": "unbounded: something valuable is free and without limit",
}


def verdict(result: dict[str, Any]) -> list[str]:
    """Say the status, the welfare, and how well both are proved."""
    welfare = result["objective"]["welfare"]
    first = _meaning(result)
    if welfare is None:
        message = result.get("message")
        return [first if message is None else f"{clean(result['status'])}: {clean(message)}"]
    text = amounts([welfare, *(amount for _, amount in balance(result))])[0]
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    return [f"{sign}${text}/h welfare - {first}", _proof(result)]


def is_whole(result: dict[str, Any]) -> bool:
    """Whether the answer has whole replicas and is proved at their numbers."""
    return bool((result.get("whole_replicas") or {}).get("certified_at_these_numbers"))


def has_no_whole(result: dict[str, Any]) -> bool:
    """Whether whole replicas were asked for, and no numbers of them keep every limit."""
    held = result.get("whole_replicas") or {}
    return "replicas" in held and held["replicas"] is None


def _meaning(result: dict[str, Any]) -> str:
    """Say what the status claims and no more: for a menu of speeds, or only locally."""
    status, layers = result["status"], result["layers"]
    stopped = status == "stopped" and result["certificate"]["holds"]
    if has_no_whole(result):
        return "no whole numbers of replicas found that keep the limits: fractions are shown"
    if stopped and "ranges_s" not in result["timing"]:
        return "stopped at your request: the best answer so far"
    if status == "feasible" and is_whole(result):
        return "the best found with whole replicas"
    if status == "feasible" and result["certificate"]["holds"]:
        return "feasible: routing and training do not agree yet"
    if status != "optimal" and not stopped:
        return MEANING.get(status, clean(status))
    claim = "a local optimum" if layers["training"] else "optimal"
    claim += " for this menu of speeds" if layers["serving"] else ""
    return f"{claim}; stopped at your request before all prices had ranges" if stopped else claim


def _proof(result: dict[str, Any]) -> str:
    certificate = result["certificate"]
    gap, violation, tolerance = (
        certificate[key] for key in ("relative_gap", "max_violation", "tolerance")
    )
    parts = []
    if gap is not None:
        more = (certificate.get("dual") or 0.0) - (certificate.get("primal") or 0.0)
        parts.append(_bound(more, gap, certificate.get("primal") or 0.0))
    if violation is not None:
        kept = "every limit is kept"
        parts.insert(
            0,
            kept
            if violation <= KEPT
            else f"limits are exceeded by up to {_tiny(violation)} of them",
        )
    if has_no_whole(result):
        return f"NOT certified: {parts[-1]}, even with fractions of replicas"
    if is_whole(result) and not certificate["holds"]:
        return f"certified at these numbers of replicas: {'; '.join(parts)}, fractions included"
    if certificate["holds"]:
        linear = " with training held at its slope" if result["layers"]["training"] else ""
        return f"certified{linear}: {'; '.join(parts)}"
    return f"NOT certified at {_tiny(tolerance)}: {'; '.join(parts) or 'no bound is known'}"


def _bound(more: float, gap: float, welfare: float) -> str:
    """Say how much better another answer could be; one wording for what nobody would notice."""
    if more <= 0 or gap <= ROUNDING:
        return "nothing is better, but for rounding"
    if more < CENT <= abs(welfare):
        return f"nothing is better by a cent an hour (gap {_tiny(gap)})"
    return f"nothing is more than {money(more, 2)}/h better (gap {_tiny(gap)})"


def _tiny(value: float) -> str:
    return "0" if abs(value) < 1e-15 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def balance(result: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the objective's parts in order, value first; costs stand as they are, to subtract."""
    objective = result["objective"]
    scale = abs(objective["value"] or 0.0) or 1.0
    parts = [("value", objective["value"])] + [(name, objective[name]) for name in COSTS]
    return [(name, noiseless(amount, scale)) for name, amount in parts if amount is not None]


def amounts(values: list[float]) -> list[str]:
    """Write sums of money to one last place, so that they add up as they stand."""
    most = max((abs(v) for v in values), default=0.0)
    if most >= 1e15:
        return [number(v) for v in values]
    places = 0 if most >= 1e4 else 2
    if 0 < most < 1:
        places = min(3 - math.floor(math.log10(most)), 17)
    return [f"{round(v, places) + 0.0:,.{places}f}" for v in values]


def equation(result: dict[str, Any], width: int = 80) -> list[str]:
    """Write welfare as value less its costs, each under its name; below another if narrow."""
    parts = balance(result)
    if not parts:
        return []
    names = ["welfare", *(name for name, _ in parts)]
    texts = amounts([result["objective"]["welfare"], *(amount for _, amount in parts)])
    wide = [max(len(name), len(text)) for name, text in zip(names, texts, strict=True)]
    if sum(wide) + 3 * len(wide) + 5 <= width:
        head = "   ".join(name.rjust(w) for name, w in zip(names, wide, strict=True))
        first, *costs = (text.rjust(w) for text, w in zip(texts, wide, strict=True))
        return [f"{head}   unit", f"{first} = {' - '.join(costs)}   USD/h"]
    signs = [" ", "=", *"-" * (len(names) - 2)]
    label, most = max(map(len, names)), max(map(len, texts))
    return [
        f"{sign} {name.ljust(label)}  {text.rjust(most)} USD/h"
        for sign, name, text in zip(signs, names, texts, strict=True)
    ]


def bindings(result: dict[str, Any]) -> list[str]:
    """Say which capacities bind, and which nearly do."""
    binds = [clean(p["label"]) for p in result["prices"] if p["binding"]]
    nearly = [
        f"{clean(p['label'])} ({apart(100 * p['used'] / p['capacity'], 100.0, 3)[0]} % used)"
        for p in result["prices"]
        if not p["binding"] and p["capacity"] and (p["used"] or 0.0) >= NEARLY * p["capacity"]
    ]
    held = (result.get("whole_replicas") or {}).get("replicas")
    slack = len(result["prices"]) - len(binds) - len(nearly)
    nothing = "Binding: nothing; more of any capacity would change nothing"
    lines = [f"Binding: {', '.join(binds)}" if binds else nothing]
    if nearly:
        lines.append(f"Nearly, at price 0: {', '.join(nearly)}")
    if slack:
        lines.append(f"Slack, so price 0: {slack} other{'s' if slack > 1 else ''}")
    if held:
        several = any(line.get("period") for line in result["layers"]["router"])
        names = {name: name if several else name.rpartition(" [")[0] or name for name in held}
        whole = ", ".join(f"{clean(names[name])} {n}" for name, n in held.items())
        lines.append(f"Whole replicas, idle ones with them: {whole}")
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
