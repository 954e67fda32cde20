"""``--format github`` says what the screen says, for those who have the tool and no checkout."""

import copy
import json
from pathlib import Path

import pytest

from allocate.cli.render.diagnosis import workflow_commands

FIXTURES = Path(__file__).parent / "fixtures"
DIAGNOSIS = json.loads((FIXTURES / "fleet_diagnosis.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (0.0, None),
        (0.25, "25 USD/h of it is what others gain by the room"),
        (1.0, "all of it is what others gain by the room"),
    ],
)
def test_a_finding_says_what_of_it_others_gain_and_where_to_read_on(part, told):
    document = copy.deepcopy(DIAGNOSIS)
    first = document["findings"][0]
    first["usd_per_hour"], first["others_usd_per_hour"] = 100.0, 100.0 * part
    line = next(workflow_commands(document))
    assert ("others gain" in line) == (told is not None)
    assert (told or "") in line
    assert line.endswith(f"allocate explain {first['code']}")
    assert "docs/" not in line
