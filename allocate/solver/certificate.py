"""The judge: NumPy, no solver, no trust. It alone may say that an answer is optimal.

Given an allocation and prices it recomputes, from the program's definitions: how far any
row or bound is violated, the primal value, the exact dual value (every member's best
response over all its open arms, every activity's best profit), the relative gap between
the two, complementary slackness, and the first-order conditions (2): for every token use
in use the worth of one more token against its full price. Best responses are not believed:
what concavity says that one may have missed is added to the dual (``profit_bound``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allocate.cores import on_cores
from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows, Stream
from allocate.models.totals import Totals, chunks
from allocate.solver.dual_bound import dual_bound


@dataclass(frozen=True)
class Certificate:
    """What was recomputed. Gaps and violations are relative; money is USD per hour."""

    primal: float
    dual: float
    relative_gap: float
    max_violation: float
    violated: str | None
    max_foc_residual: float
    max_slackness: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Gap and violation are both within the tolerance asked for."""
        return bool(
            np.isfinite(self.primal)
            and np.isfinite(self.dual)
            and abs(self.relative_gap) <= self.tolerance
            and self.max_violation <= self.tolerance
        )

    @property
    def error(self) -> float:
        """How far the welfare may be from the truth: gap and violation, in USD per hour."""
        size = max(abs(self.primal), abs(self.dual))
        share = abs(self.relative_gap) + self.max_violation
        return float(share * size) if np.isfinite(size) else np.inf

    @property
    def feasible(self) -> bool:
        """The allocation itself is within the tolerance, whatever its value."""
        return bool(np.isfinite(self.primal) and self.max_violation <= self.tolerance)


def certify(
    program: Program, allocation: Allocation, duals: np.ndarray, tolerance: float = 1e-6
) -> Certificate:
    """Judge an allocation (per hour) and the prices of the program's rows (USD per unit)."""
    flow = program.flow_totals(allocation)
    accounts = program.accounts(allocation, flow)
    value = accounts.pop("value")
    primal = value - sum(accounts.values())
    duals_ok = bool(np.all(np.isfinite(duals)) and np.all(duals >= 0))
    dual = dual_bound(program, duals, allocation.flows) if duals_ok else np.inf
    moved = abs(value) + sum(abs(v) for v in accounts.values())
    scale = gap_scale(program, primal, dual, moved)
    violation, where, slack = _violations(program, allocation, flow)
    return Certificate(
        primal=primal,
        dual=dual,
        relative_gap=float((dual - primal) / scale),
        max_violation=violation,
        violated=where,
        max_foc_residual=max(
            (
                _foc_residual(s, f, duals)
                for s, f in zip(program.streams, allocation.flows, strict=True)
            ),
            default=0.0,
        ),
        max_slackness=float(np.max(duals * np.maximum(slack, 0.0), initial=0.0) / scale),
        tolerance=tolerance,
    )


def gap_scale(program: Program, primal: float, dual: float, moved: float = 0.0) -> float:
    """What a gap is measured against, USD per hour.

    The welfare or its bound; an answer worth nothing is judged against the money ``moved``
    in it or at stake, not against zero.
    """
    size = max(abs(primal), abs(dual) if np.isfinite(dual) else 0.0)
    return max(size, 1e-9 * max(moved, program.at_stake), 1e-300)


def row_scales(
    program: Program, allocation: Allocation, flow: Sequence[Totals] | None = None
) -> np.ndarray:
    """What a row's violation is measured against: its capacity or the gross use of it."""
    flow = program.flow_totals(allocation) if flow is None else flow
    gross = abs(program.use) @ np.abs(allocation.levels) + sum(t.gross for t in flow)
    return np.maximum(np.abs(program.capacity), np.asarray(gross).ravel())


def _violations(
    program: Program, allocation: Allocation, flow: Sequence[Totals]
) -> tuple[float, str | None, np.ndarray]:
    scales = row_scales(program, allocation, flow)
    slack = program.capacity - program.usage(allocation, flow)
    with np.errstate(divide="ignore", invalid="ignore"):
        over = np.where(scales > 0, -slack / scales, 0.0)
    found: list[tuple[float, str]] = []
    if len(over):
        worst = int(np.argmax(over))
        found.append((float(over[worst]), program.rows[worst].name))
    levels, upper = allocation.levels, program.upper
    if len(levels):
        found.append((_below_zero(program, levels, scales), "a negative level"))
        bounded = np.isfinite(upper)
        over_level = (levels - upper)[bounded] / np.maximum(upper[bounded], 1e-300)
        found.append((float(np.max(over_level, initial=0.0)), "an upper bound"))
        found.append((0.0 * float(np.sum(levels)), ""))  # not a number where a level is none
    for stream, flows in zip(program.streams, allocation.flows, strict=True):
        found += _member_violations(stream, flows)
    if any(not np.isfinite(v) for v, _ in found):
        return np.inf, "a number that is not finite", slack
    worst_value, where = max(found, default=(0.0, ""))
    return max(0.0, worst_value), where if worst_value > 0 else None, slack


def _below_zero(program: Program, levels: np.ndarray, scales: np.ndarray) -> float:
    """The most that a level below 0 gives or takes, as a share of a row or of all costs.

    Levels have units of their own, so they are compared in the rows that they share.
    """
    negative = np.where(np.isnan(levels), np.inf, np.maximum(-levels, 0.0))
    if not negative.any():
        return 0.0
    money = np.abs(program.cost) @ np.abs(levels)
    with np.errstate(invalid="ignore", divide="ignore"):
        in_rows = (abs(program.use) @ negative) / scales
        share = (np.abs(program.cost) @ negative) / money
    return float(np.nanmax([*in_rows, share], initial=0.0))


def _member_violations(stream: Stream, flows: Flows) -> list[tuple[float, str]]:
    served = np.bincount(flows.member, flows.requests, len(stream.rate))
    size = np.maximum(stream.rate, 1e-300)
    out = [(float(np.max((served - stream.rate) / size, initial=0.0)), "an arrival rate")]
    forced = ~np.isfinite(stream.decline_cost) & (stream.rate > 0)
    if forced.any():
        short = (stream.rate - served)[forced] / size[forced]
        out.append((float(short.max()), "a class that may not be declined"))
    if len(flows.arm):
        closed = ~stream.menu[stream.group[flows.member], flows.arm]
        out.append((float(closed.any()), "an arm that is closed to its class"))
        out.append((float(np.max(-flows.requests / size[flows.member])), "a negative flow"))
        out.append((float(np.max(-flows.tokens)), "negative tokens"))
        for i in np.unique(stream.technology_of[flows.arm]):
            at = stream.technology_of[flows.arm] == i
            caps = np.asarray(stream.technologies[i].caps)
            finite = np.isfinite(caps)
            over = (flows.tokens[at][:, finite] - caps[finite]) / caps[finite]
            out.append((float(np.max(over, initial=0.0)), "a token cap"))
    return out


def _foc_residual(stream: Stream, flows: Flows, duals: np.ndarray) -> float:
    """Largest |worth − price| of a token, relative to its price, over all uses in use."""
    return max(on_cores(lambda part: _foc_of(stream, part, duals), chunks(flows)))


def _foc_of(stream: Stream, flows: Flows, duals: np.ndarray) -> float:
    worst = 0.0
    if not len(flows.arm):
        return worst
    price = stream.pair_prices(duals, flows.member, flows.arm)
    technology = stream.technology_of[flows.arm]
    for i in np.unique(technology):
        at = (technology == i) & (flows.requests > 0)
        if not at.any():
            continue
        curve, p, t = stream.technologies[i], price[at], flows.tokens[at]
        low, high = curve.marginal(
            t,
            -p[:, -1],
            p[:, -2],
            stream.factor_of(i, flows.member[at]),
            stream.difficulty_of(flows.member[at]),
        )
        token_price = p[:, 1:-2]
        free_below, free_above = t > 0, t < np.asarray(curve.caps) * (1 - 1e-9)
        short = np.where(free_above, low - token_price, 0.0)  # one more token would pay
        long = np.where(free_below, token_price - high, 0.0)  # the last token did not pay
        size = np.where(token_price > 0, token_price, np.maximum(high, 1e-300))
        residual = np.maximum(np.maximum(short, long), 0.0) / size
        worst = max(worst, float(residual.max(initial=0.0)))
    return worst
