"""``python -m benchmarks …`` in a process of its own: its memory, threads and time are its own.

Competitors disturb each other in one process (OR-tools does not load beside HiGHS), and a
solver that will not stop can only be ended from outside.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

Record = dict[str, Any]
ROOT = Path(__file__).parent.parent
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
_GRACE = 60.0  # seconds for building the instance and judging the answer


def apart(arguments: list[str], known: Record, limit_s: float, threads: int) -> Record:
    """The record that a command prints; ``known`` stands for it where there is none."""
    command = [sys.executable, "-m", "benchmarks", *arguments, "--format", "json"]
    environment = os.environ | dict.fromkeys(_THREADS, str(threads))
    clock = time.perf_counter()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    ) as process:
        _pin(process.pid, threads)
        try:
            said, errors = process.communicate(timeout=limit_s + _GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            return known | {"status": "timeout", "ok": False, "seconds": limit_s}
    try:
        return json.loads(said)
    except json.JSONDecodeError:
        last = errors.strip().splitlines()[-1:] or ["the process ended"]
        spent = time.perf_counter() - clock
        return known | {"status": "crash", "ok": False, "spent": spent, "message": last[0][:300]}


def run_apart(
    name: str,
    classes: int,
    method: str,
    *,
    arms: int = 16,
    rows: int = 40,
    tolerance: float = 1e-6,
    seed: int = 0,
    limit_s: float = 600.0,
    threads: int | None = None,
) -> Record:
    """``run`` of one instance."""
    from benchmarks.measure import blank

    threads = threads or os.cpu_count() or 1
    arguments = ["run", name, "--classes", str(classes), "--arms", str(arms)]
    arguments += ["--rows", str(rows), "--method", method, "--tolerance", str(tolerance)]
    arguments += ["--seed", str(seed), "--limit", str(limit_s)]
    known = blank(name, classes, method, tolerance, seed) | {"arms": arms, "rows": rows}
    return apart(arguments, known, limit_s, threads)


def _pin(pid: int, threads: int) -> None:
    """Keep a process and all its threads on so many cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:threads]
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores)
