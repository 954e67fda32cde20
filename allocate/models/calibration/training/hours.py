"""Training hours with and without staleness → how much longer fresh rollouts take."""

from __future__ import annotations

from allocate.models.calibration.training.formats import size
from allocate.models.calibration.training.tables import Tables


def slow_down(found: Tables) -> tuple[float, str] | None:
    """Hours of the synchronous run over those of the asynchronous one, and whose they are.

    Of several models it is the smallest, as in ``tables.bases``; where no name tells a size, the
    first.
    """
    hours: dict[str, dict[str, float]] = {}
    for row in found.rows.get("training hours", []):
        if row.get("training_hours"):
            kind = str(row.get("setting")).casefold()
            hours.setdefault(str(row.get("run") or ""), {})[kind] = row["training_hours"]
    both = [run for run in hours if {"synchronous", "asynchronous"} <= hours[run].keys()]
    if not both:
        return None
    run = min(both, key=size)
    return hours[run]["synchronous"] / hours[run]["asynchronous"], run
