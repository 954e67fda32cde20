"""The size table: the synthetic family from a hundred classes to ten million.

Every point runs in a process of its own, so that compiling, memory and warm caches are its
own too. A pass is compared with the time of reading the class columns once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.success import HERE, finite, machine

Record = dict[str, Any]
RESULTS = HERE / "results" / "sizes.json"
README = HERE / "README.md"
BEGIN, END = "<!-- sizes -->", "<!-- /sizes -->"


def run_one(classes: int, arms: int, rows: int, tolerance: float = 1e-6, seed: int = 0) -> Record:
    """Solve one synthetic instance, cold and compiled, and warm after a change of 5 %."""
    import numpy as np

    from allocate.models.stack import build
    from allocate.solver.certificate import certify
    from allocate.solver.methods.prices import solve_prices
    from allocate.solver.methods.start import first_prices
    from allocate.solver.solve import peak_memory_mb
    from benchmarks import synthetic

    with tempfile.TemporaryDirectory() as folder:
        clock = time.perf_counter()
        loaded = synthetic.build(Path(folder), classes, arms, rows, seed)
        program = build(loaded.config, loaded.classes).program
        setup = time.perf_counter() - clock
    before = peak_memory_mb()
    stream = program.streams[0]

    def solved(start: np.ndarray, warm: bool) -> tuple[Any, float]:
        clock = time.perf_counter()
        result = solve_prices(program, start, tolerance, seed, warm)
        return result, time.perf_counter() - clock

    _, compiling = solved(first_prices(program), False)
    result, seconds = solved(first_prices(program), False)
    clock = time.perf_counter()
    proof = certify(program, result.allocation, result.duals, tolerance)
    judging = time.perf_counter() - clock
    clock = time.perf_counter()
    float(stream.features.sum() + stream.rate.sum() + stream.stake.sum())
    reading = time.perf_counter() - clock
    record = {
        "name": "synthetic",
        "classes": classes,
        "arms": len(stream.arms),
        "rows": len(program.rows),
        "method": "prices",
        "tolerance": tolerance,
        "seed": seed,
        "status": "optimal" if proof.holds else "feasible" if proof.feasible else "stopped",
        "ok": proof.holds,
        "seconds": seconds,
        "compile_seconds": max(compiling - seconds, 0.0),
        "setup_seconds": setup,
        "judge_seconds": judging,
        "read_seconds": reading,
        "passes": result.passes,
        "relative_gap": float(proof.relative_gap),
        "max_violation": float(proof.max_violation),
        "peak_memory_mb": peak_memory_mb(),
        "instance_memory_mb": before,
    }
    if program.resources:
        scarce = max(
            program.resources, key=lambda r: program.value_of(r, result.duals, _zeros(program))
        )
        program = program.with_capacity(scarce, 1.05 * (scarce.capacity or 0.0))
        again, warm_seconds = solved(result.duals, True)
        record |= {"warm_seconds": warm_seconds, "warm_passes": again.passes}
    return record


def _zeros(program: Any) -> Any:
    import numpy as np

    return np.zeros(len(program.activities))


def run(
    sizes: Sequence[int],
    rows: Sequence[int],
    tolerances: Sequence[float],
    limit_s: float,
    tell: Callable[[Record], None],
    out: Path = RESULTS,
) -> Record:
    """All points, each in its own process; the file is complete after every one."""
    document: Record = {"format": 1, "machine": machine(), "limit_s": limit_s, "records": []}
    out.parent.mkdir(parents=True, exist_ok=True)
    for n in sizes:
        for r in rows:
            for tolerance in tolerances:
                record = _apart(n, r, tolerance, limit_s)
                tell(record)
                document["records"].append(finite(record))
                fresh = out.with_suffix(".part")
                fresh.write_text(json.dumps(document, indent=1) + "\n")
                fresh.replace(out)
    return document


def _apart(classes: int, rows: int, tolerance: float, limit_s: float) -> Record:
    command = [sys.executable, "-m", "benchmarks", "run", "synthetic", "--format", "json"]
    command += ["--classes", str(classes), "--rows", str(rows), "--tolerance", str(tolerance)]
    known = {"classes": classes, "rows": rows, "tolerance": tolerance}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, cwd=HERE.parent, check=False
        )
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {**known, "status": "timeout", "ok": False, "seconds": limit_s}
    except json.JSONDecodeError:
        return {**known, "status": "crash", "ok": False, "message": done.stderr[-300:]}


_COLUMNS = (
    ("classes", "{:,}"),
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
    about = document["machine"]
    packages = ", ".join(f"{k} {v}" for k, v in about["packages"].items())
    lines = [
        f"{about['cores']} cores ({about['architecture']}), Python {about['python']}, {packages}; "
        f"16 arms a class. Every point in its own process, {document['limit_s']:g} s at most.",
        "",
        "| " + " | ".join(name.replace("_", " ") for name, _ in _COLUMNS) + " |",
        "|" + "--:|" * len(_COLUMNS),
    ]
    for record in document["records"]:
        cells = [
            form.format(record[name]) if record.get(name) is not None else ""
            for name, form in _COLUMNS
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_readme(document: Record, readme: Path = README) -> None:
    """Put the table between the markers of the README."""
    text = readme.read_text()
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    readme.write_text(f"{before}{BEGIN}\n\n{table(document)}\n\n{END}{after}")
