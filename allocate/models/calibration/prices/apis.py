"""Prices of models bought per token: LiteLLM's price map and the ``config.yaml`` of its proxy.

Formats: ``model_prices_and_context_window.json`` and docs.litellm.ai, proxy/configs. Of a
config only names, prices and rate caps are read: ``api_key``, ``api_base`` and every other
parameter are not looked at, and never reach a table, a message or a fragment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from allocate.errors import ConfigError, DataError, Problem
from allocate.models.calibration import mapping, reading
from allocate.models.calibration.cells import count, number
from allocate.models.calibration.reading import fail

FIELDS = {
    "model": "model",
    "provider": "who sells it",
    "mode": "chat, completion, responses, embedding, …",
    "input": "USD per input token",
    "output": "USD per output token",
    "cached_input": "USD per input token read from the provider's cache",
    "cache_write": "USD per input token written into it",
    "rpm": "requests per minute",
    "tpm": "tokens per minute",
}
ALIASES: dict[str, tuple[str, ...]] = {
    "model": ("model", "model_name"),
    "provider": ("provider", "litellm_provider"),
    "mode": ("mode",),
    "input": ("input_usd_per_token", "input_cost_per_token"),
    "output": ("output_usd_per_token", "output_cost_per_token"),
    "cached_input": ("cache_read_usd_per_token", "cache_read_input_token_cost"),
    "cache_write": ("cache_write_usd_per_token", "cache_creation_input_token_cost"),
    "rpm": ("rpm", "requests_per_minute"),
    "tpm": ("tpm", "tokens_per_minute"),
}
PRICES = ("input", "output", "cached_input", "cache_write")
TEXT_MODES = ("chat", "completion", "responses", "")
DEAR = 0.005
"""USD per token above which a price is a slip, or in another unit: 5,000 per million."""
SLIP = "more than 0.005 USD per token: a slip of the list"
HIGH = 200.0
"""USD per million output tokens: half of a list that is above it is in another unit."""

MAX_CONFIG = 1 << 23
"""Bytes of a proxy's config."""


@dataclass(frozen=True)
class Offer:
    """One model as sold: USD per token, and rate caps where the config has them."""

    model: str
    provider: str
    prices: dict[str, float]
    rpm: float | None = None
    tpm: float | None = None

    @property
    def sold(self) -> str:
        """The model with its provider before it, where that is known and not there already."""
        named = not self.provider or self.model.startswith(f"{self.provider}/")
        return self.model if named else f"{self.provider}/{self.model}"


def check_units(offers: Sequence[Offer], slips: int, path: Path) -> None:
    """Refuse a list whose prices are too high to be per token.

    Args:
        offers: of the file.
        slips: how many of its prices were left out as slips.
        path: the file.
    """
    per = "`--option per=1000` or `per=1e6`"
    hint = f"prices are USD per token here; of a table of prices per more tokens say {per}"
    if slips > len(offers):
        fail("CAL008", f"{slips} prices are above {DEAR:g} USD per token", path, 1, hint=hint)
    middle = 1e6 * median(offer.prices["output"] for offer in offers) if offers else 0.0
    if middle > HIGH:
        message = f"half of the output prices are above {middle:,.0f} USD per million tokens"
        fail("CAL008", message, path, 1, hint=f"{hint}; `per=1` takes them as they are")


def is_map(text: str) -> bool:
    """Whether a JSON text is a price map, by its beginning."""
    return '"input_cost_per_token"' in text and '"litellm_provider"' in text


def price_map(path: Path, dropped: dict[str, int]) -> tuple[list[Offer], int]:
    """Read a price map: offers, and how many models it holds; its example is none."""
    document = reading.read_json(path)
    if not isinstance(document, dict):
        fail("CAL006", "a price map is a mapping of models", path, 1, 1)
    out = []
    document.pop("sample_spec", None)
    for model, entry in document.items():
        if not isinstance(entry, dict):
            count(dropped, "not a record of prices")
            continue
        row = {
            field: next((entry[a] for a in names if a in entry), None)
            for field, names in ALIASES.items()
        }
        offer = _offer({**row, "model": model}, path, None, dropped)
        if offer is not None:
            out.append(offer)
    return out, len(document)


def price_table(
    path: Path, table: pl.DataFrame, given: Mapping[str, str], dropped: dict[str, int],
    per: float = 1.0,
) -> list[Offer]:  # fmt: skip
    """Read a table with a row a model, whose prices are for ``per`` tokens.

    Raises:
        DataError: a column is missing, or a cell is no price.
    """
    needed = ("model", "input", "output")
    columns = mapping.choose(table.columns, ALIASES, given, path, needed, FIELDS)
    out = []
    for line, row in enumerate(table.iter_rows(named=True), 2):
        cells = {f: row[c] for f, c in columns.items()}
        offer = _offer(cells, path, line, dropped, per)
        if offer is not None:
            out.append(offer)
    return out


def _offer(
    row: Mapping[str, Any], path: Path, line: int | None, dropped: dict[str, int], per: float = 1.0
) -> Offer | None:
    model = str(row.get("model") or "").strip()
    mode = str(row.get("mode") or "").strip().casefold()
    if not model or mode not in TEXT_MODES:
        count(dropped, "not a text model")
        return None
    prices = {}
    for name in PRICES:
        value = _price(row.get(name), name, path, line)
        if value is not None:
            prices[name] = value / per
    if "input" not in prices or "output" not in prices:
        count(dropped, "no price for input and output tokens")
        return None
    if prices["input"] == prices["output"] == 0:
        count(dropped, "price of 0: free or not known")
        return None
    if max(prices.values()) > DEAR:
        count(dropped, SLIP)
        return None
    caps = [_price(row.get(name), name, path, line) for name in ("rpm", "tpm")]
    return Offer(model, str(row.get("provider") or ""), prices, caps[0], caps[1])


def _price(value: Any, name: str, path: Path, line: int | None = None) -> float | None:
    return number(value, name, path, line, 0.0, "a price or a rate cap")


# --- LiteLLM's config.yaml --------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    """A name that the proxy serves: what stands behind it, and the caps of all of these."""

    name: str
    behind: tuple[str, ...]
    prices: dict[str, float]
    rpm: float | None
    tpm: float | None
    deployments: int = 1


def is_config(text: str) -> bool:
    """Whether a text is a proxy's config, by its beginning."""
    return "model_list:" in text and "litellm_params" in text


def config(path: Path, dropped: dict[str, int]) -> tuple[list[Served], int]:
    """Read a proxy's config: what it serves, and how many deployments it lists.

    Deployments of one name share its requests, so their caps add up; a name with a deployment
    that has no cap has none.
    """
    entries = _model_list(path)
    groups: dict[str, list[dict[str, Any]]] = {}
    for at, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("litellm_params"), dict):
            fail("CAL005", f"item {at + 1} of model_list has no litellm_params", path)
        name = entry.get("model_name")
        if not isinstance(name, str) or "*" in name:
            count(dropped, "a pattern of names, not a model")
            continue
        info = entry.get("model_info")
        told = {**(info if isinstance(info, dict) else {}), **entry["litellm_params"]}
        keep = {a for names in ALIASES.values() for a in names} | {"model", "base_model"}
        groups.setdefault(name, []).append({k: v for k, v in told.items() if k in keep})
    out = []
    for name, deployments in groups.items():
        behind = tuple(
            dict.fromkeys(
                str(d.get(k)) for d in deployments for k in ("base_model", "model") if d.get(k)
            )
        )
        prices = {}
        for field in PRICES:
            said = [
                p
                for d in deployments
                for a in ALIASES[field]
                if (p := _price(d.get(a), field, path)) is not None
            ]
            if said:
                prices[field] = max(said)
        caps = [_sum(deployments, cap, path) for cap in ("rpm", "tpm")]
        out.append(Served(name, behind, prices, caps[0], caps[1], len(deployments)))
    return out, len(entries)


def _sum(deployments: list[dict[str, Any]], cap: str, path: Path) -> float | None:
    values = [_price(d.get(cap), cap, path) for d in deployments]
    return None if None in values else float(sum(v for v in values if v is not None))


def _model_list(path: Path) -> list[Any]:
    from allocate.models.source import read_source

    with reading.open_bytes(path) as file:
        raw = file.read(MAX_CONFIG + 1)
    if len(raw) > MAX_CONFIG:
        fail("CAL004", f"the config is larger than {MAX_CONFIG >> 20} MiB", path)
    try:
        read = read_source(raw, str(path))
    except ConfigError as error:
        raise _without_lines(error, path) from None
    if read.problems and not read.data:
        raise _without_lines(ConfigError(read.problems), path)
    listed = read.data.get("model_list")
    if not isinstance(listed, list):
        fail("CAL005", "the config has no model_list", path, 1, 1)
    return listed


def _without_lines(error: ConfigError, path: Path) -> Exception:
    """Say a YAML fault without its line, which may hold a key."""
    first = error.problems[0]
    code = "CAL004" if first.code == "CFG003" else "CAL006"
    message = first.message.partition(":")[0] if "`" in first.message else first.message
    return DataError([Problem(code, message, str(path), first.line, first.column)])


def match(served: Served, offers: Mapping[str, Offer]) -> Offer | None:
    """The list price of what stands behind a served name, or None."""
    for name in (*served.behind, served.name):
        offer = offers.get(name) or offers.get(name.partition("/")[2])
        if offer is not None:
            return offer
    return None
