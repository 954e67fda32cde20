"""What a comparison found: a line for each baseline, the split of the gain, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from allocate.models.loader import Loaded
from allocate.models.program import ACCOUNTS
from allocate.plain import plain
from allocate.plots import Plotting
from allocate.solver.result import head
from allocate.solver.solution import Solution
from allocate.solver.studies.attribution import Attribution
from allocate.solver.studies.joint import Answer
from allocate.solver.studies.scene import Outcome
from allocate.solver.studies.verdict import Today, verdict
from allocate.solver.studies.wedges import Wedge


@dataclass(frozen=True)
class Line:
    """One baseline beside the joint answer; amounts in USD per hour.

    ``gain`` is of the joint answer as it stands, ``equal`` the joint answer at the baseline's
    spending, ``least`` the least spending that is worth as much, and what bounds it below.
    """

    outcome: Outcome
    gain: float
    equal: Answer
    least: tuple[float, float] | None

    @property
    def equal_gain(self) -> float:
        """Gain at the same spending."""
        return self.equal.welfare - self.outcome.welfare

    @property
    def error(self) -> float:
        """What the certificates leave open of that gain."""
        return self.equal.error + self.outcome.violation

    @property
    def counted(self) -> float:
        """The gain, or 0 where it is within the error."""
        return self.equal_gain if self.equal_gain > self.error else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The entry of the comparison document."""
        outcome, welfare = self.outcome, self.outcome.welfare
        accounts = {k: outcome.solution.objective[k] for k in ACCOUNTS}
        return {
            "name": outcome.name,
            "welfare": welfare,
            **accounts,
            "spend": outcome.spend,
            "gain": self.gain,
            "equal_spend": {
                "gain": self.counted,
                "gain_before_error": self.equal_gain,
                "relative_gain": self.counted / welfare if welfare > 0 else None,
                "welfare": self.equal.welfare,
                "spend": self.equal.spend,
                "error": self.error,
            },
            "least_spend": {}
            if self.least is None
            else {
                "spend": self.least[0],
                "at_least": self.least[1],
                "saved": outcome.spend - self.least[0],
            },
            "about": outcome.about,
        }


@dataclass(frozen=True)
class Comparison:
    """The whole comparison. ``baselines`` has the lines that could be drawn, in order.

    ``reasons`` says why ``attribution``, or a part of ``split``, is not there.
    """

    loaded: Loaded
    joint: Answer
    solution: Solution
    baselines: dict[str, Line]
    failed: dict[str, str]
    against: str
    split: dict[str, float | None] | None
    attribution: Attribution | None
    wedges: list[Wedge]
    stopped: bool = False
    warnings: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    plot = Plotting()

    @property
    def reference(self) -> Line | None:
        """The baseline that the verdict is about."""
        return self.baselines.get(self.against)

    @property
    def relative_gain(self) -> float | None:
        """Gain at equal spend over the reference's welfare; None where that is not positive."""
        line = self.reference
        if line is None or line.outcome.welfare <= 0:
            return None
        return line.counted / line.outcome.welfare

    @property
    def verdict(self) -> str:
        """One sentence."""
        line = self.reference
        if line is None:
            early = "stopped before it was drawn" if self.stopped else "it was not asked for"
            why = self.failed.get(self.against, early)
            return f"No verdict: there is no `{self.against}` to compare with ({why})."
        shares = None if self.attribution is None else self.attribution.shares
        scarce = None
        if self.solution.status == "optimal":
            scarce = any(p.binding for p in self.solution.prices)
        untuned = self.baselines.get("greedy")
        text = verdict(
            self.against,
            line.equal_gain,
            line.error,
            line.outcome.welfare,
            self.split,
            shares,
            scarce,
            0.0 if untuned is None else untuned.counted,
            line.gain - line.equal_gain,
            self._today,
        )
        if "observed" in self.failed:
            return f"{text.removesuffix('.')}; what is done today (`observed`) could not be drawn."
        return text

    @property
    def _today(self) -> Today | None:
        """The gain over what is done today, where the verdict is on another baseline."""
        line = self.baselines.get("observed")
        if line is None or self.against == "observed":
            return None
        return Today(line.equal_gain, line.error, line.outcome.welfare)

    def to_dict(self) -> dict[str, Any]:
        """The document of ``--format json``."""
        answer, certificate = self.joint, self.joint.answer.certificate
        return plain(
            {
                **head(self.loaded.sha256),
                "unit": "USD/h",
                "status": "stopped" if self.stopped else self.solution.status,
                "joint": {
                    "welfare": answer.welfare,
                    **{k: answer.accounts[k] for k in ACCOUNTS},
                    "spend": answer.spend,
                    "relative_gap": certificate.relative_gap,
                    "error": answer.error,
                },
                "baselines": [
                    *(line.to_dict() for line in self.baselines.values()),
                    *(
                        {"name": n, "welfare": None, "reason": why}
                        for n, why in self.failed.items()
                    ),
                ],
                "against": self.against,
                "split": self.split,
                "attribution": None if self.attribution is None else _told(self.attribution),
                "reasons": self.reasons,
                "wedges": [w.to_dict() for w in self.wedges],
                "verdict": self.verdict,
                "relative_gain": self.relative_gain,
                "warnings": self.warnings,
            }
        )


def _told(told: Attribution) -> dict[str, Any]:
    """The entry of the comparison document."""
    return {
        "gain": told.gain,
        "shares": told.shares,
        "coalitions": [
            {"inside": list(inside), "welfare": welfare} for inside, welfare in told.worth.items()
        ],
        "unsolved": [list(inside) for inside in told.unsolved],
        "lifted_usd_per_hour": told.lifted,
        "error": told.error,
    }
