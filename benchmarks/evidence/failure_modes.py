"""Plants each failure mode in random small instances and counts what `diagnose` reports.

    python benchmarks/evidence/failure_modes.py [--instances N] [--seed S] [--out FILE]

An instance has an API and two own models, three levels of autonomy, verification, a prefix
cache, a trainable model and, half of the time, scarce GPUs. In each, one price is held at zero
in one layer (``plant.py``), what comes of it is settled under
the true limits, and the result is diagnosed. Rows of the matrix are planted modes, columns what
is reported; the last row is the joint answer itself, in which nothing must be found.

A planted mode counts where it costs more than 1 % of the joint welfare. A report counts as
false where it is of another mode and worth more than 1 % of the joint welfare: that much can a
mode bring about elsewhere, by taking capacity from others. A finding that says that another
rule fits as well (`also`) counts as a report of either; how often a mode is found by its own
code alone is counted beside, and so is where over- and under-routing come to the same
allocation, which nothing that sees only the allocation can tell apart. Intervals are Wilson's,
95 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from allocate.errors import AllocateError
from allocate.models.loader import load_dict
from allocate.models.stream import Flows
from allocate.solver.studies.diagnosis.stage import stage
from allocate.solver.studies.diagnosis.study import Diagnosis, examine
from benchmarks.evidence.plant import MODES, optimum, plant

COSTLY = 0.01  # of the joint welfare: a mode that costs less need not be found
FALSE = 0.01  # of the joint welfare: a report of another mode that is larger is false
OPTIMUM = "optimum"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--instances", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    trials = []
    for i in range(given.instances):
        trials += tried(given.seed, i)
        print(f"{i + 1} of {given.instances}", end="\r", file=sys.stderr, flush=True)
    result = summary(trials)
    text = json.dumps({"instances": given.instances, "seed": given.seed, **result}, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)
    print(matrix(result))


def tried(seed: int, number: int) -> list[dict[str, Any]]:
    """Every mode planted in one instance, and its joint answer."""
    out: list[dict[str, Any]] = []
    flows: dict[str, Flows] = {}
    try:
        on = stage(load_dict(draw(np.random.default_rng((seed, number)))))
    except AllocateError as error:
        return [{"instance": number, "mode": None, "failed": str(error)}]
    if on.welfare <= 0:
        return [{"instance": number, "mode": None, "failed": "nothing is worth doing"}]
    for mode in (*MODES, OPTIMUM):
        try:
            outcome = optimum(on) if mode == OPTIMUM else plant(mode, on)
        except (LookupError, AllocateError) as error:
            out.append({"instance": number, "mode": mode, "failed": str(error)})
            continue
        flows[mode] = outcome.solution.allocation.flows[0]
        out.append({"instance": number, "mode": mode, **counted(examine(on, outcome))})
    if alike(flows.get("AL101"), flows.get("AL102")):
        for trial in out:
            trial["same"] = trial["mode"] in ("AL101", "AL102")
    return out


def alike(one: Flows | None, other: Flows | None) -> bool:
    """Whether the same requests go the same ways."""
    if one is None or other is None or len(one.arm) != len(other.arm):
        return False
    first, second = (np.lexsort((f.requests, f.arm, f.member)) for f in (one, other))
    return all(
        np.allclose(np.asarray(a)[first], np.asarray(b)[second], rtol=1e-6)
        for a, b in zip(one, other, strict=True)
    )


def counted(found: Diagnosis) -> dict[str, Any]:
    """What was reported, as shares of the joint welfare, by code and what fits as well."""
    sizes: dict[tuple[str, ...], float] = {}
    for f in found.findings:
        codes = f.code, *f.also
        sizes[codes] = sizes.get(codes, 0.0) + float(f.usd_per_hour / found.joint)
    return {
        "cost": float(found.gap / found.joint),
        "reported": sizes,
        "explained": float(found.ledger.together / found.gap) if found.gap > 0 else None,
        "books": float(found.ledger.total / found.gap) if found.gap > 0 else None,
    }


def summary(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """The matrix, and how often modes are found and others wrongly reported."""
    failed = [t for t in trials if "failed" in t]
    done = [t for t in trials if "failed" not in t]
    modes = {m: row(m, [t for t in done if t["mode"] == m]) for m in (*MODES, OPTIMUM)}
    return {
        "failed": failed,
        "modes": modes,
        "optimum_findings": sum(len(t["reported"]) for t in done if t["mode"] == OPTIMUM),
    }


def row(mode: str, mine: list[dict[str, Any]]) -> dict[str, Any]:
    """What was reported where a mode was planted."""
    costly = [t for t in mine if t["cost"] > COSTLY]
    wrong = [
        {"instance": t["instance"], **{"/".join(c): s for c, s in others.items()}}
        for t in mine
        if (others := {c: s for c, s in t["reported"].items() if s > FALSE and mode not in c})
    ]
    out = {
        "planted": len(mine),
        "costly": len(costly),
        "reported": {c: sum(any(c in k for k in t["reported"]) for t in costly) for c in MODES},
        "false": len(wrong),
        "of": len(mine),
        "false_rate": rate(len(wrong), len(mine)),
        "wrong": wrong,
        "median_cost": float(np.median([t["cost"] for t in costly])) if costly else None,
        "explained": spread([t["explained"] for t in costly if t["explained"] is not None]),
    }
    if mode == OPTIMUM:
        return out
    found = [t for t in costly if any(mode in codes for codes in t["reported"])]
    return out | {
        "found": len(found),
        "found_by_its_code": sum(any(mode == k[0] for k in t["reported"]) for t in found),
        "found_rate": rate(len(found), len(costly)),
        "same_as_the_other_routing": sum(t.get("same", False) for t in costly),
        "missed": [t["instance"] for t in costly if t not in found],
    }


def rate(count: int, of: int) -> list[float] | None:
    """A share and its 95 % interval after Wilson."""
    if not of:
        return None
    inside = binomtest(count, of).proportion_ci(0.95, "wilson")
    return [count / of, float(inside.low), float(inside.high)]


def spread(values: list[float]) -> list[float] | None:
    """Tenth, median and ninetieth percentile."""
    return [float(v) for v in np.quantile(values, [0.1, 0.5, 0.9])] if values else None


def matrix(result: dict[str, Any]) -> str:
    """Draw the matrix of costly planted modes."""
    head = f"{'planted':>8} {'costly':>7} " + " ".join(f"{c:>6}" for c in MODES) + "  false"
    lines = [head]
    for mode, line in result["modes"].items():
        cells = " ".join(f"{line['reported'][c]:>6}" for c in MODES)
        lines.append(f"{mode:>8} {line['costly']:>7} {cells}  {line['false']} of {line['of']}")
    return "\n".join(lines)


# --- instances ----------------------------------------------------------------------------


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """A random config in which every mode can be planted."""

    def log(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    skill = np.sort(rng.uniform(0.45, 0.95, 3))
    price = log(4, 60)
    names = ["small", "large", "bought"]
    models: dict[str, Any] = {
        name: {
            "success": {"form": "saturating", "ceiling": float(q), "scale": uniform(0.3, 0.6)},
            "wrong_action_rate": log(0.02, 0.12),
        }
        for name, q in zip(names, rng.permutation(skill), strict=True)
    }
    models["bought"]["api"] = {
        "input_usd_per_mtok": price / 4,
        "output_usd_per_mtok": price,
        "tpot_ms": uniform(6, 20),
        "ttft_s": uniform(0.3, 1.0),
    }
    deployments = {}
    for name, size in (("small", 1.0), ("large", 4.0)):
        alpha = uniform(5, 12)
        deployments[f"{name}_lane"] = {
            "model": name,
            "gpu": "h100",
            "gpus_per_replica": size,
            "alpha_ms": alpha,
            "beta_ms": uniform(0.05, 0.2),
            "delta_ms_per_ktok": uniform(15, 50),
            "max_batch": 128,
            "kv_memory_gb": 40 * size,
            "kv_bytes_per_token": log(40e3, 200e3),
            "tpot_ms": [alpha * m for m in (1.3, 2.0, 4.0, 10.0)],
        }
    classes = {
        f"c{i}": {
            "rate_per_s": log(0.3, 3),
            "value_usd": log(0.005, 1.0),
            "latency_usd_per_s": log(1e-5, 2e-3),
            "loss": log(0.1, 8),
            "irreversible_loss": float(rng.choice([0.0, log(0.1, 8)])),
            "action": str(rng.choice(["draft", "commit"])),
            "prompt_tokens": log(200, 2000),
            "prefix_tokens": log(1000, 12000),
            "output_tokens": 200.0,
            "calls": 2.0,
            "reuse": "sessions",
        }
        for i in range(int(rng.integers(2, 5)))
    }
    traffic = sum(c["rate_per_s"] for c in classes.values())
    depreciation, gain = log(0.002, 0.02), uniform(0.05, 0.25)
    # what training is about: reference tokens that cost a share of what the gain may be worth
    stake = 3600 * gain * sum(c["rate_per_s"] * c["value_usd"] for c in classes.values())

    def training_input(exponent: float) -> dict[str, float]:
        price = uniform(0.5, 3)
        tokens = 1e6 * stake * log(0.1, 1.0) / (depreciation * price)
        return {
            "exponent": exponent,
            "reference_tokens": tokens,
            "price_usd_per_mtok": price,
        }

    return {
        "version": 1,
        "prices": {"risk_usd": 1.0},
        "token_uses": {
            "work": {"exponent": uniform(0.5, 0.9), "reference_tokens": 1200},
            "verify": {"exponent": 0.0, "risk_tokens": log(300, 4000)},
        },
        "models": models,
        "autonomy": {
            "free": {},
            "confirm": {
                "human_minutes": log(0.01, 0.3),
                "wait_s": uniform(1, 20),
                "risk_factor": uniform(0.05, 0.3),
            },
            "human": {
                "human_minutes": uniform(5, 20),
                "wait_s": 600.0,
                "human_success": 0.95,
                "human_wrong_action_rate": 0.01,
            },
        },
        "humans": {"cost_usd_per_h": 50.0, "minutes_per_h": traffic * 3600 * log(0.01, 1.0)},
        "gpus": {
            "h100": {
                "available": traffic * (log(1, 6) if rng.random() < 0.5 else 1e3),
                "price_usd_per_h": uniform(2, 4),
            }
        },
        "deployments": deployments,
        "caching": {
            "retention_s": [0, 60, 600, 7200],
            "reuse": {
                "sessions": {
                    "points": [[60, uniform(0.3, 0.6)], [600, 0.8], [7200, 0.85]],
                    "drift_per_h": uniform(0.0, 0.5),
                    "mismatch_per_h": log(1e-3, 0.3),
                }
            },
        },
        "classes": classes,
        "training": {
            "depreciation_per_h": depreciation,
            "assets": {
                "rl": {
                    "model": str(rng.choice(["small", "large"])),
                    "gain": {"form": "saturating", "ceiling": gain, "scale": 1.0},
                    "rollout": training_input(0.6),
                    "update": training_input(0.3),
                    "staleness": [
                        {"versions": 0, "efficiency": 1.0, "cost": uniform(1.1, 1.6)},
                        {"versions": 2, "efficiency": uniform(0.8, 0.95), "cost": 1.05},
                        {"versions": 8, "efficiency": uniform(0.2, 0.6), "cost": 1.0},
                    ],
                }
            },
        },
    }


if __name__ == "__main__":
    main()
