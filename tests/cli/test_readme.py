"""The README's example is a config that works, and its output is what the command prints."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
EXAMPLE = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
OUTPUT = re.search(r"<!-- output: begin -->\n(.*?)<!-- output: end -->", README, re.DOTALL)


@pytest.fixture
def config(tmp_path):
    assert EXAMPLE is not None
    path = tmp_path / "config.yaml"
    path.write_text(EXAMPLE[1])
    return path


def test_the_example_is_short_and_valid(cli, config):
    assert len(config.read_text().splitlines()) <= 10
    ran = cli("validate", config)
    assert ran.code == 0, ran.out


def test_the_output_is_the_command_s_own(cli, config):
    """The money in the output is compared, not the digits of the certificate's error."""
    assert OUTPUT is not None
    out = cli("solve", config).out
    assert out.splitlines()[0] in OUTPUT[1]
    assert out.splitlines()[3] in OUTPUT[1]


def test_every_command_of_the_readme_exists(cli):
    for command in set(re.findall(r"^\s*allocate (\w+)", README, re.MULTILINE)):
        assert cli(command, "--help").code == 0, command
