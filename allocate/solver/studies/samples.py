"""How far the answer is spread by what its calibrated numbers leave open.

The config is solved again for draws of these numbers (``models.draws``), each from the prices of
the answer itself. Prices, welfare and decisions are shown with their 5 %, 50 % and 95 % quantiles
over the draws whose answer is certified; every other draw is counted under what became of it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from allocate.errors import AllocateError, ConfigError, SolveError
from allocate.models.draws import Drawable, drawable, draws
from allocate.models.loader import Loaded, load_dict
from allocate.plain import plain
from allocate.solver.solution import Solution
from allocate.solver.studies.many import Asked, from_start, in_turn

Route = tuple[str | None, str | None, str | None, str | None, str | None]
"""Class (None: all together), model, autonomy, period, scenario."""
MOST_ROUTES = 5000
"""Lines of decisions that are kept; beyond, of all requests together only."""
QUANTILES = (0.05, 0.5, 0.95)


class SamplesError(AllocateError):
    """There is nothing to draw."""


@dataclass(frozen=True)
class Outcome:
    """What became of one draw; ``prices`` by resource and ``shares`` only of certified ones."""

    status: str
    welfare: float | None = None
    relative_gap: float | None = None
    holds: bool = False
    message: str | None = None
    prices: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[Route, float] = field(default_factory=dict)


def solved(loaded: Loaded, start: Mapping[str, Any], asked: Asked) -> Outcome:
    """Solve one draw, in this process or another."""
    try:
        return outcome_of(from_start(loaded, start, asked))
    except SolveError as error:
        return Outcome(error.status, message="; ".join([error.message, *error.conflicts]))


def outcome_of(solution: Solution) -> Outcome:
    """What is kept of the answer to a draw."""
    certificate = solution.certificate
    counts = solution.priced
    return Outcome(
        solution.status,
        float(solution.welfare),
        float(certificate.relative_gap),
        counts,
        None if counts else "not certified",
        {p.resource: p.value if p.binding else 0.0 for p in solution.prices} if counts else {},
        routes(solution.layers.router) if counts else {},
    )


def routes(router: Sequence[Mapping[str, Any]]) -> dict[Route, float]:
    """Shares of the classes by model and level of autonomy, and of all requests together."""
    together: dict[Route, float] = {}
    each: dict[Route, float] = {}
    arrivals: dict[tuple[str | None, str | None], float] = {}
    for line in router:
        when = line.get("period"), line.get("scenario")
        arrivals[when] = arrivals.get(when, 0.0) + line["requests_per_s"]
    for line in router:
        when = line.get("period"), line.get("scenario")
        key: Route = (None, line["model"], line["autonomy"], *when)
        part = line["requests_per_s"] / arrivals[when] if arrivals[when] else 0.0
        together[key] = together.get(key, 0.0) + part
        own: Route = (line["class"], line["model"], line["autonomy"], *when)
        each[own] = each.get(own, 0.0) + line["share"]
    return together | (each if len(each) <= MOST_ROUTES else {})


def configs(loaded: Loaded, drawn: Iterable[Mapping[str, Any]]) -> Iterator[Loaded | Outcome]:
    """The config with each draw's numbers in it; a draw that is no valid config says why."""
    for values in drawn:
        overrides = [f"{path}={json.dumps(value)}" for path, value in values.items()]
        try:
            yield load_dict(loaded.data, loaded.base_dir, overrides)
        except ConfigError as error:
            yield Outcome("refused", message=error.problems[0].message)


def sample(loaded: Loaded, base: Mapping[str, Any], count: int, asked: Asked) -> dict[str, Any]:
    """Solve again for draws of the calibrated numbers.

    Args:
        loaded: the config.
        base: the certified result document of it.
        count: how many draws.
        asked: how they are solved; ``seed`` is that of the draws too.

    Returns:
        ``samples`` of the result document.

    Raises:
        SamplesError: the config has no number that could be drawn, or ``base`` no prices.
    """
    found = require_numbers(loaded)
    if "start" not in base:
        raise SamplesError("draws start from certified prices, and this answer has none")
    clock = time.perf_counter()
    drawn = draws(found, count, asked.seed)
    outcomes: list[Outcome | None] = [None] * count
    finished, stopped, tell = 0, False, asked.progress or (lambda _: None)
    tell({"phase": "draws", "done": 0, "of": count})
    stream = in_turn(configs(loaded, drawn), base, count, asked, solved)
    try:
        for i, outcome in stream:
            outcomes[i] = outcome
            finished += 1
            tell({"phase": "draws", "done": finished, "of": count})
    except KeyboardInterrupt:
        stopped = True
    except BrokenProcessPool:
        stopped = True
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            stream.close()  # type: ignore[attr-defined]
    kept = [(i, o) for i, o in enumerate(outcomes) if o is not None]
    seconds = time.perf_counter() - clock
    return plain(
        {
            "asked": count,
            "finished": len(kept),
            "certified": sum(o.holds for _, o in kept),
            "seed": asked.seed,
            "stopped": stopped,
            "statuses": dict(Counter(_ending(o) for _, o in kept).most_common()),
            **_spreads(base, [o for _, o in kept if o.holds]),
            **_numbers(found),
            "draws": [_line(i, o) for i, o in kept],
            "seconds": seconds,
            "draws_per_s": len(kept) / seconds if seconds > 0 else None,
        }
    )


def require_numbers(loaded: Loaded) -> Drawable:
    """The numbers of a config that can be drawn.

    Raises:
        SamplesError: it has none.
    """
    found = drawable(loaded.config)
    if not found.numbers:
        raise SamplesError(_nothing(found))
    return found


def _ending(outcome: Outcome) -> str:
    return outcome.status if outcome.holds or outcome.welfare is None else "not certified"


def _line(i: int, outcome: Outcome) -> dict[str, Any]:
    return {
        "draw": i,
        "status": outcome.status,
        "welfare": outcome.welfare,
        "relative_gap": outcome.relative_gap,
        "holds": outcome.holds,
        "message": outcome.message,
    }


def _nothing(found: Drawable) -> str:
    if not found.kept:
        return (
            "--samples draws from the intervals under `calibrated`, and this config has none: "
            "include fragments of `allocate calibrate`"
        )
    listed = "; ".join(f"{path}: {why}" for path, why in found.kept[:3])
    return f"--samples has nothing to draw from: {listed}"


def _numbers(found: Drawable) -> dict[str, Any]:
    def one(values: np.ndarray) -> Any:
        return values.tolist() if len(values) > 1 else float(values[0])

    return {
        "drawn": [
            {
                "path": n.path,
                "unit": n.known.unit,
                "value": one(n.middle),
                "low": one(n.low),
                "high": one(n.high),
                "distribution": n.distribution,
                "correlated_with": found.correlated_with(k),
            }
            for k, n in enumerate(found.numbers)
        ],
        "kept": [{"path": path, "reason": why} for path, why in found.kept],
    }


# --- spreads ------------------------------------------------------------------------------------


def spread(value: float | None, values: Sequence[float]) -> dict[str, float | None]:
    """A number of the answer beside its quantiles over draws; none without draws."""
    if not len(values):
        return {"value": value, "p05": None, "median": None, "p95": None}
    low, middle, high = (float(q) for q in np.quantile(np.asarray(values, float), QUANTILES))
    return {"value": value, "p05": low, "median": middle, "p95": high}


def _spreads(base: Mapping[str, Any], good: Sequence[Outcome]) -> dict[str, Any]:
    welfare = spread(
        base["objective"]["welfare"], [o.welfare for o in good if o.welfare is not None]
    )
    prices = []
    for price in base["prices"]:
        values = [o.prices.get(price["resource"], 0.0) for o in good]
        prices.append(
            {
                **{key: price[key] for key in ("resource", "label", "unit")},
                **spread(price["value"], values),
                "binding_share": float(np.mean([v > 0 for v in values])) if values else 0.0,
            }
        )
    mine = routes(base["layers"]["router"])
    keys = dict.fromkeys([*mine, *(key for o in good for key in o.shares)])
    decisions = [
        {
            **{"class": key[0], "model": key[1], "autonomy": key[2]},
            **{k: v for k, v in (("period", key[3]), ("scenario", key[4])) if v is not None},
            **spread(mine.get(key, 0.0), [o.shares.get(key, 0.0) for o in good]),
        }
        for key in keys
    ]
    return {"welfare": welfare, "prices": prices, "decisions": decisions}
