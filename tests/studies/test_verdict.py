"""The sentence of a comparison says what was computed and no more; by plain numbers."""

import pytest

from allocate.solver.studies.verdict import Today, verdict


def said(gain=100.0, split=None, shares=None, name="greedy-tuned", welfare=200.0, **more):
    return verdict(name, gain, 0.01, welfare, split, shares, **more)


def steps(knowing, coordinating):
    return {"knowing": knowing, "coordinating": coordinating, "more_budget": 7.0}


def test_the_gain_and_its_share():
    assert (
        said() == "At equal spend joint allocation gains $100/h (50 %) over the tuned local rules."
    )
    assert "gains $0.05/h (0.025 %) over `greedy`" in said(0.05, name="greedy")
    assert "(1,234 %)" in said(welfare=100.0 / 12.34)
    assert "gains $100/h over" in said(welfare=-5.0)  # no share of a loss


@pytest.mark.parametrize(
    ("knowing", "coordinating", "text"),
    [
        (60.0, 40.0, "$60.00/h from seeing V, λ and ρ, $40.00/h from shared prices"),
        (100.0, 0.005, "all of it from seeing V, λ and ρ; shared prices add nothing to that"),
        (0.005, 100.0, "all of it from shared prices; seeing V, λ and ρ alone brings nothing"),
        (
            -115.2,
            215.2,
            "shared prices bring $215/h, seeing V, λ and ρ alone would cost $115/h",
        ),
        (102.0, -2.0, "$102/h from seeing V, λ and ρ, -$2.00/h from shared prices"),
        (None, None, "how much of it is seeing V, λ and ρ is not known"),
    ],
)
def test_the_steps(knowing, coordinating, text):
    assert said(split=steps(knowing, coordinating)).endswith(f": {text}.")


@pytest.mark.parametrize(
    ("shares", "text"),
    [
        ({"router": 42.9, "serving": 40.0, "training": 17.1}, "the largest part (42.9 %) comes"),
        ({"router": 50.0, "serving": 50.0}, "the largest part (50 %) comes"),
        ({"router": 51.0, "serving": 49.0}, "most of it (51 %) comes"),
        ({"router": 100.0, "serving": 0.0}, "all of it comes"),
    ],
)
def test_most_is_more_than_half(shares, text):
    assert said(shares=shares).endswith(f"; by layer, {text} from routing.")


def test_a_gain_that_no_layer_has_names_none():
    assert "by layer" not in said(shares={"router": 0.0, "serving": 0.0})


def test_no_gain_names_no_cause_that_was_not_checked():
    start = "No gain: at equal spend joint allocation is worth no more than the tuned local rules"
    assert said(0.01) == f"{start}."
    free = "nothing is scarce (no capacity or limit binds), so there is nothing to coordinate"
    assert said(0.0, scarce=False) == f"{start}; {free}."
    tight = "a capacity or limit binds in the joint answer, but nothing is lost by it here"
    assert said(-3.0, scarce=True) == f"{start}; {tight}."


def test_no_gain_over_tuned_rules_tells_what_the_defaults_lose():
    lost = "defaults (`greedy`) lose $2.00/h, and tuning them is enough"
    assert said(0.0, untuned=2.0).endswith(f"; {lost}.")
    assert "defaults" not in said(0.0, untuned=0.005)
    assert "defaults" not in said(0.0, untuned=2.0, name="flat-price")
    assert "defaults" not in said(50.0, untuned=60.0)


@pytest.mark.parametrize(
    ("today", "text"),
    [
        (Today(342.5, 0.01, 292.2), "it gains $342/h (117 %)."),
        (Today(3.0, 0.01, -5.0), "it gains $3.00/h."),  # no share of a loss
        (Today(0.005, 0.01, 292.2), "it gains nothing."),
    ],
)
@pytest.mark.parametrize("gain", [100.0, 0.0])
def test_what_is_done_today_has_its_clause_whatever_the_baseline(gain, today, text):
    sentence = said(gain, today=today)
    assert sentence.endswith(f"; over what is done today (`observed`), at its spend, {text}")
    assert sentence.count(". ") == 0
