"""Answers that are empty, huge, negative or human-only are drawn like any other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocate.cli.render.markdown import draw_markdown
from allocate.cli.render.screen import draw_screen
from allocate.cli.render.sheets import prices_sheet, requests_sheet
from allocate.cli.terminal import plain_console
from allocate.solver.result import without_answer

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def bare(status="infeasible", **more):
    return without_answer(status, version="0", config_sha256="0", tolerance=1e-6, **more)


def test_an_answer_without_anything(golden):
    text = draw_screen(
        bare(conflicts=["limits.risk_per_h", "limits.shares.local"]), plain_console()
    )
    golden("infeasible.txt", text)


@pytest.mark.parametrize("status", ["infeasible", "unbounded", "feasible", "optimal"])
def test_markdown_without_anything(status):
    assert draw_markdown(bare(status)).startswith("**")


@given(value=FINITE, used=FINITE, capacity=FINITE, binding=st.booleans())
def test_any_price_is_drawn(value, used, capacity, binding):
    result = bare("optimal")
    result["prices"] = [
        {
            "resource": "a.b", "value": value, "unit": "USD", "label": "b", "worth": None,
            "pay": None, "used": used, "capacity": capacity, "binding": binding,
            "valid_from": used, "valid_to": None, "sentence": "b.",
        }
    ]  # fmt: skip
    assert "a.b" in draw_screen(result, plain_console())


def test_the_dearest_capacity_stands_first_and_slack_last(result):
    names = [row[0] for row in prices_sheet(result).rows]
    assert names[:3] == [
        "humans.minutes_per_h",
        "limits.irreversible_risk_per_h",
        "gpus.h100.available",
    ]
    assert names[3] == "budgets.money_usd"  # nearer to its limit than the last


def test_every_binding_price_is_shown_and_slack_ones_are_counted(result):
    slack = result["prices"][3]
    result["prices"] += [slack | {"resource": f"r{i}"} for i in range(20)]
    sheet = prices_sheet(result)
    assert len(sheet.rows) == 3 + 5
    assert sheet.hidden == 17
    assert prices_sheet(result, whole=True).hidden == 0


def test_token_uses_beyond_four_are_added_up(result):
    for line in result["layers"]["autonomy"]:
        line["tokens"] |= {"search": 1.0, "ask": 2.0}
    sheet = requests_sheet(result)
    names = [column.name for column in sheet.columns]
    assert names[4:9] == ["read", "plan", "edit", "verify", "other"]
    assert sheet.rows[0][8] == "3"


def test_a_negative_welfare_keeps_its_sign(result):
    result["objective"]["welfare"] = -12.5
    assert draw_screen(result, plain_console()).startswith("-$12.50/h")


@pytest.mark.parametrize("width", [40, 60, 100, 120])
def test_other_widths(result, width):
    console = plain_console()
    console.width = width
    lines = draw_screen(result, console).splitlines()
    assert len(lines) > 30
    if width >= 100:
        assert max(map(len, lines)) <= width
