"""Fitted lanes as deployments of a config."""

from __future__ import annotations

from typing import Any

from allocate.models.calibration.lanes.fit import NAMES, LaneFit
from allocate.models.calibration.lanes.hardware import Machine
from allocate.models.calibration.naming import gpu_name, rounded, slug

MOST = 50
"""Deployments that a config may have."""


def name(model: str, gpu: str, gpus: float, groups: float = 1.0) -> str:
    """Name a deployment."""
    tail = f"_dp{groups:g}" if groups > 1 else ""
    return f"{slug(model)}_{gpu_name(gpu)}_x{gpus:g}{tail}"


def deployment(model: str, gpu: str, gpus: float, fit: LaneFit) -> dict[str, Any]:
    """Fields of a deployment from a fitted lane and, where known, its machine's memory."""
    out: dict[str, Any] = {
        "model": slug(model),
        "gpu": gpu_name(gpu),
        "gpus_per_replica": rounded(gpus),
    }
    out |= {field: rounded(float(v)) for field, v in zip(NAMES, fit.value, strict=True)}
    out["max_batch"] = max(1.0, float(round(fit.batch[1])))
    return out


def memory(replica: Machine | None) -> dict[str, Any]:
    """KV fields of a deployment; empty where the machine is not known or does not fit."""
    if replica is None or not replica.kv_bytes() or replica.kv_memory_bytes() <= 0:
        return {}
    return {
        "kv_bytes_per_token": float(replica.kv_bytes() * replica.kv_copies()),
        "kv_memory_gb": float(rounded(replica.kv_memory_bytes() / 1e9)),
    }
