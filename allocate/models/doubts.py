"""What a config may say and hardly means: warnings, never errors."""

from __future__ import annotations

import math

from allocate.errors import Problem
from allocate.models.config import Config
from allocate.models.paths import KeyPath
from allocate.models.references import Problems, assets, inputs

PER_MTOK = (1e-3, 1e4)  # USD per million tokens: outside, it was a price of another number
DAY = 24.0
LIKE_A_DAY = (12.0, 36.0)  # hours that were meant to be a day's, and are not


def unusual_prices(config: Config) -> Problems:
    """Prices per million tokens that look like prices of one token, or of all tokens."""
    for name, model in config.models.items():
        if model.api is not None:
            for field in ("input", "cached_input", "output"):
                key = f"{field}_usd_per_mtok"
                at = ("models", name, "api", key)
                yield from _unusual(at, getattr(model.api, key))
    for at, asset in assets(config):
        for kind, made in inputs(asset):
            yield from _unusual((*at, kind, "price_usd_per_mtok"), made.price_usd_per_mtok)


def _unusual(path: KeyPath, price: float | None) -> Problems:
    low, high = PER_MTOK
    if not price or low <= price <= high:
        return
    message = f"`{path[-1]}` is {price:g} USD per million tokens, which no model is sold at"
    hint = "if it is right, leave it"
    if price < low:
        hint = f'if it is the price of one token, write {1e6 * price:.6g}, or "{price:g} USD/token"'
    yield Problem("CFG038", message, hint=hint, path=path, severity="warning")


def hours_of_a_day(config: Config) -> Problems:
    """Periods that are a day but for some hours: they are taken as shares."""
    hours = [period.hours for period in config.periods.values()]
    total = math.fsum(hours)
    low, high = LIKE_A_DAY
    if len(hours) < 2 or not low <= total <= high or abs(total - DAY) <= 1e-6 * DAY:
        return
    message = f"the hours of the periods sum to {total:g}, not 24"
    first = next(iter(config.periods))
    share = f"`{first}` is {hours[0]:g}/{total:g} of the time, {100 * hours[0] / total:.3g} %"
    hint = f"they are taken as shares: {share}; correct them if they are a day's"
    yield Problem("CFG039", message, hint=hint, path=("periods",), severity="warning")
