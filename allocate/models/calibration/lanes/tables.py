"""Tables of engine measurements, geometry and data sheets (CSV, also .gz, or Parquet)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocate.models.calibration import mapping, reading
from allocate.models.calibration.lanes import rows
from allocate.models.calibration.lanes.hardware import Books, Figures, figures
from allocate.models.calibration.reading import fail

if TYPE_CHECKING:
    import polars as pl

_STEPS = ("prompt_time_ms", "prompt_time"), ("token_time_ms", "token_time")


def kind(header: Sequence[str]) -> str | None:
    """Say which table a header belongs to: runs, steps, geometry or data sheets."""
    names = {name.strip().casefold() for name in header}
    if {"num_layers", "hidden_size"} <= names:
        return "model geometry"
    if {"mem_bw_bytes_per_s", "mem_capacity_bytes"} <= names:
        return "GPU data sheets"
    if all(names & set(either) for either in _STEPS) and "batch_size" in names:
        return "Splitwise step times"
    times = ("tpot_ms", "median_tpot_ms", "mean_tpot_ms", "median_tpot_s")
    if names & set(times) and "isl" in names and "concurrency" in names:
        return "TTFT/TPOT table"
    return None


def read(
    path: Path, table: pl.DataFrame, given: Mapping[str, str], settings: Mapping[str, str]
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Read a table of runs or steps into the canonical frame and count what was left out."""
    import polars as pl

    columns = mapping.choose(table.columns, rows.ALIASES, given, path, ("isl", "osl"))
    steps = kind(table.columns) == "Splitwise step times" and "tpot_ms" not in given
    if steps:
        for field, names in zip(("ttft_ms", "tpot_ms"), _STEPS, strict=True):
            columns[field] = next(n for n in names if n in table.columns)
    elif not {"tpot_ms", "tpot_s"} & columns.keys():
        mapping.choose(table.columns, rows.ALIASES, given, path, ("tpot_ms",))
    texts = {k: v for k, v in columns.items() if k in (*rows.NAMES, "mode")}
    values = rows.numbers(table, {k: v for k, v in columns.items() if k not in texts}, path)
    out = values.with_columns(
        *(table[column].cast(pl.String).str.strip_chars().alias(f) for f, column in texts.items()),
        pl.Series("line", range(2, table.height + 2), pl.Int64),
        pl.lit(path.name).alias("file"),
    )
    for field in ("ttft", "tpot"):
        if f"{field}_ms" not in out.columns and f"{field}_s" in out.columns:
            out = out.with_columns((pl.col(f"{field}_s") * 1e3).alias(f"{field}_ms"))
    dropped: dict[str, int] = {}
    out = _together(out, dropped)
    out = _fill(out, settings)
    if steps:  # decoding was timed alone, and a prompt time is that of the whole batch
        out = out.with_columns(pl.lit(0.0).alias("mix"))
    return rows.frame(out.to_dicts()), dropped


def _together(frame: pl.DataFrame, dropped: dict[str, int]) -> pl.DataFrame:
    """Leave out runs with prefill and decode on separate pools: one step time is not theirs."""
    import polars as pl

    if "mode" not in frame.columns:
        return frame
    kept = frame.filter(pl.col("mode").fill_null("").str.to_lowercase() != "disagg")
    if kept.height < frame.height:
        dropped["prefill and decode on separate pools"] = frame.height - kept.height
    return kept


def _fill(frame: pl.DataFrame, settings: Mapping[str, str]) -> pl.DataFrame:
    """Fill what the source does not say from the settings; what it says stands."""
    import polars as pl

    for name in (*rows.NAMES, *rows.SIZES):
        if name not in settings:
            continue
        filled = pl.lit(settings[name] if name in rows.NAMES else float(settings[name]))
        known = pl.col(name) if name in frame.columns else pl.lit(None)
        frame = frame.with_columns(known.fill_null(filled).alias(name))
    return frame


def books(path: Path, table: pl.DataFrame) -> Books:
    """Read a table of geometry or of data sheets."""
    lowered = {name.casefold(): name for name in table.columns}
    key = next((lowered[n] for n in ("model", "system", "gpu") if n in lowered), None)
    if key is None:
        hint = "its first column should be `model` or `system`"
        fail("CAL005", "no column names the rows", path, 1, hint=hint)
    found: dict[str, Figures] = {
        row[key]: figures(row) for row in table.iter_rows(named=True) if row[key]
    }
    is_model = kind(table.columns) == "model geometry"
    return Books(models=found) if is_model else Books(gpus=found)


_CONFIG = {
    "num_layers": ("num_hidden_layers", "n_layer"),
    "hidden_size": ("hidden_size", "n_embd"),
    "intermediate_size": ("intermediate_size", "n_inner"),
    "num_heads": ("num_attention_heads", "n_head"),
    "num_kv_heads": ("num_key_value_heads", "num_attention_heads"),
    "head_dim": ("head_dim",),
    "kv_lora_rank": ("kv_lora_rank",),
    "qk_rope_head_dim": ("qk_rope_head_dim",),
    "num_experts": ("num_experts", "n_routed_experts", "num_local_experts"),
    "experts_per_token": ("num_experts_per_tok",),
    "moe_intermediate_size": ("moe_intermediate_size",),
    "vocab_size": ("vocab_size",),
}


def is_model_config(document: Any) -> bool:
    """Whether a JSON document is a model's ``config.json`` as Hugging Face writes it."""
    return isinstance(document, dict) and "hidden_size" in document and "model_type" in document


def model_config(path: Path, name: str | None) -> Books:
    """Read a model's ``config.json``; its name is the setting ``model`` or inside the file."""
    document = reading.read_json(path)
    name = name or document.get("_name_or_path")
    if not name:
        hint = "say which model it is with `--option model=NAME`"
        fail("CAL005", "the file does not name its model", path, hint=hint)
    row: dict[str, Any] = {}
    for field, keys in _CONFIG.items():
        row[field] = next((document[k] for k in keys if document.get(k) is not None), None)
    if row["head_dim"] is None and row["hidden_size"] and row["num_heads"]:
        row["head_dim"] = row["hidden_size"] / row["num_heads"]
    found = figures(row)
    layers, rank = found["num_layers"] or 0.0, found["kv_lora_rank"]
    width = (found["num_kv_heads"] or 0.0) * (found["head_dim"] or 0.0)
    per_layer = rank + (found["qk_rope_head_dim"] or 64.0) if rank else 2 * width
    found["kv_bytes_per_token_bf16_full_attention"] = layers * per_layer * 2
    return Books(models={str(name): found})
