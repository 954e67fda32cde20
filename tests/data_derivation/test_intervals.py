"""The examples say how far their derived numbers may be off, so that `--samples` can draw them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from scipy.stats import binom

from allocate.models.draws import drawable, draws
from allocate.models.loader import load
from allocate.models.measured import is_calibrated

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIGS = ("coding_agent", "fleet")
JUDGED = ("burst_headroom", "rate_per_s", "points", "alpha_ms", "prompt_tokens")


def _script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / "data" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INTERVALS = _script("intervals")


@pytest.mark.parametrize("name", CONFIGS)
def test_every_interval_is_drawn_from_and_holds_its_number(name: str) -> None:
    config = load(EXAMPLES / f"{name}.yaml").config
    found = drawable(config)
    assert [n.path for n in found.numbers] == list(config.calibrated)
    assert found.kept == ()
    for path, known in config.calibrated.items():
        assert is_calibrated(config, path, known), path
    kinds = {path.rpartition(".")[2] for path in config.calibrated}
    assert set(JUDGED) <= kinds


@pytest.mark.parametrize("name", CONFIGS)
def test_intervals_belong_to_derived_numbers(name: str) -> None:
    derived = INTERVALS.derive.derive(name)
    for path, entry in INTERVALS.intervals(name).items():
        value = derived[path]
        heights = [y for _, y in value] if isinstance(value, list) else [value]
        # six digits are written, of a number that is not rounded
        assert np.atleast_1d(entry["value"]) == pytest.approx(heights, rel=1e-5), path


@pytest.mark.parametrize("name", CONFIGS)
def test_sources_have_the_hash_of_their_table(name: str) -> None:
    config = YAML(typ="safe").load(EXAMPLES / f"{name}.yaml")
    for path, entry in config["calibrated"].items():
        table, digest = entry["source"].split(" sha256:")
        whole = hashlib.sha256((EXAMPLES / "data" / table).read_bytes()).hexdigest()
        assert whole.startswith(digest), path
        assert entry["rows"] > 0


@pytest.mark.parametrize("name", CONFIGS)
def test_draws_are_configs(name: str) -> None:
    loaded = load(EXAMPLES / f"{name}.yaml")
    for values in draws(drawable(loaded.config), 20, 1):
        overrides = [f"{path}={json.dumps(value)}" for path, value in values.items()]
        assert load(EXAMPLES / f"{name}.yaml", overrides).config.name == loaded.config.name


def test_known_step_times_lie_in_their_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fit of the examples, on times made from known terms at the loads of the table."""
    key = (INTERVALS.derive.QWEN32, "h100_sxm", 2)
    rows = [
        r
        for r in INTERVALS.derive.table("silicon_ttft_tpot")
        if (r["model"], r["system"], int(r["tp_size"])) == key
    ]
    truth = np.array([8.9, 0.05, 0.02, 41.0])
    b, isl, osl = (INTERVALS.derive.column(rows, c) for c in ("concurrency", "isl", "osl"))
    design = np.stack([np.ones_like(b), b, b * (isl + osl / 2) / 1e3, b * isl / osl / 1e3], axis=1)
    rng, tries, held = np.random.default_rng(0), 60, np.zeros(4)
    for _ in range(tries):
        times = design @ truth * np.exp(rng.normal(0, 0.03, len(b)))
        made = [r | {"tpot_ms": str(t)} for r, t in zip(rows, times, strict=True)]
        monkeypatch.setattr(INTERVALS.derive, "table", lambda name, made=made: made)
        INTERVALS.derive.lane.cache_clear()
        fit, covariance, spans = INTERVALS.lane_errors(key)
        value = np.array([fit[name] for name in INTERVALS.TERMS])
        held += np.abs(value - truth) <= spans["reach"] * np.sqrt(np.diag(covariance))
    INTERVALS.derive.lane.cache_clear()
    assert held.min() >= binom.ppf(0.01, tries, 0.9), held / tries
    assert held.max() <= binom.ppf(0.999, tries, 0.9), held / tries


def test_scores_are_counted_over_the_cases_of_their_own_run() -> None:
    entries = INTERVALS.intervals("fleet")
    assert entries["models.large.success.points"]["rows"] == 224  # as the table has it
    assert entries["models.small.success.points"]["rows"] == 225
