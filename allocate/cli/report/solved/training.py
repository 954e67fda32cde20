"""What is invested in better models, and what is kept for reuse."""

from __future__ import annotations

from typing import Any

from allocate.cli.render.records import draw_csv
from allocate.cli.render.solve_sheets import training_sheet
from allocate.cli.render.text import clean, number, percent, short
from allocate.cli.report import charts
from allocate.cli.report.names import is_number, label, largest
from allocate.cli.report.parts import (
    Field,
    Figure,
    Row,
    Section,
    Table,
    table_of,
    table_of_sheet,
)
from allocate.cli.report.solved.artifacts import artifact_tables


def training_section(result: Row) -> Section:
    """Draw the gain of each trained asset; list the caches."""
    sheet = training_sheet(result, whole=True)
    tables: list[Table] = []
    if sheet.rows:
        tables.append(
            table_of_sheet(
                "assets", "All assets", sheet, {"training.csv": draw_csv(result, "training")}
            )
        )
    caches = artifact_tables(result, "cache", "hits")
    tables += [*artifact_tables(result, "investment"), *caches]
    title = "Training and caches" if caches or not sheet.rows else "Training"
    figure = _gain(result)
    return Section("training", title, figures=[figure] if figure else [], tables=tables)


def _gain(result: Row) -> Figure | None:
    lines = []
    for line in result["layers"]["training"]:
        if is_number(line["gain"]):
            name = label(line, "asset", "model")
            gain = 100.0 * line["gain"]
            say = f"{name}: {percent(line['gain'])} more of a hundred requests solved"
            text = f"{percent(line['gain'])} %"
            lines.append({"name": name, "size": gain, "text": text, "say": say, **_tokens(line)})
    lines.sort(key=lambda line: -line["size"])
    if not lines:
        return None
    top = lines[0]
    finding = f"Training with {top['name']} adds {top['text']} of requests solved"
    kept, note = largest([line["name"] for line in lines], lambda _: 1.0)
    fields = [
        Field("asset, model", "name", write=clean),
        Field("gain", "size", "% solved", _three),
        Field("tokens", "tokens", "an hour", short),
    ]
    keys = ("name", "size", "text", "say")
    axis = charts.plain_axis([line["size"] for line in lines])
    chosen = [{k: line[k] for k in keys} for line in lines if line["name"] in kept]
    return Figure(
        "training-gain",
        finding,
        "What each asset adds to the share of requests solved, in steady state: 2 means two more "
        "of a hundred." + note,
        f"Bars of the gain of each trained asset. {finding}.",
        lambda width: charts.bars(chosen, width, title="% solved", axis=axis, colour="green"),
        table_of("training-gain", "Gain of training", fields, lines),
    )


def _tokens(line: Row) -> Row:
    spent = [line[f"{kind}_tokens"] for kind in ("rollout", "verifier", "update")]
    known = [count for count in spent if count is not None]
    return {"tokens": sum(known) if known else None}


def _three(value: Any) -> str:
    return number(value, 3)
