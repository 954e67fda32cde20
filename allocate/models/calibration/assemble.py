"""A first config from whatever was calibrated, with every hole filled by a marked assumption."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from allocate.models.calibrated import Driver
from allocate.models.calibration.cached import parameter, put_cached_reads
from allocate.models.calibration.grounds import ground, together
from allocate.models.calibration.guesses import no_price, put_scores
from allocate.models.calibration.reading import fail
from allocate.models.calibration.writing import RECORD, read_record

PROMPT_TOKENS, OUTPUT_TOKENS = 1000.0, 200.0  # of a request, where nothing tells
VALUE_USD = 1.0
GPUS = 8
GPU_USD_PER_H = 2.5
EXPONENT = 0.2
INPUT_USD, OUTPUT_USD = 2.0, 10.0  # per million tokens
_DIGITS = 6
DEPRECIATION_PER_H = 0.001389  # a gain lasts 30 days
ROLLOUT_TOKENS, ROLLOUT_USD = 1000.0, 1.0  # of a sample; per million tokens


@dataclass
class Draft:
    """Sections that the config itself says, above the fragments that it includes."""

    sections: dict[str, Any] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)
    """A line a kind: what it brought."""

    def put(self, path: tuple[str, ...], value: Any, why: str | None = None) -> None:
        """Set a value; with ``why`` it is an assumption."""
        at = self.sections
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = value
        if why:
            self.assumed[".".join(path)] = why

    def measure(
        self,
        path: tuple[str, ...],
        found: Mapping[str, Any],
        of: Driver | None = None,
        correlation: Mapping[str, float] | None = None,
        least: float = 0.0,
        most: float = math.inf,
    ) -> None:
        """Set a calibrated parameter's value, with its interval under ``calibrated``."""
        value = float(f"{found['value']:.{_DIGITS}g}")
        self.put(path, value)
        low, high = (math.nan if found[end] is None else found[end] for end in ("low", "high"))
        fit, seen = found["fit"], found["fit"]["seen"] if of else None
        entry = ground(
            value, min(low, value), max(high, value), found["unit"], fit, of, seen, correlation,
            least, most,
        )  # fmt: skip
        self.sections.setdefault("calibrated", {})[".".join(path)] = entry

    def measure_all(
        self,
        paths: Sequence[tuple[str, ...]],
        found: Mapping[str, Any],
        least: float = 0.0,
        most: float = math.inf,
    ) -> None:
        """Set one calibrated parameter in several places, which are off by one common error."""
        tied = together([".".join(path) for path in paths])
        for path, correlation in zip(paths, tied.values(), strict=True):
            self.measure(path, found, None, correlation, least, most)


def assemble(folder: Path, config_folder: Path) -> tuple[dict[str, Any], Draft]:
    """Join the calibrations of a folder into one config.

    Args:
        folder: where ``allocate calibrate … --out`` wrote.
        config_folder: where the config will stand; includes are relative to it.

    Returns:
        The config in plain values without ``assumed``, and the draft, which holds those.

    Raises:
        DataError: the folder holds no calibration.
    """
    if not (folder / RECORD).is_file():
        hint = "calibrate first: `allocate calibrate SOURCE --out DIR`"
        fail("CAL001", f"there is no {RECORD} in this folder", folder, hint=hint)
    kinds: dict[str, dict[str, Any]] = read_record(folder)["calibrations"]
    if not kinds:
        fail("CAL001", "the folder holds no calibration", folder / RECORD)
    whole: dict[str, Any] = {}
    for document in kinds.values():
        _merge(whole, deepcopy(document.get("fragment") or {}))  # each kind's own stays its own
    draft = Draft()
    for kind, document in kinds.items():
        given = [k for k in document.get("fragment") or {} if k not in ("assumed", "calibrated")]
        names = ", ".join(given) or "nothing that a config holds"
        notes = "" if given else "".join(f"; {note}" for note in document.get("notes") or ())
        draft.measured.append(f"{kind}: {names}, from {document['rows_used']:,} rows{notes}")
    _classes(whole, kinds, draft)
    _models(whole, draft)
    put_cached_reads(whole, kinds, draft)
    _machines(whole, kinds, draft)
    _training(whole, draft)
    include = [
        Path(os.path.relpath(folder / f"{kind}.yaml", config_folder)).as_posix()
        for kind in kinds
        if kinds[kind].get("fragment")
    ]
    return {"version": 1, "include": include, **draft.sections}, draft


def _merge(into: dict[str, Any], piece: dict[str, Any]) -> None:
    for key, value in piece.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _request(whole: dict[str, Any], kinds: dict[str, Any], draft: Draft) -> dict[str, Any]:
    """The one class that there is where no trace was calibrated; its rate may be that of spans.

    What it reads and writes is a guess, unless spans or a leaderboard tell tokens by use: a
    request of no tokens would be free.
    """
    path = ("classes", "request", "rate_per_s")
    if rate := parameter(kinds.get("spans"), "requests_per_s"):
        draft.measure(path, rate, "requests_per_s")
    else:
        draft.put(path, 1.0, "no trace was calibrated; put how often requests come")
    if kinds.get("spans"):
        return {}
    why = "no trace was calibrated; put the length of your requests"
    lengths = {"prompt_tokens": PROMPT_TOKENS}
    if not whole.get("token_uses"):
        lengths["output_tokens"] = OUTPUT_TOKENS
    for name, tokens in lengths.items():
        draft.put(("classes", "request", name), tokens, why)
    return dict(lengths)


def _classes(whole: dict[str, Any], kinds: dict[str, Any], draft: Draft) -> None:
    classes = whole.get("classes") or {"request": _request(whole, kinds, draft)}
    worth = reused = ""
    hits = parameter(kinds.get("spans"), "cache_hit")
    profile = next(iter((whole.get("caching") or {}).get("reuse") or {}), None)
    for name, given in classes.items():
        if "value_usd" not in given:
            draft.put(("classes", name, "value_usd"), VALUE_USD)
            worth = "value_usd: no log says what a solved request is worth; put what it is to you"
        if (profile or hits) and given.get("prompt_tokens") and "prefix_tokens" not in given:
            like = f"those of `{profile}`" if profile else "those of the spans"
            reused = f"; prompts are taken to come again as {like} do"
            if profile:
                draft.put(("classes", name, "reuse"), profile)
            draft.put(("classes", name, "prefix_tokens"), given["prompt_tokens"])
            known = (whole.get("calibrated") or {}).get(f"classes.{name}.prompt_tokens")
            if known:  # the same tokens, under the name that they have here
                section = draft.sections.setdefault("calibrated", {})
                section[f"classes.{name}.prefix_tokens"] = known
            draft.put(("classes", name, "prompt_tokens"), 0.0)
    if worth or reused:
        draft.assumed["classes"] = (worth + reused).removeprefix("; ")
    draft.put(("prices", "latency_usd_per_s"), 0.001, _waits(whole))


def _waits(whole: dict[str, Any]) -> str:
    """Say what a price of waiting does: nothing where no time is known."""
    apis = [(model.get("api") or {}) for model in (whole.get("models") or {}).values()]
    timed = any(api.get("tpot_ms") or api.get("ttft_s") for api in apis)
    if timed or whole.get("deployments"):
        return "a small price, so that waiting counts"
    return "a small price of waiting; it counts once an api has tpot_ms or ttft_s"


def _models(whole: dict[str, Any], draft: Draft) -> None:
    models = whole.get("models") or {}
    uses = _uses(whole, draft)
    wanted = {d.get("model") for d in (whole.get("deployments") or {}).values()} - {None}
    names = [*models, *sorted(wanted - models.keys())] or ["model"]
    put_scores(whole, names, uses, draft)
    sold = [n for n, m in models.items() if "output_usd_per_mtok" in (m.get("api") or {})]
    bare = []
    for name in names:
        given = models.get(name) or {}
        priced = "output_usd_per_mtok" in (given.get("api") or {}) or "cost_per_task_usd" in given
        if name not in wanted and not priced:
            draft.put(("models", name, "api", "input_usd_per_mtok"), INPUT_USD)
            draft.put(("models", name, "api", "output_usd_per_mtok"), OUTPUT_USD)
            bare.append(name)
    draft.assumed |= no_price(bare, sold, f"{INPUT_USD:g} and {OUTPUT_USD:g} USD a million tokens")


def _uses(whole: dict[str, Any], draft: Draft) -> dict[str, Any]:
    """Token uses that are calibrated, and those that a model's reference tokens name."""
    uses: dict[str, Any] = dict(whole.get("token_uses") or {})
    references: dict[str, list[float]] = {}
    for model in (whole.get("models") or {}).values():
        for use, tokens in (model.get("reference_tokens") or {}).items():
            references.setdefault(use, []).append(tokens)
    for use in [*uses, *(u for u in references if u not in uses)]:
        given = uses.setdefault(use, {})
        if "kind" not in given:
            draft.put(("token_uses", use, "kind"), "input" if use == "read" else "output")
        if "reference_tokens" not in given and use in references:
            draft.put(("token_uses", use, "reference_tokens"), median(references[use]))
    open_ones = [use for use, given in uses.items() if "exponent" not in given]
    taken = sum(given.get("exponent", 0.0) for given in uses.values())
    for use in open_ones:
        each = min(EXPONENT, max(0.9 - taken, 0.0) / len(open_ones))
        draft.put(("token_uses", use, "exponent"), round(each, 4))
    if open_ones:
        draft.assumed["token_uses"] = (
            f"exponents of {', '.join(open_ones)}: what more tokens of one use bring was not "
            "calibrated; an even split"
        )
    return uses


def _machines(whole: dict[str, Any], kinds: dict[str, Any], draft: Draft) -> None:
    deployments = whole.get("deployments") or {}
    gpus = whole.get("gpus") or {}
    used = sorted({str(d["gpu"]) for d in deployments.values() if "gpu" in d})
    for gpu in used:
        given = gpus.get(gpu) or {}
        if "available" not in given:
            draft.put(("gpus", gpu, "available"), GPUS, "one node; put what you have")
        if "price_usd_per_h" not in given:
            why = (
                f"no GPU price was calibrated: {GPU_USD_PER_H:g} USD is a guess for any type; 0 if "
                "it is paid already"
            )
            draft.put(("gpus", gpu, "price_usd_per_h"), GPU_USD_PER_H, why)
    unused = [gpu for gpu in gpus if gpu not in used and "available" not in gpus[gpu]]
    for gpu in unused:
        draft.put(("gpus", gpu, "available"), GPUS)
    if unused:
        draft.assumed["gpus.*.available"] = (
            f"no lane of {', '.join(unused)} was calibrated, so nothing runs there: calibrate "
            "lanes; one node each, put what you have"
        )
    burst = parameter(kinds.get("trace"), "burstiness")
    if burst:
        bare = [name for name, given in deployments.items() if "burst_headroom" not in given]
        draft.measure_all([("deployments", n, "burst_headroom") for n in bare], burst, least=1.0)


def _training(whole: dict[str, Any], draft: Draft) -> None:
    training = whole.get("training")
    if not training:
        return
    if "depreciation_per_h" not in training:
        why = "no score against age was calibrated: a gain is taken to last 30 days"
        draft.put(("training", "depreciation_per_h"), DEPRECIATION_PER_H, why)
    known = [*(whole.get("models") or {}), *draft.sections.get("models", {})]
    for name, asset in (training.get("assets") or {}).items():
        path = ("training", "assets", name)
        if asset.get("model") not in known:
            why = "the run did not say which model was trained; calibrate with --option model=NAME"
            draft.put((*path, "model"), known[0], why)
        if not {"rollout", "verifier", "update"} & asset.keys():
            tokens = ROLLOUT_TOKENS * asset.get("gain", {}).get("samples", 1.0)
            rollout = {"exponent": 0.5, "reference_tokens": tokens}
            rollout["price_usd_per_mtok"] = ROLLOUT_USD
            why = (
                "tokens and price of a sample were not calibrated: 1,000 tokens at 1 USD a million"
            )
            draft.put((*path, "rollout"), rollout, why)
