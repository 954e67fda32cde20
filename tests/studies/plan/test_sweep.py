"""Sweeps: the answers of solving alone; kept, never twice; on any executor; stopped and gone on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from allocate.errors import SolveError
from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.plan import sweep as module
from allocate.solver.studies.plan.case import Case, PlanError, settings
from allocate.solver.studies.plan.executors import executor
from allocate.solver.studies.plan.planning import Ask, plan
from allocate.solver.studies.plan.store import Store
from allocate.solver.studies.plan.sweep import Swept, Where, sweep
from tests.solver.cases import changed, fleet

GPUS = "gpus.h100.available"


def at(*values):
    return [{GPUS: v} for v in values]


def swept(changes, where=None, case=None, told=None) -> Swept:
    tell = (lambda step: None) if told is None else told.append
    return sweep(case or Case(fleet()), changes, where or Where(workers=1), tell)


def store_in(folder, case="one") -> Store:
    return Store.open(folder, {"config": case})


def alone(values) -> float:
    return solve(load_dict(fleet(), overrides=settings(values)), ranges=False).welfare


def test_points_are_what_solving_alone_finds():
    changes = at(0, 2, 4.5, 20, 1000)
    for point, values in zip(swept(changes).points, changes, strict=True):
        assert point["set"] == values
        assert point["status"] == "optimal"
        assert point["holds"]
        assert point["welfare"] == pytest.approx(alone(values), rel=1e-6)
        assert point["objective"]["welfare"] == point["welfare"]


def test_a_sweep_of_two_paths_has_every_combination_in_order():
    found = plan(Case(fleet()), Ask(sweeps=("demand.scale=1,2", f"{GPUS}=2,4,6"), workers=1))
    document = found.to_dict()
    assert [tuple(p["set"].values()) for p in document["sweep"]] == [
        (s, g) for s in (1, 2) for g in (2, 4, 6)
    ]
    for point in document["sweep"]:
        assert point["welfare"] == pytest.approx(alone(point["set"]), rel=1e-6)
        assert "start" not in point
    assert document["sweep_about"] == {
        "points": 6,
        "finished": 6,
        "reused": 0,
        "solved": 6,
        "stopped": False,
    }


def test_a_point_without_an_answer_is_an_answer():
    config = fleet()
    config["classes"]["hard"] |= {"decline": False, "models": ["own"]}
    low, high = swept(at(0.01, 20), case=Case(config)).points
    assert low["status"] == "infeasible"
    assert GPUS in low["message"]
    assert low["welfare"] is None
    assert high["status"] == "optimal"


def test_a_config_without_an_answer_can_be_swept_to_one():
    config = changed(fleet(), gpus__h100__available=0.01)
    config["classes"]["hard"] |= {"decline": False, "models": ["own"]}
    document = plan(Case(config), Ask(sweeps=(f"{GPUS}=0.01,20",), workers=1)).to_dict()
    assert [p["status"] for p in document["sweep"]] == ["infeasible", "optimal"]
    assert document["base"] is None
    assert "as it stands has no answer" in document["warnings"][0]
    with pytest.raises(SolveError):
        plan(Case(config), Ask())


def test_a_value_that_only_the_whole_config_refuses_is_told_at_its_point():
    changes = [{"deployments.own_h100.max_batch": 8}, {"classes.easy.models": ["nobody"]}]
    good, bad = swept(changes).points
    assert good["status"] == "optimal"
    assert bad["status"] == "refused"
    assert "nobody" in bad["message"]


def test_finished_points_are_kept_and_never_solved_again(tmp_path, monkeypatch):
    where = Where(workers=1, store=store_in(tmp_path))
    first = swept(at(1, 2, 3), where)
    assert (first.solved, first.reused) == (3, 0)
    again = swept(at(3, 2, 1), where)
    assert (again.solved, again.reused) == (0, 3)
    assert again.points == first.points[::-1]
    more = swept(at(1, 2, 3, 4), where)
    assert (more.solved, more.reused) == (1, 3)
    other = swept(at(1), Where(workers=1, store=store_in(tmp_path, "another")))
    assert (other.solved, other.reused) == (1, 0)


def test_another_config_or_tolerance_is_another_question(tmp_path):
    def count(case):
        found = plan(case, Ask(sweeps=(f"{GPUS}=2,4",), workers=1, store=tmp_path))
        return found.to_dict()["sweep_about"]["reused"]

    assert count(Case(fleet())) == 0
    assert count(Case(fleet())) == 2
    assert count(Case(fleet(), overrides=("demand.scale=2",))) == 0
    assert count(Case(fleet(), tolerance=1e-5)) == 0
    assert count(Case(changed(fleet(), classes__hard__value_usd=2))) == 0


@pytest.mark.parametrize("damage", ["", "{", '{"set": {}, "status": "optimal"}', "[]"])
def test_a_point_that_is_not_whole_is_solved_again(tmp_path, damage):
    where = Where(workers=1, store=store_in(tmp_path))
    swept(at(2), where)
    (file,) = tmp_path.glob("*.json")
    file.write_text(damage)
    found = swept(at(2), where)
    assert found.solved == 1
    assert json.loads(file.read_text())["welfare"] == pytest.approx(alone({GPUS: 2}), rel=1e-6)


def test_a_store_that_cannot_be_used_is_told(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(PlanError, match="--store .* cannot be used"):
        store_in(file)


def test_ctrl_c_keeps_what_is_finished(monkeypatch, tmp_path):
    real, solved = module.solve_point, []

    def stops(case, changes, warm):
        if len(solved) == 2:
            raise KeyboardInterrupt
        solved.append(changes)
        return real(case, changes, warm)

    monkeypatch.setattr(module, "solve_point", stops)
    where = Where(workers=1, store=store_in(tmp_path))
    found = swept(at(1, 2, 3, 4), where)
    assert found.stopped
    assert [p and p["set"] for p in found.points] == [*at(1, 2), None, None]
    monkeypatch.setattr(module, "solve_point", real)
    rest = swept(at(1, 2, 3, 4), where)
    assert (rest.solved, rest.reused, rest.stopped) == (2, 2, False)


def test_ctrl_c_within_a_point_does_not_keep_it(monkeypatch, tmp_path):
    """``solve`` returns its best so far when it is stopped: that is no finished point."""
    import allocate.solver.studies.plan.case as case_module

    real = case_module.solve

    def stopped(*arguments, **options):
        solution = real(*arguments, **options)
        object.__setattr__(solution, "stopped", True)
        return solution

    monkeypatch.setattr(case_module, "solve", stopped)
    found = swept(at(1, 2), Where(workers=1, store=store_in(tmp_path)))
    assert found.stopped
    assert found.points == [None, None]
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_the_points():
    told = []
    swept(at(1, 2), told=told)
    assert [(t["done"], t["of"]) for t in told] == [(0, 2), (1, 2), (2, 2)]


def test_points_start_from_their_neighbours(monkeypatch):
    real, warm = module.solve_point, []

    def watched(case, changes, start):
        warm.append(start)
        return real(case, changes, start)

    monkeypatch.setattr(module, "solve_point", watched)
    found = swept(at(1, 2, 3))
    assert warm[0] is None
    assert warm[1:] == [found.points[0]["start"], found.points[1]["start"]]


@pytest.mark.slow
def test_two_processes_find_the_same():
    changes = at(1, 2, 3, 4, 5, 6)
    one, two = swept(changes), swept(changes, Where(workers=2))
    for a, b in zip(one.points, two.points, strict=True):
        assert a["set"] == b["set"]
        assert a["welfare"] == pytest.approx(b["welfare"], rel=1e-6)


def test_an_executor_that_is_not_there_is_told(monkeypatch):
    with pytest.raises(PlanError, match="no executor `spark`; there are local and ray"):
        swept(at(1), Where(executor="spark"))
    with pytest.raises(PlanError, match="--executor ray with it"):
        swept(at(1), Where(address="127.0.0.1:1"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PlanError, match=r"pip install 'allocate\[distributed\]'"):
        swept(at(1), Where(executor="ray"))


def test_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("RAYON_NUM_THREADS", raising=False)
    with executor("local", 4, workers=2):
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "RAYON_NUM_THREADS" not in os.environ


POINTS = 34  # enough that three are finished long before all


def command(config: Path, store: Path, workers: int, out: Path, points=POINTS) -> list[str]:
    sweep_of = f"{GPUS}=1:{points}:{points}"
    flags = ["--sweep", sweep_of, "--store", store, "--workers", workers, "--out", out]
    return [str(x) for x in (sys.executable, "-m", "allocate", "plan", config, *flags)]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_gone_on_without_loss_or_repetition(tmp_path, workers):
    config, store, out = tmp_path / "c.yaml", tmp_path / "points", tmp_path / "out.json"
    config.write_text(json.dumps(fleet()))
    process = subprocess.Popen(command(config, store, workers, out), start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(store.glob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    _wait_for_group_to_end(process.pid)
    kept = {file: file.stat().st_mtime_ns for file in store.glob("*.json")}
    assert 3 <= len(kept) < POINTS
    assert not out.exists()

    ran = subprocess.run(command(config, store, workers, out), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert f"{len(kept)} of {POINTS} points were solved before" in ran.stderr
    document = json.loads(out.read_text())
    about = document["sweep_about"]
    assert (about["reused"], about["solved"]) == (len(kept), POINTS - len(kept))
    assert [p["set"][GPUS] for p in document["sweep"]] == list(range(1, POINTS + 1))
    for file, written in kept.items():
        assert file.stat().st_mtime_ns == written
    for point in document["sweep"]:
        assert point["welfare"] == pytest.approx(alone(point["set"]), rel=1e-6)


def _wait_for_group_to_end(group: int) -> None:
    """Processes of a killed pool go by themselves."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    raise AssertionError("processes of the pool outlive their parent")


@pytest.mark.slow
def test_interrupted_it_prints_what_is_finished_and_marks_it(tmp_path):
    config, store, out = tmp_path / "c.yaml", tmp_path / "points", tmp_path / "out.json"
    many = 20 * POINTS  # the signal comes long before the last
    config.write_text(json.dumps(fleet()))
    process = subprocess.Popen(
        command(config, store, 2, out, many),
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while len(list(store.glob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to every process
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "run the same command to go on" in err
    document = json.loads(out.read_text())
    assert document["status"] == "stopped"
    assert 3 <= len(document["sweep"]) < many
