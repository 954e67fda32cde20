"""Reads what is done today: a table of the user's own logs, or a result of ``solve``.

One row says one thing; a cell that is empty is not known, and never read as zero.

    row of           columns
    a class          class, model, autonomy, share (of its arrivals) or requests_per_s, period;
                     tokens_<use>, deployment, utilisation or tpot_ms, retention_s where known
    a lane           deployment, utilisation or tpot_ms, replicas, period (no class)
    an asset         asset, rollout_tokens, verifier_tokens, update_tokens, per hour; staleness
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
from allocate.models.moments import Moments
from allocate.models.paths import nearest
from allocate.solver.studies.baselines.observed_result import (
    Went,
    of_another_config,
    result_rows,
)
from allocate.solver.studies.baselines.observed_rows import (
    KINDS,
    TEXTS,
    Cells,
    table_rows,
)
from allocate.solver.studies.baselines.observed_sums import ROUNDED, covers, too_much

LaneIn = tuple[str, str | None]
"""A deployment in a period, or in all of them."""


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
    went: Went | None = None


def _at(table: Mapping[LaneIn, float], name: str, moment: str) -> float | None:
    """What is told of a lane at a moment, of its period in any scenario, or of all of them."""
    told = [value for (n, p), value in table.items() if n == name and p and covers(p, moment)]
    return table.get((name, moment), told[0] if told else table.get((name, None)))


@dataclass(frozen=True)
class Observed:
    """All rows.

    Attributes:
        path: the file.
        sent: requests, row by row.
        lanes: busy share of a deployment's replicas.
        replicas: how many of them run, mean over the period.
        training: training tokens per hour, by asset and kind of input.
        staleness: versions behind, mean of an asset's rollouts.
    """

    path: str
    sent: tuple[Sent, ...]
    lanes: Mapping[LaneIn, float] = field(default_factory=dict)
    replicas: Mapping[LaneIn, float] = field(default_factory=dict)
    training: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    staleness: Mapping[str, float] = field(default_factory=dict)

    def busy(self, deployment: str | None, period: str) -> float | None:
        """Busy share of a deployment in a period, as far as it is known."""
        return _at(self.lanes, deployment or "", period)

    def running(self, deployment: str, period: str) -> float | None:
        """Replicas of a deployment that run in a period, as far as it is known."""
        return _at(self.replicas, deployment, period)

    def speeds(self, config: Config) -> dict[str, list[float]]:
        """Utilisations that the rows name, by lane family, where the config lets them be any."""
        out: dict[str, list[float]] = {}
        for family, busy in (lane for s in self.sent if s.went for lane in s.went.lanes):
            out.setdefault(family, []).append(busy)
        named = [(name, busy) for (name, _), busy in self.lanes.items()]
        for name, busy in [*named, *((s.deployment, s.utilisation) for s in self.sent)]:
            d = config.deployments.get(name or "")
            if d is None or busy is None or d.tpot_ms is not None or d.utilisations is not None:
                continue
            out.setdefault(name or "", []).append(round(busy, 9))
        return {name: sorted(set(busy)) for name, busy in out.items()}


def read_observed(path: str | Path, loaded: Loaded) -> Observed:
    """Read a table (.csv, .csv.gz, .parquet) or a result of ``solve`` (.json).

    Raises:
        DataError: with every problem, by line and column.
    """
    path = Path(path)
    reader = _Reader(path, loaded)
    if path.suffix == ".json":
        rows = list(result_rows(path, loaded))
        if (other := of_another_config(path, rows, reader.names)) is not None:
            raise DataError([other])
    else:
        rows = table_rows(path, list(loaded.config.token_uses))
    for line, row in rows:
        reader.take(line, row)
    for sent, message in too_much(reader.sent, Moments.of(loaded.config).names):
        reader.say(sent.line or None, "share", message, "let them sum to 1, or to less")
    if not reader.sent and not reader.problems and path.suffix != ".json":
        reader.say(None, None, "no row has a class", "name the class, model and share", "OBS001")
    if reader.problems:
        raise DataError(reader.problems)
    return Observed(
        str(path),
        tuple(reader.sent),
        reader.lanes,
        reader.replicas,
        reader.training,
        reader.staleness,
    )


@dataclass
class _Reader:
    path: Path
    loaded: Loaded
    problems: list[Problem] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    lanes: dict[LaneIn, float] = field(default_factory=dict)
    replicas: dict[LaneIn, float] = field(default_factory=dict)
    training: dict[str, dict[str, float]] = field(default_factory=dict)
    staleness: dict[str, float] = field(default_factory=dict)

    @cached_property
    def _cells(self) -> Cells:
        return Cells(self.path)

    @cached_property
    def names(self) -> dict[str, dict[str, None]]:
        """What the config has of every kind, in its order."""
        config = self.loaded.config
        assets = config.training.assets if config.training is not None else {}
        known = {
            "class": self.loaded.classes.names,
            "period": (*config.periods, *Moments.of(config).names),
            "model": config.models,
            "autonomy": config.autonomy,
            "deployment": config.deployments,
            "asset": assets,
        }
        return {what: dict.fromkeys(map(str, names)) for what, names in known.items()}

    def say(
        self,
        line: int | None,
        column: str | None,
        message: str,
        hint: str | None = None,
        code: str = "OBS003",
    ) -> None:
        """Keep a problem of a cell, or of a row."""
        place = self._cells.place(line, column)
        self.problems.append(Problem(code, message, file=str(self.path), hint=hint, **place))

    def take(self, line: int | None, row: dict[str, Any]) -> None:
        """Put one row where it belongs."""
        texts = {k: _text(row.get(k)) for k in TEXTS}
        numbers = {k: self._number(line, k, row[k]) for k in row if k not in (*TEXTS, "went")}
        for what, name in texts.items():
            self._known(line, what, name)
        self._placed(line, texts, numbers)
        busy = self._busy(line, texts["deployment"], numbers)
        if texts["class"] is not None:
            self._request(line, texts, numbers, busy, row.get("went"))
        elif texts["asset"] is not None:
            given = {k: numbers.get(f"{k}_tokens") for k in KINDS}
            if set(given.values()) == {None} and line is not None:
                hint = "give rollout_tokens, verifier_tokens or update_tokens; 0 where it has none"
                self.say(
                    line, "asset", f"nothing is said of the tokens of `{texts['asset']}`", hint
                )
            self.training[texts["asset"]] = {k: t for k, t in given.items() if t is not None}
            if (age := numbers.get("staleness")) is not None:
                self.staleness[texts["asset"]] = age
        elif texts["deployment"] is not None:
            lane = texts["deployment"], texts["period"]
            if busy is not None:
                self.lanes[lane] = busy
            if (count := numbers.get("replicas")) is not None:
                self.replicas[lane] = count

    def _request(
        self,
        line: int | None,
        texts: Mapping[str, str | None],
        numbers: Mapping[str, float | None],
        busy: float | None,
        went: Went | None,
    ) -> None:
        tokens = {u: numbers.get(f"tokens_{u}") for u in self.loaded.config.token_uses}
        share = numbers.get("share")
        if share is not None and share > 1.0 + ROUNDED:
            self.say(line, "share", f"share is {share:g}, more than all of the class")
        self.sent.append(
            Sent(
                name=texts["class"] or "",
                period=texts["period"],
                model=texts["model"],
                autonomy=texts["autonomy"],
                share=share,
                requests_per_s=numbers.get("requests_per_s"),
                tokens={u: t for u, t in tokens.items() if t is not None},
                deployment=texts["deployment"],
                utilisation=busy,
                retention_s=numbers.get("retention_s"),
                line=line or 0,
                went=went,
            )
        )

    def _placed(
        self,
        line: int | None,
        texts: Mapping[str, str | None],
        numbers: Mapping[str, float | None],
    ) -> None:
        """Say what stands in a row to which it does not belong."""
        if texts["class"] is not None and texts["asset"] is not None:
            self.say(line, "asset", "a row is of a class or of an asset, not of both")
        if texts["class"] is not None and numbers.get("replicas") is not None:
            hint = "give the replicas in a row of their own, with the deployment and no class"
            self.say(line, "replicas", "replicas are of a lane, not of a class", hint)
        if texts["asset"] is None and numbers.get("staleness") is not None:
            self.say(line, "staleness", "staleness is of an asset's rollouts", "name the asset")
        some = [*texts.values(), *numbers.values()]
        of = (texts["class"], texts["deployment"], texts["asset"])
        if of == (None, None, None) and any(cell is not None for cell in some):
            hint = "name a class, a deployment or an asset"
            self.say(line, None, "the row does not say of what it is", hint)

    def _busy(self, line: int | None, name: str | None, row: Mapping[str, Any]) -> float | None:
        """Busy share of a lane, as given or from its time per token."""
        busy, tpot = row.get("utilisation"), row.get("tpot_ms")
        if busy is None and tpot is not None and name in self.loaded.config.deployments:
            lane = menus.lanes(name, self.loaded.config.deployments[name])[name]
            busy = float(lane.utilisation(tpot / 1e3)) if tpot > 0 else 0.0
            if not 0.0 < busy < 1.0:
                hint = f"it takes {1e3 * lane.alpha:g} ms when idle, and longer in use"
                self.say(line, "tpot_ms", f"`{name}` cannot take {tpot:g} ms a token", hint)
                return None
        elif busy is not None and not 0.0 < busy < 1.0:
            of_100 = 1.0 < busy < 100.0
            hint = f"write {busy / 100:g} for {busy:g} %" if of_100 else "give a share of one"
            message = f"utilisation is {busy:g}, and has to be more than 0 and less than 1"
            self.say(line, "utilisation", message, hint)
            return None
        return busy

    def _number(self, line: int | None, name: str, cell: Any) -> float | None:
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return None
        try:
            value = float(cell)
        except (TypeError, ValueError):
            hint = "leave unknown cells empty"
            self.say(line, name, f"{name} is `{cell}`, not a number", hint)
            return None
        if not math.isfinite(value) or value < 0:
            self.say(line, name, f"{name} is {value:g}", "it has to be 0 or more")
            return None
        return value

    def _known(self, line: int | None, what: str, name: str | None) -> None:
        if name is not None and name not in self.names[what]:
            message = f"there is no {what} `{name}` in the config"
            self.say(line, what, message, nearest(name, self.names[what]))


def _text(cell: Any) -> str | None:
    text = "" if cell is None else str(cell).strip()
    return text or None


def by_class(observed: Observed) -> Iterator[tuple[str, list[Sent]]]:
    """Rows of each class together."""
    found: dict[str, list[Sent]] = {}
    for row in observed.sent:
        found.setdefault(row.name, []).append(row)
    yield from found.items()
