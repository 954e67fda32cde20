"""The proof in one picture: no way of serving in use could be left for a better one."""

from __future__ import annotations

from allocate.cli.render.text import clean, money
from allocate.cli.report import charts
from allocate.cli.report.names import is_number, label, largest
from allocate.cli.report.palette import light
from allocate.cli.report.parts import Field, Figure, Row, Section, table_of
from allocate.cli.report.solved.artifacts import artifact_tables

NOISE = 1e-6  # of what a request brings: less is 0
TITLE = "Is anything left to gain?"


def margins_section(result: Row) -> Section:
    """Draw what a request would gain elsewhere: 0 where it is served, less on the next model."""
    found = (result["artifacts"].get("router_regret") or {}).get("classes") or []
    lines, data = [], []
    worth = _worth(result)
    for line in found:
        name = label(line, "class", "period")
        scale = max(worth.get((line["class"], line.get("period")), 1.0), 1e-12)
        lost, margin = line.get("regret_usd"), line.get("margin_usd")
        if not is_number(lost):
            continue
        lost = 0.0 if abs(lost) <= NOISE * scale else lost
        used = ", ".join(clean(m) for m in line.get("models") or []) or "declined"
        data.append({**line, "name": name, "used": used, "left": -lost})
        lines.append(_bar(f"{name}\nin use: {used}", -lost, "blue", f"{name}, on {used}"))
        other = line.get("next_model")
        if other and other not in (line.get("models") or []) and is_number(margin):
            gap = 0.0 if abs(margin) <= NOISE * scale else margin
            said = f"{name}, moved to {clean(other)}"
            lines.append(_bar(f"{name}\nnot used: {clean(other)}", -gap, "grey", said))
    if not lines:
        return Section("margins", TITLE)
    rates = {line["name"]: line.get("requests_per_h") or 0.0 for line in data}
    kept, note = largest(
        [line["name"] for line in lines], lambda name: rates.get(name.partition("\n")[0], 0.0)
    )
    drawn = [line for line in lines if line["name"] in kept]
    worst = min(line["left"] for line in data)
    finding = "Zero on every way in use: no request would be better off elsewhere"
    if worst < 0:
        finding = f"A request could be better off by up to {money(-worst, 3)} elsewhere"
    residual = result["certificate"].get("max_foc_residual")
    text = "Blue: what a request gains or loses where it is served now, against its best way at "
    text += "the shared prices. Grey: the same on the next best model, which is not used. "
    if is_number(residual):
        text += "Inside a request, marginal value and marginal cost of every use of tokens that is "
        text += f"bought agree {_close(residual)} (certificate). "
    fields = [
        Field("class", "name", write=clean),
        Field("in use", "used", write=clean),
        Field("left by it", "left", "USD/request"),
        Field("next model", "next_model", write=lambda v: clean(v) if v else "-"),
        Field("behind by", "margin_usd", "USD/request"),
        Field("requests", "requests_per_h", "an hour"),
    ]
    return Section(
        "margins",
        TITLE,
        tables=artifact_tables(result, "regret", "vectors"),
        figures=[
            Figure(
                "equimarginal",
                finding,
                text.strip() + note,
                f"Bars of the gain of a request where it is served and on the next. {finding}.",
                lambda width: charts.bars(
                    drawn,
                    width,
                    title="USD a request",
                    axis=charts.money_axis([line["size"] for line in drawn]),
                    least=0.05 * max(abs(line["size"]) for line in drawn) or 1.0,
                    reference=0.0,
                ),
                table_of("equimarginal", "What a request would gain elsewhere", fields, data),
            )
        ],
    )


def _close(residual: float) -> str:
    if residual < 1e-15:
        return "to the last digit"
    return f"to {residual:.0e} of their scale".replace("e-0", "e-")


def _bar(name: str, size: float, colour: str, said: str) -> Row:
    text = money(size, 3) if size else "$0"
    say = f"{said}: {text} a request against its best way"
    return {"name": name, "size": size, "text": text, "say": say, "colour": light(colour)}


def _worth(result: Row) -> dict[tuple, float]:
    worth: dict[tuple, float] = {}
    for arm in result["layers"]["autonomy"]:
        value = (arm.get("vector") or {}).get("value_usd")
        if is_number(value):
            key = (arm["class"], arm.get("period"))
            worth[key] = max(worth.get(key, 0.0), abs(value))
    return worth
