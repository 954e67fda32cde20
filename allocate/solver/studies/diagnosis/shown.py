"""A ledger's findings told apart: those that are shown, and what all others bring on top.

Findings that the config accepts, that were not asked for, or that are too small for a line are
part of the loss, and neither of what is shown nor of the losses that no rule has a name for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.ledger import Ledger, Line, named
from allocate.solver.studies.diagnosis.repairs import Repair, Repairs

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Aside:
    """Findings that are not shown, and why; ``what`` is their line in the ledger."""

    what: str
    means: str
    findings: Sequence[Finding]


def apart(
    books: Ledger,
    repairs: Repairs,
    reported: Mapping[str, Repair],
    shown: Sequence[Finding],
    asides: Sequence[Aside],
) -> Ledger:
    """The ledger with a line for each kind of finding that is not shown; its total stays.

    Every kind has what it brings on top of those before it, USD per hour.

    Args:
        books: of all findings.
        repairs: of the flows.
        reported: by decision, the flows that some rule reports at the shared prices.
        shown: findings that are shown.
        asides: all the others.
    """
    whole = {line.what: line for line in books.lines if line.named}
    found = list(shown)
    reached = _worth(repairs, reported, found, whole)
    lines = [replace(whole[k], usd_per_hour=usd, shown=True) for k, usd in reached.items()]
    for aside in asides:
        found += aside.findings
        more = _worth(repairs, reported, found, whole)
        # a repair together with others is never worth less than without them, but for rounding
        more = {k: max(usd, reached[k]) for k, usd in more.items()}
        usd = sum(more.values()) - sum(reached.values())
        lines.append(Line(aside.what, usd, aside.means, named=True))
        reached = more
    unsaid = sum(line.usd_per_hour - reached[k] for k, line in whole.items())
    if unsaid > _ROUNDING * books.total:
        lines.append(Line("hidden", unsaid, "hidden by other faults of the same requests"))
    rest = [line for line in books.lines if not line.named]
    return Ledger(tuple(line for line in (*lines, *rest) if line.usd_per_hour > 0))


def _worth(
    repairs: Repairs,
    reported: Mapping[str, Repair],
    found: Iterable[Finding],
    whole: Mapping[str, Line],
) -> dict[str, float]:
    """What some findings bring together, by line of the ledger; at most what all do."""
    found = list(found)
    flows = {fault for f in found for fault in f.flows}
    mine = {
        d: r.at(np.array([i for i, k in enumerate(r.flow) if (d, int(k)) in flows], int))
        for d, r in reported.items()
    }
    usd = {
        "repairs": float(named(repairs, mine).usd @ repairs.view.flows.requests),
        "declined": sum(f.usd_per_hour for f in found if "outcome" in f.where),
        "crowding": sum(f.others for f in found),
        "training": sum(f.usd_per_hour for f in found if f.code == "AL401"),
    }
    return {k: min(usd[k], line.usd_per_hour) for k, line in whole.items()}
