"""A class's own quality replaces a model's ceiling, also where that is nothing."""

import pytest

from tests import independent_check
from tests.independent_program import Program
from tests.solver.cases import solved

USES = {"edit": {"exponent": 0.5, "reference_tokens": 100, "price_usd": 1e-4}}


def config(model, uses=None):
    return {
        "version": 1,
        "models": {"m": {"cost_per_task_usd": 0.01} | model},
        "token_uses": uses or {},
        "classes": {
            "known": {"rate_per_s": 1, "value_usd": 1, "quality": {"m": 0.9}},
            "other": {"rate_per_s": 1, "value_usd": 1, "decline": False},
        },
    }


@pytest.mark.parametrize(
    ("model", "uses"),
    [
        ({"quality": 0}, None),
        ({"quality": 0}, USES),
        ({"success": {"form": "table", "points": [[1, 0], [2, 0]]}}, USES),
    ],
)
def test_a_quality_over_a_model_that_solves_nothing(model, uses):
    read = config(model, uses)
    answer = solved(read)
    assert answer.certificate.primal == pytest.approx(3600 * (0.89 - 0.01))
    document = answer.to_dict()
    assert not independent_check.check(read, document).problems()
    found = Program(read, document).solve()
    assert found.bound == pytest.approx(answer.certificate.primal)


@pytest.mark.parametrize(
    ("success", "ceiling"),
    [
        ({"form": "saturating", "ceiling": 0.6}, 0.6),
        ({"form": "table", "points": [[1, 0.3], [4, 0.5]]}, 0.5),
    ],
)
def test_a_quality_scales_a_curve_by_its_ceiling(success, ceiling):
    read = config({"success": success}, USES)
    answer = solved(read)
    one = config({"success": success}, USES)
    one["classes"]["known"] = {"rate_per_s": 1, "value_usd": 0.9 / ceiling}
    assert answer.certificate.primal == pytest.approx(solved(one).certificate.primal, rel=1e-9)
