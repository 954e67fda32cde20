"""Screens of `examples/fleet.yaml`, drawn from documents that the commands themselves wrote.

    allocate diagnose examples/fleet.yaml --exit-zero --format json --out fleet_diagnosis.json
    allocate compare examples/fleet.yaml --format json --out fleet_comparison.json

Both take minutes, so they are kept; that their keys are those of today is tested on a small one.
"""

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FLEET = "examples/fleet.yaml"
SMALL = "examples/paper_two_models.yaml"


def kept(command: str) -> dict:
    name = {"compare": "fleet_comparison.json", "diagnose": "fleet_diagnosis.json"}[command]
    return json.loads((HERE / "fixtures" / name).read_text("utf-8"))


@pytest.mark.parametrize(
    ("command", "flags"), [("compare", []), ("diagnose", ["--exit-zero"])], ids=lambda v: str(v)
)
def test_a_real_fleet_reads_as_before(cli, golden, monkeypatch, command, flags):
    document = kept(command)
    monkeypatch.setattr(f"allocate.cli.commands.{command}.answer", lambda *a, **k: document)
    ran = cli(command, FLEET, *flags)
    assert (ran.code, ran.err) == (0, "")
    lines = [x for x in ran.out.splitlines() if not x.startswith("  allocate ")]
    assert max(map(len, lines)) <= 80
    golden(f"fleet_{command}.txt", ran.out)


def keys(value, path=""):
    """Every key of a document by its path; entries of a list are alike, names are no keys."""
    if isinstance(value, dict):
        named = path.endswith(
            ("knobs", "sources", "by_code", "reasons", "where", "terms", "approval")
        )
        for key, part in value.items():
            yield f"{path}.{'*' if named else key}"
            yield from keys(part, f"{path}.{'*' if named else key}")
    elif isinstance(value, list):
        for part in value:
            yield from keys(part, f"{path}[]")


@pytest.mark.parametrize("command", ["compare", "diagnose"])
def test_what_is_kept_has_the_keys_of_today(cli, command):
    live = json.loads(cli(command, SMALL, "-q", "--format", "json").out)
    old, new = set(keys(kept(command))), set(keys(live))
    top = {k for k in new if k.count(".") <= 2 and "[]" not in k}
    assert top <= old
    lists = {k for k in new if "[]" in k and "about" not in k and "coalitions" not in k}
    assert lists <= old
