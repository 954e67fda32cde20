"""Whatever cannot start says ``error`` first, so that a log of a workflow can be searched."""

import pytest

CONFIG = "examples/paper_two_models.yaml"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compare", CONFIG, "--baseline", "gready"], "error: there is no baseline `gready`; "),
        (["compare", CONFIG, "--against", "observed"], "error: the baseline `observed` needs a "),
        (["compare", CONFIG, "--observed", "none.json"], "error: none.json cannot be read: "),
        (["diagnose", CONFIG, "--select", "X"], "error: no rule begins with X: "),
        (["diagnose", CONFIG, "--ignore", "X"], "error: no rule begins with X: "),
        (["explain", "AL999"], "error: there is no rule AL999: "),
        (["diagnose", CONFIG, "--at-least", "5"], "error: --at-least takes a share"),
        (["diagnose", CONFIG, "--observed", "none.csv"], "error[OBS001] cannot read `none.csv`"),
    ],
)
def test_an_error_says_that_it_is_one_and_once(cli, arguments, told):
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(told)
    assert ran.err.count("error") == 1
