"""``calibrate prices``: price lists → API models with prices and rate caps, GPU costs.

Reads LiteLLM's price map (JSON, or a table of it), the ``config.yaml`` of LiteLLM's proxy and
tables of GPU prices. Prices are facts, not estimates: low and high are those of the offers.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from allocate.models.calibration import reading, settings
from allocate.models.calibration.naming import rounded, slug, unique_slugs
from allocate.models.calibration.prices import apis, gpus
from allocate.models.calibration.prices.found import Found, choose, gpu_prices, models
from allocate.models.calibration.reading import fail
from allocate.models.calibration.result import COMPARED_NOTHING, Calibration, Options, Parameter

__all__ = ["FIELDS", "OPTIONS", "calibrate", "check", "detects"]

FIELDS = apis.FIELDS | gpus.FIELDS
OPTIONS = {
    "models": "only these models, as a|b",
    "provider": "only offers of this provider",
    "per": "tokens that the prices of a table are for, as 1e6; default 1, and refused if too high",
    "gpus": "only these GPU types, as a|b",
    "node": "GPUs of the instance that a GPU's price is taken from; default 8",
    "spot": "yes: spot prices of GPUs instead of on demand",
}
MOST = 50
"""Models that a config may have."""
_FIELD = {
    "input": "input_usd_per_mtok",
    "cached_input": "cached_input_usd_per_mtok",
    "output": "output_usd_per_mtok",
}


def detects(path: Path) -> str | None:
    """Know a price list by its header or keys."""
    if path.suffix == ".parquet":
        return None
    text = reading.head(path).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if text.lstrip()[:1] == "{":
        return "LiteLLM price map" if apis.is_map(text) else None
    if apis.is_config(text):
        return "LiteLLM config"
    line = reading.first_line(path)
    names = {n.strip().casefold() for n in next(csv.reader([line]), [])} if line else set()
    if names & {"input_usd_per_token", "input_cost_per_token"}:
        return "table of model prices"
    if names & {"accelerator", "acceleratorname", "gpu"} and names & {
        "on_demand_usd_per_gpu_hour", "usd_per_gpu_h", "on_demand_usd_per_hour", "price",
    }:  # fmt: skip
        return "table of GPU prices"
    return None


def calibrate(paths: Sequence[Path], options: Options) -> Calibration:
    """Collect prices and rate caps of the models, and prices of the GPUs."""
    found = _read(paths, options)
    listed, priced = models(found), gpu_prices(found, options)
    out = Calibration(
        "prices", ", ".join(found.formats), found.rows - sum(found.dropped.values()),
        found.dropped, [], {}, {}, found.sources, state={"models": listed, "gpus": priced},
    )  # fmt: skip
    _add_models(out, listed, bool(found.served))
    _add_gpus(out, priced)
    if not out.tables:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in found.dropped.items())
        hint = f"left out: {reasons}" if reasons else None
        fail("CAL007", "no price can be used", paths[0], hint=hint)
    return out


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Compare with other price lists: how far the same models' and GPUs' prices are apart."""
    found = _read(paths, options)
    off, moved = _moved(calibration.state["models"], models(found))
    own = {price.name: price.cheapest for price in calibration.state["gpus"]}
    other = {price.name: price.cheapest for price in gpu_prices(found, options)}
    apart = [abs(own[name] / price - 1) for name, price in other.items() if name in own]
    if not off and not apart:
        calibration.notes.append(f"{COMPARED_NOTHING}: no model or GPU of it has a price here too")
    out: dict[str, Any] = {}
    if calibration.state["models"] or found.offers or found.served:
        out["model_prices"] = _spread(off) | {"changed": moved[:50]}
    if own or other:
        out["gpu_prices"] = _spread(apart)
    return out | {
        "rows_dropped": found.dropped,
        "files": [s.to_dict() for s in found.sources],
    }


def _moved(
    mine: list[dict[str, Any]], theirs: list[dict[str, Any]]
) -> tuple[list[float], list[str]]:
    """Relative differences of the prices of the same models, and which of them differ."""
    by_seller = {(m["model"], m["provider"]): m for m in mine}
    by_name = {m["model"]: m for m in mine}
    off, moved = [], []
    for other in theirs:
        seller = (other["model"], other["provider"])
        own = by_seller.get(seller) or by_name.get(other["model"], {})
        for name in _FIELD:
            a, b = own.get(name), other.get(name)
            if a and b:
                off.append(abs(a / b - 1))
                if off[-1] > 1e-9:
                    moved.append(f"{other['model']} {name}")
    return off, moved


def _spread(off: list[float]) -> dict[str, Any]:
    if not off:
        return {"compared": 0, "median_relative_error": None, "p90_relative_error": None}
    return {
        "compared": len(off),
        "median_relative_error": float(np.median(off)),
        "p90_relative_error": float(np.quantile(off, 0.9)),
    }


def _read(paths: Sequence[Path], options: Options) -> Found:
    out = Found()
    per = settings.number(options, "per", None, 1.0, 1e9)
    for path in paths:
        before, slips = len(out.offers), out.dropped.get(apis.SLIP, 0)
        what = detects(path) or "table by its columns"
        if what not in out.formats:
            out.formats.append(what)
        if what == "LiteLLM price map":
            offers, count = apis.price_map(path, out.dropped)
            out.offers += offers
        elif what == "LiteLLM config":
            served, count = apis.config(path, out.dropped)
            out.served += served
        else:
            table = reading.read_table(path)
            count = table.height
            about_gpus = what == "table of GPU prices" or bool(gpus.FIELDS.keys() & options.columns)
            if about_gpus:
                out.gpus.append(gpus.offers(path, table, options.columns, out.dropped))
            else:
                out.offers += apis.price_table(path, table, options.columns, out.dropped, per or 1)
        if per is None:
            slips = out.dropped.get(apis.SLIP, 0) - slips
            apis.check_units(out.offers[before:], slips, path)
        out.rows += count
        out.sources.append(reading.source(path, count))
    choose(out, options)
    return out


def _add_models(out: Calibration, listed: list[dict[str, Any]], served: bool) -> None:
    if not listed:
        return
    columns = ("model", "provider", *apis.PRICES, "rpm", "tpm")
    out.tables["models"] = pl.DataFrame(
        [{c: m.get(c) for c in columns} for m in listed], infer_schema_length=None
    )
    bare = [m["model"] for m in listed if "input" not in m or "output" not in m]
    if bare:
        out.notes.append(
            f"no price for {', '.join(bare[:8])}: give LiteLLM's price map beside the config"
        )
    priced = [m for m in listed if m["model"] not in bare]
    if len(priced) > MOST:
        out.notes.append(
            f"{len(priced)} models have prices, a config holds {MOST}: all are in the table, none "
            "in the fragment; choose with `--option models='a|b'`"
        )
        return
    names = unique_slugs([m["model"] for m in priced], {m["model"]: m["provider"] for m in priced})
    for model in priced:
        api = {
            to: rounded(1e6 * model[of]) for of, to in _FIELD.items() if model.get(of) is not None
        }
        about = {"method": "list price", "rows": 1}
        name = names[model["model"]]
        for to, value in api.items():
            out.parameters.append(Parameter(f"{name}.{to}", value, value, value, "USD/Mtok", about))
        caps = {"requests_per_minute": model["rpm"], "tokens_per_minute": model["tpm"]}
        api |= {to: value for to, value in caps.items() if value}
        out.fragment.setdefault("models", {})[name] = {"label": model["model"], "api": api}
    apart = [name for model, name in names.items() if name != slug(model)]
    if apart:
        out.notes.append(
            f"models of one name are told apart by who sells them: {', '.join(apart[:8])}"
        )
    if not served and priced:
        out.notes.append("rate caps are set by contract; no price list has them")


def _add_gpus(out: Calibration, prices: list[gpus.Price]) -> None:
    if not prices:
        return
    out.tables["gpus"] = pl.DataFrame([vars(p) for p in prices])
    for price in prices:
        seller = f" ({price.provider})" if price.provider else ""
        about = {"method": f"cheapest offer{seller}", "rows": price.offers}
        path = f"{price.name}.price_usd_per_h"
        out.parameters.append(
            Parameter(path, price.cheapest, price.low, price.high, "USD/h", about)
        )
        out.fragment.setdefault("gpus", {})[price.name] = {
            "price_usd_per_h": rounded(price.cheapest), "label": price.gpu,
        }  # fmt: skip
    out.notes.append("low and high of a GPU span all offers, of every size and provider")
