"""What a solve returns: prices, allocation by layer, certificate; and the result document."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from allocate.errors import SolveError
from allocate.models.loader import Loaded
from allocate.models.program import Allocation, Program
from allocate.models.reading import Reading, sentence
from allocate.models.state import Built
from allocate.plain import plain
from allocate.plots import Plotting
from allocate.solver.certificate import Certificate
from allocate.solver.exact.globally import Global
from allocate.solver.price_list import Price, PriceList
from allocate.solver.result import head
from allocate.solver.warm import start_of

_STOPPED = "stopped at your request: this is the best answer so far, not the last one"
_UNRANGED = "stopped at your request before the prices had ranges: how far they hold is not known"
NOT_SEARCHED = (
    "training × routing is a fixed point: routing and training agree with each other, but "
    "another pair could be better; whether one is was not searched (--global SECONDS does)"
)
_DISAGREES = 1e-3  # from here on a fixed point that was not reached is told


@dataclass(frozen=True, repr=False)
class Solution:
    """A solved config. ``status`` is the judge's; prices are refused unless there is proof."""

    loaded: Loaded
    built: Built
    program: Program
    allocation: Allocation
    duals: np.ndarray
    certificate: Certificate
    ranges: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    stopped: bool = False
    unranged: bool = False
    timing: dict[str, float] = field(default_factory=dict)
    solver: dict[str, Any] = field(default_factory=dict)
    whole: dict | None = None
    everywhere: Global | None = None
    unsearched: bool = False
    disagreement: float = 0.0
    plot = Plotting()

    def __repr__(self) -> str:
        gap = f"gap {self.certificate.relative_gap:.0e}"
        return f"<Solution {self.status}: {self.welfare:,.2f} USD/h, {gap}>"

    @property
    def status(self) -> str:
        """Is "optimal" only where the certificate holds and routing and training agree.

        "stopped" if the user stopped the search or no limit-keeping answer was found;
        "feasible" for an answer inside every limit that may not be the best.
        """
        if self.stopped or not self.certificate.feasible:
            return "stopped"
        agreed = self.disagreement <= _DISAGREES and self._best_of_all
        return "optimal" if self.certificate.holds and agreed else "feasible"

    @property
    def _best_of_all(self) -> bool:
        """Whether nothing is claimed that is proved for the convex program only."""
        if self.everywhere is not None:
            return self.everywhere.certificate.holds
        return not self.unsearched

    @property
    def priced(self) -> bool:
        """Whether the duals are proved to be prices.

        With whole replicas they are prices at these numbers of replicas, whatever the gap.
        """
        at_these = self.whole is not None and self.whole["certified_at_these_numbers"]
        return self.certificate.holds or bool(at_these)

    @cached_property
    def objective(self) -> dict[str, float]:
        """Welfare and its accounts, USD per hour."""
        accounts = self.program.accounts(self.allocation)
        return {"welfare": self.program.welfare(self.allocation), **accounts}

    @property
    def welfare(self) -> float:
        """The objective, USD per hour."""
        return self.objective["welfare"]

    @cached_property
    def layers(self) -> Reading:
        """The allocation by layer."""
        return Reading(self.built, self.program, self.allocation, self.duals)

    @cached_property
    def prices(self) -> list[Price]:
        """Prices of all resources, the dearest first.

        Raises:
            SolveError: if the answer is not certified; its duals are not prices.
        """
        if not self.priced:
            raise SolveError(
                self.status,
                "prices are only given for a certified answer; this one reached a gap of "
                f"{self.certificate.relative_gap:.2g}",
            )
        fixed = self.whole is not None and not self.certificate.holds
        return PriceList(self.program, self.allocation, self.duals, self.ranges, fixed).prices()

    @cached_property
    def rates(self) -> dict[str, Any]:
        """λ and ρ in the paper's normalisation (3): duals over the price of a dollar."""
        if not self.priced:
            return {}
        return self.layers.rates()

    def layer_profits(self) -> dict[str, float]:
        """What each layer earns alone at the shared prices, and the rent of the capacities.

        By the first welfare theorem they add up to the joint welfare.
        """
        return self.layers.profits()

    def to_dict(self) -> dict[str, Any]:
        """The result document of ``--format json``."""
        c = self.certificate
        certificate = {
            "primal": c.primal,
            "dual": c.dual,
            "relative_gap": c.relative_gap,
            "max_violation": c.max_violation,
            "max_foc_residual": c.max_foc_residual,
            "tolerance": c.tolerance,
            "holds": c.holds,
            "max_slackness": c.max_slackness,
            "violated": c.violated,
        }
        document = {
            **head(self.loaded.sha256),
            "status": self.status,
            "objective": {"unit": "USD/h", **self.objective},
            "certificate": certificate,
            "prices": [p.to_dict() for p in self.prices] if self.priced else [],
            "rates": self.rates,
            "layers": self.layers.to_dict(),
            "artifacts": self.layers.artifacts(),
            "assumed": [
                *self.built.assumed,
                *(f"{k}: {v}" for k, v in self.loaded.config.assumed.items()),
            ],
            "warnings": self.warnings(),
            "timing": self.timing,
            "solver": self.solver,
        }
        document |= self.layers.capacity()
        if self.priced:
            document["start"] = start_of(self.program, self.duals, self.built.state)
        if self.whole is not None:
            document["whole_replicas"] = self.whole
        if self.everywhere is not None:
            document["global_optimum"] = {
                **self.everywhere.to_dict(),
                "lindahl": self.layers.capability_prices(),
            }
        if self.loaded.config.calibrated:
            places = self.loaded.places
            document["extrapolated"] = [
                {**record, "at": places.get(record["parameters"][0])}
                for record in self.layers.extrapolated
            ]
        return plain(document)

    def warnings(self) -> list[str]:
        """What a reader should know before relying on the answer."""
        out = [str(w) for w in self.loaded.warnings]
        if self.stopped or self.unranged:
            out.insert(0, _STOPPED if self.stopped else _UNRANGED)
        out += self.layers.warnings(self.disagreement if self.disagreement > _DISAGREES else 0.0)
        out += [sentence(record, self.loaded.places) for record in self.layers.extrapolated]
        out += self._global_warnings()
        if self.whole is not None and not self.certificate.holds and self.priced:
            out.append(
                "prices are those at these whole numbers of replicas; a GPU that would buy one "
                "more replica may be worth more: solve again with it"
            )
        if self.whole is not None and self.whole["replicas"] is None:
            out.append(
                "no whole numbers of replicas were found that keep every limit: what is shown runs "
                + ", ".join(
                    f"{x:.4g} of {n if len(self.built.periods) > 1 else n.rpartition(' [')[0] or n}"
                    for n, x in self.whole["continuous"].items()
                )
                + "; give more of a GPU type, let a class be declined, or drop integer_replicas"
            )
        elif not self.certificate.holds:
            out.append(
                f"not certified: gap {self.certificate.relative_gap:.2g}, violation "
                f"{self.certificate.max_violation:.2g}, tolerance {self.certificate.tolerance:g}"
            )
        return out

    def _global_warnings(self) -> list[str]:
        """What was found beside the convex answer, or is not proved about other capabilities."""
        found = self.everywhere
        if found is None:
            return [] if self.loaded.config.training is None else [NOT_SEARCHED]
        c, gain = found.certificate, found.certificate.welfare - found.local
        out = []
        if gain > c.tolerance * abs(c.welfare):
            out.append(
                f"the convex program alone would have ended {gain:,.2f} USD/h lower: "
                + found.to_dict()["why"]
            )
        if not c.holds:
            out.append(
                f"other capabilities may be worth up to {c.bound - c.welfare:,.2f} USD/h more "
                f"(gap {c.relative_gap:.2g}, asked for {c.tolerance:g})"
            )
        return out
