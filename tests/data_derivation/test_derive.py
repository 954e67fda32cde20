"""Derived numbers of the example configs stand in them as data/derive.py computes them."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIGS = ("coding_agent", "fleet")


def _load_script() -> Any:
    spec = importlib.util.spec_from_file_location("derive", EXAMPLES / "data" / "derive.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DERIVE = _load_script()


def _config(name: str) -> dict[str, Any]:
    return YAML(typ="safe").load(EXAMPLES / f"{name}.yaml")


def _at(config: Any, path: str) -> Any:
    for key in path.split("."):
        assert key in config, f"{path}: no {key!r}"
        config = config[key]
    return config


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Leaves that are numbers, with their path; items of lists share the list's path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def _half_a_digit(written: float) -> float:
    """Half of the last digit with which a number stands in the file."""
    exponent = Decimal(repr(written)).normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return 0.5 * 10.0 ** min(exponent, 0) * (1 + 1e-9)


def _covered(path: str, roots: set[str]) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:n]) in roots for n in range(1, len(parts) + 1))


@pytest.mark.parametrize("name", CONFIGS)
def test_derived_numbers_stand_in_the_config(name: str) -> None:
    config, derived = _config(name), DERIVE.derive(name)
    wrong = []
    for path, value in derived.items():
        there = [x for _, x in _numbers(_at(config, path))]
        expected = [x for _, x in _numbers(value)]
        assert len(there) == len(expected), path
        for written, number in zip(there, expected, strict=True):
            close = abs(written - number) <= max(_half_a_digit(written), 1e-12 * abs(number))
            if not close or abs(written - number) > 2e-3 * abs(number):
                wrong.append(f"{path}: {written} is written, {number} derived")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_number_is_derived_or_assumed(name: str) -> None:
    config = _config(name)
    roots = set(DERIVE.derive(name)) | set(config.pop("assumed"))
    for key in ("version", "scenarios", "calibrated"):  # the last: see test_intervals.py
        config.pop(key, None)
    bare = sorted({path for path, _ in _numbers(config) if not _covered(path, roots)})
    assert not bare, f"neither derived nor under `assumed`: {bare}"


@pytest.mark.parametrize("name", CONFIGS)
def test_assumed_paths_exist(name: str) -> None:
    config = _config(name)
    for path, reason in config["assumed"].items():
        _at(config, path)
        assert reason.strip()


def _chords_fall(points: list[list[float]]) -> bool:
    x, y = np.array([[0.0, 0.0], *points]).T
    return bool(np.all(np.diff(np.diff(y) / np.diff(x)) <= 1e-12) and np.all(np.diff(y) >= 0))


@pytest.mark.parametrize("name", CONFIGS)
def test_curves_are_concave_from_the_origin(name: str) -> None:
    config = _config(name)
    sum_of_exponents = sum(u.get("exponent", 0.0) for u in config["token_uses"].values())
    assert sum_of_exponents <= 1
    for model in config["models"].values():
        if model["success"]["form"] == "table":
            points = [[m**sum_of_exponents, q] for m, q in model["success"]["points"]]
            assert _chords_fall(points)
    for profile in config["caching"]["reuse"].values():
        assert _chords_fall(profile["points"])


def test_fits_of_step_times() -> None:
    lanes = {
        (r["model"], r["system"], int(r["tp_size"])) for r in DERIVE.table("silicon_ttft_tpot")
    }
    for key in lanes:
        fit = DERIVE.lane(*key)
        assert fit["rows"] >= 10, key
        assert fit["median_error"] < 0.07, key
        assert fit["p90_error"] < 0.15, key


def test_length_clusters_add_up_to_the_trace() -> None:
    rows = DERIVE.table("azure_code_minutes")
    assert sum(int(r["requests"]) for r in rows) == 8819
    total = DERIVE.azure_total()
    assert total["rate"] == pytest.approx(2.57, abs=0.005)
    assert total["context"] == pytest.approx(2047.85, abs=0.01)
    assert total["generated"] == pytest.approx(27.88, abs=0.01)


def test_pairs_of_answers_on_mmlu() -> None:
    with open(EXAMPLES / "data" / "routellm_mmlu_pairs.csv", newline="") as f:
        pairs = {
            (r["gpt4_correct"], r["mixtral_correct"]): int(r["queries"]) for r in csv.DictReader(f)
        }
    n = sum(pairs.values())
    assert n == 14042
    share = {k: round(v / n, 5) for k, v in pairs.items()}
    expected = {("1", "1"): 0.62797, ("1", "0"): 0.17782, ("0", "1"): 0.05284, ("0", "0"): 0.14136}
    assert share == expected


def test_tables_stay_small() -> None:
    assert sum(p.stat().st_size for p in (EXAMPLES / "data").glob("*.csv")) < 250_000
