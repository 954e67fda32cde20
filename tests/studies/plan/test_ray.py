"""The same points on a real Ray cluster of two nodes, on this machine."""

import pytest

from allocate.solver.studies.plan.case import Case, PlanError
from allocate.solver.studies.plan.store import Store
from allocate.solver.studies.plan.sweep import Where, sweep
from tests.solver.cases import fleet

ray = pytest.importorskip(
    "ray", reason="RAY IS NOT INSTALLED: sweeps on a cluster are NOT tested here"
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings


@pytest.fixture(scope="module")
def address():
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()


def test_two_nodes_find_what_one_process_finds_and_keep_it_here(address, tmp_path):
    changes = [{"gpus.h100.available": float(n)} for n in range(1, 7)]
    alone = sweep(Case(fleet()), changes, Where(workers=1), lambda step: None)
    store = Store.open(tmp_path, {})
    told: list[dict] = []
    there = sweep(Case(fleet()), changes, Where("ray", address, store=store), told.append)
    assert not there.stopped
    assert there.solved == 6
    for one, other in zip(alone.points, there.points, strict=True):
        assert one["set"] == other["set"]
        assert one["welfare"] == pytest.approx(other["welfare"], rel=1e-6)
    assert len(list(tmp_path.glob("*.json"))) == 6
    assert told[-1]["done"] == 6
    again = sweep(Case(fleet()), changes, Where("ray", address, store=store), told.append)
    assert (again.solved, again.reused) == (0, 6)


def test_the_work_is_on_both_nodes(address):
    from allocate.solver.studies.plan.executors import executor

    with executor("ray", 8, address) as cluster:
        assert cluster.workers == 2
        futures = [cluster.submit(_node_after, 1.0) for _ in range(4)]
        assert len({future.result(60) for future in futures}) == 2


def _node_after(seconds: float) -> str:
    import time

    import ray as here

    time.sleep(seconds)
    return here.get_runtime_context().get_node_id()


@pytest.mark.parametrize("where", ["127.0.0.1:1", "127.0.0.1:port", "ray://127.0.0.1:1"])
def test_a_cluster_that_is_not_there_is_told(where):
    from allocate.solver.studies.plan.executors import executor

    told = pytest.raises(PlanError, match=f"no Ray cluster is reached at {where}")
    with told, executor("ray", 2, where):
        pass
