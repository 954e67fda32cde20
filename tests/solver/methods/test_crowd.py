"""A pass over a crowd: NumPy, JAX, many devices and many processes say the same."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.program import Program
from allocate.models.stack import build
from allocate.solver.methods.choices import Market
from allocate.solver.methods.crowd import NumpyLooker, Settled
from benchmarks.instances import draw

ROOT = Path(__file__).parents[3]
KINDS = {
    "own lanes and people": ("api", "gpu", "uses", "tenants", "humans", "risk"),
    "bought, with caches": ("api", "uses", "budget", "latency"),
    "periods and reuse": ("api", "gpu", "caches", "periods"),
}


def program_of(kind: str, classes: int = 40, seed: int = 5) -> Program:
    loaded = load_dict(draw(classes, seed, KINDS[kind]))
    return build(loaded.config, loaded.classes).program


@pytest.mark.parametrize("heat", [0.0, 0.02])
def test_jax_and_numpy_see_the_same(heat: float) -> None:
    from allocate.solver.methods.pass_jax import JaxLooker

    program = program_of("own lanes and people")
    stream, n = program.streams[0], len(program.rows)
    prices = np.random.default_rng(1).uniform(0, 0.02, n)
    a = NumpyLooker(Market(stream, n)).look(prices, heat)
    b = JaxLooker(Market(stream, n)).look(prices, heat)
    assert b.value == pytest.approx(a.value, rel=1e-10)
    live = np.isfinite(a.top)
    np.testing.assert_allclose(b.top[live], a.top[live], rtol=1e-9, atol=1e-12)
    # shares below one in a million are left out of the use in NumPy
    scale = np.abs(a.use).max()
    np.testing.assert_allclose(b.use, a.use, rtol=1e-4, atol=1e-6 * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heat", [0.0, 0.05])
def test_use_is_minus_the_gradient_and_the_hessian_its_slope(kind: str, heat: float) -> None:
    program = program_of(kind)
    stream, n = program.streams[0], len(program.rows)
    looker = NumpyLooker(Market(stream, n))
    rng = np.random.default_rng(2)
    prices = rng.uniform(0.001, 0.02, n)
    look = looker.look(prices, heat)
    bulk = Settled.around(looker, look, np.zeros(0, int))
    direction = prices * rng.uniform(-1, 1, n)
    step = 1e-5
    up, down = (looker.look(prices + s * step * direction, heat) for s in (1, -1))
    slope = (up.value - down.value) / (2 * step)
    assert slope == pytest.approx(-float(look.use @ direction), rel=2e-4, abs=1e-8)
    if heat:  # cold, a kink may lie between
        bend = direction @ (down.use - up.use) / (2 * step)
        assert bend == pytest.approx(float(direction @ bulk.hessian @ direction), rel=5e-3)


def test_the_warm_value_lies_above_the_exact_one_by_less_than_its_entropy() -> None:
    program = program_of("own lanes and people")
    stream, n = program.streams[0], len(program.rows)
    looker = NumpyLooker(Market(stream, n))
    exact = looker.look(np.full(n, 0.01)).value
    most = float(stream.rate @ stream.stake) * np.log(len(stream.arms) + 1)
    for heat in (0.1, 0.01, 0.001):
        warm = looker.look(np.full(n, 0.01), heat).value
        assert exact - 1e-9 * abs(exact) <= warm <= exact + heat * most


def test_settled_members_and_those_apart_make_the_whole() -> None:
    program = program_of("own lanes and people")
    stream, n = program.streams[0], len(program.rows)
    looker = NumpyLooker(Market(stream, n))
    look = looker.look(np.full(n, 0.01))
    apart = np.array([1, 5, 17])
    rest = Settled.around(looker, look, apart)
    part = stream.part(apart)
    alone = NumpyLooker(Market(part, n)).look(look.duals)
    assert rest.value + alone.value == pytest.approx(look.value, rel=1e-12)
    np.testing.assert_allclose(rest.use + alone.use, look.use, rtol=1e-9, atol=1e-9)


def _worker(*arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.solver.methods.mesh_worker", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _said(worker: subprocess.Popen) -> dict:
    out, errors = worker.communicate(timeout=300)
    assert worker.returncode == 0, errors
    return json.loads(out.strip().splitlines()[-1])


def test_four_devices_and_two_processes_agree_with_one() -> None:
    one, four = _worker(1), _worker(4)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pair = [_worker(1, 2, rank, port) for rank in range(2)]
    alone = _said(one)
    for other in (_said(four), *map(_said, pair)):
        assert other["devices"] in (2, 4)
        np.testing.assert_allclose(other["values"], alone["values"], rtol=1e-12)
        for a, b in zip(other["use"], alone["use"], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())
        assert other["arms"] == alone["arms"]
        assert other["compiled_passes"] >= 3  # a whole solve went over the mesh
        for name in ("dual", "welfare"):
            assert other[name] == pytest.approx(alone[name], rel=1e-9)
        np.testing.assert_allclose(other["duals"], alone["duals"], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("single", [False, True], ids=["numpy", "jax, single precision"])
def test_a_screening_keeps_every_arm_within_the_band(kind: str, single: bool) -> None:
    program = program_of(kind, classes=60)
    market = Market(program.streams[0], len(program.rows))
    prices = np.random.default_rng(4).uniform(0.001, 0.02, market.n_rows)
    looker = NumpyLooker(market)
    if single:
        from allocate.solver.methods.pass_jax import JaxLooker

        looker = JaxLooker(market)
    few = looker.screened(prices, 0.01)
    whole, narrow = NumpyLooker(market).look(prices), few.look(prices)
    assert narrow.value == pytest.approx(whole.value, rel=1e-12)
    np.testing.assert_allclose(narrow.use, whole.use, rtol=1e-9, atol=1e-12)
    serves = whole.top >= -market.stream.decline_cost
    served = serves & (market.stream.rate > 0)
    assert (narrow.arm == whole.arm)[served].all()
    close = served & (whole.margin < 0.01)
    np.testing.assert_allclose(narrow.margin[close], whole.margin[close], atol=1e-9)
    members = np.arange(len(market.stream.rate))
    assert len(few.choices(members).arm) < len(market.everything(members).arm)
