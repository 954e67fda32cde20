"""What price lists hold, before it is fitted into a config: offers, names served, GPUs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from allocate.errors import DataError, Problem
from allocate.models.calibration import cells, settings
from allocate.models.calibration.naming import gpu_name, shown
from allocate.models.calibration.prices import apis, gpus
from allocate.models.calibration.result import Options, Source
from allocate.models.paths import nearest

NOT_ASKED = "not asked for"
TWICE = "named again: the last price counts"
UNUSED = "behind no name that the config serves"


@dataclass
class Found:
    """Everything that was read; ``rows`` are those of all files, ``dropped`` counts by reason."""

    offers: list[apis.Offer] = field(default_factory=list)
    served: list[apis.Served] = field(default_factory=list)
    gpus: list[pl.DataFrame] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    rows: int = 0

    def drop(self, reason: str, count: int) -> None:
        """Count rows that are not used."""
        cells.count(self.dropped, reason, count)


def choose(found: Found, options: Options) -> None:
    """Keep what the settings ask for, each model of a provider once, and count the rest."""
    wanted = settings.several(options, "models")
    names = None if wanted is None else set(wanted)
    provider = options.settings.get("provider")
    if provider is not None and found.offers:
        _all_there({provider}, {offer.provider for offer in found.offers}, "provider")
    kept = [
        offer
        for offer in found.offers
        if (names is None or found.served or names & {offer.model, offer.sold})
        and (provider is None or offer.provider == provider)
    ]
    found.drop(NOT_ASKED, len(found.offers) - len(kept))
    if names is not None:
        served = {s.name for s in found.served}
        there = {name for o in kept for name in (o.model, o.sold)} | served
        every = {name for o in found.offers for name in (o.model, o.sold)} | served
        _all_there(names, there, "models", every)
        left = [s for s in found.served if s.name not in names]
        found.drop(NOT_ASKED, sum(s.deployments for s in left))
        found.served = [s for s in found.served if s.name in names]
    last = {(offer.model, offer.provider): offer for offer in kept}
    found.drop(TWICE, len(kept) - len(last))
    found.offers = list(last.values())


def models(found: Found) -> list[dict[str, Any]]:
    """One record a model: served names where there is a proxy's config, else the list's.

    ``model`` is what tells it apart: with its provider before it where several sell it.
    """
    if not found.served:
        sellers = Counter(offer.model for offer in found.offers)
        return [
            {"model": o.sold if sellers[o.model] > 1 else o.model, "provider": o.provider,
             **o.prices, "rpm": o.rpm, "tpm": o.tpm}
            for o in found.offers
        ]  # fmt: skip
    listed = {o.model: o for o in found.offers} | {o.sold: o for o in found.offers}
    out, used = [], set()
    for s in found.served:
        offer = apis.match(s, listed)
        prices = s.prices if offer is None else offer.prices | s.prices
        used |= set() if offer is None else {(offer.model, offer.provider)}
        out.append({"model": s.name, "provider": "", **prices, "rpm": s.rpm, "tpm": s.tpm})
    found.drop(UNUSED, len(found.offers) - len(used))
    found.offers = [o for o in found.offers if (o.model, o.provider) in used]
    return out


def gpu_prices(found: Found, options: Options) -> list[gpus.Price]:
    """The price of each GPU type that is asked for; offers that say none are counted."""
    if not found.gpus:
        return []
    node = settings.whole(options, "node", 8)
    spot = settings.choice(options, "spot", ("yes", "no"), "no") == "yes"
    offers = pl.concat(found.gpus)
    every = gpus.prices(offers, float(node), spot)
    bare = offers.height - sum(price.offers for price in every)
    found.drop("no spot price" if spot else "no price on demand", bare)
    wanted = settings.several(options, "gpus")
    if wanted is None:
        return every
    names = {gpu_name(name): name for name in wanted}
    _all_there(set(names), {price.name for price in every}, "gpus")
    kept = [price for price in every if price.name in names]
    found.drop(NOT_ASKED, sum(p.offers for p in every) - sum(p.offers for p in kept))
    return kept


def _all_there(
    wanted: set[str], there: set[str], setting: str, every: set[str] | None = None
) -> None:
    """Refuse a name that no price list has: nothing of it would be in the answer.

    Args:
        wanted: names that are asked for.
        there: those that can be had.
        setting: which asks.
        every: those that the lists hold, of other providers too.
    """
    missing = sorted(wanted - there)
    if missing:
        listed = ", ".join(shown(name) for name in missing[:5])
        message = f"no price list has {listed}"
        hint = nearest(missing[0], sorted(every or there))
        if every and missing[0] in every:
            hint = "it is of another provider: leave out `--option provider=`"
        raise DataError([Problem("CAL009", message, f"--option {setting}", hint=hint)])
