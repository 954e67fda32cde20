"""``greedy``: today's stack. Each layer follows its own goal at list prices, by its own knob.

    router    the least list cost among models whose predicted score reaches a floor
    agent     the most success under a token cap; asks for approval by a table of action classes
    serving   the most work per dollar at a target utilisation; prefixes kept for a fixed time
    trainer   the best evaluation score that its fixed share of the machines buys

The defaults are those of common tools; none of them depends on V, λ or ρ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import logit

from allocate.models.curves import Constant, RequestCurve
from allocate.solver.studies.baselines.settle import Candidates
from allocate.solver.studies.ground import Ground

CHOICES = 4  # where a request that is turned away may go, its first choice included
_BENCHMARK_EFFORT = 1.0  # a score is measured with the reference bundle, by definition

SOURCES = {
    "quality_floor": "RouteLLM reports its routers at 95 % of the strong model's quality",
    "token_cap": "the bundle that the model's score was measured with (reference_tokens)",
    "utilisation": "Knative Serving scales at 70 % of what a replica takes",
    "retention_s": "prompt caches live five minutes unless asked otherwise (Anthropic)",
    "training_share": "17.2 % of enterprises' AI compute is fine-tuning (Futurum, 2026)",
    "approval": "coding agents ask before every action that has effects (Claude Code, default)",
    "verify": "no verification beyond what the token cap leaves it",
}
"""Where each default comes from."""


@dataclass(frozen=True)
class Knobs:
    """What operators of the four layers set.

    Attributes:
        quality_floor: least predicted score, as a share of the best model's on the benchmark;
            where no model reaches it, the best one is taken.
        token_cap: tokens of a request, in reference bundles of its model (input and output
            apart); infinite: every use up to its own cap.
        verify: verifying tokens on top, in units of ``risk_tokens``.
        approval: action class → level of autonomy; others ask where asking is possible.
        utilisation: target busy share of a lane.
        retention_s: seconds that a prefix is kept.
        training_share: of what serving spends, and of every GPU type.
        router: "cost" (least list cost above the floor), "best" (best score), "cheapest"
            (least list cost whatever the score), "per-dollar" (most score per dollar).
    """

    quality_floor: float = 0.95
    token_cap: float = 1.0
    verify: float = 0.0
    approval: Mapping[str, str] = field(default_factory=dict)
    utilisation: float = 0.7
    retention_s: float = 300.0
    training_share: float = 0.172
    router: str = "cost"

    def to_dict(self) -> dict:
        """The knobs as they stand in the result."""
        out = {k: getattr(self, k) for k in self.__dataclass_fields__}
        return {**out, "approval": dict(self.approval)}


@dataclass(frozen=True)
class Decisions:
    """What the local rules decided, apart for each layer.

    ``levels`` [K, A] and ``ways`` [K, A] say which arms the agent's and serving's rules
    leave; ``tokens`` [K, technologies, J] is what the agent spends on each model.
    """

    candidates: Candidates
    levels: np.ndarray
    ways: np.ndarray
    tokens: np.ndarray


def decide(ground: Ground, knobs: Knobs) -> Decisions:
    """Let the four layers decide, each by its own rule."""
    tokens = capped_tokens(ground, knobs)
    cost = ground.cost(tokens)
    opened = ground.opened & _best_technology(ground, tokens)
    levels = approved(ground, knobs, opened)
    ways = serving_ways(ground, knobs, opened, cost)
    score = scores(ground)
    order = _preference(ground, knobs, opened & levels & ways, cost, score)
    must = ~np.isfinite(ground.stream.decline_cost)
    if must.any():  # rather anything than nothing
        lax = replace(knobs, quality_floor=0.0, router="best")
        rest = _preference(ground, lax, opened & ways & must[:, None], cost, score)
        order = np.where(np.isfinite(order), order, 1e6 + rest)
    return Decisions(ranked(ground, order, tokens, CHOICES, must), levels, ways, tokens)


# --- the router ---------------------------------------------------------------------------


def scores(ground: Ground) -> np.ndarray:
    """[K, A]: success that a router predicts, with the benchmark's tokens on this difficulty."""
    stream = ground.stream
    everyone = np.arange(len(stream.rate))
    effort = _BENCHMARK_EFFORT / stream.difficulty_of(everyone)
    out = np.empty((len(everyone), len(stream.arms)))
    for i in np.unique(stream.technology_of):
        predicted = stream.technologies[i].success.value(effort) * stream.factor_of(i, everyone)
        out[:, stream.technology_of == i] = predicted[:, None]
    return out


def benchmark(ground: Ground) -> float:
    """The best model's score on the benchmark itself: what a floor is a share of."""
    stream = ground.stream
    effort = np.array(_BENCHMARK_EFFORT)
    by_model = np.unique(stream.technology_of[ground.model_of >= 0])
    found = [float(stream.technologies[i].success.value(effort)) for i in by_model]
    return max(found, default=0.0)


def _preference(
    ground: Ground, knobs: Knobs, allowed: np.ndarray, cost: np.ndarray, score: np.ndarray
) -> np.ndarray:
    """[K, A]: what the router minimises; infinite where it would not send a request."""
    score = np.where(allowed, score, -np.inf)
    best = np.max(np.where(ground.model_of >= 0, score, -np.inf), axis=1, initial=-np.inf)
    floor = np.minimum(knobs.quality_floor * benchmark(ground), best)  # none reaches it: the best
    fine = allowed & (score >= floor[:, None])
    fine |= allowed & (ground.model_of < 0)  # approval sent it to a human
    match knobs.router:
        case "best":
            order = -score + 1e-9 * cost / np.maximum(cost.max(initial=0.0), 1e-300)
        case "cheapest":
            fine, order = allowed, cost
        case "per-dollar":
            fine, order = allowed, -score / np.maximum(cost, 1e-12)
        case _:
            order = cost
    return np.where(fine, order, np.inf)


def ranked(
    ground: Ground, order: np.ndarray, tokens: np.ndarray, most: int, must: np.ndarray
) -> Candidates:
    """The first few finite entries of ``order`` [K, A] of every member, as its choices.

    Members that ``must`` be served name every arm that they could take.
    """
    rate = ground.stream.rate
    sorted_arms = np.argsort(order, axis=1, kind="stable")
    rank = np.broadcast_to(np.arange(order.shape[1]), order.shape)
    taken = np.isfinite(np.take_along_axis(order, sorted_arms, axis=1))
    taken &= ((rank < most) | must[:, None]) & (rate > 0)[:, None]
    member, place = np.nonzero(taken)
    arm = sorted_arms[member, place]
    return Candidates(member, arm, place, tokens[member, ground.stream.technology_of[arm]])


# --- the agent ----------------------------------------------------------------------------


def capped_tokens(ground: Ground, knobs: Knobs) -> np.ndarray:
    """[K, technologies, J]: most success under the cap, per request.

    Input and output tokens are capped apart, as APIs cap them; under a cap a kind's tokens
    go to its uses by their exponents. Nothing is spent beyond the last kink of a table.
    """
    stream = ground.stream
    kinds = [u.kind for u in ground.built.config.token_uses.values()] or ["output"]
    everyone = np.arange(len(stream.rate))
    out = np.zeros((len(everyone), len(stream.technologies), stream.n_uses))
    for i, curve in enumerate(stream.technologies):
        out[:, i] = _bundle(curve, kinds, knobs, stream.difficulty_of(everyone))
    return out


def _bundle(
    curve: RequestCurve, kinds: list[str], knobs: Knobs, difficulty: np.ndarray
) -> np.ndarray:
    alpha = np.array(curve.effort.exponents)
    if isinstance(curve.success, Constant):
        alpha = np.zeros(len(alpha))
    reference, caps = np.array(curve.effort.references), np.array(curve.caps)
    tokens = np.zeros(len(alpha))
    for kind in set(kinds):
        at = np.array([k == kind for k in kinds]) & (alpha > 0)
        if at.any():
            tokens[at] = knobs.token_cap * reference[at].sum() * alpha[at] / alpha[at].sum()
    bounded = np.where(np.isfinite(caps), caps, 1e3 * reference)
    tokens = np.minimum(tokens, bounded)
    out = np.broadcast_to(tokens, (len(difficulty), len(alpha))).copy()
    if curve.success.kinks and alpha.any():
        effort = curve.effort.value(out) / difficulty
        over = np.maximum(effort / curve.success.kinks[-1], 1.0) ** (1.0 / alpha.sum())
        out = np.where(alpha > 0, out / over[:, None], out)
    if curve.risk.verifiable:
        use = curve.risk.use or 0
        extra = knobs.verify * curve.risk.tokens
        out[:, use] = np.minimum(out[:, use] + extra, bounded[use])
    return out


def _best_technology(ground: Ground, tokens: np.ndarray) -> np.ndarray:
    """[K, A]: arms with the technology of their model that succeeds most with its tokens."""
    stream = ground.stream
    everyone = np.arange(len(stream.rate))
    success = np.stack(
        [
            t.outcome(tokens[:, i], stream.factor_of(i, everyone), stream.difficulty_of(everyone))[
                0
            ]
            for i, t in enumerate(stream.technologies)
        ],
        axis=1,
    )
    out = np.zeros((len(everyone), len(stream.arms)), bool)
    for m in np.unique(ground.model_of):
        arms = ground.model_of == m
        known = np.unique(stream.technology_of[arms])
        best = known[success[:, known].argmax(axis=1)]
        out |= arms & (stream.technology_of == best[:, None])
    return out


def approved(ground: Ground, knobs: Knobs, opened: np.ndarray) -> np.ndarray:
    """[K, A]: arms with the level of autonomy that the approval table gives the request."""
    codes = np.full(len(ground.stream.rate), -1)
    for code, action in enumerate(ground.built.classes.action.labels):
        name = knobs.approval.get(action)
        if name is not None:
            codes[ground.action_of == code] = ground.levels.index(name)
    minutes = np.array([ground.built.config.autonomy[n].human_minutes for n in ground.levels])
    asks = (minutes > 0) & ~ground.by_human
    each = np.arange(len(ground.levels))[:, None]
    there: np.ndarray = np.stack(
        [opened[:, arms].any(axis=1) for arms in ground.level_of == each], axis=1
    )
    named: np.ndarray = np.asarray(codes >= 0)
    every = np.arange(len(codes))
    given = np.logical_and(named, there[every, np.maximum(codes, 0)])
    asking, alone = there & asks, there & ~ground.by_human
    asked = np.logical_and(~named, asking.any(axis=1))
    able = np.where(asked[:, None], asking, alone)
    able = np.where(able.any(axis=1, keepdims=True), able, there)
    # levels stand in order of human minutes: the first that is able takes the fewest
    return ground.level_of == np.where(given, codes, able.argmax(axis=1))[:, None]


# --- serving ------------------------------------------------------------------------------


def serving_ways(ground: Ground, knobs: Knobs, opened: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """[K, A]: ways of serving that are offered for each model: the API, and one own lane.

    The own lane is the one with the least list cost per request, among those nearest to the
    target utilisation with the retention nearest to the one that is set.
    """
    out = opened & ~ground.own
    far = np.abs(logit(ground.tiers) - logit(knobs.utilisation)).max(axis=1)
    kept = np.abs(ground.retention - knobs.retention_s)
    for model in range(len(ground.models)):
        for level in range(len(ground.levels)):
            arms = ground.own & (ground.model_of == model) & (ground.level_of == level)
            if not arms.any():
                continue
            allowed = opened & arms
            near = np.zeros_like(allowed)
            for family in np.unique(ground.family[arms]):
                mine = allowed & (ground.family == family)
                for measure in (far, kept):
                    least = np.min(np.where(mine, measure, np.inf), axis=1, keepdims=True)
                    mine &= measure <= least + 1e-9
                near |= mine
            price = np.where(near, cost, np.inf)
            pick = price.argmin(axis=1)
            some = np.isfinite(price.min(axis=1))
            out[np.flatnonzero(some), pick[some]] = True
    return out
