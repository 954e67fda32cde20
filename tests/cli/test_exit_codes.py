"""Every outcome has its exit code and no traceback."""

import json
from types import SimpleNamespace

import pytest

from allocate.errors import SolveError


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "version: 1\nmodels: {m: {quality: 0.5}}\nclasses: {k: {rate_per_s: 1, value_usd: 1}}\n"
    )
    return path


def raising(monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("allocate.cli.commands.solve.answer", fail)


@pytest.mark.parametrize(
    ("status", "code"),
    [("optimal", 0), ("feasible", 4), ("stopped", 4), ("infeasible", 3), ("unbounded", 3)],
)
def test_solve_ends_with_the_code_of_its_status(cli, solved, status, code):
    solved["status"] = status
    ran = cli("solve", "c.yaml", "--format", "json")
    assert ran.code == code
    assert json.loads(ran.out)["status"] == status


def test_solve_asks_what_the_flags_say(cli, config, solver, result):
    asked = {}

    def solve(loaded, **question):
        asked.update(question, scale=loaded.config.demand.scale)
        question["progress"]({"iteration": 1, "gap": 0.5})
        return SimpleNamespace(to_dict=lambda: result)

    solver.solve = solve
    flags = ["--method", "conic", "--tolerance", "1e-4", "--seed", "7", "--set", "demand.scale=3"]
    assert cli("solve", config, *flags).code == 0
    asked.pop("progress")
    assert asked == {"method": "conic", "tolerance": 1e-4, "seed": 7, "scale": 3.0}


def test_infeasible_prints_a_document_and_names_the_conflict(cli, config, solver):
    def fail(*args, **kwargs):
        raise SolveError("infeasible", "limits exclude each other", ("limits.risk_per_h",))

    solver.solve = fail
    ran = cli("solve", config, "--format", "json")
    assert ran.code == 3
    assert json.loads(ran.out)["conflicts"] == ["limits.risk_per_h"]
    assert "limits.risk_per_h" in ran.err
    screen = cli("solve", config)
    assert screen.code == 3
    assert screen.out.startswith("infeasible")
    assert "- limits.risk_per_h" in screen.out


def test_a_refusal_is_told_once(cli, config, solver):
    def fail(*args, **kwargs):
        raise SolveError("infeasible", "limits exclude each other", ("limits.risk_per_h",))

    solver.solve = fail
    ran = cli("solve", config)
    told = ran.out + ran.err
    assert told.count("limits exclude each other") == 1
    assert told.count("limits.risk_per_h") == 1
    assert "PATH=VALUE" not in told


def test_an_unbounded_answer_says_what_to_bound(cli, config, solver):
    def fail(*args, **kwargs):
        raise SolveError("unbounded", "give token_uses.*.max_tokens, or budgets.money_usd")

    solver.solve = fail
    ran = cli("solve", config)
    assert ran.code == 3
    assert "give token_uses.*.max_tokens" in " ".join(ran.out.split())
    assert "--set budgets.money_usd=" in ran.out


def test_interrupt_ends_with_4(cli, monkeypatch):
    raising(monkeypatch, KeyboardInterrupt())
    ran = cli("solve", "c.yaml")
    assert (ran.code, ran.out) == (4, "")
    assert "stopped" in ran.err
    assert "Traceback" not in ran.err


def test_a_bug_ends_with_70_and_one_line(cli, monkeypatch):
    raising(monkeypatch, KeyError("lane"))
    ran = cli("solve", "c.yaml")
    assert ran.code == 70
    assert ran.err.startswith("internal error (KeyError: 'lane')")
    assert "please report" in ran.err
    assert ran.err.count("\n") == 1


def test_debug_shows_the_traceback_of_a_bug(cli, monkeypatch):
    raising(monkeypatch, KeyError("lane"))
    assert "Traceback" in cli("solve", "c.yaml", "--debug").err


@pytest.mark.parametrize(
    "arguments",
    [
        ["solve"],
        ["solve", "none.yaml"],
        ["solve", "c.yaml", "--nonsense"],
        ["solve", "c.yaml", "--tolerance", "0"],
        ["solve", "c.yaml", "--format", "xml"],
        ["validate", "none.yaml"],
        ["schema", "nothing"],
        ["nothing"],
    ],
)
def test_what_cannot_start_ends_with_2(cli, arguments):
    ran = cli(*arguments)
    assert ran.code == 2
    assert ran.out + ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["solve", "c.yaml", "--format", "yaml"], "'yaml' is not one of 'table', 'json'"),
        (["solve", "c.yaml", "--tolerance", "0"], "must be between 1e-12 and 1, not 0"),
        (["solve", "c.yaml", "--tolerance", "x"], "not a number"),
        (["solve", "c.yaml", "--seed", "1.5"], "not a whole number"),
        (["solve", "c.yaml", "d.yaml"], "d.yaml"),
        (["schema", "yaml"], "'yaml' is not one of 'config', 'result'"),
        (["solve", "c.yaml", "--table", "prices", "--format", "json"], "--table"),
        (["solve", "c.yaml", "--out", "x.pdf"], "error: no format is known by `.pdf`"),
        (["solve", "c.yaml", "--out", "x.html"], "error: x.html would be a page"),
        (["solve", "c.yaml", "--out", "x.html"], "allocate report result.json --out x.html"),
    ],
)
def test_a_wrong_flag_is_told_in_plain_words(cli, arguments, told):
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    for word in ("Value error", "env var", "Input should", "0.00000"):
        assert word not in ran.err


@pytest.mark.parametrize("command", ["init", "validate", "solve", "schema"])
def test_help_fits_eighty_columns_and_breaks_no_word(cli, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = cli(command, "--help").out
    assert max(map(len, out.splitlines())) <= 80
    assert "[env var" not in out
    assert "|json" not in out  # choices are words of the help's sentence


@pytest.mark.parametrize("command", ["init", "validate", "solve", "schema", "plan"])
def test_every_command_has_help(cli, command):
    ran = cli(command, "--help")
    assert ran.code == 0
    assert command in ran.out


def test_help_lists_every_command(cli):
    out = cli("--help").out
    for command in ("init", "validate", "solve", "schema", "plan"):
        assert command in out


def test_no_arguments_show_the_help(cli):
    ran = cli()
    assert ran.code == 0
    assert "Usage" in ran.out


def test_version(cli):
    from allocate import __version__

    assert cli("--version").out == f"allocate {__version__}\n"
