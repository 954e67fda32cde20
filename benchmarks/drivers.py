"""The commands that run many instances and write a table of the README each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import (
    agreement,
    batch,
    matching,
    plots,
    pool,
    profile,
    results,
    robust,
    sizes,
    success,
    versus,
)
from benchmarks.apart import apart
from benchmarks.measure import blank, machine
from benchmarks.one import Record

app = typer.Typer()


@app.command()
def table(
    jobs: Annotated[int, typer.Option(min=1, help="instances at a time")] = 1,
    limit: Annotated[float, typer.Option(min=0.1, help="seconds for one instance")] = 30.0,
    only: Annotated[str, typer.Option(help="kinds whose name contains this")] = "",
    most: Annotated[int, typer.Option(min=0, help="only so many instances; 0 = all")] = 0,
    out: Annotated[Path, typer.Option(help="results")] = success.RESULTS,
    redraw: Annotated[
        bool, typer.Option(help="write the table from the results there are")
    ] = False,
) -> None:
    """Run the random instances, write results/success.json and the table in README.md."""
    whole = not only and not most and out == success.RESULTS
    if redraw:
        document = json.loads(out.read_text())
        whole = True
    else:
        todo = [t for t in success.tasks() if only in t["name"]]
        todo = todo[:most] if most else todo
        if not whole and out == success.RESULTS:
            out = out.with_name("part.json")  # a part does not replace the whole

        def tell(done: int, record: Record) -> None:
            typer.echo(f"{done:>4}/{len(todo)} {told(record)}")

        document = success.run(todo, jobs, limit, out, tell)
    if whole:
        success.write_readme(document)
    else:
        typer.echo(success.table(document))


_COUNTS = Annotated[str, typer.Option(help="numbers, with commas")]
_LIMIT = Annotated[float, typer.Option(min=1, help="seconds for one point")]


@app.command("sizes")
def sizes_(
    most: Annotated[int, typer.Option(help="largest number of classes")] = 1_000_000,
    least: Annotated[int, typer.Option(help="smallest number of classes")] = 100,
    rows: _COUNTS = "4,40,200",
    tolerance: _COUNTS = "1e-6,1e-8",
    families: Annotated[str, typer.Option(help="instances, with commas")] = "synthetic",
    limit: _LIMIT = 900.0,
) -> None:
    """Run the size table: every power of ten of classes, in a process of its own."""
    document = sizes.run(
        families.split(","),
        [10**k for k in range(2, 8) if least <= 10**k <= most],
        [int(r) for r in rows.split(",")],
        [float(t) for t in tolerance.split(",")],
        limit,
        _tell,
    )
    sizes.write_readme(document)
    plots.draw()


@app.command("versus")
def versus_(
    only: Annotated[str, typer.Option(help="families whose name contains this")] = "",
    methods: Annotated[str, typer.Option(help="only these, with commas")] = "",
    most: Annotated[int, typer.Option(help="largest number of classes")] = 1_000_000,
    tolerance: Annotated[float, typer.Option(help="gap and violation to reach")] = 1e-6,
    limit: _LIMIT = 300.0,
) -> None:
    """Run general solvers and ours on the same programs, each in a process of its own."""
    picked = [m for m in methods.split(",") if m]
    document = versus.run(only, limit, tolerance, picked, most, _tell)
    versus.write_readme(document)
    plots.draw()


@app.command("batch")
def batch_(
    classes: Annotated[int, typer.Option(min=1, help="classes of a scenario")] = 1000,
    rows: Annotated[int, typer.Option(min=4, help="coupling rows, about")] = 40,
    count: Annotated[int, typer.Option(min=1, help="scenarios")] = 64,
    tolerance: Annotated[float, typer.Option(help="gap and violation to reach")] = 1e-6,
    seed: Annotated[int, typer.Option(min=0, help="of the draw")] = 0,
    way: Annotated[str, typer.Option(help="cold, star, chain; all of them if empty")] = "",
    limit: _LIMIT = 300.0,
    format: Annotated[str, typer.Option(help="table or json")] = "table",
) -> None:
    """Solve many scenarios of one structure: cold, or warm from each other's prices."""
    if way and way not in batch.WAYS:
        raise typer.BadParameter(f"use one of {', '.join(batch.WAYS)}", param_hint="--way")
    if way and format == "json":
        record = batch.run(classes, rows, count, tolerance, seed, way)
        typer.echo(json.dumps(results.finite(record), indent=1))
        raise typer.Exit(0 if record["ok"] else 1)
    records = []
    for each in [way] if way else batch.WAYS:
        arguments = ["batch", "--classes", str(classes), "--rows", str(rows)]
        arguments += ["--count", str(count), "--tolerance", str(tolerance)]
        arguments += ["--seed", str(seed), "--way", each]
        known = blank("synthetic", classes, f"prices, {each}", tolerance, seed)
        records.append(apart(arguments, known, limit, machine()["threads"]))
        _tell(records[-1])
    document = batch.document(records)
    if way or count < 64:
        typer.echo(batch.table(document))
    else:
        results.write(batch.NAME, document)
        results.put(batch.NAME, batch.table(document))


@app.command("agreement")
def agreement_(
    count: Annotated[int, typer.Option(min=0, help="random instances")] = 200,
    most: Annotated[int, typer.Option(min=1, help="classes of the largest")] = 60,
    jobs: Annotated[int, typer.Option(min=1, help="instances at a time")] = 1,
    limit: _LIMIT = 120.0,
) -> None:
    """Hold prices against conic on every example and on random instances."""
    records = _pooled(agreement.tasks(count, most), jobs, limit, agreement.compare)
    document = agreement.document(records)
    if count >= 200:
        results.write(agreement.NAME, document)
        results.put(agreement.NAME, agreement.table(document))
    else:
        typer.echo(agreement.table(document))


@app.command("robust")
def robust_(
    only: Annotated[str, typer.Option(help="families whose name contains this")] = "",
    most: Annotated[int, typer.Option(min=1, help="classes of the largest")] = 100_000,
    jobs: Annotated[int, typer.Option(min=1, help="instances at a time")] = 1,
    limit: _LIMIT = 300.0,
) -> None:
    """Solve difficult random programs of up to 100,000 classes at 1e-6 and 1e-8."""
    todo = [t for t in robust.tasks() if only in t["name"] and t["classes"] <= most]
    document = robust.document(_pooled(todo, jobs, limit, robust.run_one))
    if len(todo) == len(robust.tasks()):
        results.write(robust.NAME, document)
        results.put(robust.NAME, robust.table(document))
    else:
        typer.echo(robust.table(document))


@app.command("optimum")
def optimum() -> None:
    """Check the recipe of the matching problems against the published optima, by HiGHS."""
    wrong = 0
    for (sources, destinations, sparsity, seed), known in matching.KNOWN.items():
        problem = matching.draw(sources, destinations, sparsity, seed)
        found = matching.optimum(problem)
        wrong += abs(found - known) > 5e-5 * max(1.0, 1e-6 * known)
        size = f"{sources:,} × {destinations:,}, {len(problem.source):,} edges"
        typer.echo(f"{size}: {found:.4f}, published {known:.4f}")
    raise typer.Exit(1 if wrong else 0)


@app.command("profile")
def profile_(
    classes: Annotated[int, typer.Option(min=3001, help="request classes")] = 1_000_000,
    rows: Annotated[int, typer.Option(min=4, help="coupling rows, about")] = 40,
    tolerance: Annotated[float, typer.Option(help="gap and violation to reach")] = 1e-6,
    seed: Annotated[int, typer.Option(min=0, help="of the draw")] = 0,
) -> None:
    """Say where the time of one solve goes, beside what the machine could do at best."""
    document = profile.run(classes, rows, tolerance, seed)
    results.write(profile.NAME, document)
    results.put(profile.NAME, profile.table(document))
    typer.echo(profile.table(document))


@app.command("redraw")
def redraw_() -> None:
    """Write every table and chart of the README again, from the results there are."""
    for part in (sizes, profile, versus, batch, agreement, robust):
        document = results.read(part.NAME)
        if document is not None:
            results.put(part.NAME, part.table(document))
    success.write_readme(json.loads(success.RESULTS.read_text()))
    plots.draw()


@app.command("all")
def all_(
    jobs: Annotated[int, typer.Option(min=1, help="instances at a time, of the small ones")] = 2,
) -> None:
    """Run the standard set: every table, with sizes and limits for about half an hour."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    table(jobs=jobs)
    agreement_(jobs=jobs)
    robust_(jobs=jobs, limit=120.0)
    batch_()
    sizes_(most=100_000, rows="4,40", tolerance="1e-6", limit=300.0)
    versus_(most=1000, limit=30.0)


def _pooled(
    todo: list[pool.Task], jobs: int, limit_s: float, work: Callable[..., Record]
) -> list[Record]:
    """The records of all tasks in their order, told as they come."""
    order = {_key(t["name"], t): i for i, t in enumerate(todo)}
    found: list[Record] = []
    for record in pool.run_all(todo, jobs, limit_s, work):
        found.append(record)
        _tell(record, f"{len(found):>4}/{len(todo)} ")
    return sorted(found, key=lambda r: order.get(_key(r["instance"], r), len(order)))


def _key(name: str, record: dict[str, Any]) -> tuple[str, int]:
    return name, record.get("seed", 0)


def _tell(record: Record, before: str = "") -> None:
    """One line on a record."""
    gap = record.get("relative_gap")
    size = f"n={record.get('classes', 0):<8} rows={record.get('rows')}"
    shown = "" if gap is None else f"gap {gap:.1e}"
    spent = record.get("seconds")
    took = "" if spent is None else f"{spent:.2f} s"
    passes = record.get("passes")
    counted = "" if passes is None else f"{passes} passes"
    why = "" if record.get("ok") else record.get("message", record.get("said", ""))
    typer.echo(
        f"{before}{record['instance']:<17} {size:<24} {record.get('method', ''):<14} "
        f"{record['status']:<12} {took} {counted} {shown} {why}".rstrip()
    )


def told(record: Record) -> str:
    """One line on a record of the success table."""
    mark = "ok  " if record["ok"] else "FAIL"
    gap = record.get("relative_gap")
    shown = f"gap {gap:8.1e}" if gap is not None else " " * 12
    why = record.get("message", "").split("\n")[0][:100] if not record["ok"] else ""
    return (
        f"{mark} {record['instance']:<14} n={record['classes']:<5} seed={record['seed']:<4} "
        f"{record['method']:<6} {record['status']:<11} {shown} {record['seconds']:8.2f} s {why}"
    ).rstrip()
