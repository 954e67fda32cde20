"""`python examples/data/rebuild.py NAME` writes the derived numbers back, and nothing else."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load() -> Any:
    path = EXAMPLES / "data" / "rebuild.py"
    spec = importlib.util.spec_from_file_location("rebuild", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REBUILD = load()


@pytest.mark.parametrize("name", ["coding_agent", "fleet"])
def test_spoilt_numbers_come_back(name: str) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    values = REBUILD.derive.derive(name)
    assert REBUILD.rebuilt(text, values) == text
    head, assumed = text.split("\nassumed:")
    field = re.compile(r"(alpha_ms|kv_memory_gb|price_usd_per_h|burst_headroom): ([\d.]+)")
    spoilt, count = field.subn(lambda m: f"{m[1]}: {re.sub('[0-9]', '7', m[2])}", head)
    assert count >= 8
    assert spoilt != head
    assert REBUILD.rebuilt(f"{spoilt}\nassumed:{assumed}", values) == text


@pytest.mark.parametrize("name", ["coding_agent", "fleet"])
def test_spoilt_intervals_come_back(name: str) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    entries = REBUILD.intervals.intervals(name)
    assert REBUILD.with_intervals(text, entries) == text
    head, section = text.split(REBUILD.MARK)
    spoilt = head + REBUILD.MARK + section.replace("low: 0", "low: 7").replace("high", "low")
    assert spoilt != text
    assert REBUILD.with_intervals(spoilt, entries) == text
    assert REBUILD.with_intervals(head, entries) == text


def test_a_path_that_is_not_there_is_said() -> None:
    with pytest.raises(SystemExit, match="no `gpus`"):
        REBUILD.rebuilt("version: 1\n", {"gpus.h100.price_usd_per_h": 3.0})


def test_check_is_one_command() -> None:
    script = str(EXAMPLES / "data" / "rebuild.py")
    done = subprocess.run(
        [sys.executable, script, "fleet", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "0 lines differ" in done.stdout
