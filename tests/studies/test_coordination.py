"""A sample of the evidence that joint allocation is never worse at equal spend."""

from dataclasses import replace

import pytest

from allocate.models.loader import load_dict
from allocate.solver.studies.compare import compare
from benchmarks.evidence import coordination
from tests.solver.cases import fleet


@pytest.mark.parametrize("number", [0, 5, 7, 10])
def test_a_sample_holds(number):
    record = coordination.tried(0, number)
    assert "failed" not in record
    assert record["holds"], record
    assert record["shares_sum"] is True
    assert "greedy-tuned" in record["baselines"]


def test_what_does_not_hold_is_told(tmp_path):
    config = load_dict(fleet())
    found = compare(config, ["greedy-tuned"], least=False, steps=False)
    good = coordination.judged(found)
    assert good["holds"]
    assert good["shares_sum"]
    assert found.attribution is not None
    off = {**found.attribution.shares, "router": found.attribution.shares["router"] + 1.0}
    shares = replace(found, attribution=replace(found.attribution, shares=off))
    line = found.baselines["greedy-tuned"]
    poorer = replace(line.equal, welfare=line.outcome.welfare - 1.0)
    worse = replace(found, baselines={"greedy-tuned": replace(line, equal=poorer)})
    for wrong in (shares, worse):
        assert not coordination.judged(wrong)["holds"]
    file = tmp_path / "found.json"
    records = {3: {"number": 3, "kind": "own", "classes": 2, **coordination.judged(worse)}}
    coordination.write(file, 5, records)
    assert coordination.known(file, 5)[3]["holds"] is False
    assert coordination.known(file, 6) == {}
    assert coordination.summary(list(records.values()))["broken"] == [3]
