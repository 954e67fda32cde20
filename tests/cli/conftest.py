"""The command line in this process, with a solver that returns a fixed result."""

import copy
import difflib
import json
import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from allocate.cli.main import main

HERE = Path(__file__).parent
FIXTURE = json.loads((HERE / "fixtures" / "result_coding_agent.json").read_text("utf-8"))


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ALLOCATE_") or name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def result() -> dict[str, Any]:
    """A realistic result with every section filled; free to change."""
    return copy.deepcopy(FIXTURE)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return call


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]) -> dict[str, Any]:
    """Let ``solve`` answer with ``result`` whatever the config."""
    monkeypatch.setattr("allocate.cli.commands.solve.answer", lambda *a, **k: result)
    return result


@pytest.fixture
def solver(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Stand in for ``allocate.solver.solve``; a test gives it its ``solve``."""
    module = types.ModuleType("allocate.solver.solve")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with ``goldens/NAME``; ``--refresh-goldens`` rewrites it."""

    def compare(name: str, text: str) -> None:
        path = HERE / "goldens" / name
        if request.config.getoption("--refresh-goldens"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        wanted = path.read_text("utf-8")
        difference = difflib.unified_diff(
            wanted.splitlines(), text.splitlines(), str(path), "drawn", lineterm=""
        )
        assert text == wanted, "\n".join(difference)

    return compare
