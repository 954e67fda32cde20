"""Every number of the evidence pages is the one in the results, rounded by the same rule."""

import json
from math import floor, log10
from pathlib import Path

import pytest

from benchmarks.evidence import (
    long_tail_data,
    long_tail_worth,
    risk_reviewed,
    risk_runs,
    risk_tests,
)

ROOT = Path(__file__).parents[2]
NAMES = {
    "base": "base case",
    ("shape", "equal"): "all worth the same",
    ("shape", "lognormal 1"): "lognormal, σ = 1",
    ("shape", "pareto 1.5"): "Pareto, index 1.5",
    ("mean", 3.0): "mean worth 3 dear calls",
    ("mean", 10.0): "mean worth 10",
    ("mean", 100.0): "mean worth 100",
    ("floor", 0.5): "floor 50 %",
    ("floor", 0.95): "floor 95 %",
    ("hard", -0.5): "hard queries worth less (−0.5)",
    ("hard", 0.5): "hard queries worth more (+0.5)",
}


def text(name: str) -> str:
    """A page as one line, so that a sentence is found wherever it is broken."""
    return " ".join((ROOT / "docs" / name).read_text("utf-8").split())


def results(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / name).read_text("utf-8"))


def signed(said: str) -> str:
    """A true minus, and none before a zero."""
    return said.removeprefix("-") if not said.strip("-0.") else said.replace("-", "−")


def percent(x: float, digits: int = 0) -> str:
    return signed(f"{100 * x:.{digits}f}")


def two(x: float) -> str:
    """Two digits that count, at most two after the point."""
    places = 2 if x == 0 else min(max(1 - floor(log10(abs(x))), 0), 2)
    return signed(f"{x:.{places}f}")


def ranged(figure: list[float], say=two, unit: str = "") -> str:
    low, own, high = (say(x) for x in figure)
    return f"{own}{unit} [{low}, {high}]"


def tenths(x: float) -> str:
    return percent(x, 1)


# --- the long tail -------------------------------------------------------------------------------


def row(name: str, f: dict[str, list[float]]) -> str:
    """A line of the table of assumptions."""
    cells = [
        name,
        ranged(f["gain within the same spend"], tenths),
        tenths(f["of it value"][1]),
        percent(f["money used of the same spend"][1]),
        ranged(f["value gained with all of it spent"], tenths),
        ranged(f["gain at its own spend"], tenths),
        *(ranged(f[k]) if k in f else "" for k in ("regret, tail", "regret, others")),
    ]
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def lines(result: dict) -> list[str]:
    """The table of assumptions."""
    out = []
    for case in result["cases"]:
        changed = [(k, v) for k, v in long_tail_worth.BASE.items() if case[k] != v]
        key = (changed[0][0], case[changed[0][0]]) if changed else "base"
        name = NAMES[key] if case["data"] == "RouteLLM" else "RouterArena, base case"
        out.append(row(name, case["figures"]))
    return out


def long_tail_sentences(result: dict) -> list[str]:
    """What the prose of the page says, with the numbers of the results."""
    by = {(c["data"], *(c[k] for k in long_tail_worth.BASE)): c["figures"] for c in result["cases"]}
    base = by["RouteLLM", "lognormal 2", 30.0, 0.8, 0.0]
    one, pareto, few, many = (
        by["RouteLLM", s, m, 0.8, 0.0]
        for s, m in (
            ("lognormal 1", 30.0), ("pareto 1.5", 30.0),
            ("lognormal 2", 3.0), ("lognormal 2", 100.0),
        )
    )  # fmt: skip
    high = by["RouteLLM", "lognormal 2", 30.0, 0.95, 0.0]
    tail = result["tail"] * base["regret, tail"][1]
    held = base["tail's share of value"][1]
    others = (1 - result["tail"]) * base["regret, others"][1]
    short, long = (
        f["gain within the same spend"][1] for f in result["answers of 20 and 500 tokens"]
    )

    def of_value(f: dict, who: str) -> str:
        return ranged(f[f"regret by value, {who}"], tenths)

    return [
        f"loses {ranged(base['regret, tail'])} times the cost of a dear call per request, the "
        f"others {ranged(base['regret, others'])}",
        f"gains {ranged(base['gain within the same spend'], tenths, ' %')} of the value: "
        f"{ranged(base['of it value'], tenths, ' %')} is more value, "
        f"{tenths(base['of it money left over'][1])} % is money left over, since "
        f"{ranged(base['money used of the same spend'], percent, ' %')} of it buys all that pays",
        f"buys {ranged(base['value gained with all of it spent'], tenths, ' %')} more value",
        f"Hindsight would bring {ranged(base['gain of hindsight'], tenths, ' %')}",
        f"{percent(base['tail not sent'][1])} % of the most valuable tenth should have had",
        f"{percent(base['others sent in vain'][1])} % of the others got it in vain",
        f"holds {percent(held)} % of all worth and "
        f"{percent(tail / (tail + others))} % of the regret",
        f"loses {of_value(base, 'tail')} cents, the others {of_value(base, 'others')}",
        f"{of_value(one, 'tail')} against {of_value(one, 'others')} with σ = 1",
        f"{of_value(pareto, 'tail')} against {of_value(pareto, 'others')} with Pareto's tail",
        f"of the {tenths(few['gain within the same spend'][1])} %, "
        f"{tenths(few['of it money left over'][1])} % is money left over, with "
        f"{percent(few['money used of the same spend'][1])} % of it spent",
        f"all of the {tenths(many['gain within the same spend'][1])} % is value",
        f"protects the tail ({two(high['regret, tail'][1])} at 95 %)",
        f"within the same spend is {tenths(short)} % or {tenths(long)} %",
        f"{result['draws']} splits",
    ]


def test_the_table_of_assumptions_is_the_results():
    page, result = text("evidence-long-tail.md"), results("long_tail_regret.json")
    assert len(lines(result)) == 12
    for line in lines(result):
        assert line in page


def test_the_prose_of_the_long_tail_is_the_results():
    page = text("evidence-long-tail.md")
    for said in long_tail_sentences(results("long_tail_regret.json")):
        assert said in page


def test_the_outcomes_of_both_data_sets_are_the_results():
    page, result = text("evidence-long-tail.md"), results("long_tail_regret.json")
    for q in (long_tail_data.routellm(), long_tail_data.routerarena()):
        found = long_tail_data.outcomes(q)
        assert found == pytest.approx(result["outcomes"][q.name])
        shares = ("cheaper", "dearer", "only the dearer is better", "only the cheaper is better")
        cells = " | ".join(f"{tenths(found[k])} %" for k in shares)
        assert f"| {found['queries']:,}, {found['groups']} | {cells} |" in page


# --- risk and verifying --------------------------------------------------------------------------


def buyer_lines(result: dict) -> list[str]:
    """The table of buyers: in the sample, on the other half, and at the buyer's own spend."""
    found = {(x["stake_usd"], x["who"]): x for x in result["buyers"]}
    out = []
    for stake in (0.01, 0.1, 1.0, 10.0, 100.0):
        never, same, cheapest = (
            found[stake, who]
            for who in (
                "never verifies", "never verifies, at the same spend", "verifies, cheapest model",
            )
        )  # fmt: skip
        cells = [
            f"{percent(x['lost in the sample'])} | {ranged(x['lost on the other half'], percent)}"
            for x in (never, same, cheapest)
        ]
        out.append(f"| {stake:g} | {' | '.join(cells)} |")
    return out


def risk_sentences(result: dict) -> list[str]:
    """What the prose of the page says, with the numbers of the results."""
    left, cheap = result["risk left by verifying"], result["cheap and verified"]
    low, median, high = left["median"]
    best, least = cheap["best in one try"], cheap["cheapest of them"]
    even, scale = result["break-even stake, USD"], result["one scale for all"]
    tau = [f"{round(x, -1):,.0f}" for x in scale["tau"]]
    return [
        f"leaves {percent(median, 1)} % of the risk",
        f"{percent(low)} to {percent(high)} %",
        f"their mean is {percent(left['mean of the medians drawn anew'], 1)} %",
        f"from {percent(left['least and most'][0])} % to {percent(left['least and most'][1])} %",
        f"leaves {ranged(best['risk'], percent, ' %')} unsolved for ${best['usd']:.3f}",
        f"Of {cheap['of']} runs with a known cost, {cheap['runs with tests surely below it']} "
        f"leave surely less with tests, {cheap['of them cheaper']} of them for less money",
        f"{ranged(least['risk'], percent, ' %')} for ${least['usd']:.3f}",
        f"${even['median']:.2f} a task in the median run (${even['tenth']:.3f} to "
        f"${even['ninetieth']:.2f}",
        f"τ is {tau[1]} tokens in the median of {scale['runs']} runs with token counts, {tau[0]} "
        f"to {tau[2]}",
        f"by {scale['error of the risk left, median']:.2f} in the median, more than a constant "
        f"share does ({scale['error without tokens, median']:.2f})",
    ]


def review_lines(result: dict) -> list[str]:
    """Rows of the second table, and what the prose takes from it."""
    by = {x["policy"]: x for x in result["reviewed"]}

    def row(name: str, x: dict) -> str:
        won, lost = x["won and lost against sol"]
        p = [f"{x[k]:.2f}" if x[k] < 0.995 else "1" for k in ("p", "p of all")]
        risk = ranged(x["risk"], percent, " %")
        return f"| {name} | {risk} | {x['usd']:.3f} | {won}, {lost} | {p[0]} | {p[1]} |"

    sol, sonnet = by["sol_only"], by["sonnet5_only"]
    quality, careful = by["v2_review_quality"], by["capability_review_quality"]
    won, lost = sonnet["won and lost against sol"]
    bounds = f"${quality['usd']:.3f} and ${careful['usd']:.3f}"
    return [
        row("luna, the cheap model", by["luna_only"]),
        row("opus5, no review", by["opus5_only"]),
        f"| sol | {ranged(sol['risk'], percent, ' %')} | {sol['usd']:.3f}, exact |",
        *(row(name, by[policy]) for policy, name in (
            ("v2_review_quality", "review, v2 quality"),
            ("v2_review_retention", "review, v2 retention"),
            ("capability_review_quality", "review, capability quality"),
            ("capability_review_retention", "review, capability retention"),
        )),
        f"at least {bounds} a task against ${sol['usd']:.3f}",
        f"sonnet5 alone: {ranged(sonnet['risk'], percent, ' %')}, won {won}, lost {lost}, p "
        f"{sonnet['p']:.2f}",
    ]  # fmt: skip


def test_the_table_of_buyers_is_the_results():
    page = text("evidence-risk.md")
    for line in buyer_lines(results("risk_and_verify.json")):
        assert line in page


def test_the_prose_of_the_risk_is_the_results():
    page, result = text("evidence-risk.md"), results("risk_and_verify.json")
    for said in risk_sentences(result) + review_lines(result):
        assert said in page


def test_what_takes_no_draws_is_found_again():
    result = results("risk_and_verify.json")
    assert risk_reviewed.reviewed() == result["reviewed"]
    t = risk_runs.runs()
    assert risk_tests.cheap_and_verified(t) == result["cheap and verified"]
    assert risk_tests.break_even(t) == pytest.approx(result["break-even stake, USD"])


def test_only_the_model_that_asks_nobody_has_an_exact_cost():
    found = results("risk_and_verify.json")["reviewed"]
    assert [x["policy"] for x in found if not x["usd is a lower bound"]] == ["sol_only"]
    page = text("evidence-risk.md")
    for claim in ("half its cost", "half the cost", "saves money", "saves *money*"):
        assert claim not in page
