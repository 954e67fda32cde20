"""``python -m benchmarks``: list, run, smoke, and the success table (the default)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import differences, sizes, success
from benchmarks.one import Record, run_one
from benchmarks.registry import REGISTRY

app = typer.Typer(add_completion=False, no_args_is_help=False, help=__doc__)

SMOKE = (  # (name, classes, seed): one of each layer and one that must be refused
    ("api-effort", 3, 1),
    ("own", 2, 1),
    ("humans", 3, 2),
    ("wide", 4, 1),
    ("identical", 4, 1),
    ("short-calls", 3, 1),
)


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Random instances and what became of them; without a command, the success table."""
    if context.invoked_subcommand is None:
        table()


@app.command("list")
def list_() -> None:
    """Name every kind of instance."""
    for one in REGISTRY.values():
        typer.echo(f"{one.name:<15} {one.expect:<11} {one.what}")
    typer.echo(f"{'synthetic':<15} {'optimal':<11} the size family: --classes, --arms, --rows")


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="a kind of instance, from `list`")],
    classes: Annotated[int, typer.Option(min=1, help="request classes")] = 10,
    arms: Annotated[int, typer.Option(min=2, help="synthetic: arms of a class")] = 16,
    rows: Annotated[int, typer.Option(min=4, help="synthetic: coupling rows, about")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="of the draw")] = 0,
    method: Annotated[str, typer.Option(help="auto, prices or conic")] = "auto",
    tolerance: Annotated[float, typer.Option(help="largest relative gap and violation")] = 1e-6,
    format: Annotated[str, typer.Option(help="table or json")] = "table",
) -> None:
    """Draw one instance, solve it, and say what came out."""
    if name != "synthetic" and name not in REGISTRY:
        raise typer.BadParameter(f"there is no {name!r}; see `list`", param_hint="NAME")
    if method not in ("auto", "prices", "conic"):
        raise typer.BadParameter("use auto, prices or conic", param_hint="--method")
    if format not in ("table", "json"):
        raise typer.BadParameter("use table or json", param_hint="--format")
    if name == "synthetic":
        if method == "conic":
            raise typer.BadParameter("synthetic is solved by prices", param_hint="--method")
        record = sizes.run_one(classes, arms, rows, tolerance, seed)
    else:
        record = run_one(name, classes, seed, method, tolerance)
    if format == "json":
        typer.echo(json.dumps(success.finite(record), indent=1))
    else:
        for key, value in record.items():
            typer.echo(f"{key:<19} {value}")
    raise typer.Exit(0 if record["ok"] else 1)


@app.command()
def smoke() -> None:
    """Solve six small instances; exit 1 unless every one ends as it must."""
    clock, wrong = time.perf_counter(), 0
    for name, classes, seed in SMOKE:
        record = run_one(name, classes, seed)
        wrong += not record["ok"]
        typer.echo(_line(record))
    spent = time.perf_counter() - clock
    verdict = "all as they must be" if not wrong else f"{wrong} NOT as they must be"
    typer.echo(f"smoke: {len(SMOKE)} instances, {verdict}, {spent:.1f} s")
    raise typer.Exit(1 if wrong else 0)


@app.command("differences")
def differences_(
    config: Annotated[str, typer.Argument(help="a config")],
    format: Annotated[str, typer.Option(help="table or json")] = "table",
) -> None:
    """Check every price of a config against a finite difference; exit 1 over 1 %."""
    records = differences.differences(config)
    if format == "json":
        typer.echo(json.dumps(records, indent=1))
    else:
        for r in records:
            typer.echo(
                f"{r['resource']:<48} {r['price']:12.6g} {r['below']:12.6g} {r['above']:12.6g} "
                f"{100 * r['error']:8.3f} %{' kink' if r['kink'] else ''}"
            )
    raise typer.Exit(1 if any(r["error"] > 0.01 for r in records) else 0)


@app.command("sizes")
def sizes_(
    most: Annotated[int, typer.Option(help="largest number of classes")] = 1_000_000,
    rows: Annotated[str, typer.Option(help="numbers of rows, with commas")] = "4,40,200",
    tolerance: Annotated[str, typer.Option(help="tolerances, with commas")] = "1e-6,1e-8",
    limit: Annotated[float, typer.Option(min=1, help="seconds for one point")] = 900.0,
) -> None:
    """Run the size table, write results/sizes.json and the table in README.md."""
    points = [10**k for k in range(2, 8) if 10**k <= most]
    document = sizes.run(
        points,
        [int(r) for r in rows.split(",")],
        [float(t) for t in tolerance.split(",")],
        limit,
        lambda r: typer.echo(
            json.dumps(
                {
                    k: r.get(k)
                    for k in ("classes", "rows", "status", "seconds", "passes", "relative_gap")
                }
            )
        ),
    )
    sizes.write_readme(document)


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
            typer.echo(f"{done:>4}/{len(todo)} {_line(record)}")

        document = success.run(todo, jobs, limit, out, tell)
    if whole:
        success.write_readme(document)
    else:
        typer.echo(success.table(document))


def _line(record: Record) -> str:
    mark = "ok  " if record["ok"] else "FAIL"
    gap = record.get("gap")
    shown = f"gap {gap:8.1e}" if gap is not None else " " * 12
    told = record.get("message", "").split("\n")[0][:100] if not record["ok"] else ""
    return (
        f"{mark} {record['name']:<14} n={record['classes']:<5} seed={record['seed']:<4} "
        f"{record['method']:<6} {record['status']:<11} {shown} {record['seconds']:8.2f} s {told}"
    ).rstrip()


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
