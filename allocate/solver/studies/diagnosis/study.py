"""Diagnose: the seven failure modes of an allocation, at the shared prices of the joint answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from allocate.errors import AllocateError
from allocate.models.loader import Loaded
from allocate.plain import plain
from allocate.plots import Plotting
from allocate.solver.result import head
from allocate.solver.solution import NOT_SEARCHED
from allocate.solver.studies.baselines.bench import Bench
from allocate.solver.studies.baselines.greedy import Knobs
from allocate.solver.studies.baselines.observed import misfits, read_observed
from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.found import Found
from allocate.solver.studies.diagnosis.ledger import Ledger
from allocate.solver.studies.diagnosis.rules import RULES, chosen
from allocate.solver.studies.diagnosis.shown import Aside, apart
from allocate.solver.studies.diagnosis.stage import Progress, Stage, stage
from allocate.solver.studies.diagnosis.suppressions import sort_out
from allocate.solver.studies.joint import LEFT_OPEN
from allocate.solver.studies.scene import Outcome

_WORTH_MORE = (
    "what is diagnosed is worth {more:,.2f} USD/h more than the joint answer: training × routing "
    "can settle at several answers, and its prices say little of this one (solve --global SECONDS "
    "searches)"
)
LEAST = 1e-4  # of the joint welfare: smaller findings are not worth a line


class DiagnosisError(AllocateError):
    """There is nothing to diagnose."""


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found. Amounts in USD per hour.

    ``findings`` are the largest first; ``accepted`` were found too, and the config says why
    they may stand; ``hidden`` counts those under ``least``, ``smaller`` such of them as the joint
    answer's certificate does not leave open, and ``unselected`` those of rules not asked for.
    """

    loaded: Loaded
    outcome: Outcome
    joint: float
    error: float
    status: str
    findings: tuple[Finding, ...]
    accepted: tuple[tuple[Finding, str], ...]
    hidden: int
    smaller: int
    unselected: int
    least: float
    ledger: Ledger
    warnings: tuple[str, ...] = field(default=())
    plot = Plotting()

    @property
    def gap(self) -> float:
        """What the joint answer is worth more than what was diagnosed."""
        return self.joint - self.outcome.welfare

    def to_dict(self) -> dict[str, Any]:
        """The document of ``--format json``."""
        books = self.ledger
        return plain(
            {
                **head(self.loaded.sha256),
                "unit": "USD/h",
                "status": self.status,
                "diagnosed": self.outcome.name,
                "table": self.outcome.about.get("table"),
                "welfare": self.outcome.welfare,
                "joint": {"welfare": self.joint, "error": self.error},
                "gap": self.gap,
                "findings": [{**f.to_dict(), "at": self._at(f)} for f in self.findings],
                "accepted": [{**f.to_dict(), "reason": why} for f, why in self.accepted],
                "totals": {
                    "findings": len(self.findings),
                    "by_code": self._by_code(),
                    "sum": sum(f.usd_per_hour for f in self.findings),
                    "together": books.shown,
                    "hidden": self.hidden,
                    "least": self.least,
                    "not_shown": self._not_shown(),
                },
                "ledger": [line.__dict__ for line in books.lines],
                "assumed": [*self.outcome.about.get("assumed", ())],
                "turned_away": self.outcome.about.get("turned_away"),
                "warnings": list(self.warnings),
            }
        )

    def _at(self, finding: Finding) -> dict[str, Any] | None:
        """File, line and column of the class, asset or model that a finding is about."""
        if self.loaded.path is None:
            return None
        places = {"class": ("classes",), "asset": ("training", "assets"), "model": ("models",)}
        at: dict[str, Any] = {"file": str(self.loaded.path)}
        for place, section in places.items():
            name = finding.where.get(place)
            spot = self.loaded.positions.get((*section, name)) if name else None
            if spot is not None:
                return {**at, "line": spot.key.line, "col": spot.key.column}
        return at

    def _not_shown(self) -> dict[str, dict[str, float]]:
        """By reason, how many findings are not shown, and what they bring on top."""
        count = {
            "accepted": len(self.accepted),
            "unselected": self.unselected,
            "smaller": self.smaller,
        }
        usd = {line.what: line.usd_per_hour for line in self.ledger.lines}
        return {why: {"findings": n, "usd_per_hour": usd.get(why, 0.0)} for why, n in count.items()}

    def _by_code(self) -> dict[str, float]:
        out = {code: 0.0 for code in RULES}
        for f in self.findings:
            out[f.code] += f.usd_per_hour
        return {code: usd for code, usd in out.items() if usd > 0}


def diagnose(
    loaded: Loaded,
    observed: str | Path | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    least: float = LEAST,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find the failure modes of what is done today, or of what each layer would do alone.

    Args:
        loaded: config and classes, from ``allocate.load``.
        observed: a table, or a result of ``solve``; default: ``greedy``.
        select: codes, or how they begin; default all.
        ignore: likewise, of those that are not wanted.
        least: share of the joint welfare under which a finding is not worth a line.
        method: of the joint solve.
        tolerance: largest relative gap that may be called optimal.
        seed: of the samples of classes that the solve of a large program begins with.
        progress: called with what is being done.

    Raises:
        RuleError: a code that is none.
        SuppressionError: ``diagnose.accept`` of the config speaks of no rule.
        DataError: the table, with every problem.
        SolveError: the config itself has no answer.
        DiagnosisError: what is diagnosed breaks a limit that has to be kept.
    """
    codes = chosen(select, ignore)
    sort_out((), loaded.config.diagnose.accept)  # a wrong code is told before any work
    name = "greedy" if observed is None else "observed"
    speeds: dict[str, list[float]] = {n: [Knobs().utilisation] for n in loaded.config.deployments}
    today = None if observed is None else read_observed(observed, loaded)
    if today is not None:
        for lane, busy in today.speeds(loaded.config).items():
            speeds[lane] = [*speeds.get(lane, ()), *busy]
    on = stage(loaded, speeds, method, tolerance, seed, progress)
    try:
        outcome = Bench(on.scene, today, progress).outcome(name)
    except LookupError as error:
        raise DiagnosisError(f"{name} cannot be diagnosed: {error}") from error
    if progress is not None:
        progress({"phase": "diagnosis"})
    return examine(on, outcome, codes, least)


def examine(
    on: Stage, outcome: Outcome, codes: Iterable[str] = tuple(RULES), least: float = LEAST
) -> Diagnosis:
    """Diagnose any outcome of a stage."""
    found = Found.of(on, outcome)
    unsure = on.error + outcome.violation
    floor = max(unsure, least * abs(on.welfare))
    codes = frozenset(codes)
    mine = [f for f in found.findings if f.code in codes]
    others = [f for f in found.findings if f.code not in codes]
    large = sorted((f for f in mine if f.usd_per_hour > floor), key=lambda f: -f.usd_per_hour)
    small = [f for f in mine if f.usd_per_hour <= floor]
    sorted_out = sort_out(large, on.scene.loaded.config.diagnose.accept)
    asides = (
        Aside("accepted", "findings that the config accepts", [f for f, _ in sorted_out.accepted]),
        Aside("unselected", "findings of rules that were not asked for", others),
        Aside("smaller", "findings too small to be shown", small),
    )
    return Diagnosis(
        loaded=on.scene.loaded,
        outcome=outcome,
        joint=on.welfare,
        error=on.error,
        status=on.solution.status,
        findings=sorted_out.findings,
        accepted=sorted_out.accepted,
        hidden=len(small),
        smaller=sum(f.usd_per_hour > unsure for f in small),
        unselected=sum(f.usd_per_hour > floor for f in others),
        least=floor,
        ledger=apart(found.books, found.repairs, found.reported, sorted_out.findings, asides),
        warnings=(*_warnings(on, outcome), *sorted_out.unused),
    )


def _warnings(on: Stage, outcome: Outcome) -> list[str]:
    out = [str(w) for w in on.scene.loaded.warnings]
    if on.solution.status != "optimal":
        out.append(f"the joint answer is {on.solution.status}: its prices are not proved")
    if on.scene.loaded.config.training is not None:
        more = outcome.welfare - on.welfare
        if more > on.error + outcome.violation + LEFT_OPEN * abs(on.welfare):
            out.append(_WORTH_MORE.format(more=more))
        elif on.solution.everywhere is None:
            out.append(NOT_SEARCHED)
    return [*out, *misfits(outcome.about)]
