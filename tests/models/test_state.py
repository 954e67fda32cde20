"""From one program to the next: which lanes are new, and what their prices start from."""

import pytest

from allocate.models.lanes import refined
from allocate.models.loader import load_dict
from allocate.models.stack import State, build
from allocate.models.state import kin
from tests.solver.cases import fleet


def config():
    out = fleet()
    del out["deployments"]["own_h100"]["tpot_ms"]
    return load_dict(out)


def test_new_lanes_start_from_the_nearest_lane():
    loaded = config()
    before = build(loaded.config, loaded.classes, State(grid={"own_h100": [0.2, 0.6]}))
    built = build(loaded.config, loaded.classes, State(grid={"own_h100": [0.2, 0.3, 0.5, 0.6]}))
    assert kin(built, before) == {
        f"own_h100@{new} {what}": f"own_h100@{old} {what}"
        for new, old in ((0.3, 0.2), (0.5, 0.6))
        for what in ("busy", "batch", "KV")
    }


def test_tiers_are_added_half_and_an_eighth_of_the_way_in_logit():
    """Between odds 1/4, 1 and 4: at odds 4^(±1/2) and 4^(±1/8); what is not near is dropped."""
    loaded = config()
    menu = {"own_h100": [0.05, 0.2, 0.5, 0.8, 0.9]}
    fine = refined(loaded.config, menu, {"own_h100": [0.5]})["own_h100"]
    first = build(loaded.config, loaded.classes).state.grid["own_h100"]
    odds = sorted(round(u / (1 - u), 6) for u in set(fine) - set(first))
    assert odds == [0.25, 0.5, round(4**-0.125, 6), 1.0, round(4**0.125, 6), 2.0, 4.0]
    assert set(first) <= set(fine)


def test_listed_speeds_and_idle_families_are_left_alone():
    listed = load_dict(fleet())
    menu = build(listed.config, listed.classes).state.grid
    assert refined(listed.config, menu, {"own_h100": list(menu["own_h100"])}) == dict(menu)
    loaded = config()
    menu = build(loaded.config, loaded.classes).state.grid
    assert refined(loaded.config, menu, {}) == dict(menu)


STATE = State({"own_h100": (0.2, 0.6)}, {"own": 0.01, "api": 0.02}, {"own": 500.0})


def test_a_state_is_its_menu_and_its_numbers():
    assert STATE.numbers == {
        ("capability", "own"): 0.01,
        ("capability", "api"): 0.02,
        ("worth", "own"): 500.0,
    }
    assert State(STATE.grid).at(STATE.numbers) == STATE
    assert State(STATE.grid).numbers == {}


def test_a_state_comes_back_from_a_file():
    assert State.from_dict(STATE.to_dict()) == STATE
    with pytest.raises(KeyError):
        State.from_dict({"speeds": {}, "worth": {}})


def test_a_state_keeps_what_a_config_still_has():
    """No training there: no numbers; lanes that are new stand at their first menu, which stays."""
    first = build(config().config, config().classes).state.grid
    old = State({"gone": (0.5,)}, STATE.capability, STATE.worth)
    assert old.within(config().config) == State(first)
    both = {f: sorted({*first[f], *STATE.grid[f]}) for f in first}
    assert STATE.within(config().config).grid == both
