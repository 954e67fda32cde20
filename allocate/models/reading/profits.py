"""Who earns what at the shared prices: each layer alone, and the capacities."""

from __future__ import annotations

from allocate.models.reading.answered import Answered

_STREAMS = {"requests": "router and autonomy", "training": "training assets"}
_ACTIVITIES = {
    "serving": "serving",
    "cache": "serving",
    "decoding": "serving",
    "training": "trainers",
}
_OTHERS = "limits"  # activities that no layer decides on


def profits(answer: Answered) -> dict[str, float]:
    """What each layer earns alone at the shared prices, and the rent of the capacities, USD/h.

    Handed the prices, every layer solves its own problem: requests pick model, tokens
    and autonomy; lanes and caches, trainers and assets choose their levels. By the
    first welfare theorem profits and rents add up to the joint welfare.
    """
    program, duals = answer.program, answer.duals
    out = {
        "rent of capacities": float(program.capacity @ duals),
        "constant": program.offset,
    }
    for stream, earned in zip(program.streams, program.stream_profits(duals), strict=True):
        out[_STREAMS[stream.name]] = earned
    for a, earned in zip(program.activities, program.activity_profit(duals), strict=True):
        layer = _ACTIVITIES.get(a.labels.get("layer", ""), _OTHERS)
        out[layer] = out.get(layer, 0.0) + float(earned)
    return out
