"""What ``--sweep`` takes, and what is said where it cannot be taken."""

import pytest

from allocate.models.loader import load_dict
from allocate.solver.studies.plan.axes import SweepError, grid, in_order, read_axes, snake
from tests.solver.cases import fleet

LOADED = load_dict(fleet())


def values(text):
    (axis,) = read_axes([text], LOADED)
    return list(axis.values)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("gpus.h100.available=0:256:5", [0, 64, 128, 192, 256]),
        ("demand.scale=2:0.5:4", [2, 1.5, 1, 0.5]),
        ("demand.scale=1,2,4", [1, 2, 4]),
        ("demand.scale = 1 , 2", [1, 2]),
        ("demand.scale=3", [3]),
        ("demand.scale=1:1:1", [1]),
        ("deployments.own_h100.alpha_ms=8 ms,0.01 s", [8, 10]),
        ("gpus.h100.price_usd_per_h=1 USD/h:120 USD/min:2", [1, 7200]),
        ("deployments.own_h100.integer_replicas=true,false", [True, False]),
        ("deployments.own_h100.stage=mixed,decode", ["mixed", "decode"]),
        (
            "budgets.money_usd=1e2,1e3",
            [100, 1000],
        ),  # not in the file: a limit that there is none of
    ],
)
def test_values(text, wanted):
    assert values(text) == pytest.approx(wanted) if wanted[0] is not True else wanted


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("gpus.h10.available=0:4:3", "no `h10`", "did you mean `h100`?"),
        ("h100.available=0:4:3", "no `h100`", "did you mean `gpus.h100.available`?"),
        ("gpus.h100.avail=1,2", "no `avail`", "did you mean `available`?"),
        ("gpus.h100=1,2", "is a section", "its fields"),
        ("gpus.h100.available", "needs a path", "PATH=from:to:points"),
        ("=1,2", "needs a path", "PATH=from:to:points"),
        ("demand.scale=", "needs a path", "PATH=from:to:points"),
        ("demand.scale=0:4", "2 parts, a range has 3", "PATH=from:to:points"),
        ("demand.scale=0:4:2:2", "4 parts", "PATH=from:to:points"),
        ("demand.scale=1:1:3", "the range is empty", "demand.scale=1 for one value"),
        ("demand.scale=1:2:1", "one point does not reach", "at least 2 points"),
        ("demand.scale=1:2:0", "not a number of points", "both ends counted"),
        ("demand.scale=1:2:2.5", "not a number of points", "both ends counted"),
        ("demand.scale=1:2:-3", "not a number of points", "both ends counted"),
        ("demand.scale=-1:2:3", "`-1` cannot be used", "docs/formats.md"),
        ("demand.scale=nan:2:3", "`nan` cannot be used", ""),
        ("demand.scale=1,,2", "a value is empty", "comma"),
        ("demand.scale=one,two", "`one` cannot be used", ""),
        ("demand.scale=1,1.0", "stands there twice", "once"),
        ("gpus.h100.available=0:5 s:3", "`5 s` cannot be used", "a bare number is in GPU"),
        ("deployments.own_h100.stage=mixed:decode:2", "not a number", "a,b,c"),
        ("deployments.own_h100.stage=quick", "`quick` cannot be used", ""),
        ("demand.scale=1:2:1000000", "too many", "at most"),
    ],
)
def test_mistakes_are_said_with_what_to_write_instead(text, said, hint):
    with pytest.raises(SweepError) as caught:
        values(text)
    message = str(caught.value)
    assert message.startswith(f"--sweep {text}: ")
    assert said in message
    assert hint in message.partition("\nhelp: ")[2]
    assert caught.value.exit_code == 2


def test_the_same_path_twice_and_too_many_together_are_refused():
    with pytest.raises(SweepError, match="swept twice"):
        read_axes(["demand.scale=1,2", "demand.scale=3"], LOADED)
    with pytest.raises(SweepError, match="500 x 500 = 250,000 points"):
        read_axes(["demand.scale=1:2:500", "gpus.h100.available=1:2:500"], LOADED)


def test_neighbours_follow_one_another():
    places = list(snake([3, 4, 2]))
    assert len(set(places)) == 24
    for one, other in zip(places[:-1], places[1:], strict=True):
        assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) == 1


def test_the_table_lists_the_last_axis_fastest():
    axes = read_axes(["demand.scale=1,2", "gpus.h100.available=0,4,8"], LOADED)
    points = grid(axes)
    table = [list(points[i].values()) for i in in_order(axes)]
    assert table == [[1, 0], [1, 4], [1, 8], [2, 0], [2, 4], [2, 8]]
