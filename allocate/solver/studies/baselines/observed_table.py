"""Reads what is done today: a table of the user's own logs, or a result of ``solve``.

One row says one thing; a cell that is empty is not known, and never read as zero.

    row of           columns
    a class          class, model, autonomy, share (of its arrivals) or requests_per_s, period;
                     tokens_<use>, deployment, utilisation or tpot_ms, retention_s where known
    a lane           deployment, utilisation or tpot_ms (no class)
    an asset         asset, rollout_tokens, verifier_tokens, update_tokens, per hour
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from allocate.errors import DataError, Problem
from allocate.models import lanes as menus
from allocate.models.config import Config
from allocate.models.loader import Loaded
from allocate.models.paths import nearest

KINDS = ("rollout", "verifier", "update")
_TEXTS = ("class", "period", "model", "autonomy", "deployment", "asset")
_NUMBERS = ("share", "requests_per_s", "utilisation", "tpot_ms", "retention_s", "replicas")


@dataclass(frozen=True)
class Sent:
    """A share of a class that goes one way; None where the table does not say."""

    name: str
    period: str | None
    model: str | None
    autonomy: str | None
    share: float | None
    requests_per_s: float | None
    tokens: Mapping[str, float]
    deployment: str | None
    utilisation: float | None
    retention_s: float | None
    line: int


@dataclass(frozen=True)
class Observed:
    """All rows: requests, busy share by deployment, training tokens per hour by asset."""

    path: str
    sent: tuple[Sent, ...]
    lanes: Mapping[str, float]
    training: Mapping[str, Mapping[str, float]]

    def speeds(self, config: Config) -> dict[str, list[float]]:
        """Utilisations that the rows name, by lane family, where the config lets them be any."""
        out: dict[str, list[float]] = {}
        named = [*self.lanes.items(), *((s.deployment, s.utilisation) for s in self.sent)]
        for name, busy in named:
            d = config.deployments.get(name or "")
            if d is None or busy is None or d.tpot_ms is not None or d.utilisations is not None:
                continue
            out.setdefault(name or "", []).append(round(busy, 9))
        return {name: sorted(set(busy)) for name, busy in out.items()}


def read_observed(path: str | Path, loaded: Loaded) -> Observed:
    """Read a table (.csv, .csv.gz, .parquet) or a result of ``solve`` (.json).

    Raises:
        DataError: with every problem, by line.
    """
    path = Path(path)
    rows = _result_rows(path, loaded) if path.suffix == ".json" else _table_rows(path, loaded)
    reader = _Reader(str(path), loaded)
    sent: list[Sent] = []
    lanes: dict[str, float] = {}
    training: dict[str, dict[str, float]] = {}
    for line, row in rows:
        reader.take(line, row, sent, lanes, training)
    if not sent and not reader.problems:
        reader.say(None, "OBS001", "no row has a class", "name the class, model and share")
    if reader.problems:
        raise DataError(reader.problems)
    return Observed(str(path), tuple(sent), lanes, training)


Row = tuple[int | None, dict[str, Any]]


def _table_rows(path: Path, loaded: Loaded) -> list[Row]:
    import polars as pl

    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
        elif path.name.endswith((".csv", ".csv.gz")):
            frame = pl.read_csv(path, infer_schema=False)
        else:
            _refuse(path, "it is not a .csv, .csv.gz, .parquet or .json file")
    except FileNotFoundError:
        _refuse(path, "there is no such file")
    except (pl.exceptions.PolarsError, OSError, UnicodeError) as error:
        _refuse(path, str(error).partition("\n")[0])
    uses = [f"tokens_{u}" for u in loaded.config.token_uses]
    known = [*_TEXTS, *_NUMBERS, *uses, *(f"{k}_tokens" for k in KINDS)]
    strange = [c for c in frame.columns if c not in known]
    if strange:
        problems = []
        for column in strange:
            near = nearest(column, known)
            message = f"`{column}` is not a column of a table of what is done today"
            problems.append(Problem("OBS002", message, file=str(path), line=1, hint=near))
        raise DataError(problems)
    return [(n + 2, row) for n, row in enumerate(frame.iter_rows(named=True))]


def _refuse(path: Path, why: str) -> None:
    hint = "give a .csv, .csv.gz or .parquet table, or a .json result of `allocate solve`"
    raise DataError([Problem("OBS001", f"cannot read `{path}`: {why}", file=str(path), hint=hint)])


def _result_rows(path: Path, loaded: Loaded) -> list[Row]:
    """Rows of a result document: its own speeds, tokens and training."""
    from allocate.solver.result import read_result

    layers = read_result(path)["layers"]
    spent = {
        (r["class"], r.get("period"), r["model"], r["autonomy"]): r for r in layers["autonomy"]
    }
    rows: list[Row] = []
    of = menus.deployments(loaded.config)
    for lane in layers["serving"]:
        name = of.get(menus.family_of(lane["lane"]))
        if lane.get("tpot_ms") is not None and name is not None:
            rows.append((None, {"deployment": name, "tpot_ms": lane["tpot_ms"]}))
    for r in layers["router"]:
        if r["autonomy"] == "declined":
            continue
        row = {k: r.get(k) for k in ("class", "period", "model", "autonomy", "share")}
        own = [menus.family_of(lane) for lane in r.get("lanes") or ()]
        if own:
            name = of.get(own[0], own[0])  # one that the config has not is said by its name
            row |= {"deployment": name, "retention_s": r.get("retention_s")}
        tokens = spent.get((r["class"], r.get("period"), r["model"], r["autonomy"]), {})
        rows.append((None, row | {f"tokens_{u}": t for u, t in tokens.get("tokens", {}).items()}))
    for r in layers["training"]:
        amounts = {f"{k}_tokens": r.get(f"{k}_tokens") for k in KINDS}
        rows.append((None, {"asset": r["asset"], **amounts}))
    return rows


@dataclass
class _Reader:
    path: str
    loaded: Loaded
    problems: list[Problem] = field(default_factory=list)

    @cached_property
    def _names(self) -> dict[str, dict[str, None]]:
        """What the config has of every kind, in its order."""
        config = self.loaded.config
        assets = config.training.assets if config.training is not None else {}
        known = {
            "class": self.loaded.classes.names,
            "period": config.periods,
            "model": config.models,
            "autonomy": config.autonomy,
            "deployment": config.deployments,
            "asset": assets,
        }
        return {what: dict.fromkeys(map(str, names)) for what, names in known.items()}

    def say(self, line: int | None, code: str, message: str, hint: str | None = None) -> None:
        """Keep a problem."""
        self.problems.append(Problem(code, message, file=self.path, line=line, hint=hint))

    def take(
        self,
        line: int | None,
        row: dict[str, Any],
        sent: list[Sent],
        lanes: dict[str, float],
        training: dict[str, dict[str, float]],
    ) -> None:
        """Put one row where it belongs."""
        texts = {k: _text(row.get(k)) for k in _TEXTS}
        numbers = {k: self._number(line, k, row.get(k)) for k in row if k not in _TEXTS}
        for what in ("period", "model", "autonomy", "deployment"):
            self._known(line, what, texts[what])
        busy = self._busy(line, texts["deployment"], numbers)
        if texts["class"] is not None:
            self._known(line, "class", texts["class"])
            tokens = {u: numbers.get(f"tokens_{u}") for u in self.loaded.config.token_uses}
            share = numbers.get("share")
            if share is not None and share > 1 + 1e-9:
                self.say(line, "OBS003", f"share is {share:g}, more than all of the class")
            sent.append(
                Sent(
                    texts["class"],
                    texts["period"],
                    texts["model"],
                    texts["autonomy"],
                    share,
                    numbers.get("requests_per_s"),
                    {u: t for u, t in tokens.items() if t is not None},
                    texts["deployment"],
                    busy,
                    numbers.get("retention_s"),
                    line or 0,
                )
            )
        elif texts["asset"] is not None:
            self._known(line, "asset", texts["asset"])
            given = {k: numbers.get(f"{k}_tokens") for k in KINDS}
            training[texts["asset"]] = {k: t for k, t in given.items() if t is not None}
        elif texts["deployment"] is not None and busy is not None:
            lanes[texts["deployment"]] = busy

    def _busy(self, line: int | None, name: str | None, row: Mapping[str, Any]) -> float | None:
        """Busy share of a lane, as given or from its time per token."""
        busy, tpot = row.get("utilisation"), row.get("tpot_ms")
        if busy is None and tpot is not None and name in self.loaded.config.deployments:
            lane = menus.lanes(name, self.loaded.config.deployments[name])[name]
            busy = float(lane.utilisation(tpot / 1e3)) if tpot > 0 else 0.0
        if busy is not None and not 0.0 < busy < 1.0:
            self.say(line, "OBS003", f"a lane cannot be {100 * busy:.3g} % busy", "0 < busy < 1")
            return None
        return busy

    def _number(self, line: int | None, name: str, cell: Any) -> float | None:
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return None
        try:
            value = float(cell)
        except (TypeError, ValueError):
            self.say(
                line, "OBS003", f"{name} is `{cell}`, not a number", "leave unknown cells empty"
            )
            return None
        if not math.isfinite(value) or value < 0:
            self.say(line, "OBS003", f"{name} is {value:g}", "it has to be 0 or more")
            return None
        return value

    def _known(self, line: int | None, what: str, name: str | None) -> None:
        if name is not None and name not in self._names[what]:
            message = f"there is no {what} `{name}` in the config"
            self.say(line, "OBS003", message, nearest(name, list(self._names[what])))


def _text(cell: Any) -> str | None:
    text = "" if cell is None else str(cell).strip()
    return text or None


def by_class(observed: Observed) -> Iterator[tuple[str, list[Sent]]]:
    """Rows of each class together."""
    found: dict[str, list[Sent]] = {}
    for row in observed.sent:
        found.setdefault(row.name, []).append(row)
    yield from found.items()
