"""A config file → a checked ``Config`` with its request classes.

Everything that is wrong is reported at once, each with its place in the file, or with the
``--set`` that caused it, and with something to try.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from allocate.errors import ConfigError, DataError, Problem
from allocate.models import include, messages, paths
from allocate.models.checks import check, check_table
from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.include import Included, read_included
from allocate.models.paths import KeyPath, PathError
from allocate.models.salvage import judged, salvage
from allocate.models.source import MAX_BYTES, Source, Spot, parse, read_bytes, read_source

STDIN = "-"
AT_KEY = {"CFG004", "CFG005", "CFG010", "CFG012"}  # codes that speak of a key


@dataclass(frozen=True)
class Loaded:
    """A config that passed every check."""

    config: Config
    classes: Classes
    path: Path | None
    """The file; None when the config came from Python."""
    sha256: str
    """Of the file, the overrides and the class table: equal inputs, equal hash."""
    positions: Mapping[KeyPath, Spot]
    """Where each value stands in the file."""
    base_dir: Path
    """Paths in the config are relative to this directory."""
    warnings: tuple[Problem, ...]
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The config's values as they were taken: pieces included, scenarios and overrides applied."""
    places: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Dotted path of a calibrated number → where it stands, as file:line:column."""

    @property
    def files(self) -> list[Path]:
        """Every file that was read: the config, what it includes, and its class table."""
        beside = [*self.config.include]
        if self.config.class_table is not None:
            beside.append(self.config.class_table.path)
        read = [] if self.path is None or str(self.path) == STDIN else [self.path]
        return [*read, *(self.base_dir / name for name in beside)]


@dataclass
class _Draft:
    """A config on its way: raw values, where they came from, what is wrong so far."""

    source: Source
    data: dict[str, Any]
    origins: dict[KeyPath, str | Spot | Included] = field(default_factory=dict)
    """Values that the file itself did not set: what to point at instead."""
    problems: list[Problem] = field(default_factory=list)

    def place(self, problem: Problem) -> Problem:
        """Say where a problem with a path stands."""
        path = problem.path
        if problem.file is not None:
            return problem
        if not self.source.file:
            message = f"{paths.dotted(path)}: {problem.message}" if path else problem.message
            return dataclasses.replace(problem, message=message)
        origin: str | Spot | Included | None = None
        length = 0
        for length in range(len(path), 0, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                break
        if isinstance(origin, Included):
            return origin.place(problem, path[length:], problem.code in AT_KEY)
        if isinstance(origin, str):
            return dataclasses.replace(problem, file=origin)
        found, spot = ((), origin) if origin else self.source.find(path)
        # A reference is text, so one that is not is made by a key.
        by_key = problem.code == "CFG020" and not isinstance(paths.value_at(self.data, path), str)
        at_key = by_key or problem.code in AT_KEY or found != path
        at = spot.key if at_key and not origin else spot.value
        placed = self.source.problem(problem.code, problem.message, at, problem.hint)
        return dataclasses.replace(placed, path=path, severity=problem.severity)

    def set(self, path: str, value: Any, origin: str | Spot) -> None:
        """Override the value at a dotted path."""
        try:
            keys = paths.resolve(path, self.data)
        except PathError as error:
            at = Problem("CFG012", str(error), hint=error.hint)
            if isinstance(origin, str):
                self.problems.append(dataclasses.replace(at, file=origin))
            else:
                found = self.source.problem(at.code, at.message, origin.key, at.hint)
                self.problems.append(found)
            return
        for made in [*paths.assign(self.data, keys, value), keys]:
            self.origins[made] = origin


def load(path: str | Path, overrides: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Loaded:
    """Read and check a config file.

    Args:
        path: the YAML file; ``-`` reads standard input, relative to the working directory.
        overrides: texts such as ``models.cheap.quality=0.8``, applied last and in order.
        scenarios: names under ``scenarios`` of the file, applied in order before them.

    Raises:
        ConfigError: with every problem that was found.
    """
    path = Path(path)
    if str(path) == STDIN:
        raw, name = sys.stdin.buffer.read(MAX_BYTES + 1), "<stdin>"
    else:
        raw, name = read_bytes(path, str(path)), str(path)
    source = read_source(raw, name)
    digest = hashlib.sha256(raw)
    return _build(source, path, path.parent, digest, overrides, scenarios)


def load_dict(
    data: Mapping[str, Any],
    base_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    scenarios: Sequence[str] = (),
) -> Loaded:
    """Check a config given as Python values; messages name dotted paths."""
    source = Source("", data=copy.deepcopy(dict(data)))
    digest = hashlib.sha256(repr(source.data).encode())
    base = Path(base_dir) if base_dir is not None else Path.cwd()
    return _build(source, None, base, digest, overrides, scenarios)


def _build(
    source: Source,
    path: Path | None,
    base_dir: Path,
    digest: hashlib._Hash,
    overrides: Sequence[str],
    scenarios: Sequence[str],
) -> Loaded:
    draft = _Draft(source, source.data, problems=list(source.problems))
    for given, raw, problems in read_included(draft.data, base_dir):
        draft.origins = {**given, **draft.origins}
        draft.problems += problems
        digest.update(raw)
    _apply_scenarios(draft, scenarios)
    _apply_overrides(draft, overrides)
    digest.update(repr([list(scenarios), list(overrides)]).encode())

    config, broken = _validate(draft)
    if config is None:
        raise ConfigError(_in_order(draft))
    found = check(config, draft.data)
    classes = None
    try:
        classes = Classes.build(config, base_dir)
    except DataError as error:
        found += error.problems
    if classes is not None and config.class_table is not None:
        found += check_table(config, classes, str(base_dir / config.class_table.path))
    found = [problem for problem in found if judged(problem, broken)]
    draft.problems += [draft.place(p) for p in found if p.severity == "error"]
    if draft.problems or classes is None:
        raise ConfigError(_in_order(draft))
    warnings = tuple(draft.place(p) for p in found if p.severity == "warning")
    if config.class_table is not None:
        with (base_dir / config.class_table.path).open("rb") as table:
            for block in iter(lambda: table.read(1 << 20), b""):
                digest.update(block)
    sha256 = digest.hexdigest()
    data = {key: value for key, value in draft.data.items() if key != include.KEY}
    places = {path: _place(draft, path) for path in config.calibrated}
    return Loaded(config, classes, path, sha256, source.spots, base_dir, warnings, data, places)


def _place(draft: _Draft, path: str) -> str:
    """Where the number at a dotted path stands, or what set it; the path itself without a file."""
    at = draft.place(Problem("CFG008", "", path=paths.resolve(path, draft.data)))
    parts = (at.file, at.line, at.column)
    return ":".join(str(part) for part in parts if part) or path


def _apply_scenarios(draft: _Draft, names: Sequence[str]) -> None:
    known = draft.data.get("scenarios")
    known = known if isinstance(known, dict) else {}
    for name in names:
        settings = known.get(name)
        if not isinstance(settings, dict):
            message = f"there is no scenario `{name}`"
            origin = f"--scenario {name}"
            hint = paths.nearest(name, known)
            if not known:
                message = f"this config has no scenarios, so none called `{name}`"
                hint = f"add `scenarios: {{{name}: {{dotted.path: value}}}}`"
            draft.problems.append(Problem("CFG014", message, origin, hint=hint))
            continue
        for path, value in settings.items():
            _, spot = draft.source.find(("scenarios", name, path))
            origin = spot if draft.source.file else f"scenario {name}"
            draft.set(path, copy.deepcopy(value), origin)


def _apply_overrides(draft: _Draft, overrides: Sequence[str]) -> None:
    for text in overrides:
        origin = f"--set {text}"
        path, equals, written = text.partition("=")
        if not equals or not path.strip():
            hint = "write it as `prices.risk_usd=50`"
            draft.problems.append(
                Problem("CFG013", "an override needs a path, `=` and a value", origin, hint=hint)
            )
            continue
        try:
            value = parse(written, Source(origin))
        except ConfigError:
            hint = "quote the value, as in --set 'name=\"a: b\"'"
            message = f"`{written}` is not a YAML value"
            draft.problems.append(Problem("CFG013", message, origin, hint=hint))
            continue
        draft.set(path.strip(), value, origin)


def _validate(draft: _Draft) -> tuple[Config | None, list[KeyPath]]:
    """Check the values against the schema.

    Where some are wrong, the rest is kept, so that one pass finds every problem. The paths
    that were replaced are returned: what later checks say of them means nothing.
    """
    try:
        return Config.model_validate(draft.data), []
    except ValidationError as error:
        problems = [messages.problem(detail, draft.data) for detail in error.errors()]
    draft.problems += [draft.place(problem) for problem in problems]
    data, broken = salvage(draft.data, [problem.path for problem in problems])
    try:
        return Config.model_validate(data), broken
    except ValidationError:
        return None, []


def _in_order(draft: _Draft) -> list[Problem]:
    """Order problems as a reader meets them: the file from top to bottom, then the rest."""
    main = draft.source.file or None
    # A scenario that is applied is checked twice: by itself, and in what it changed.
    unique = {(p.code, p.message, p.file, p.line, p.column): p for p in draft.problems}
    return sorted(unique.values(), key=lambda p: (p.file != main, p.line or 0, p.column or 0))
