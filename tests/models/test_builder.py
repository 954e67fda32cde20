"""What the layers register: a name stands for one slot."""

import pytest

from allocate.models.builder import Builder


def test_a_slot_may_be_registered_again_only_as_it_is():
    builder = Builder((1.0,), ("all day",))
    assert builder.slot("busy", "replica", axis="period", rows=[3]) == "busy"
    assert builder.slot("busy", "replica", axis="period", rows=(3,)) == "busy"
    for other in ({"axis": "period", "rows": (4,)}, {"axis": None, "rows": (3,)}):
        with pytest.raises(ValueError, match="'busy' is registered twice"):
            builder.slot("busy", "replica", **other)
    with pytest.raises(ValueError, match="registered twice"):
        builder.slot("busy", "replica", 1.0, axis="period", rows=(3,))
    assert len(builder.slots) == 1
