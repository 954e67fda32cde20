"""The two methods against each other: on every example and on random instances.

Both solve the same program. Their welfares may differ by the sum of their certified errors,
no more. A price is a slope of the optimal value V in a capacity c, so with D the bound that
the prices prove and P a certified answer's value at another capacity,

    (P(c + δ) − D) / δ  ≤  price  ≤  (D − P(c − δ)) / δ

must hold for the prices of either method: that is all that their gaps imply, and where the
price is unique it leaves next to no room.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from allocate.models.loader import load, load_dict
from allocate.models.program import Program, Resource
from allocate.models.stack import build
from allocate.solver.answer import Answer, Request, answer_to
from allocate.solver.methods.start import first_prices
from benchmarks import results
from benchmarks.registry import REGISTRY
from benchmarks.results import number
from benchmarks.success import machine

Record = dict[str, Any]
NAME = "agreement"
EXAMPLES = Path(__file__).parent.parent / "examples"
STEP = 0.01  # of a capacity, to either side
_LOOKED = 3  # capacities of an instance that are changed: those worth most
_ROUNDING = 1e-9  # of what is at stake
_METHODS = ("prices", "conic")


def tasks(count: int = 200, most: int = 60) -> list[Record]:
    """The examples and so many random instances of every kind that has an answer."""
    out: list[Record] = [{"name": path.stem} for path in sorted(EXAMPLES.glob("*.yaml"))]
    kinds = [k for k, v in REGISTRY.items() if v.expect == "optimal"]
    sizes = np.geomspace(1, most, count)
    order = np.random.default_rng(5).permutation(count)
    for i in range(count):
        size = round(float(sizes[order[i]]))
        out.append({"name": kinds[i % len(kinds)], "classes": size, "seed": 10_000 + i})
    return out


def compare(name: str, classes: int = 0, seed: int = 0, tolerance: float = 1e-6) -> Record:
    """Solve one program both ways and hold the answers against each other."""
    if name in REGISTRY:
        loaded = load_dict(REGISTRY[name].build(classes, seed))
    else:
        loaded = load(EXAMPLES / f"{name}.yaml")
    program = build(loaded.config, loaded.classes).program
    record: Record = {
        "instance": name,
        "classes": len(program.streams[0].rate),
        "seed": seed,
        "tolerance": tolerance,
        "rows": len(program.rows),
    }
    start, answers = first_prices(program), []
    for method in _METHODS:
        clock = time.perf_counter()
        answer = answer_to(program, start, Request(method, tolerance))
        proof = answer.certificate
        record[method] = {
            "seconds": time.perf_counter() - clock,
            "holds": proof.holds,
            "relative_gap": float(proof.relative_gap),
            "max_violation": float(proof.max_violation),
            "welfare": float(proof.primal),
        }
        answers.append(answer)
    proofs = [a.certificate for a in answers]
    size = max(abs(proofs[0].primal), program.at_stake, 1e-300)
    allowed = proofs[0].error + proofs[1].error + 1e-12 * size
    apart = abs(proofs[0].primal - proofs[1].primal)
    prices = _prices(program, answers)
    both = all(p.holds for p in proofs)
    record |= {
        "welfare_apart": apart,
        "welfare_allowed": allowed,
        "welfare_agrees": bool(apart <= allowed),
        "prices": prices,
        "prices_agree": all(p["within"] for p in prices),
    }
    record["ok"] = bool(both and record["welfare_agrees"] and record["prices_agree"])
    record["status"] = "agree" if record["ok"] else "not certified" if not both else "differ"
    return record


def _prices(program: Program, answers: list[Answer]) -> list[Record]:
    """The capacities that are worth most: each method's price and what it may be."""
    zero = np.zeros(len(program.activities))
    plain = [r for r in program.resources if r.capacity and not r.supplies]
    worth = [program.value_of(r, answers[0].duals, zero) * (r.capacity or 0.0) for r in plain]
    out = []
    for i in np.argsort(worth)[::-1][:_LOOKED]:
        if worth[i] > 0:
            out.append(_price(program, plain[i], answers, zero))
    return out


def _price(program: Program, resource: Resource, answers: list[Answer], zero) -> Record:
    capacity = resource.capacity or 0.0
    step = STEP * capacity
    near = answers[0].duals
    quiet = Request("prices", 1e-8)
    less = answer_to(program.with_capacity(resource, capacity - step), near, quiet, warm=True)
    more = answer_to(program.with_capacity(resource, capacity + step), near, quiet, warm=True)
    record: Record = {"resource": resource.path, "within": True}
    for method, answer in zip(_METHODS, answers, strict=True):
        proof = answer.certificate
        slack = _ROUNDING * max(abs(proof.dual), program.at_stake) / step
        for side in (less, more):  # what is over a row is not worth having
            slack += side.certificate.max_violation * abs(proof.dual) / step
        low = (more.certificate.primal - proof.dual) / step - slack
        high = (proof.dual - less.certificate.primal) / step + slack
        price = program.value_of(resource, answer.duals, zero)
        record[method] = price
        record[f"{method}_from"], record[f"{method}_to"] = low, high
        record["within"] &= bool(low <= price <= high)
    size = max(abs(record[m]) for m in _METHODS)
    record["apart"] = abs(record["prices"] - record["conic"]) / size if size else 0.0
    return record


def table(document: Record) -> str:
    """What agreed, in Markdown; every disagreement by name."""
    records = document["records"]
    rows = []
    for label, these in (
        ("examples", [r for r in records if r["instance"] not in REGISTRY]),
        ("random", [r for r in records if r["instance"] in REGISTRY]),
    ):
        done = [r for r in these if "prices" in r]
        share = [r["welfare_apart"] / max(abs(r["conic"]["welfare"]), 1e-300) for r in done]
        prices = [p["apart"] for r in done for p in r["prices"]]
        rows.append(
            [
                label,
                str(len(these)),
                str(sum(bool(r["ok"]) for r in these)),
                str(sum(bool(r.get("welfare_agrees")) for r in these)),
                str(sum(bool(r.get("prices_agree")) for r in these)),
                number(max(share, default=None), "{:.1e}"),
                str(len(prices)),
                number(float(np.median(prices)) if prices else None, "{:.1e}"),
                number(max(prices, default=None), "{:.1e}"),
            ]
        )
    head = ("", "instances", "agree", "welfare within the gaps", "prices within the gaps")
    head = (*head, "largest difference of welfare", "prices looked at", "median difference")
    lines = [
        f"{results.about(document['machine'])}.",
        "",
        results.markdown((*head, "largest difference"), rows),
    ]
    wrong = [r for r in records if not r["ok"]]
    lines += ["", f"Not in agreement: {len(wrong)}."]
    for r in wrong:
        told = r.get("message", "")
        name = f"{r['instance']}, {r['classes']} classes, seed {r['seed']}"
        lines.append(f"- {name}: {r['status']} {told}".rstrip())
    return "\n".join(lines)


def document(records: list[Record]) -> Record:
    """A set of results."""
    return {"format": results.FORMAT, "machine": machine(), "records": records}
