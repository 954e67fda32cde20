"""The drivers: scenarios, agreement, difficult programs, tables of results."""

import numpy as np
import pytest

from allocate.solver.methods.prices import solve_prices
from allocate.solver.methods.start import first_prices
from benchmarks import agreement, batch, pool, results, robust, sizes, versus
from benchmarks.families import FAMILIES


def _ours(**more) -> dict:
    point = versus.POINTS[0]
    record = {"point": [*point.key, "prices"], "method": "prices", "status": "optimal", "ok": True}
    record |= {"instance": point.family, "classes": point.classes, "rows": 4, "members": 100}
    return record | {"seconds": 0.1, "relative_gap": 1e-9, "max_violation": 0.0} | more


def test_scenarios_differ_and_repeat() -> None:
    program = FAMILIES["synthetic"].build(10, 4, 8, 0)
    first, again = batch.scenarios(program, 3, 1), batch.scenarios(program, 3, 1)
    assert all(np.array_equal(a.capacity, b.capacity) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].capacity, first[1].capacity)
    assert not np.array_equal(first[0].streams[0].rate, first[1].streams[0].rate)


@pytest.mark.parametrize("way", batch.WAYS)
def test_every_scenario_is_certified(way: str) -> None:
    record = batch.run(12, 8, 4, 1e-6, 0, way)
    assert record["certified"] == record["scenarios"] == 4
    assert record["ok"]
    assert "prices, " + way in batch.table(batch.document([record]))


def test_the_two_methods_agree() -> None:
    record = agreement.compare("tenants", 4, 1)
    assert record["ok"], record
    assert record["prices"]
    assert "| random | 1 | 1 |" in agreement.table(agreement.document([record]))


def test_a_wrong_price_is_no_agreement(monkeypatch) -> None:
    real = agreement.answer_to

    def wrong(program, start, request, **more):
        answer = real(program, start, request, **more)
        if request.method == "conic":
            answer.duals = 1.5 * answer.duals
        return answer

    monkeypatch.setattr(agreement, "answer_to", wrong)
    record = agreement.compare("tenants", 4, 1)
    assert record["status"] == "differ"
    assert "- tenants, 4 classes, seed 1: differ" in agreement.table(agreement.document([record]))


def test_agreement_has_every_example_and_200_instances() -> None:
    todo = agreement.tasks()
    assert sum("seed" not in t for t in todo) >= 5
    assert sum("seed" in t for t in todo) == 200


def test_300_difficult_programs_of_every_family_and_size() -> None:
    todo = robust.tasks()
    assert len(todo) >= 300
    assert {t["name"] for t in todo} == set(robust.CHANGES)
    assert max(t["classes"] for t in todo) == 100_000
    assert len({t["seed"] for t in todo}) == len(todo)


_SLOW = ("scarce", "met exactly")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in _SLOW)) for n in robust.CHANGES]
)
def test_difficult_programs_are_certified(name: str) -> None:
    record = robust.run_one(name, 2, 3)
    assert record["ok"], record
    assert [a["tolerance"] for a in record["at"]] == list(robust.TOLERANCES)
    assert "100.0 %" in robust.table(robust.document([record]))


def test_caps_that_are_met_exactly_are_full() -> None:
    program, plain = robust.make("met exactly", 6, 1), robust.make("plain", 6, 1)
    record = robust._solved(program, 1e-6, 0)
    assert record["ok"]
    changed = program.capacity != plain.capacity
    assert changed.any()
    found = solve_prices(program, first_prices(program), 1e-8)
    assert found.allocation is not None
    use = program.usage(found.allocation)
    np.testing.assert_allclose(use[changed], program.capacity[changed], rtol=1e-4)


def test_a_failure_is_named() -> None:
    at = [{"tolerance": t, "ok": False, "status": "feasible", "relative_gap": 2e-5} for t in (1, 2)]
    at = [a | {"seconds": 0.1} for a in at]
    record = {"instance": "plain", "classes": 7, "seed": 9, "ok": False, "at": at}
    text = robust.table(robust.document([record]))
    assert "- plain, 7 classes, seed 9: 1e+00: feasible, gap 2.0e-05" in text
    assert "| 0.0 % |" in text


def test_the_verdict_says_where_we_lose() -> None:
    faster = _ours(method="highs-ipm", seconds=0.01)
    assert "10 times faster: we lose" in versus.verdict([_ours(), faster])
    slower = _ours(method="highs-ipm", seconds=20.0)
    assert "200 times our time" in versus.verdict([_ours(), slower])
    assert "we lose" in versus.verdict([_ours(ok=False, relative_gap=1e-3), slower])
    never = _ours(method="scs", ok=False, seconds=60.0, relative_gap=2e-5)
    assert "No general route reached it" in versus.verdict([_ours(), never])


def test_the_tables_are_drawn_from_the_results(tmp_path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- versus -->\nold\n<!-- /versus -->\nafter\n")
    document = batch.document([_ours()]) | {"limit_s": 60, "tolerance": 1e-6}
    results.put("versus", versus.table(document), readme)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| `prices` | yes |" in text
    assert "| synthetic | 100 |" in sizes.table(document | {"records": [_ours(rows_asked=4)]})


def test_unknown_numbers_are_null() -> None:
    assert results.finite({"a": [float("nan"), 1.0], "b": float("inf")}) == {
        "a": [None, 1.0],
        "b": None,
    }


def broken(name: str) -> dict:
    raise ZeroDivisionError(name)


def test_work_that_raises_leaves_a_record() -> None:
    (record,) = pool.run_all([{"name": "x"}], work=broken)
    assert record["status"] == "exception"
    assert record["message"] == "ZeroDivisionError: x"
