"""What a model's geometry and a GPU's data sheet say about times and memory.

A roofline (Williams, Waterman and Patterson 2009): a step cannot be faster than its bytes
through memory and its operations through the arithmetic units. Nothing here is measured on
an engine but four constants, the shares of the peaks that engines reach (``REACHED``) and the
fixed time of a layer (``LAYER_S``): round figures near the least-squares fit of the public
TTFT/TPOT table over all its models and GPUs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from allocate.models.calibration.naming import BOARDS

REACHED = {"bandwidth": 1.0, "arithmetic": 0.6}
"""Share of the peak that engines reach beside the fixed time of their layers."""
LAYER_S = {"one": 60e-6, "many": 84e-6}
"""Launches of a layer, on one GPU and with all-reduces between several."""
MEMORY_SHARE = 0.9
"""Share of a GPU's memory given to weights and KV (vLLM's default ``gpu_memory_utilization``)."""
WEIGHT_BYTES = {"fp4": 0.56, "int4": 0.53, "fp8": 1.0, "int8": 1.0, "bf16": 2.0}
"""Bytes of a weight with its scales."""
_PEAK = {
    "fp4": "fp4_flops",
    "int4": "bf16_flops",  # weights only: the arithmetic stays in 16 bits
    "fp8": "fp8_flops",
    "int8": "int8_flops",
    "bf16": "bf16_flops",
}
_FORMATS = re.compile(r"nvfp4|mxfp4|fp8|fp4|bf16|instruct|meta|static|pertensor|[^a-z0-9]")

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Books:
    """Geometry by model and data sheet by GPU; the user's own first, then the package's."""

    models: dict[str, Figures] = field(default_factory=dict)
    gpus: dict[str, Figures] = field(default_factory=dict)

    def model(self, name: str) -> Figures | None:
        """Return a model's geometry; formats and makers in its name do not matter."""
        return _find(name, self.models, _model_key) or _find(name, packaged().models, _model_key)

    def gpu(self, name: str) -> Figures | None:
        """Return a GPU's data sheet; case and separators in its name do not matter."""
        return _find(name, self.gpus, _gpu_key) or _find(name, packaged().gpus, _gpu_key)


@cache
def packaged() -> Books:
    """Return the tables that come with the package."""
    import polars as pl

    def rows(name: str, key: str) -> dict[str, Figures]:
        folder = resources.files("allocate.models.calibration.lanes") / "reference"
        frame = pl.read_csv((folder / name).read_bytes(), infer_schema=False)
        return {row[key]: figures(row) for row in frame.iter_rows(named=True)}

    return Books(rows("model_geometry.csv", "model"), rows("gpu_specs.csv", "system"))


def figures(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Turn the cells of a row into numbers; what is empty or no number is missing."""
    out: dict[str, float | None] = {}
    for name, cell in row.items():
        try:
            out[name] = float(cell) if cell not in (None, "") else None
        except (TypeError, ValueError):
            out[name] = None
    return out


def _find(name: str, book: Mapping[str, Figures], key: Any) -> Figures | None:
    if name in book:
        return book[name]
    wanted = key(name)
    return next((row for other, row in book.items() if key(other) == wanted), None)


def _model_key(name: str) -> str:
    return _FORMATS.sub("", name.rsplit("/", 1)[-1].casefold())


def _gpu_key(name: str) -> str:
    plain = re.sub(r"nvidia|\b\d+ ?gb\b|hbm\d?e?|tensor core|[-_ ]gpu", "", name.casefold())
    plain = re.sub(r"[^a-z0-9]", "", re.sub(r"-\d+gb", "", plain))
    return BOARDS.get(plain, plain)


@dataclass(frozen=True)
class Weights:
    """Parameters of a model by how they are read: always, per expert, and the vocabulary."""

    dense: float
    expert: float
    experts: float
    chosen: float
    vocabulary: float

    @property
    def active(self) -> float:
        """Parameters that a token passes through."""
        return self.dense + self.expert * self.chosen

    @property
    def total(self) -> float:
        """All parameters."""
        return self.dense + self.expert * self.experts + self.vocabulary

    def touched(self, tokens: np.ndarray) -> np.ndarray:
        """Parameters that some token of a step passes through, experts drawn evenly."""
        share = 1.0 - (1.0 - self.chosen / self.experts) ** tokens
        return self.dense + self.vocabulary + self.expert * self.experts * share


def weights(geometry: Figures) -> Weights | None:
    """Count parameters from a geometry; None where it lacks what is needed."""
    hidden, layers = geometry.get("hidden_size"), geometry.get("num_layers")
    heads = geometry.get("num_heads")
    inner = geometry.get("moe_intermediate_size") or geometry.get("intermediate_size")
    if not (hidden and layers and heads and inner):
        return None
    rank = geometry.get("kv_lora_rank")
    if rank:  # compressed KV (DeepSeek-V2, section 2.1), query rank 1536, heads of 128 + rope
        rope = geometry.get("qk_rope_head_dim") or 64.0
        attention = hidden * (1536 + rank + rope) + heads * (1536 * (128 + rope) + rank * 256)
        attention += heads * 128 * hidden
    else:
        kv_heads, size = geometry.get("num_kv_heads"), geometry.get("head_dim")
        if not (kv_heads and size):
            return None
        attention = 2 * hidden * (heads + kv_heads) * size
    experts = geometry.get("num_experts") or 1.0
    chosen = geometry.get("experts_per_token") or 1.0
    vocabulary = hidden * (geometry.get("vocab_size") or 0.0)
    return Weights(layers * attention, layers * 3 * hidden * inner, experts, chosen, vocabulary)


@dataclass(frozen=True)
class Machine:
    """One replica: a model in a number format on so many GPUs of a kind."""

    geometry: Figures
    weights: Weights
    gpu: Figures
    precision: str
    gpus: float
    attention_groups: float = 1.0

    def step_s(self, batch: Any, context: Any, ratio: Any) -> np.ndarray:
        """Least seconds of a step of ``batch`` sequences with ``ratio`` prompt tokens each."""
        batch, context, ratio = (np.asarray(x, float) for x in (batch, context, ratio))
        tokens = batch * (1.0 + ratio)
        bandwidth = self._need("mem_bw_bytes_per_s") * REACHED["bandwidth"] * self.gpus
        size = WEIGHT_BYTES[self.precision]
        copies = self.kv_copies()
        read = size * self.weights.touched(tokens) + batch * context * self.kv_bytes() * copies
        return read / bandwidth + self._compute_s(tokens) + self._fixed_s()

    def prefill_s(self, prompt: Any) -> np.ndarray:
        """Least seconds to prefill one prompt alone."""
        prompt = np.asarray(prompt, float)
        bandwidth = self._need("mem_bw_bytes_per_s") * REACHED["bandwidth"] * self.gpus
        read = WEIGHT_BYTES[self.precision] * self.weights.touched(prompt) / bandwidth
        return np.maximum(read, self._compute_s(prompt)) + self._fixed_s()

    def kv_bytes(self) -> float:
        """Bytes of a token's KV once over: 8-bit below 16-bit weights, as those are served."""
        full = self.geometry.get("kv_bytes_per_token_bf16_full_attention") or 0.0
        return full / (1.0 if self.precision == "bf16" else 2.0)

    def kv_copies(self) -> float:
        """How often a replica stores a token: heads that parallelism cannot split are copied."""
        shards = max(1.0, self.gpus / self.attention_groups)
        if self.geometry.get("kv_lora_rank"):
            return shards
        return max(1.0, shards / (self.geometry.get("num_kv_heads") or 1.0))

    def kv_memory_bytes(self) -> float:
        """Bytes that the weights leave for KV; negative where they do not fit."""
        have = self._need("mem_capacity_bytes") * MEMORY_SHARE * self.gpus
        return have - WEIGHT_BYTES[self.precision] * self.weights.total

    def _compute_s(self, tokens: np.ndarray) -> np.ndarray:
        peak = self.gpu.get(_PEAK[self.precision]) or self._need("bf16_flops")
        rate = peak * REACHED["arithmetic"] * self.gpus
        return 2.0 * self.weights.active * tokens / rate

    def _fixed_s(self) -> float:
        layers = self.geometry.get("num_layers") or 0.0
        return layers * LAYER_S["one" if self.gpus <= 1 else "many"]

    def _need(self, name: str) -> float:
        value = self.gpu.get(name)
        assert value, name
        return value


def machine(
    books: Books, model: str, gpu: str, precision: str | None, gpus: float, groups: float = 1.0
) -> Machine | None:
    """Build a replica from names; None where geometry or data sheet is not known."""
    geometry, sheet = books.model(model), books.gpu(gpu)
    if geometry is None or sheet is None:
        return None
    count = weights(geometry)
    needed = ("mem_bw_bytes_per_s", "mem_capacity_bytes", "bf16_flops")
    if count is None or not all(sheet.get(name) for name in needed):
        return None
    return Machine(geometry, count, sheet, number_format(precision, model), gpus, max(groups, 1.0))


def known_format(precision: str) -> str | None:
    """Name the format that a text speaks of; None where it is not known."""
    plain = precision.casefold()
    found = next((name for name in WEIGHT_BYTES if name in plain), None)
    return found or {"awq": "int4", "gptq": "int4", "w4a16": "int4", "fp16": "bf16"}.get(plain)


def number_format(precision: str | None, model: str) -> str:
    """Name the weights' format: as said, else as the model's name says, else bf16."""
    if precision:
        return known_format(precision) or "bf16"
    lowered = model.casefold()
    return next((name for name in ("fp4", "fp8", "int4", "int8") if name in lowered), "bf16")
