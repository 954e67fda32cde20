"""``python -m benchmarks``: list, run, smoke, the tables, and all of them (``all``)."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from benchmarks import differences, drivers, results
from benchmarks.families import FAMILIES
from benchmarks.measure import METHODS, OURS, blank, measure
from benchmarks.one import Record, run_one
from benchmarks.registry import REGISTRY

app = typer.Typer(add_completion=False, no_args_is_help=False, help=__doc__)
app.add_typer(drivers.app)

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
        drivers.table()


@app.command("list")
def list_() -> None:
    """Name every kind of instance."""
    for one in REGISTRY.values():
        typer.echo(f"{one.name:<17} {one.expect:<11} {one.what}")
    for family in FAMILIES.values():
        typer.echo(f"{family.name:<17} {'optimal':<11} {family.what}")


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="a kind of instance, from `list`")],
    classes: Annotated[int, typer.Option(min=1, help="request classes")] = 10,
    arms: Annotated[int, typer.Option(min=2, help="arms of a class, where it has a choice")] = 16,
    rows: Annotated[int, typer.Option(min=0, help="coupling rows, about, likewise")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="of the draw")] = 0,
    method: Annotated[str, typer.Option(help=", ".join(METHODS))] = "auto",
    tolerance: Annotated[float, typer.Option(help="largest relative gap and violation")] = 1e-6,
    limit: Annotated[float, typer.Option(min=1, help="seconds a general solver may take")] = 3600.0,
    format: Annotated[str, typer.Option(help="table or json")] = "table",
) -> None:
    """Draw one instance, solve it, judge the answer, and print one record."""
    known = OURS if name in REGISTRY else METHODS
    if name not in REGISTRY and name not in FAMILIES:
        raise typer.BadParameter(f"there is no {name!r}; see `list`", param_hint="NAME")
    if method not in known:
        raise typer.BadParameter(f"use one of {', '.join(known)}", param_hint="--method")
    if format not in ("table", "json"):
        raise typer.BadParameter("use table or json", param_hint="--format")
    try:
        record = _record(name, classes, arms, rows, method, tolerance, seed, limit)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if format == "json":
        typer.echo(json.dumps(results.finite(record), indent=1))
    else:
        for key, value in record.items():
            typer.echo(f"{key:<19} {value}")
    raise typer.Exit(0 if record["ok"] else 1)


def _record(
    name: str,
    classes: int,
    arms: int,
    rows: int,
    method: str,
    tolerance: float,
    seed: int,
    limit_s: float,
) -> Record:
    if name in FAMILIES:
        return measure(name, classes, arms, rows, method, tolerance, seed, limit_s)
    from allocate.solver.solve import peak_memory_mb

    known = blank(name, classes, method, tolerance, seed)
    return (
        known
        | run_one(name, classes, seed, method, tolerance)
        | {"peak_memory_mb": peak_memory_mb()}
    )


@app.command()
def smoke() -> None:
    """Solve six small instances; exit 1 unless every one ends as it must."""
    clock, wrong = time.perf_counter(), 0
    for name, classes, seed in SMOKE:
        record = run_one(name, classes, seed)
        wrong += not record["ok"]
        typer.echo(drivers.told(record))
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


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
