"""Findings that a config accepts, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from allocate.errors import AllocateError
from allocate.models.config import Accepted
from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.rules import RULES, family


class SuppressionError(AllocateError):
    """A suppression that speaks of no rule."""


@dataclass(frozen=True)
class Sorted:
    """Findings that stand, those that are accepted with the reason, and reasons without use."""

    findings: tuple[Finding, ...]
    accepted: tuple[tuple[Finding, str], ...]
    unused: tuple[str, ...]


def sort_out(findings: Iterable[Finding], accepted: Iterable[Accepted]) -> Sorted:
    """Set apart what the config accepts.

    Raises:
        SuppressionError: ``diagnose.accept`` names no rule.
    """
    accepted = tuple(accepted)
    for i, entry in enumerate(accepted):
        if not family(entry.code):
            raise SuppressionError(
                f"diagnose.accept.{i}.code is {entry.code}, with which no rule begins; "
                f"the rules are {', '.join(RULES)}"
            )
    stand, gone = [], []
    used = [False] * len(accepted)
    for finding in findings:
        mine = [i for i, entry in enumerate(accepted) if _covers(entry, finding)]
        for i in mine:
            used[i] = True
        if mine:
            gone.append((finding, accepted[mine[0]].reason))
        else:
            stand.append(finding)
    unused = tuple(
        f"diagnose.accept.{i} accepts nothing: no {entry.code} was found there"
        for i, entry in enumerate(accepted)
        if not used[i]
    )
    return Sorted(tuple(stand), tuple(gone), unused)


def _covers(entry: Accepted, finding: Finding) -> bool:
    if not finding.code.startswith(entry.code.upper()):
        return False
    wanted = {"class": entry.classes, "model": entry.models, "asset": entry.assets}
    return all(
        names is None or finding.where.get(place) in names for place, names in wanted.items()
    )
