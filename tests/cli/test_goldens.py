"""What a person reads, to the letter; ``pytest --refresh-goldens`` after a wanted change."""

import pytest

from allocate.cli.flags import Part
from allocate.cli.render.artifact_sheets import KEYS

CONFIG = "examples/coding_agent.yaml"
TITLES = {
    "router": "Router",
    "autonomy": "Router",
    "schedule": "Autonomy by action class",
    "regret": "Router regret",
    "token-prices": "Token prices",
    "cache": "Prefixes kept",
    "hits": "Prefixes found",
    "investment": "What training",
}


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("solve.txt", []),
        ("solve_all.txt", ["--all"]),
        ("solve.md", ["--format", "markdown"]),
        ("prices.csv", ["--format", "csv"]),
        ("autonomy.csv", ["--format", "csv", "--table", "autonomy"]),
        ("training.csv", ["--format", "csv", "--table", "training"]),
        ("schedule.txt", ["--table", "schedule"]),
        ("regret.txt", ["--table", "regret"]),
        ("token_prices.txt", ["--table", "token-prices"]),
        ("cache.md", ["--format", "markdown", "--table", "cache"]),
        ("hits.csv", ["--format", "csv", "--table", "hits"]),
        ("investment.txt", ["--table", "investment"]),
        ("vectors.txt", ["--table", "vectors"]),
    ],
)
def test_answer_reads_as_before(cli, solved, golden, name, flags):
    ran = cli("solve", CONFIG, *flags)
    assert ran.code == 0
    assert ran.err == ""
    golden(name, ran.out)


def test_answer_that_is_not_certified_is_marked(cli, solved, golden):
    solved["status"] = "stopped"
    solved["certificate"] |= {"relative_gap": 0.031, "dual": 4140.0, "holds": False}
    ran = cli("solve", CONFIG)
    assert ran.code == 4
    assert "NOT certified" in ran.out
    golden("solve_stopped.txt", ran.out)


@pytest.mark.parametrize("name", ["solve.txt", "solve_all.txt"])
def test_screen_fits_eighty_columns(cli, solved, name):
    ran = cli("solve", CONFIG, *(["--all"] if "all" in name else []))
    assert max(map(len, ran.out.splitlines())) <= 80


def test_slack_prices_are_shown_as_zero(cli, solved):
    solved["prices"][3]["value"] = 4.8e-10  # what an interior point leaves
    line = next(x for x in cli("solve", CONFIG).out.splitlines() if "budgets.money_usd" in x)
    assert " 0 " in line
    assert "e-" not in line


def test_hidden_lines_are_counted(cli, solved):
    solved["layers"]["router"] *= 3
    assert "lines: --all shows them" in cli("solve", CONFIG).out
    assert "--all shows" not in cli("solve", CONFIG, "--all").out


@pytest.mark.parametrize("part", list(Part))
def test_one_table_alone(cli, solved, part):
    text = cli("solve", CONFIG, "--table", part).out
    title = TITLES.get(part, part.title())
    assert text.startswith(title)
    assert "\n\n" not in text  # no second table
    assert cli("solve", CONFIG, "--table", part, "--format", "markdown").out.startswith("## ")


@pytest.mark.parametrize("part", list(Part))
def test_a_table_without_lines_still_has_its_header(cli, solved, part):
    wanted = cli("solve", CONFIG, "--format", "csv", "--table", part).out.splitlines()[0]
    if part == "prices":
        solved["prices"] = []
    elif part in KEYS:
        solved["artifacts"][KEYS[part]] = None
    else:
        solved["layers"][part] = []
    ran = cli("solve", CONFIG, "--format", "csv", "--table", part)
    header = ran.out.removesuffix("\n").split(",")
    assert ran.out.count("\n") == 1
    assert len(header) >= 2
    columns = wanted.split(",")
    assert all(
        any(column == name or column.startswith(f"{name}.") for column in columns)
        for name in header
    )
