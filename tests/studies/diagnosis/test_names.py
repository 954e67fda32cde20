"""Names are names: a deployment may be called like a part of a lane's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.compare import compare
from allocate.solver.studies.diagnosis.study import Diagnosis, diagnose
from tests.solver.cases import fleet

NAMES = ["a b", "a[b]", "x+draft", "a @ b"]


def called(name: str) -> dict[str, Any]:
    """Own GPUs with little memory, whose deployment has a name, and a day of two periods."""
    out = fleet()
    out["periods"] = {"day": {"hours": 10}, "night KV": {"hours": 14, "demand_scale": 0.5}}
    out["deployments"] = {name: {**out["deployments"]["own_h100"], "kv_memory_gb": 4}}
    out["limits"] = {"latency": {"soon": {"mean_s": 30.0, "classes": ["hard"]}}}
    return out


def sizes(found: Diagnosis) -> list[tuple[str, float]]:
    return [(f.code, f.usd_per_hour) for f in found.findings]


@pytest.fixture(scope="module")
def plain() -> Diagnosis:
    found = diagnose(load_dict(called("lane")))
    assert {f.code for f in found.findings} >= {"AL101", "AL202"}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_same_is_found_whatever_a_deployment_is_called(plain, name):
    found = diagnose(load_dict(called(name)))
    assert [c for c, _ in sizes(found)] == [c for c, _ in sizes(plain)]
    assert [s for _, s in sizes(found)] == pytest.approx([s for _, s in sizes(plain)])
    lines = [(line.what, line.usd_per_hour) for line in found.ledger.lines]
    for (what, usd), other in zip(lines, plain.ledger.lines, strict=True):
        assert what == other.what
        assert usd == pytest.approx(other.usd_per_hour, abs=1e-6 * plain.joint)


def read_back(name: str, folder: Path) -> Diagnosis:
    """The joint answer as a table of what is done today."""
    config = called(name)
    path = folder / "result.json"
    path.write_text(json.dumps(solve(load_dict(config), ranges=False).to_dict()))
    return diagnose(load_dict(config), observed=path)


@pytest.fixture(scope="module")
def read(tmp_path_factory) -> Diagnosis:
    found = read_back("lane", tmp_path_factory.mktemp("lane"))
    assert found.outcome.welfare > 0.9 * found.joint  # a mean over lanes stands for a split
    return found


@pytest.mark.parametrize("name", ["x+draft", "a @ b"])
def test_a_result_is_read_back_whatever_a_deployment_is_called(read, name, tmp_path):
    found = read_back(name, tmp_path)
    assert found.outcome.welfare == pytest.approx(read.outcome.welfare, rel=1e-5)
    assert found.outcome.about["assumed"] == read.outcome.about["assumed"]


def test_a_name_that_looks_like_a_draft_is_compared():
    found = compare(load_dict(called("x+draft")), ["cheapest"], attribution=False, least=False)
    assert not found.failed


def test_parts_without_a_finding_name_the_classes_that_have_most_of_them(plain):
    lines = plain.ledger.lines
    assert any(line.classes for line in lines)
    for line in lines:
        assert not (line.named and line.classes)
        assert set(line.classes) <= set(plain.loaded.config.classes)
        assert all(0 < share <= 1 for share in line.classes.values())
        assert sum(line.classes.values()) <= 1 + 1e-9
        assert list(line.classes.values()) == sorted(line.classes.values(), reverse=True)
