"""Rows of what is done today from a result of ``solve``: every way that requests went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logit

from allocate.errors import DataError, Problem
from allocate.models import lanes as menus
from allocate.models.loader import Loaded
from allocate.solver.studies.baselines.observed_rows import KINDS, TEXTS, Row
from allocate.solver.studies.ground import Ground

_NAMES = 3  # of a kind, that a message shows
_AGAIN = "give the result of this config: allocate solve CONFIG --out result.json"
LaneAt = tuple[str, float]
"""A lane family, and its busy share."""


class Went(NamedTuple):
    """One way of a result: exactly what served a share of a class; None where nothing owned did."""

    way: str
    lane: LaneAt | None
    prefill: LaneAt | None
    retention_s: float
    shared_prefix: bool
    served_in: str | None

    @property
    def lanes(self) -> list[LaneAt]:
        """Lanes that it runs on."""
        return [lane for lane in (self.lane, self.prefill) if lane is not None]

    def arms(self, ground: Ground, period: int) -> np.ndarray:
        """[A] arms that are this way, for requests that arrive in a period.

        Of a lane's speeds the nearest: a config that lists its speeds may have others now.
        """
        labels = [a.labels for a in ground.stream.arms]
        fine = np.array([x["way"] == self.way for x in labels])
        moments = ground.built.moments
        for i in np.flatnonzero(fine):
            x, step = labels[i], labels[i].get("defer") or 0
            then = ground.built.periods[moments.later(period, step)] if step else None
            fine[i] = then == self.served_in
            if self.lane is not None:
                kept = (x.get("retention_s") or 0.0, bool(x.get("shared_prefix")))
                fine[i] &= kept == (self.retention_s, self.shared_prefix)
        for role, lane in (("tier", self.lane), ("prefill", self.prefill)):
            fine &= _on(ground, role, lane, fine)
        return fine


def _on(ground: Ground, role: str, lane: LaneAt | None, fine: np.ndarray) -> np.ndarray:
    """[A] arms on a lane, at the speed nearest to its own among those that are ``fine``."""
    tiers = {t.name: t for t in ground.built.tiers}
    own = [tiers.get(a.labels.get(role) or "") for a in ground.stream.arms]
    if lane is None:
        return np.array([t is None for t in own])
    mine = np.array([t is not None and t.family == lane[0] for t in own])
    if not (mine & fine).any():
        return np.zeros(len(own), bool)
    busy = np.array([0.5 if t is None else t.utilisation for t in own])
    far = np.where(mine & fine, np.abs(logit(busy) - logit(lane[1])), np.inf)
    return far <= far.min() + 1e-9


def result_rows(path: Path, loaded: Loaded) -> Iterator[Row]:
    """Rows of a result document, each with the way that it ``went``; its whole replicas, training.

    Raises:
        DataError: it cannot be read, or is no result.
    """
    from allocate.solver.result import read_result

    result = read_result(path)
    layers = result["layers"]
    if not _told_in_full(layers):
        message = f"`{path}` is of an older allocate, which did not say every way that requests go"
        raise DataError([Problem("OBS001", message, file=str(path), hint=_AGAIN)])
    busy = {lane["lane"]: lane["speed_utilisation"] for lane in layers["serving"]}
    of = menus.deployments(loaded.config)
    whole: dict[tuple[str, str | None], float] = {}
    for lane in layers["serving"]:
        family = menus.family_of(lane["lane"])
        name = of.get(family, family)  # one that the config has not is said by its name
        if name not in loaded.config.deployments or result.get("whole_replicas"):
            at = name, lane.get("period")
            whole[at] = whole.get(at, 0.0) + lane["replicas"]
    for (name, period), count in whole.items():
        yield None, {"deployment": name, "period": period, "replicas": count}
    for r in layers["router"]:
        for way in r["ways"]:
            share = r["share"] * way["requests_per_s"] / r["requests_per_s"]
            tokens = {f"tokens_{u}": t for u, t in way["tokens"].items()}
            row = {k: r.get(k) for k in ("class", "period", "model", "autonomy")}
            yield None, row | {"share": share, "went": _went(way, busy)} | tokens
    for r in layers["training"]:
        amounts = {f"{k}_tokens": r.get(f"{k}_tokens") for k in KINDS}
        yield None, {"asset": r["asset"], "staleness": r.get("staleness"), **amounts}


def _told_in_full(layers: Mapping[str, Any]) -> bool:
    """Whether a result has what was added to its form later, and is needed here."""
    lanes, lines = layers["serving"], layers["router"]
    return all(lane.get("speed_utilisation") is not None for lane in lanes) and all(
        line.get("ways") is not None for line in lines
    )


def of_another_config(
    path: Path, rows: Iterable[Row], names: Mapping[str, Mapping[str, None]]
) -> Problem | None:
    """Tell once that a result speaks of what the config has not, rather than row by row.

    Its digest is no sign of that: a config whose numbers have changed may be asked of the same
    result. ``names`` are what the config has, by kind.
    """
    strange: dict[str, dict[str, None]] = {}
    for _, row in rows:
        for kind in TEXTS:
            if row.get(kind) is not None and str(row[kind]) not in names[kind]:
                strange.setdefault(kind, {})[str(row[kind])] = None
    if not strange:
        return None
    lacks = ", ".join(
        _lacking(kind, list(found)) for kind, found in sorted(strange.items(), key=_order)
    )
    message = f"`{path}` is a result of another config: this one has no {lacks}"
    hint = f"{_AGAIN}, with the same --set and --scenario"
    return Problem("OBS001", message, file=str(path), hint=hint)


def _order(kind: tuple[str, Any]) -> int:
    return TEXTS.index(kind[0])


def _lacking(kind: str, names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_NAMES])
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return f"{kind} {shown}{more}"


def _went(way: Mapping[str, Any], busy: Mapping[str, float]) -> Went:
    def at(lane: str | None) -> LaneAt | None:
        return None if lane is None else (menus.family_of(lane), float(busy[lane]))

    return Went(
        way["way"],
        at(way["lane"]),
        at(way["prefill"]),
        float(way["retention_s"] or 0.0),
        bool(way["shared_prefix"]),
        way.get("served_in"),
    )
