"""``calibrate prices``: price lists → API models with prices and rate caps, GPU costs.

Reads LiteLLM's price map (JSON, or a table of it), the ``config.yaml`` of LiteLLM's proxy and
tables of GPU prices. Prices are facts, not estimates: low and high are those of the offers.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from allocate.errors import DataError, Problem
from allocate.models.calibration import reading, settings
from allocate.models.calibration.naming import gpu_name, rounded, shown, slug
from allocate.models.calibration.prices import apis, gpus
from allocate.models.calibration.result import Calibration, Options, Parameter, Source
from allocate.models.paths import nearest

__all__ = ["FIELDS", "OPTIONS", "calibrate", "check", "detects"]

FIELDS = apis.FIELDS | gpus.FIELDS
OPTIONS = {
    "models": "only these models, as a|b",
    "provider": "only offers of this provider",
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


@dataclass
class _Found:
    offers: list[apis.Offer] = field(default_factory=list)
    served: list[apis.Served] = field(default_factory=list)
    gpus: list[pl.DataFrame] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    rows: int = 0


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
    out = Calibration(
        "prices", ", ".join(found.formats), found.rows - sum(found.dropped.values()),
        found.dropped, [], {}, {}, found.sources,
    )  # fmt: skip
    models = _models(found)
    _add_models(out, models, bool(found.served))
    _add_gpus(out, found, options)
    if not out.tables:
        raise DataError([Problem("CAL007", "no price can be used", str(paths[0]))])
    out.state = {"models": {m["model"]: m for m in models}, "gpus": found.gpus}
    return out


def check(calibration: Calibration, paths: Sequence[Path], options: Options) -> dict[str, Any]:
    """Compare with other price lists: how far the same models' and GPUs' prices are apart."""
    found = _read(paths, options)
    mine: dict[str, dict[str, Any]] = calibration.state["models"]
    off, moved = [], []
    for theirs in _models(found):
        own = mine.get(theirs["model"])
        if own is None:
            continue
        for name in _FIELD:
            a, b = own.get(name), theirs.get(name)
            if a and b:
                off.append(abs(a / b - 1))
                if off[-1] > 1e-9:
                    moved.append(f"{theirs['model']} {name}")
    other = {p.gpu: p.cheapest for p in _gpu_prices(found, options)}
    own_gpus = {
        p.gpu: p.cheapest for p in _gpu_prices(_Found(gpus=calibration.state["gpus"]), options)
    }
    apart = [abs(own_gpus[g] / p - 1) for g, p in other.items() if g in own_gpus]
    if not off and not apart:
        calibration.notes.append(
            "the check compared nothing: no model or GPU of it has a price here too"
        )
    return {
        "model_prices": _spread(off) | {"changed": moved[:50]},
        "gpu_prices": _spread(apart),
        "rows_dropped": found.dropped,
        "files": [s.to_dict() for s in found.sources],
    }


def _spread(off: list[float]) -> dict[str, Any]:
    if not off:
        return {"compared": 0, "median_relative_error": None, "p90_relative_error": None}
    return {
        "compared": len(off),
        "median_relative_error": float(np.median(off)),
        "p90_relative_error": float(np.quantile(off, 0.9)),
    }


def _read(paths: Sequence[Path], options: Options) -> _Found:
    out = _Found()
    for path in paths:
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
                out.offers += apis.price_table(path, table, options.columns, out.dropped)
        apis.check_units(len(out.offers), out.dropped, path)
        out.rows += count
        out.sources.append(reading.source(path, count))
    _choose(out, options)
    return out


def _choose(found: _Found, options: Options) -> None:
    """Keep what the settings ask for, and count the rest."""
    wanted = settings.several(options, "models")
    names = None if wanted is None else set(wanted)
    provider = options.settings.get("provider")
    if provider is not None and found.offers:
        _all_there({provider}, {offer.provider for offer in found.offers}, "provider")
    kept = [
        offer
        for offer in found.offers
        if (names is None or found.served or offer.model in names)
        and (provider is None or offer.provider == provider)
    ]
    if len(kept) < len(found.offers):
        found.dropped["not asked for"] = len(found.offers) - len(kept)
    if names is not None:
        found.served = [s for s in found.served if s.name in names]
        _all_there(names, {o.model for o in kept} | {s.name for s in found.served}, "models")
    found.offers = kept


def _models(found: _Found) -> list[dict[str, Any]]:
    """One record a model: served names where there is a proxy's config, else the list's."""
    listed = {offer.model: offer for offer in found.offers}
    if not found.served:
        return [
            {"model": o.model, "provider": o.provider, **o.prices, "rpm": o.rpm, "tpm": o.tpm}
            for o in listed.values()
        ]
    return [
        {"model": s.name, "provider": "", **apis.match(s, listed), "rpm": s.rpm, "tpm": s.tpm}
        for s in found.served
    ]


def _add_models(out: Calibration, models: list[dict[str, Any]], served: bool) -> None:
    if not models:
        return
    columns = ("model", "provider", *apis.PRICES, "rpm", "tpm")
    out.tables["models"] = pl.DataFrame(
        [{c: m.get(c) for c in columns} for m in models], infer_schema_length=None
    )
    bare = [m["model"] for m in models if "input" not in m or "output" not in m]
    if bare:
        out.notes.append(
            f"no price for {', '.join(bare[:8])}: give LiteLLM's price map beside the config"
        )
    priced = [m for m in models if m["model"] not in bare]
    if len(priced) > MOST:
        out.notes.append(
            f"{len(priced)} models have prices, a config holds {MOST}: all are in the table, none "
            "in the fragment; choose with `--option models='a|b'`"
        )
        return
    for model in priced:
        api = {
            to: rounded(1e6 * model[of]) for of, to in _FIELD.items() if model.get(of) is not None
        }
        about = {"method": "list price", "rows": 1}
        name = slug(model["model"])
        for to, value in api.items():
            out.parameters.append(Parameter(f"{name}.{to}", value, value, value, "USD/Mtok", about))
        caps = {"requests_per_minute": model["rpm"], "tokens_per_minute": model["tpm"]}
        api |= {to: value for to, value in caps.items() if value}
        out.fragment.setdefault("models", {})[name] = {"label": model["model"], "api": api}
    if not served and priced:
        out.notes.append("rate caps are set by contract; no price list has them")


def _gpu_prices(found: _Found, options: Options) -> list[gpus.Price]:
    if not found.gpus:
        return []
    node = settings.whole(options, "node", 8)
    spot = settings.choice(options, "spot", ("yes", "no"), "no") == "yes"
    every = gpus.prices(pl.concat(found.gpus), float(node), spot)
    wanted = settings.several(options, "gpus")
    if wanted is None:
        return every
    names = {name.casefold() for name in wanted}
    _all_there(names, {p.gpu.casefold() for p in every}, "gpus")
    return [p for p in every if p.gpu.casefold() in names]


def _all_there(wanted: set[str], there: set[str], setting: str) -> None:
    """Refuse a name that no price list has: nothing of it would be in the answer."""
    missing = wanted - there
    if missing:
        listed = ", ".join(shown(name) for name in sorted(missing)[:5])
        message = f"no price list has {listed}"
        hint = nearest(next(iter(sorted(missing))), sorted(there))
        raise DataError([Problem("CAL009", message, f"--option {setting}", hint=hint)])


def _add_gpus(out: Calibration, found: _Found, options: Options) -> None:
    prices = _gpu_prices(found, options)
    if not prices:
        return
    out.tables["gpus"] = pl.DataFrame([vars(p) for p in prices])
    for price in prices:
        name = gpu_name(price.gpu)
        about = {"method": f"cheapest offer ({price.provider})", "rows": price.offers}
        out.parameters.append(
            Parameter(
                f"{name}.price_usd_per_h", price.cheapest, price.low, price.high, "USD/h", about
            )
        )
        out.fragment.setdefault("gpus", {})[name] = {
            "price_usd_per_h": rounded(price.cheapest), "label": price.gpu,
        }  # fmt: skip
    out.notes.append("low and high of a GPU span all offers, of every size and provider")
