"""Random programs of several difficult families, from one class to 100,000, by prices alone.

All are the size family (``synthetic.py``) made difficult in one way; each is solved at 1e-6
and at 1e-8. What is not certified keeps the gap that it reached.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from allocate.models.loader import load
from allocate.models.program import Program
from allocate.models.stack import build
from allocate.solver.certificate import certify
from allocate.solver.methods.prices import solve_prices
from allocate.solver.methods.start import first_prices
from benchmarks import results, synthetic
from benchmarks.results import number
from benchmarks.success import machine

Record = dict[str, Any]
NAME = "robust"
TOLERANCES = (1e-6, 1e-8)
_SIZES = {"small": (1, 100, 22), "medium": (100, 3000, 6), "large": (3001, 100_000, 3)}
Change = Callable[[np.random.Generator, dict, dict], None]


def _plain(_rng: np.random.Generator, _config: dict, _columns: dict) -> None:
    """As it is."""


def _ties(rng: np.random.Generator, _config: dict, columns: dict) -> None:
    """All classes are of three kinds: nearly all of them tie at one price."""
    n = len(columns["rate_per_s"])
    kind = rng.integers(min(3, n), size=n)
    for name, values in columns.items():
        if name not in ("tenant", "rate_per_s"):
            columns[name] = values[kind]


def _empty(rng: np.random.Generator, _config: dict, columns: dict) -> None:
    """Half of the tenants have no class, a third of the classes nobody."""
    if "tenant" in columns:
        names = np.unique(columns["tenant"])
        columns["tenant"] = rng.choice(names[: max(1, len(names) // 2)], len(columns["tenant"]))
    idle = rng.random(len(columns["rate_per_s"])) < 1 / 3
    columns["rate_per_s"] = np.where(idle, 0.0, columns["rate_per_s"])


def _one_arm(_rng: np.random.Generator, config: dict, _columns: dict) -> None:
    """One model and one level: serve or decline."""
    name = next(m for m in config["models"] if "api" in config["models"][m])
    config["models"] = {name: config["models"][name]}
    for section in ("deployments", "gpus", "humans"):
        config.pop(section)
    config["autonomy"] = {"free": {}}


def _wide(rng: np.random.Generator, _config: dict, columns: dict) -> None:
    """Values and rates over nine orders of magnitude."""
    n = len(columns["rate_per_s"])
    columns["value_usd"] = 10 ** rng.uniform(-4.5, 4.5, n)
    columns["loss"] = columns["value_usd"] * np.exp(rng.normal(np.log(2.0), 1.0, n))
    columns["rate_per_s"] = 10 ** rng.uniform(-4.5, 4.5, n) / n


def _scarce(_rng: np.random.Generator, config: dict, _columns: dict) -> None:
    """A thousandth of every capacity."""
    _scaled(config, 1e-3)


def _ample(_rng: np.random.Generator, config: dict, _columns: dict) -> None:
    """A thousand times every capacity: nearly every price is 0."""
    _scaled(config, 1e3)


def _nobody(_rng: np.random.Generator, _config: dict, columns: dict) -> None:
    """No demand at all."""
    columns["rate_per_s"] = np.zeros(len(columns["rate_per_s"]))


def _scaled(config: dict, factor: float) -> None:
    for gpu in config["gpus"].values():
        gpu["available"] *= factor
    config["humans"]["minutes_per_h"] *= factor
    for tenant in config.get("tenants", {}).values():
        tenant["money_usd"] *= factor


CHANGES: dict[str, Change] = {
    "plain": _plain,
    "mass ties": _ties,
    "empty tenants": _empty,
    "one arm": _one_arm,
    "met exactly": _plain,
    "nine orders": _wide,
    "scarce": _scarce,
    "ample": _ample,
    "no demand": _nobody,
}


def tasks() -> list[Record]:
    """All instances, small ones first."""
    out: list[Record] = []
    for low, high, count in _SIZES.values():
        for name in CHANGES:
            draws = min(count, 4) if name == "no demand" else count + (count > 6) * 6
            sizes = np.geomspace(low, high, draws)
            out += [{"name": name, "classes": round(float(n))} for n in sizes]
    return [task | {"seed": i} for i, task in enumerate(out)]


def make(name: str, classes: int, seed: int) -> Program:
    """One instance."""
    rng = np.random.default_rng([seed, 11])
    arms, rows = int(rng.choice([4, 8, 16, 32])), int(rng.integers(4, 60))
    change = CHANGES[name]
    with tempfile.TemporaryDirectory() as folder:
        path = synthetic.write(
            Path(folder),
            classes,
            arms,
            rows,
            seed,
            change=lambda config, columns: change(rng, config, columns),
        )
        loaded = load(path)
        program = build(loaded.config, loaded.classes).program
    return _met_exactly(program) if name == "met exactly" else program


def _met_exactly(program: Program) -> Program:
    """Capacities that are what is used when there is plenty: full, and worth nothing."""
    plenty = replace(
        program,
        rows=tuple(replace(r, capacity=1e3 * r.capacity) for r in program.rows),
        activities=tuple(
            replace(a, upper=1e3 * a.upper) if a.loose else a for a in program.activities
        ),
    )
    found = solve_prices(plenty, first_prices(plenty), 1e-8)
    if found.allocation is None:
        return program
    use = plenty.usage(found.allocation)
    rows = tuple(
        replace(r, capacity=float(u)) if r.capacity > 0 and u > 0 else r
        for r, u in zip(program.rows, use, strict=True)
    )
    return replace(plenty, rows=rows)


def run_one(name: str, classes: int, seed: int) -> Record:
    """Solve one instance at every tolerance; never raises what a solve may raise."""
    record: Record = {"instance": name, "classes": classes, "seed": seed, "method": "prices"}
    clock = time.perf_counter()
    try:
        program = make(name, classes, seed)
        record |= {"arms": len(program.streams[0].arms), "rows": len(program.rows)}
        record["at"] = [_solved(program, tolerance, seed) for tolerance in TOLERANCES]
        record |= {"status": record["at"][0]["status"], "ok": record["at"][0]["ok"]}
    except Exception as error:  # whatever it is, it is a failure of the product
        told = f"{type(error).__name__}: {error}"[:300]
        record |= {"status": "exception", "ok": False, "message": told}
    record["seconds"] = time.perf_counter() - clock
    return record


def _solved(program: Program, tolerance: float, seed: int) -> Record:
    clock = time.perf_counter()
    found = solve_prices(program, first_prices(program), tolerance, seed)
    spent = time.perf_counter() - clock
    out: Record = {"tolerance": tolerance, "seconds": spent, "passes": int(found.passes)}
    if found.allocation is None:
        return out | {"status": "no allocation", "ok": False}
    proof = certify(program, found.allocation, found.duals, tolerance)
    return out | {
        "status": "optimal" if proof.holds else "feasible" if proof.feasible else "stopped",
        "ok": proof.holds,
        "relative_gap": float(proof.relative_gap),
        "max_violation": float(proof.max_violation),
    }


def table(document: Record) -> str:
    """Share certified at each tolerance by family, in Markdown; every failure by name."""
    records = document["records"]
    head = ["family", "instances", "largest"]
    for tolerance in TOLERANCES:
        at = f"at {tolerance:.0e}"
        head += [f"certified {at}", f"worst gap {at}", f"median s {at}", f"slowest s {at}"]
    rows = [
        _row(name, [r for r in records if r["instance"] == name])
        for name in CHANGES
        if any(r["instance"] == name for r in records)
    ]
    rows.append(_row("**all**", records))
    lines = [f"{results.about(document['machine'])}.", "", results.markdown(head, rows)]
    wrong = [r for r in records if not all(a["ok"] for a in r.get("at", [{"ok": False}]))]
    lines += ["", f"Not certified at both: {len(wrong)}."]
    for r in wrong:
        reached = ", ".join(
            f"{a['tolerance']:.0e}: {a['status']}"
            + (f", gap {a['relative_gap']:.1e}" if a.get("relative_gap") is not None else "")
            for a in r.get("at", [])
        )
        told = reached or r.get("message", r["status"])
        lines.append(f"- {r['instance']}, {r['classes']:,} classes, seed {r['seed']}: {told}")
    return "\n".join(lines)


def _row(label: str, records: list[Record]) -> list[str]:
    out = [label, str(len(records)), f"{max(r['classes'] for r in records):,}"]
    for i in range(len(TOLERANCES)):
        at = [r["at"][i] for r in records if "at" in r]
        gaps = [abs(a["relative_gap"]) for a in at if a.get("relative_gap") is not None]
        spent = [a["seconds"] for a in at]
        out += [
            f"{100 * sum(a['ok'] for a in at) / len(records):.1f} %",
            number(max(gaps, default=None), "{:.1e}"),
            number(float(np.median(spent)) if spent else None),
            number(max(spent, default=None)),
        ]
    return out


def document(records: list[Record]) -> Record:
    """A set of results."""
    return {"format": results.FORMAT, "machine": machine(), "records": records}
