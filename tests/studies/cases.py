"""Scenes for tests of the studies: a config, its joint answer, and a bench of baselines."""

from typing import Any

from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.baselines.bench import Bench
from allocate.solver.studies.compare import common_scene
from allocate.solver.studies.scene import Scene
from tests.solver.cases import fleet


def scene_of(config: dict[str, Any], busy: float | None = None) -> Scene:
    """A scene on the joint answer's menu of speeds."""
    return common_scene(solve(load_dict(config), ranges=False), busy)


def bench_of(config: dict[str, Any]) -> Bench:
    return Bench(scene_of(config))


def own_only(gpus: float = 1.0) -> dict[str, Any]:
    """One model on own GPUs and two classes with nothing in common but them."""
    out = fleet()
    del out["models"]["api"]
    out["gpus"]["h100"]["available"] = gpus
    return out


def trainable() -> dict[str, Any]:
    """An own model that training improves, beside an API."""
    out = fleet()
    out["training"] = {
        "depreciation_per_h": 0.01,
        "assets": {
            "sft": {
                "model": "own",
                "kind": "sft",
                "gain": {"form": "saturating", "ceiling": 0.1, "scale": 1},
                "update": {
                    "exponent": 0.7,
                    "reference_tokens": 5e7,
                    "gpu": "h100",
                    "tokens_per_gpu_s": 3000,
                },
            }
        },
    }
    return out
