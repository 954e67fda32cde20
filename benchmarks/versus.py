"""Our method against general solvers on the same program, each in a process of its own.

Every answer goes through our certificate. "reached" means that it, as it came or repaired,
has a gap and a violation within the tolerance. Times are of the solve alone; compiling (ours
by JAX, theirs by CVXPY) stands beside them. The ratio is the time of the best of those that
reached the tolerance over ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import results
from benchmarks.apart import run_apart
from benchmarks.matching import KNOWN
from benchmarks.results import number, seconds
from benchmarks.success import machine

Record = dict[str, Any]
NAME = "versus"
OURS = "prices"
_CONIC = ("clarabel", "scs", "ecos", "moreau")
_LINEAR = ("highs-simplex", "highs-ipm", "pdlp", "pdlp-strict")


@dataclass(frozen=True)
class Point:
    """One instance and who is asked to solve it."""

    family: str
    classes: int
    arms: int
    rows: int
    seed: int
    methods: tuple[str, ...]

    @property
    def key(self) -> tuple:
        """What it is, without who solves it."""
        return self.family, self.classes, self.arms, self.rows, self.seed


POINTS = (
    *(Point("synthetic", n, 16, 4, 0, (OURS, "conic", *_CONIC)) for n in (100, 1000)),
    *(Point("synthetic", n, 16, 40, 0, (OURS, "conic", *_CONIC)) for n in (100, 1000)),
    Point("synthetic", 10_000, 16, 40, 0, (OURS, *_CONIC)),
    *(
        Point("synthetic_linear", n, 16, 40, 0, (OURS, *_LINEAR, "clarabel"))
        for n in (100, 1000, 10_000)
    ),
    Point("matching_lp", 10_000, 100, 0, 42, (OURS, *_LINEAR, "clarabel")),
    Point("matching_lp", 100_000, 1000, 0, 42, (OURS, *_LINEAR)),
)


def run(
    only: str,
    limit_s: float,
    tolerance: float,
    methods: Sequence[str],
    most: int,
    tell: Callable[[Record], None],
) -> Record:
    """The points whose family contains ``only``; other results stay as they are."""
    old = results.read(NAME) or {}
    points = [p for p in POINTS if only in p.family and p.classes <= most]
    todo = [(p, m) for p in points for m in p.methods if not methods or m in methods]
    asked = {(*p.key, m) for p, m in todo}
    kept = [r for r in old.get("records", []) if tuple(r["point"]) not in asked]
    document: Record = {
        "format": results.FORMAT,
        "machine": machine(),
        "limit_s": limit_s,
        "tolerance": tolerance,
    }
    fresh: list[Record] = []
    order = [(*p.key, m) for p in POINTS for m in p.methods]
    for point, method in todo:
        record = run_apart(
            point.family,
            point.classes,
            method,
            arms=point.arms,
            rows=point.rows,
            tolerance=tolerance,
            seed=point.seed,
            limit_s=limit_s,
        )
        record["point"] = [*point.key, method]
        tell(record)
        fresh.append(record)
        everything = [r for r in [*kept, *fresh] if tuple(r["point"]) in order]
        document["records"] = sorted(everything, key=lambda r: order.index(tuple(r["point"])))
        results.write(NAME, document)
    return document


# --- the table ----------------------------------------------------------------------------

_HEAD = (
    "method",
    "reached",
    "said",
    "s",
    "compile s",
    "gap before repair",
    "violation before repair",
    "gap after",
    "welfare",
    "MB",
    "time over ours",
)


def table(document: Record) -> str:
    """One table a point in Markdown, with a line on who was fastest."""
    about = results.about(document["machine"], document["records"])
    out = [
        f"{about}. Each run in its own process on the same cores, "
        f"{document['limit_s']:g} s at most, tolerance {document['tolerance']:g}.",
    ]
    for point in POINTS:
        these = [r for r in document["records"] if tuple(r["point"][:-1]) == point.key]
        if these:
            out += ["", *_one(point, these)]
    return "\n".join(out)


def _one(point: Point, records: list[Record]) -> list[str]:
    ours = next((r for r in records if r["method"] == OURS), None)
    size = next((r for r in records if r.get("rows") and r.get("members")), records[0])
    title = (
        f"**{point.family}, {point.classes:,} classes × {point.arms} arms, {size['rows']} rows**"
    )
    known = KNOWN.get((point.classes, point.arms, round(10.0 / point.arms, 6), point.seed))
    if point.family == "matching_lp" and known is not None:
        title += f" (published optimum {known})"
    rows = []
    for r in records:
        base = ours["seconds"] if ours and ours.get("ok") else None
        ratio = r["seconds"] / base if base and r.get("seconds") and r is not ours else None
        rows.append(
            [
                f"`{r['method']}`",
                "yes" if r["ok"] else "**no**",
                _said(r),
                seconds(r.get("seconds")),
                seconds(r.get("compile_seconds")),
                number(r.get("gap_before_repair"), "{:.1e}"),
                number(r.get("violation_before_repair"), "{:.1e}"),
                number(r.get("relative_gap"), "{:.1e}"),
                number(r.get("welfare"), "{:.8g}"),
                number(r.get("peak_memory_mb"), "{:,.0f}"),
                number(ratio, "{:.3g}×") if r["ok"] else "",
            ]
        )
    return [title, "", results.markdown(_HEAD, rows), "", verdict(records)]


def _said(record: Record) -> str:
    said = record.get("said") or record["status"]
    return str(said).split(":")[0].replace("|", "/")[:40]


def verdict(records: Sequence[Record]) -> str:
    """Who reached the tolerance first, and by how much."""
    ours = next((r for r in records if r["method"] == OURS), None)
    others = [r for r in records if r["method"] not in (OURS, "conic") and r["ok"]]
    best = min(others, key=lambda r: r["seconds"], default=None)
    if ours is None:
        return "Ours was not run here."
    if not ours["ok"]:
        gap = ours.get("relative_gap")
        how = "has no answer" if gap is None else f"stands at a gap of {gap:.1e}"
        return f"Ours {how}" + (
            f"; the best of the others is `{best['method']}`: we lose." if best else "."
        )
    if best is None:
        general = [r for r in records if r["method"] not in (OURS, "conic")]
        near = [r for r in general if r.get("relative_gap") is not None]
        nearest = min(near, key=lambda r: abs(r["relative_gap"]), default=None)
        if nearest is None:
            return "No general route came back with an answer."
        return (
            f"No general route reached it; the nearest is `{nearest['method']}` at "
            f"{nearest['relative_gap']:.1e} after {seconds(nearest['seconds'])} s, "
            f"{nearest['seconds'] / ours['seconds']:.3g} times our time."
        )
    ratio = best["seconds"] / ours["seconds"]
    word = f"{ratio:.3g} times our time" if ratio >= 1 else f"{1 / ratio:.3g} times faster: we lose"
    return f"Best general route: `{best['method']}`, {seconds(best['seconds'])} s, {word}."


def write_readme(document: Record) -> None:
    """Put the tables into the README."""
    results.put(NAME, table(document))
