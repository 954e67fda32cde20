"""The second judge agrees with the first, and finds what is wrong in a false document."""

import copy
import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from allocate.models.loader import load
from allocate.solver.solve import solve
from tests.independent_check import check, check_files
from tests.solver.cases import api_and_humans, changed, everything, fleet, solved

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
LIMITS = {
    "humans": {"humans.minutes_per_h": 150},
    "budget": {"budgets": {"money_usd": 10}},
    "tenant": {"tenants.beta.money_usd": 3.0},
    "calls": {"models.strong.api.requests_per_minute": 2},
    "tokens": {"models.strong.api.tokens_per_minute": 20000},
    "risk": {"limits": {"risk_per_h": 20, "irreversible_risk_per_h": 2}},
    "latency": {"limits": {"latency": {"some": {"mean_s": 8, "classes": ["ask"]}}}},
    "latency of a tenant": {"limits": {"latency": {"some": {"mean_s": 30, "tenants": ["beta"]}}}},
    "shares": {"limits": {"shares": {"s": {"models": ["strong"], "max_share": 0.1}}}},
    "least share": {
        "limits": {"shares": {"s": {"models": ["strong"], "min_share": 0.5, "classes": ["ask"]}}}
    },
    "all": {
        "budgets": {"money_usd": 10},
        "humans.minutes_per_h": 100,
        "limits": {"risk_per_h": 15, "shares": {"s": {"models": ["strong"], "max_share": 0.15}}},
    },
    "prices apart": {"classes.ask.latency_usd_per_s": 0.01, "classes.deploy.decline": False},
}


def desk(name: str) -> dict:
    config = api_and_humans()
    return changed(config, **{k.replace(".", "__"): v for k, v in LIMITS[name].items()})


@pytest.mark.parametrize("name", ["paper_two_models", "paper_cobb_douglas", "minimal"])
def test_examples_hold_for_a_second_judge(name, tmp_path):
    path, result = EXAMPLES / f"{name}.yaml", tmp_path / "result.json"
    result.write_text(json.dumps(solve(load(path), ranges=False).to_dict()), "utf-8")
    report = check_files(path, result)
    assert report.problems() == []
    assert abs(report.gap) < 1e-6
    run = subprocess.run(
        [sys.executable, ROOT / "tests" / "independent_check.py", path, result],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", LIMITS)
def test_apis_and_humans_under_limits_hold_for_a_second_judge(name):
    config = desk(name)
    solution = solved(config)
    report = check(config, solution.to_dict())
    assert report.problems() == []
    assert report.dual == pytest.approx(solution.certificate.dual, rel=3e-6)
    assert report.welfare == pytest.approx(solution.welfare, rel=1e-8)


def test_tail_risk_is_the_mean_of_the_worst_losses():
    tail = {
        "beta": 0.8,
        "max_loss_per_h": 30,
        "price_usd": 0.2,
        "scenarios": {
            "calm": {"probability": 0.7},
            "storm": {"probability": 0.1, "factors": {"deploy": 10}, "factor": 2},
            "breach": {"probability": 0.2, "factors": {"commit": 6}},
        },
    }
    config = changed(api_and_humans(), limits={"tail_risk": tail})
    report = check(config, solved(config).to_dict())
    assert report.problems() == []
    config["limits"]["tail_risk"]["max_loss_per_h"] = 15
    assert "tail risk" in " ".join(check(config, solved_before(config).to_dict()).problems())


def solved_before(config):
    return solved(changed(config, limits__tail_risk__max_loss_per_h=30))


@pytest.mark.parametrize(
    "config",
    [
        fleet(),
        everything(),
        changed(
            fleet(),
            periods={
                "day": {"hours": 8, "demand_scale": 1.5},
                "night": {"hours": 16, "demand_scale": 0.3},
            },
        ),
        changed(fleet(), deployments__own_h100__max_batch=2),
    ],
    ids=["fleet", "everything", "periods", "batch"],
)
def test_own_gpus_hold_for_a_second_judge_as_far_as_it_sees(config):
    report = check(config, solved(config).to_dict())
    assert report.problems() == []
    assert not any("bill" in s for s in report.skipped)


FALSE = {
    "welfare": lambda d: d["objective"].update(welfare=d["objective"]["welfare"] * 1.001),
    "money": lambda d: d["objective"].update(money=d["objective"]["money"] * 0.99),
    "risk": lambda d: d["objective"].update(risk=d["objective"]["risk"] * 0.9),
    "a share": lambda d: d["layers"]["router"][0].update(share=0.5),
    "flow": lambda d: d["layers"]["router"][0].update(
        share=d["layers"]["router"][0]["share"] * 1.01,
        requests_per_s=d["layers"]["router"][0]["requests_per_s"] * 1.01,
    ),
    "tokens": lambda d: d["layers"]["autonomy"][0]["tokens"].update(edit=1.0),
    "success": lambda d: d["layers"]["autonomy"][0].update(success=1.0),
    "a price": lambda d: d["prices"][0].update(value=d["prices"][0]["value"] * 1.1),
}


@functools.cache
def true_document():
    config = desk("budget")
    document = solved(config).to_dict()
    assert check(config, document).problems() == []
    return config, document


@pytest.mark.parametrize("lie", FALSE)
def test_a_false_document_is_found_out(lie):
    config, document = true_document()
    false = copy.deepcopy(document)
    FALSE[lie](false)
    assert check(config, false).problems() != []


def test_the_second_judge_shares_no_code_with_the_package():
    text = (ROOT / "tests" / "independent_check.py").read_text("utf-8")
    imports = [line for line in text.splitlines() if line.lstrip().startswith(("import ", "from "))]
    assert not any("allocate" in line for line in imports)
