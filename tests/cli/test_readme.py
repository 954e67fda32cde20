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


def without_proof(text: str) -> list[str]:
    """Drop the sentence of the proof: its last digits are the machine's rounding."""
    text = text.replace("```\n", "")
    return re.sub(r"certified: .*?\n(?=\s*welfare)", "", text, flags=re.DOTALL).splitlines()


def test_the_output_is_the_command_s_own(cli, config, monkeypatch):
    """All of it, but for the digits of the proof."""
    assert OUTPUT is not None
    monkeypatch.chdir(config.parent)
    ran = cli("solve", config.name)
    assert ran.code == 0
    assert "certified: " in ran.out
    assert without_proof(ran.out) == without_proof(OUTPUT[1])


def test_every_file_that_is_linked_exists():
    root = Path(__file__).parents[2]
    for page in [root / "README.md", *(root / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_command_of_the_readme_exists(cli):
    for command in set(re.findall(r"^\s*allocate (\w+)", README, re.MULTILINE)):
        assert cli(command, "--help").code == 0, command
