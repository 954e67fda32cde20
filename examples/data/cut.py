"""Cut the small tables of this folder from the full public files.

    python cut.py SOURCE

SOURCE is a folder with the full tables (see README.md for where each comes from). Rows and
columns are only selected, counted or summed here; everything else is done in derive.py.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).parent
AIDER = {
    "gpt-5 (low)", "gpt-5 (medium)", "gpt-5 (high)",
    "DeepSeek-V3.2-Exp (Chat)", "DeepSeek-V3.2-Exp (Reasoner)", "DeepSeek R1 (0528)",
    "Qwen3 32B", "Qwen3 235B A22B diff, no think, Alibaba API",
    "Qwen3-235B-A22B whole with VLLM, bfloat16, recommended /no_think settings",
}  # fmt: skip
PRICES = {"gpt-5", "deepseek/deepseek-chat", "deepseek/deepseek-reasoner"}
GPUS = {"H100-SXM", "H200-SXM"}
SYSTEMS = {"h100_sxm", "h200_sxm"}
GEOMETRY = {"Qwen/Qwen3-235B-A22B-FP8", "Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-R1"}
# (model, system, backend, precision, tensor parallel, expert parallel)
LANES = {
    ("Qwen/Qwen3-235B-A22B-FP8", "h100_sxm", "trtllm", "fp8", "4", "4"),
    ("Qwen/Qwen3-235B-A22B-FP8", "h100_sxm", "trtllm", "fp8", "8", "8"),
    ("Qwen/Qwen3-235B-A22B-FP8", "h200_sxm", "vllm", "fp8", "4", "1"),
    ("Qwen/Qwen3-32B", "h100_sxm", "trtllm", "fp8", "1", "1"),
    ("Qwen/Qwen3-32B", "h100_sxm", "trtllm", "fp8", "2", "1"),
    ("deepseek-ai/DeepSeek-R1", "h200_sxm", "sglang", "fp8", "8", "1"),
}
FACTS = {
    "human_wait", "AskUserQuestion_wait", "prefix_cache_hit", "cache_retention_tradeoff", "counts",
    "request_time_share", "request_time", "residual_ttft", "nodes", "prompt_tokens_per_call",
    "completion_tokens_per_call", "tool_call_share", "context_growth",
}  # fmt: skip
GAPS_S = (1, 5, 15, 30, 60, 120, 300, 600)
WARM_UP_S = 600


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file, plain or gzipped."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as f:
        return list(csv.DictReader(f))


def write(name: str, rows: list[dict], columns: list[str] | None = None) -> None:
    """Write rows to a table of this folder, other columns left out."""
    columns = columns or list(rows[0])
    with open(HERE / name, "w", newline="") as f:
        out = csv.DictWriter(f, columns, extrasaction="ignore", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def cluster(tokens: int) -> str:
    """Length cluster of a request by its context tokens."""
    return "short" if tokens < 1000 else "mid" if tokens < 4000 else "long"


def second(stamp: str) -> float:
    """Seconds of a time stamp."""
    return datetime.fromisoformat(stamp[:26]).timestamp()


def azure(source: Path) -> None:
    """Requests and tokens per minute and length cluster."""
    rows = read(source / "traces/azure_code_2023.csv.gz")
    start = second(rows[0]["TIMESTAMP"])
    counts: dict[tuple[int, str], list[int]] = {}
    for r in rows:
        minute = int((second(r["TIMESTAMP"]) - start) // 60)
        got = counts.setdefault((minute, cluster(int(r["ContextTokens"]))), [0, 0, 0])
        got[0] += 1
        got[1] += int(r["ContextTokens"])
        got[2] += int(r["GeneratedTokens"])
    last = max(second(r["TIMESTAMP"]) for r in rows) - start
    out = []
    for minute in range(int(last // 60) + 1):
        for name in ("short", "mid", "long"):
            n, c, g = counts.get((minute, name), (0, 0, 0))
            out.append({
                "minute": minute, "seconds": round(min(60.0, last - 60 * minute), 3),
                "cluster": name, "requests": n, "context_tokens": c, "generated_tokens": g,
            })  # fmt: skip
    write("azure_code_minutes.csv", out)


def mooncake(source: Path) -> None:
    """Blocks by time since the same block was last used, in requests after a warm-up."""
    out = []
    sums = []
    for trace in ("conversation_first30min", "synthetic"):
        seen: dict[int, float] = {}
        gaps: Counter = Counter()  # by minute and gap
        minutes: Counter = Counter()
        n = tokens_in = tokens_out = blocks = full = 0
        with gzip.open(source / f"traces/mooncake_{trace}.jsonl.gz", "rt") as f:
            for line in f:
                r = json.loads(line)
                t = r["timestamp"] / 1000
                now = int(t // 60)
                n, tokens_in, tokens_out = (
                    n + 1, tokens_in + r["input_length"], tokens_out + r["output_length"],
                )  # fmt: skip
                minutes[now] += 1
                full += r["input_length"] // 512
                for block in r["hash_ids"][: r["input_length"] // 512]:
                    if t >= WARM_UP_S:
                        blocks += 1
                        if block in seen:
                            gap = t - seen[block]
                            gaps[now, next((g for g in GAPS_S if gap <= g), "longer")] += 1
                        else:
                            gaps[now, "never"] += 1
                    seen[block] = t
        last = t
        for m in range(int(WARM_UP_S // 60), int(last // 60) + 1):
            for g in (*GAPS_S, "longer", "never"):
                row = {"trace": trace, "minute": m, "gap_s_at_most": g, "blocks": gaps[m, g]}
                out.append(row)
        for m in range(int(last // 60) + 1):
            sums.append({
                "trace": trace, "minute": m, "requests": minutes[m],
                "trace_seconds": round(last, 3), "trace_requests": n,
                "trace_input_tokens": tokens_in, "trace_output_tokens": tokens_out,
                "trace_full_blocks": full,
            })  # fmt: skip
    write("mooncake_reuse_gaps.csv", out)
    write("mooncake_minutes.csv", sums)


def main(source: Path) -> None:
    """Cut every table."""
    rows = [r for r in read(source / "models/aider_polyglot.csv") if r["model"] in AIDER]
    write("aider_polyglot.csv", rows, [
        "board", "model", "edit_format", "reasoning_effort", "date", "test_cases", "pass_rate_1",
        "pass_rate_2", "prompt_tokens", "completion_tokens", "seconds_per_case", "total_cost",
    ])  # fmt: skip
    rows = [r for r in read(source / "prices/litellm_prices.csv") if r["model"] in PRICES]
    write("litellm_prices.csv", rows, [
        "model", "provider", "input_usd_per_token", "output_usd_per_token",
        "cache_read_usd_per_token",
    ])  # fmt: skip
    rows = [
        r for r in read(source / "serving/silicon_ttft_tpot.csv.gz")
        if r["mode"] == "agg" and r["concurrency"] and (
            r["model"], r["system"], r["backend"], r["precision"], r["tp_size"], r["moe_ep_size"]
        ) in LANES
    ]  # fmt: skip
    write("silicon_ttft_tpot.csv", rows, [
        "model", "system", "backend", "backend_version", "precision", "tp_size", "moe_ep_size",
        "isl", "osl", "concurrency", "ttft_ms", "tpot_ms", "measured",
    ])  # fmt: skip
    rows = read(source / "gpus/gpu_prices.csv")
    write("gpu_prices.csv", [r for r in rows if r["accelerator"] in GPUS])
    rows = read(source / "gpus/gpu_specs.csv")
    write("gpu_specs.csv", [r for r in rows if r["system"] in SYSTEMS])
    rows = read(source / "serving/model_geometry.csv")
    write("model_geometry.csv", [r for r in rows if r["model"] in GEOMETRY])
    rows = read(source / "autonomy/agent_workload_facts.csv")
    write("agent_facts.csv", [r for r in rows if r["metric"] in FACTS])
    rows = read(source / "training/rl_staleness_areal.csv")
    write("areal_staleness.csv", rows)
    write("areal_sync_async.csv", read(source / "training/rl_sync_vs_async_areal.csv"))
    write("qwen25_scaling_fit.csv", read(source / "training/rl_scaling_law_fit_qwen25.csv"))
    write("speculative_facts.csv", read(source / "serving/speculative_decoding_facts.csv"))
    pairs: Counter = Counter()
    for r in read(source / "models/routellm_per_query.csv.gz"):
        if r["benchmark"] == "mmlu":
            pairs[r["gpt4_correct"], r["mixtral_correct"]] += 1
    write("routellm_mmlu_pairs.csv", [
        {"gpt4_correct": g, "mixtral_correct": m, "queries": pairs[str(g), str(m)]}
        for g in (1, 0) for m in (1, 0)
    ])  # fmt: skip
    azure(source)
    mooncake(source)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
