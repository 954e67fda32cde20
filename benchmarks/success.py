"""The success table: how many random instances end as they must, and how well.

Every record is written as it comes, so that a run that is stopped has not been for nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.one import Record
from benchmarks.pool import Task, run_all
from benchmarks.registry import REGISTRY
from benchmarks.results import HERE, README, finite

RESULTS = HERE / "results" / "success.json"
FORMAT = 2  # 2: names of fields as in every other record
BEGIN, END = "<!-- success table: begin -->", "<!-- success table: end -->"
FAMILIES = {"small": (1, 10), "medium": (11, 100), "large": (101, 2000)}
_DRAWS = {"optimal": {"small": 8, "medium": 4}, "infeasible": {"small": 4, "medium": 2}}
_LARGE = 1  # of every kind, sizes log-spaced over all of them
_CONIC_MOST = 100  # classes
_CONIC_EACH = 5  # one in so many; prime to the draws of a kind, so that all sizes come
_PACKAGES = ("numpy", "scipy", "clarabel", "cvxpy", "highspy")


def tasks(tolerance: float = 1e-6) -> list[Task]:
    """All instances of the table, cheap and dear mixed, the same every time."""
    sized: list[tuple[str, int]] = []
    for name, instance in REGISTRY.items():
        for size, draws in _DRAWS[instance.expect].items():
            sized += [(name, n) for n in _spaced(*FAMILIES[size], draws)]
    large = _spaced(*FAMILIES["large"], _LARGE * len(REGISTRY))
    order = np.random.default_rng(0).permutation(len(large))
    sized += [(name, large[order[i]]) for i, name in enumerate(REGISTRY)]
    found: list[Task] = [
        {"name": name, "classes": n, "seed": seed, "method": "auto", "tolerance": tolerance}
        for seed, (name, n) in enumerate(sized)
    ]
    conic = [t | {"method": "conic"} for t in found if t["classes"] <= _CONIC_MOST][::_CONIC_EACH]
    found += conic
    return [found[i] for i in np.random.default_rng(1).permutation(len(found))]


def family(classes: int) -> str:
    """Name the family of a size."""
    return next(name for name, (_, most) in FAMILIES.items() if classes <= most)


def _spaced(low: int, high: int, count: int) -> list[int]:
    return [round(x) for x in np.geomspace(low, high, count)]


def machine() -> dict[str, object]:
    """What the numbers depend on, without the names of machines, people or folders."""
    code = hashlib.sha256()
    package = HERE.parent / "allocate"
    for path in sorted(package.rglob("*.py")):
        code.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "source_sha256": code.hexdigest()[:16],
    }


def run(
    todo: Sequence[Task],
    jobs: int = 1,
    limit_s: float = 60.0,
    out: Path = RESULTS,
    progress: Callable[[int, Record], None] | None = None,
) -> dict[str, object]:
    """Run the instances and write the results; the file is complete after every record."""
    document: dict[str, object] = {"format": FORMAT, "machine": machine(), "limit_s": limit_s}
    document |= {"jobs": jobs, "planned": len(todo)}
    records: list[Record] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    for record in run_all(todo, jobs, limit_s):
        records.append(record)
        ordered = sorted(records, key=lambda r: (r["seed"], r["method"]))
        document["records"] = [finite(r) for r in ordered]
        fresh = out.with_suffix(".part")
        fresh.write_text(json.dumps(document, indent=1) + "\n")
        fresh.replace(out)
        if progress is not None:
            progress(len(records), record)
    return document


# --- the table ----------------------------------------------------------------------------

_HEAD = (
    "| {0} | instances | as they must | optimal | infeasible, rightly | not certified | "
    "time-outs | exceptions | worst gap | worst violation | median s | p95 s |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def table(document: dict) -> str:
    """The table in Markdown: by family and method, by kind, and every failure by name."""
    records: list[Record] = document["records"]
    about = document["machine"]
    packages = ", ".join(f"{k} {v}" for k, v in about["packages"].items())
    lines = [
        f"{len(records)} of {document['planned']} instances, {about['cores']} cores "
        f"({about['architecture']}), {document['jobs']} at a time, "
        f"{document['limit_s']:g} s each at most; Python {about['python']}, {packages}.",
        "",
        _HEAD.format("family, method"),
    ]
    for method in ("auto", "conic", "prices"):
        for name in FAMILIES:
            these = [r for r in records if r["method"] == method and family(r["classes"]) == name]
            if these:
                lines.append(_row(f"{name}, `{method}`", these))
    lines += [_row("**all**", records), "", _HEAD.format("kind, `auto`")]
    for name in REGISTRY:
        these = [r for r in records if r["instance"] == name and r["method"] == "auto"]
        if these:
            lines.append(_row(name, these))
    wrong = [r for r in records if not r["ok"]]
    lines += ["", f"Not as they must be: {len(wrong)}."]
    if wrong:
        lines += ["", "| run it with | status | gap | violation | s |", "|---|---|--:|--:|--:|"]
    for r in sorted(wrong, key=lambda r: (r["instance"], r["classes"], r["seed"])):
        lines.append(
            f"| `run {r['instance']} --classes {r['classes']} --seed {r['seed']} --method "
            f"{r['method']}` | {r['status']}{_told(r)} | {_number(r.get('relative_gap'))} | "
            f"{_number(r.get('max_violation'))} | {r['seconds']:.2g} |"
        )
    return "\n".join(lines)


def _told(record: Record) -> str:
    message = record.get("message", "").split("\n")[0].replace("|", "/")
    return f": {message[:90]}" if message else ""


def _row(label: str, records: Iterable[Record]) -> str:
    these = list(records)
    status = [r["status"] for r in these]
    rightly = sum(r["ok"] and r["status"] == "infeasible" for r in these)
    done = {"optimal", "infeasible", "timeout", "exception", "crash"}
    proven = [r for r in these if r["status"] == "optimal"]
    seconds = np.array([r["seconds"] for r in these])
    cells = [
        label,
        len(these),
        f"{100 * np.mean([r['ok'] for r in these]):.1f} %",
        len(proven),
        rightly,
        sum(s not in done for s in status) + status.count("infeasible") - rightly,
        status.count("timeout"),
        status.count("exception") + status.count("crash"),
        _number(max((abs(r["relative_gap"]) for r in proven), default=None)),
        _number(max((r["max_violation"] for r in proven), default=None)),
        f"{np.median(seconds):.2g}",
        f"{np.quantile(seconds, 0.95):.2g}",
    ]
    return "| " + " | ".join(str(c) for c in cells) + " |"


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.1e}"


def write_readme(document: dict, readme: Path = README) -> None:
    """Put the table between the markers of the README."""
    text = readme.read_text()
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    readme.write_text(f"{before}{BEGIN}\n\n{table(document)}\n\n{END}{after}")
