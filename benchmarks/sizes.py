"""The size table: the synthetic family from a hundred classes to ten million.

Every point runs in a process of its own, so that compiling, memory and warm caches are its
own too. A pass is compared with the time of reading the class columns once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import results
from benchmarks.apart import run_apart
from benchmarks.success import machine

Record = dict[str, Any]
NAME = "sizes"


def run(
    families: Sequence[str],
    sizes: Sequence[int],
    rows: Sequence[int],
    tolerances: Sequence[float],
    limit_s: float,
    tell: Callable[[Record], None],
) -> Record:
    """All points, each in its own process; the file is complete after every one.

    Points of an earlier run that are not asked for now stay as they are.
    """
    old = results.read(NAME) or {}
    asked = [(f, n, r, t) for f in families for n in sizes for r in rows for t in tolerances]
    kept = [r for r in old.get("records", []) if _point(r) not in asked]
    document: Record = {"format": results.FORMAT, "machine": machine(), "limit_s": limit_s}
    fresh: list[Record] = []
    for family, n, r, tolerance in asked:
        record = run_apart(family, n, "prices", rows=r, tolerance=tolerance, limit_s=limit_s)
        record |= {"rows_asked": r}
        tell(record)
        fresh.append(record)
        document["records"] = sorted([*kept, *fresh], key=_point)
        results.write(NAME, document)
    return document


def _point(record: Record) -> tuple:
    rows = record.get("rows_asked", record["rows"])
    return record["instance"], record["classes"], rows, record["tolerance"]


_COLUMNS = (
    ("instance", "{}"),
    ("classes", "{:,}"),
    ("arms", "{}"),
    ("rows", "{}"),
    ("tolerance", "{:.0e}"),
    ("status", "{}"),
    ("seconds", "{:.2f}"),
    ("compile_seconds", "{:.1f}"),
    ("passes", "{}"),
    ("relative_gap", "{:.1e}"),
    ("max_violation", "{:.0e}"),
    ("warm_seconds", "{:.2f}"),
    ("warm_passes", "{}"),
    ("judge_seconds", "{:.2f}"),
    ("read_seconds", "{:.3f}"),
    ("setup_seconds", "{:.1f}"),
    ("instance_memory_mb", "{:,.0f}"),
    ("peak_memory_mb", "{:,.0f}"),
)


def table(document: Record) -> str:
    """The table in Markdown."""
    about = results.about(document["machine"], document["records"])
    lines = [
        f"{about}. Every point in its own process, "
        f'{document["limit_s"]:g} s at most. Compiling is apart; "judge" is the certificate, '
        '"read" reading the class columns once, "instance" the memory before solving.',
        "",
    ]
    rows = [
        [form.format(r[name]) if r.get(name) is not None else "" for name, form in _COLUMNS]
        for r in document["records"]
    ]
    head = [name.replace("_", " ").replace("seconds", "s") for name, _ in _COLUMNS]
    return "\n".join(lines) + "\n" + results.markdown(head, rows)


def write_readme(document: Record) -> None:
    """Put the table into the README."""
    results.put(NAME, table(document))
