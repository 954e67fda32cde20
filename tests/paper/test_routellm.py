"""RouteLLM's MMLU answers: who of two models is right, and what a share of the strong is worth."""

import csv
from pathlib import Path

import pytest

from tests.solver.cases import price, solved

PAIRS = Path(__file__).parents[2] / "examples" / "data" / "routellm_mmlu_pairs.csv"
MIXTRAL = 9560 / 14042  # share of the questions that the weak model answers
ONLY_GPT4 = 2497 / 14042  # … that only the strong one does
RATE = 2.0  # requests per second, so 7200 an hour


def mmlu(share: float) -> dict:
    with PAIRS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    total = sum(int(r["queries"]) for r in rows)
    assert total == 14042
    classes = {
        f"gpt4 {r['gpt4_correct']} mixtral {r['mixtral_correct']}": {
            "rate_per_s": RATE * int(r["queries"]) / total,
            "value_usd": 1.0,
            "quality": {"gpt4": float(r["gpt4_correct"]), "mixtral": float(r["mixtral_correct"])},
        }
        for r in rows
    }
    return {
        "version": 1,
        "models": {"gpt4": {"quality": 1.0}, "mixtral": {"quality": 1.0}},
        "limits": {"shares": {"strong": {"models": ["gpt4"], "max_share": share}}},
        "classes": classes,
    }


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.177, 0.179, 0.5, 0.8, 1.0])
def test_a_share_of_the_strong_model_is_worth_its_own_successes(share):
    solution = solved(mmlu(share))
    hourly = 3600 * RATE
    assert solution.welfare / hourly == pytest.approx(MIXTRAL + min(share, ONLY_GPT4), rel=1e-9)
    wanted = hourly if share < ONLY_GPT4 else 0.0
    assert price(solution, "limits.shares.strong.max_share") == pytest.approx(wanted, rel=1e-9)


def test_the_strong_share_goes_where_only_the_strong_model_is_right():
    solution = solved(mmlu(0.1))
    used = sum(
        line["requests_per_s"] * (line["class"] == "gpt4 1 mixtral 0")
        for line in solution.layers.router
        if line["model"] == "gpt4"
    )
    assert used == pytest.approx(0.1 * RATE, rel=1e-6)


def test_routing_all_to_one_model_earns_its_accuracy():
    for model, accuracy in (("gpt4", 11315 / 14042), ("mixtral", 9560 / 14042)):
        config = mmlu(1.0)
        for one in config["classes"].values():
            one["models"] = [model]
        assert solved(config).welfare / (3600 * RATE) == pytest.approx(accuracy, rel=1e-9)
