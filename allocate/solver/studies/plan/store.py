"""Finished points of a sweep on disk: one file a point, written whole, never computed again.

A file is named by what it answers: the config (its text, tables, overrides), how it is solved,
and the values that were set. So one folder serves many sweeps, and a sweep that was killed goes
on where it was, with the points that any earlier sweep has in common with it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allocate.files import write_whole
from allocate.solver.studies.plan.case import Changes, PlanError

_FORMAT = 1


@dataclass(frozen=True)
class Store:
    """A folder of finished points of one question; ``question`` tells it from all others."""

    folder: Path
    question: str

    @classmethod
    def open(cls, folder: Path, question: Mapping[str, Any]) -> Store:
        """Make the folder if it is not there.

        Raises:
            PlanError: it cannot be made or written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = error.strerror or str(error)
            raise PlanError(f"--store {folder} cannot be used: {why}; name a folder") from error
        if not os.access(folder, os.W_OK):
            raise PlanError(f"--store {folder} cannot be written: no permission")
        return cls(folder, json.dumps(dict(question), sort_keys=True, default=str))

    def path(self, changes: Changes) -> Path:
        """Where the point at some values stands."""
        asked = json.dumps([_FORMAT, self.question, changes], sort_keys=True)
        return self.folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.json"

    def read(self, changes: Changes) -> dict[str, Any] | None:
        """The point at some values; None if it is not there, or is not whole."""
        try:
            point = json.loads(self.path(changes).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        whole = isinstance(point, dict) and point.get("set") == dict(changes) and "status" in point
        return point if whole else None

    def write(self, changes: Changes, point: Mapping[str, Any]) -> None:
        """Keep a point: beside its place first, then renamed, so that no reader sees half of it.

        Raises:
            PlanError: it cannot be written.
        """
        try:
            write_whole(self.path(changes), json.dumps(point, ensure_ascii=False, allow_nan=False))
        except OSError as error:
            why = error.strerror or str(error)
            raise PlanError(f"a finished point cannot be kept in {self.folder}: {why}") from error
