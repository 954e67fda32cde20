"""Measurements of engines in one shape, whatever file they came from.

A row is one run: so many sequences held in flight on a replica, prompts and answers of a
length, and the time to the first token and per further token that came of it. ``mix`` is the
number of prompt tokens prefilled for each token decoded: input/output where prefill and
decode share the replica, 0 where decoding was timed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from allocate.models.calibration.naming import shown
from allocate.models.calibration.reading import fail

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

NAMES = ("model", "gpu", "engine", "version", "precision", "gemm", "moe")
"""Texts that a configuration is told by; empty where the source does not say."""
SIZES = ("tp", "pp", "dp", "ep", "moe_tp")
"""Parallel sizes, 1 where the source does not say."""
NUMBERS = ("isl", "osl", "concurrency", "mix", "ttft_ms", "tpot_ms")
CONFIGURATION = (*NAMES, *SIZES)
"""What makes two runs comparable."""
PAIR = ("model", "gpu")

FIELDS = {
    "model": "model, as geometry and prices name it",
    "gpu": "GPU type",
    "engine": "engine",
    "version": "version of the engine",
    "precision": "number format of the weights",
    "gemm": "number format of matrix products",
    "moe": "number format of experts",
    "tp": "tensor-parallel size",
    "pp": "pipeline-parallel size",
    "dp": "attention-data-parallel size",
    "ep": "expert-parallel size",
    "moe_tp": "tensor-parallel size of the experts",
    "isl": "prompt tokens of a request",
    "osl": "answer tokens of a request",
    "concurrency": "requests held in flight",
    "ttft_ms": "time to the first token, ms",
    "tpot_ms": "time per further token, ms",
    "ttft_s": "time to the first token, s",
    "tpot_s": "time per further token, s",
    "mode": "agg where prefill and decode share GPUs, disagg where not",
}
ALIASES: dict[str, tuple[str, ...]] = {
    "model": ("model", "model_id"),
    "gpu": ("gpu", "system", "hardware", "accelerator"),
    "engine": ("engine", "backend", "framework"),
    "version": ("version", "backend_version"),
    "precision": ("precision", "quantization", "dtype"),
    "gemm": ("gemm_quant_mode",),
    "moe": ("moe_quant_mode",),
    "tp": ("tp", "tp_size", "tensor_parallel", "tensor_parallel_size"),
    "pp": ("pp", "pp_size", "pipeline_parallel_size"),
    "dp": ("dp", "attention_dp_size", "data_parallel_size"),
    "ep": ("ep", "moe_ep_size"),
    "moe_tp": ("moe_tp", "moe_tp_size"),
    "isl": ("isl", "input_tokens", "prompt_tokens", "prompt_size"),
    "osl": ("osl", "output_tokens", "token_size"),
    "concurrency": ("concurrency", "max_concurrency", "batch_size"),
    "ttft_ms": ("ttft_ms", "median_ttft_ms", "mean_ttft_ms"),
    "tpot_ms": ("tpot_ms", "median_tpot_ms", "mean_tpot_ms"),
    "ttft_s": ("median_ttft_s", "ttft_s"),
    "tpot_s": ("median_tpot_s", "tpot_s"),
    "mode": ("mode",),
}


TPOT_MS = (0.05, 60_000.0)
"""Least and most time per token, ms, that an engine takes."""
STRAY = 0.02
"""Share of rows outside of it that is a slip; more is another unit."""


def frame(records: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Make the canonical frame from records; what a record lacks is empty."""
    import polars as pl

    schema = dict.fromkeys(NAMES, pl.String) | dict.fromkeys((*SIZES, *NUMBERS), pl.Float64)
    schema |= {"file": pl.String, "line": pl.Int64}
    rows = [{name: record.get(name) for name in schema} for record in records]
    out = pl.DataFrame(rows, schema=schema, strict=False)
    ratio = pl.col("isl") / pl.col("osl")
    return out.with_columns(
        *(pl.col(name).fill_null("") for name in NAMES),
        *(pl.max_horizontal(pl.col(name).fill_null(1.0), 1.0) for name in SIZES),
        pl.col("mix").fill_null(ratio),
    )


def numbers(text: pl.DataFrame, columns: dict[str, str], path: Path) -> pl.DataFrame:
    """Cast the chosen columns of a text frame to numbers; a cell that is none is an error."""
    import polars as pl

    out = []
    for field, column in columns.items():
        raw = text[column].cast(pl.String).str.strip_chars()
        raw = raw.set(raw == "", None)
        value = raw.cast(pl.Float64, strict=False)
        wrong = (value.is_null() | ~value.is_finite().fill_null(True)) & raw.is_not_null()
        if wrong.any():
            at = int(wrong.arg_max() or 0)
            hint = "numbers only, in the unit of the column"
            message = f"`{shown(raw[at])}` in `{column}` is not a number"
            fail("CAL006", message, path, at + 2, hint=hint)
        out.append(value.alias(field))
    return pl.DataFrame(out)


def usable(frame: pl.DataFrame, dropped: dict[str, int]) -> pl.DataFrame:
    """Drop rows that nothing can be fitted on and count them by reason."""
    import polars as pl

    checks = {
        "no model or GPU named": (pl.col("model") != "") & (pl.col("gpu") != ""),
        "no number of requests in flight": pl.col("concurrency") > 0,
        "no input or output length": (pl.col("isl") > 0) & (pl.col("osl") > 0),
        "no time per token": pl.col("tpot_ms") > 0,
    }
    for reason, keep in checks.items():
        kept = frame.filter(keep.fill_null(False))
        if kept.height < frame.height:
            dropped[reason] = dropped.get(reason, 0) + frame.height - kept.height
        frame = kept
    return frame.with_columns(
        pl.when(pl.col("ttft_ms") > 0).then(pl.col("ttft_ms")).otherwise(None).alias("ttft_ms")
    )


def check_units(frame: pl.DataFrame, path: Path) -> None:
    """Refuse a file whose times cannot be in the unit its columns name, or mix two.

    No engine decodes a token in under 0.05 ms, and few take a minute; a median outside says
    that seconds stand in a column of milliseconds, or the other way round. Several rows outside,
    with the median inside, say that some do.
    """
    import polars as pl

    timed = frame.filter(pl.col("tpot_ms") > 0)
    if not timed.height:
        return
    middle = median(timed["tpot_ms"].to_list())
    hint = "map a column in seconds with `--map tpot_s=COLUMN`, one in ms with tpot_ms"
    if not TPOT_MS[0] <= middle <= TPOT_MS[1]:
        message = f"the median time per token reads as {middle:g} ms"
        fail("CAL008", message, path, 1, hint=hint)
    strange = timed.filter(~pl.col("tpot_ms").is_between(*TPOT_MS))
    if strange.height > max(2, STRAY * timed.height):
        row = strange.row(0, named=True)
        message = (
            f"{strange.height:,} of {timed.height:,} times per token cannot be ms, as "
            f"{row['tpot_ms']:g}: the rows mix units"
        )
        fail("CAL008", message, path, row.get("line"), hint=hint)


def gpus(frame: pl.DataFrame) -> np.ndarray:
    """GPUs of a replica: tensor × pipeline × data parallel."""
    return (frame["tp"] * frame["pp"] * frame["dp"]).to_numpy()


def decoding(concurrency: Any, osl: Any, tpot_ms: Any, ttft_ms: Any) -> Any:
    """Sequences that decode at once, of those in flight (Little's law).

    Each request waits ``ttft`` and decodes for osl·tpot; those that wait, in a queue or in
    prefill, are not in the batch.
    """
    decode = osl * tpot_ms
    return concurrency * decode / (decode + ttft_ms)
