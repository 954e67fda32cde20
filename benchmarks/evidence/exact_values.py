"""The convex answer of every example beside exact ones, and what explains each difference.

    python -m benchmarks.evidence.exact_values [CONFIG.yaml ...] [--skip FORM ...] [--redraw]

What the convex program holds at a menu, bounds, or leaves continuous is put back, one thing at a
time, wherever a config has it:

* ``speeds``: five times as many speeds to begin with, from 0.5 to 99.5 % busy, then refined;
* ``listed``: lanes may run at any speed, also where the config lists a few;
* ``retention``: three times to keep a prefix between two that the config lists;
* ``capability``: training and routing over all capabilities, with the bound on all of them;
* ``whole``: whole replicas everywhere, with the bound of the continuous answer;
* ``gradient``: ascent on the program as it stands, from the convex answer.

Results are in results/exact_values.json, the table in docs/exact.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import allocate
from allocate.models.lanes import listed, speeds
from allocate.models.stack import build
from allocate.solver.agreement import Round, rounds
from allocate.solver.answer import Request, answer_to
from allocate.solver.methods.start import first_prices
from allocate.solver.solution import Solution
from allocate.solver.solve import solve
from benchmarks import results
from benchmarks.success import machine

NAME = "exact_values"
ROOT = results.HERE.parent
DOCS = ROOT / "docs" / "exact.md"
TOLERANCE = 1e-8  # so that what a menu costs is told from what a gap leaves open
SEARCH_S = 300.0
STEP, ENDS = 0.25, (0.005, 0.995)  # logit between two speeds; the slowest and fastest, busy
SEEDS = 4
Found = tuple[float, float | None, str]  # welfare, bound, what came out


# --- one thing put back at a time ---------------------------------------------------------


def speeds_finely(path: Path, base: Solution) -> Found | None:
    """Many more speeds to begin with than the first menu has."""
    config = base.built.config
    free = set(base.built.state.grid) - listed(config)
    if not free:
        return None
    low, high = (np.log(u) - np.log1p(-u) for u in ENDS)
    even = 1.0 / (1.0 + np.exp(-np.arange(low, high + STEP, STEP)))
    grid = speeds(config, None, base.built.needed)
    grid |= {f: sorted({*grid[f], *(round(float(u), 9) for u in even)}) for f in free}
    request = Request(tolerance=TOLERANCE)
    built = build(config, base.loaded.classes, replace(base.built.state, grid=grid))
    first = Round(built, answer_to(built.program, first_prices(built.program), request))
    latest = [first, *rounds(base.loaded, first, request)][-1]
    judged = latest.answer.certificate
    told = f"{len(free)} lanes, {len(even)} speeds each to begin with"
    return judged.primal, judged.dual, told


def speeds_free(path: Path, base: Solution) -> Found | None:
    """Any speed where the config lists some."""
    deployments = base.built.config.deployments
    wanted = [
        f"deployments.{name}.{key}=null"
        for name, d in deployments.items()
        for key in ("tpot_ms", "utilisations")
        if getattr(d, key) is not None
    ]
    if not wanted:
        return None
    found = _again(path, wanted)
    return found.welfare, found.certificate.dual, f"{len(wanted)} lanes no longer listed"


def retention_finely(path: Path, base: Solution) -> Found | None:
    """Three more times to keep a prefix between any two."""
    caching = base.built.config.caching
    if caching is None or not caching.reuse or not base.built.config.deployments:
        return None
    at = sorted(caching.retention_s)
    parts = [np.linspace(a, b, 5)[:-1] for a, b in zip(at[:-1], at[1:], strict=True)]
    finer = [*(round(float(x), 6) for part in parts for x in part), at[-1]]
    found = _again(path, [f"caching.retention_s={finer}"])
    return found.welfare, found.certificate.dual, f"{len(finer)} times instead of {len(at)}"


def capability_globally(path: Path, base: Solution) -> Found | None:
    """All capabilities, bounded."""
    if base.built.config.training is None:
        return None
    found = solve(base.loaded, tolerance=TOLERANCE, ranges=False, search_s=SEARCH_S)
    where = found.everywhere
    if where is None:
        return found.welfare, None, "not searched"
    known = where.to_dict()
    told = f"{known['why']}; {known['points']} points, stopped by {known['stopped'] or 'proof'}"
    return known["welfare"], known["bound"], told


def whole_replicas(path: Path, base: Solution) -> Found | None:
    """Whole replicas of every deployment."""
    deployments = base.built.config.deployments
    if not deployments:
        return None
    found = _again(path, [f"deployments.{name}.integer_replicas=true" for name in deployments])
    whole = found.whole
    if whole is None or whole["replicas"] is None:
        return np.nan, None, "no whole numbers were found that keep every limit"
    changed = sum(abs(n - whole["continuous"][k]) > 1e-6 for k, n in whole["replicas"].items())
    told = f"{changed} of {len(whole['replicas'])} numbers of replicas were not whole"
    return found.welfare, whole["welfare_bound"], told


def gradient(path: Path, base: Solution) -> Found | None:
    """Ascent from the convex answer, several starts."""
    from allocate.solver.methods.gradient.climb import climb

    bound = base.certificate.dual
    found = climb(base.program, base.allocation, base.duals, bound, SEEDS, tolerance=TOLERANCE)
    gaps = [g for g in found.to_dict()["gaps"] if g is not None]
    told = f"{SEEDS} starts, the best {min(gaps):.1e} below the bound" if gaps else "too large"
    return found.certificate.primal, bound, told


FORMS: Mapping[str, Callable[[Path, Solution], Found | None]] = {
    "speeds": speeds_finely,
    "listed": speeds_free,
    "retention": retention_finely,
    "capability": capability_globally,
    "whole": whole_replicas,
    "gradient": gradient,
}
WHY = {
    "speeds": "the refined menu is as good as the finest",
    "listed": "the config's own choice: a list of speeds is kept",
    "retention": "times between those listed",
    "capability": "returns increase: routing and training that agree may be a worse pair",
    "whole": "replicas are whole; the continuous answer rents parts of one",
    "gradient": "the same program: it can only confirm",
}


def _again(path: Path, overrides: Sequence[str]) -> Solution:
    return allocate.solve(path, overrides, tolerance=TOLERANCE, ranges=False)


# --- records and the table ----------------------------------------------------------------


def measured(path: Path, skip: Sequence[str]) -> list[dict[str, Any]]:
    """One config in every exact form that it has."""
    began = time.perf_counter()
    base = _again(path, [])
    convex = {"welfare": base.welfare, "bound": base.certificate.dual}
    out: list[dict[str, Any]] = []
    for form, of in FORMS.items():
        if form in skip:
            continue
        clock = time.perf_counter()
        found = of(path, base)
        if found is None:
            continue
        welfare, bound, told = found
        out.append(
            {
                "config": path.name,
                "form": form,
                "convex_welfare": convex["welfare"],
                "convex_bound": convex["bound"],
                "convex_seconds": clock - began if not out else out[0]["convex_seconds"],
                "welfare": welfare,
                "bound": bound,
                "difference_usd_per_hour": welfare - convex["welfare"],
                "relative_difference": (welfare - convex["welfare"]) / abs(convex["welfare"]),
                "relative_gap": None if bound is None else (bound - welfare) / abs(welfare),
                "told": told,
                "seconds": time.perf_counter() - clock,
            }
        )
        print(out[-1], flush=True)
    return out


def table(records: Sequence[dict[str, Any]]) -> str:
    """Every config and form: both values, the difference, the gap that is left, and why."""
    rows, last = [], ""
    for r in records:
        off = r["relative_difference"]
        same = off is None or abs(off) <= 2.0 * TOLERANCE
        rows.append(
            f"| {'' if r['config'] == last else '`' + r['config'] + '`'} | {r['form']} | "
            f"{r['convex_welfare']:,.4f} | {results.number(r['welfare'], '{:,.4f}')} | "
            f"{'' if off is None else 'none' if same else format(off, '+.1e')} | "
            f"{results.number(r['relative_gap'], '{:.1e}')} | {results.seconds(r['seconds'])} | "
            f"{'' if same else WHY[r['form']] + ': '}{r['told']} |"
        )
        last = r["config"]
    head = "| config | form | convex, USD/h | exact, USD/h | difference | gap left | s | why |"
    return "\n".join([head, "|---|---|--:|--:|--:|--:|--:|---|", *rows])


def main() -> None:
    """Measure, keep the results, write the table."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("configs", nargs="*", type=Path)
    asked.add_argument("--skip", nargs="*", default=[], choices=FORMS)
    asked.add_argument("--redraw", action="store_true", help="the table of the last results only")
    how = asked.parse_args()
    document = results.read(NAME) or {"records": []}
    if not how.redraw:
        document["machine"] = machine()
        for path in how.configs or sorted((ROOT / "examples").glob("*.yaml")):
            fresh = measured(path, how.skip)
            done = {(r["config"], r["form"]) for r in fresh}
            kept = [r for r in document["records"] if (r["config"], r["form"]) not in done]
            order = list(FORMS)
            document["records"] = sorted(
                [*kept, *fresh], key=lambda r: (r["config"], order.index(r["form"]))
            )
            results.write(NAME, document)
    told = f"{results.about(document['machine'])}.\n\n{table(document['records'])}"
    results.put(NAME, told, DOCS)


if __name__ == "__main__":
    main()
