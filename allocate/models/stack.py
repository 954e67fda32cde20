"""Config → Program: the four layers side by side, joined only by rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocate.models import autonomy, router, serving, training
from allocate.models.builder import HOUR, Builder
from allocate.models.choices import choices
from allocate.models.classes import Classes
from allocate.models.config import Config
from allocate.models.curves import Reuse
from allocate.models.deferral import with_waiting
from allocate.models.moments import Moments
from allocate.models.program import Program
from allocate.models.reads import Reads
from allocate.models.requests import (
    arrivals,
    demand,
    group_traffic,
    headroom,
    mean_contexts,
    request_stream,
)
from allocate.models.state import Built as Built
from allocate.models.state import State as State
from allocate.models.state import advance as advance
from allocate.models.state import kin as kin
from allocate.models.tails import tail_rows


def build(config: Config, classes: Classes, state: State | None = None) -> Built:
    """The program of a config at a state (default: first menu of speeds, no training yet)."""
    state = state or State()
    reuse = _reuse(config)
    needed = serving.needed(config, classes, reuse)
    state = replace(state, grid=serving.speeds(config, state.grid, needed))
    moments = Moments.of(config)
    builder = Builder(moments.weights, moments.names)
    members = demand(config, classes, moments)

    # each layer hands over its slots, rows and ways; the order is of no consequence
    router.money_slots(builder, config)
    arriving = np.bincount(members.period, members.rate, len(moments))
    tail_rows(builder, config, moments, arriving)
    router.latency_slots(builder, config)
    limited = [arrivals(members, n) for n in config.limits.shares]
    share_uses = router.share_limits(builder, config, limited)
    autonomy.value_slot(builder)
    autonomy.risk_slots(builder, config)
    autonomy.human_slot(builder, config)
    gpus = serving.gpu_rows(builder, config, moments)
    traffic = group_traffic(config, members, moments.weights)
    tiers = serving.tiers(builder, config, gpus, state.grid, traffic)
    arms = with_waiting(
        builder,
        moments,
        members.deferral,
        choices(
            config,
            builder,
            classes.action.labels,
            serving.ways(config, tiers, reuse),
            share_uses,
            state.capability,
            Reads(config, classes, members.features),
        ),
    )
    streams = [request_stream(config, builder, members, arms)]
    typical = mean_contexts(config, members) if config.training else {}
    room = headroom(config, members) if config.training else {}
    worth = {m: w for m, w in state.worth.items() if room.get(m, 0.0) > 0}
    contexts = training.contexts(builder, config, worth, typical)
    tokens = serving.decoders(builder, tiers, contexts.values())
    makers = {key: tokens[place] for key, place in contexts.items()}
    invested = training.training_stream(builder, config, gpus, makers, worth, room)
    if invested is not None:
        streams.append(invested)
    # worth × capability stands in the value of requests and in the worth of training: once
    twice = sum(state.worth.get(m, 0.0) * a for m, a in state.capability.items())
    program = Program(
        rows=tuple(builder.rows),
        streams=tuple(streams),
        activities=tuple(builder.activities),
        terms=tuple(builder.terms),
        resources=tuple(builder.resources),
        offsets=(("training", -twice),) if twice else (),
        counts=tuple(builder.counts),
    )
    return Built(
        program,
        config,
        classes,
        state,
        moments.names,
        moments.weights,
        tuple(tiers),
        reuse,
        tuple(builder.assumed),
        needed,
        moments,
        gpus,
    )


def _reuse(config: Config) -> dict[str, Reuse]:
    """The reuse profiles, per second."""
    return {
        n: Reuse(
            tuple(a for a, _ in p.points),
            tuple(h for _, h in p.points),
            p.drift_per_h / HOUR,
            p.mismatch_per_h / HOUR,
        )
        for n, p in config.caching.reuse.items()
    }
