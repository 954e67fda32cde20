"""The whole program stated a second time: a linear program whose columns are priced out.

    python tests/independent_program.py CONFIG.yaml RESULT.json

NumPy, SciPy (HiGHS) and ruamel.yaml only; no code of the package. It reads ``docs/program.md``
its own way: rows by name, one column for each request on a way with given tokens, training as
one column for each plan of all assets. The document gives the speeds of the lanes, the worth of
capability (section 11) and the answer that is judged; nothing else is taken from it.

Reported, all in the units of the document:

* ``violation``: the least relative excess over any row with which the document's requests,
  tokens and replicas can be carried out;
* ``welfare``: of the document's allocation;
* ``best`` and ``bound``: of the program, by columns priced at the duals until none is better;
* ``foc``: the largest failure of worth of the next token = its price, at these duals;
* ``prices``: the same resources, priced by these duals.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from scipy.optimize import linprog, minimize

HOUR = 3600.0
MONEY = "$"


def named(section: Any) -> dict[str, dict]:
    """A section written as a mapping, or as a list of items with a name."""
    if isinstance(section, list):
        return {x["name"]: {k: v for k, v in x.items() if k != "name"} for x in section}
    return {k: dict(v or {}) for k, v in (section or {}).items()}


def given(section: dict, key: str, default: float) -> float:
    value = section.get(key)
    return default if value is None else value


# --- reuse of prefixes ----------------------------------------------------------------------------


def over_reuse(points: list, theta: float, weight: Any) -> float:
    """∫ weight(z) dh(z) from 0 to theta; h runs straight from (0, 0) through the points."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    total, corners = 0.0, [(0.0, 0.0), *map(tuple, points)]
    for (a, ha), (b, hb) in zip(corners, corners[1:], strict=False):
        end = min(b, theta)
        if end <= a:
            break
        z = 0.5 * (end - a) * nodes + 0.5 * (end + a)
        total += (hb - ha) / (b - a) * 0.5 * (end - a) * float(weights @ weight(z))
    return total


# --- lanes ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lane:
    """A deployment at one utilisation; seconds, tokens, replicas."""

    name: str
    spec: Any
    alpha: float
    beta: float
    gamma: float
    delta: float
    u: float

    @property
    def tpot(self) -> float:
        return self.alpha / (1.0 - self.u)

    @property
    def load(self) -> float:
        return self.spec.get("burst_headroom", 1.0) / self.u / HOUR

    @property
    def stage(self) -> str:
        return self.spec.get("stage", "mixed")

    @property
    def gb(self) -> float:
        return self.spec.get("kv_bytes_per_token", 0.0) / 1e9

    def decode(self, context: float, period: str) -> dict[str, float]:
        """What a decoded token an hour occupies."""
        out = {f"{self.name} busy {period}": self.load * (self.beta + self.gamma * context)}
        if self.spec.get("max_batch") is not None:
            out[f"{self.name} batch {period}"] = self.tpot / HOUR
        if self.spec.get("kv_memory_gb") is not None:
            out[f"{self.name} kv {period}"] = self.tpot / HOUR * self.gb * context
        return out


def families(name: str, d: dict) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Plain, and with the draft model: α, β, γ, δ in seconds and tokens."""
    a, b = d.get("alpha_ms", 0.0) / 1e3, d.get("beta_ms", 0.0) / 1e3
    g, p = d.get("gamma_ms_per_ktok", 0.0) / 1e6, d.get("delta_ms_per_ktok", 0.0) / 1e6
    yield name, (a, b, g, p)
    if d.get("draft"):
        s = d["draft"]
        k, o = s.get("tokens", 4), s.get("verify_overhead", 0.0)
        made = sum(s["acceptance"] ** i for i in range(k + 1))
        slow = (a + k * s["alpha_ms"] / 1e3) / made
        work = (b * (1 + o * k) + k * s.get("beta_ms", 0.0) / 1e3) / made
        yield f"{name}+draft", (slow, work, g / made, p)


# --- success --------------------------------------------------------------------------------------


class Success:
    """q(y) and y q'(y) of one model, effort y ≥ 0."""

    def __init__(self, model: dict, exponents: float):
        s = model.get("success")
        self.form = s["form"] if s else "constant"
        self.s = s or {}
        self.ceiling = s.get("ceiling", s.get("scale", 1.0)) if s else model["quality"]
        if self.form == "table":
            corners: list[tuple[float, float]] = []
            for x, q in sorted([(0.0, 0.0), *((c**exponents, q) for c, q in self.s["points"])]):
                while len(corners) > 1:
                    (x0, q0), (x1, q1) = corners[-2:]
                    if (q1 - q0) * (x - x1) > (q - q1) * (x1 - x0):
                        break
                    corners.pop()
                corners.append((x, q))
            self.x, self.q = np.array(corners).T
            self.ceiling = self.q[-1]
            self.slopes = np.append(np.diff(self.q) / np.diff(self.x), 0.0)

    def value(self, y: np.ndarray) -> np.ndarray:
        match self.form:
            case "constant":
                return np.full_like(y, self.ceiling)
            case "saturating":
                return self.ceiling * -np.expm1(-y / self.s.get("scale", 1.0))
            case "power":
                with np.errstate(divide="ignore"):
                    return self.ceiling - self.s["coefficient"] * y ** -self.s["exponent"]
            case "table":
                return np.interp(y, self.x, self.q)
        return self.ceiling * y

    def slope(self, y: np.ndarray, left: bool = False) -> np.ndarray:
        """q' to the right, or to the left; they differ at the corners of a table."""
        match self.form:
            case "constant":
                return np.zeros_like(y)
            case "saturating":
                scale = self.s.get("scale", 1.0)
                return self.ceiling / scale * np.exp(-y / scale)
            case "power":
                b = self.s["exponent"]
                return self.s["coefficient"] * b * y ** (-b - 1)
            case "table":
                side = "left" if left else "right"
                at = np.searchsorted(self.x, y * (1 + (1e-9 if not left else -1e-9)), side)
                return self.slopes[np.clip(at - 1, 0, None)]
        return np.full_like(y, self.ceiling)


# --- the program ----------------------------------------------------------------------------------


@dataclass
class Arm:
    """A way to serve one request of a member; ``uses``: row → [1, tokens…, wrong actions]."""

    member: int
    key: tuple
    model: str | None
    uses: dict[str, np.ndarray]


@dataclass
class Group:
    """Arms with one success curve, priced together; arrays over arms."""

    arms: list[int]
    success: Success
    factor: np.ndarray
    difficulty: np.ndarray
    value: np.ndarray
    wrong: float
    reference: np.ndarray
    caps: np.ndarray


@dataclass
class Found:
    """What came out; see the module."""

    welfare: float = math.nan
    violation: float = math.nan
    best: float = math.nan
    bound: float = math.nan
    foc: float = math.nan
    prices: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    arms: int = 0

    @property
    def gap(self) -> float:
        """Between the bound and the document's welfare."""
        return (self.bound - self.welfare) / max(abs(self.bound), abs(self.welfare), 1e-300)


class Program:
    """Rows, linear decisions and arms of a config."""

    def __init__(self, config: dict, document: dict):
        self.c, self.document = config, document
        self.models, self.classes = named(config["models"]), named(config["classes"])
        self.uses = named(config.get("token_uses"))
        self.levels = named(config.get("autonomy")) or {"free": {}}
        self.limits, self.humans = config.get("limits") or {}, config.get("humans") or {}
        self.gpus = named(config.get("gpus"))
        periods = named(config.get("periods")) or {"all day": {"hours": 1.0}}
        hours = sum(p["hours"] for p in periods.values())
        self.share = {n: p["hours"] / hours for n, p in periods.items()}
        scale = (config.get("demand") or {}).get("scale", 1.0)
        self.members = [
            (k, t, HOUR * c["rate_per_s"] * scale * self.share[t] * p.get("demand_scale", 1.0))
            for k, c in self.classes.items()
            for t, p in periods.items()
            if c.get("periods") is None or t in c["periods"]
        ]
        self.exponents = np.array([u.get("exponent", 0.0) for u in self.uses.values()])
        self.is_input = np.array([u.get("kind") == "input" for u in self.uses.values()], bool)
        risky = [j for j, u in enumerate(self.uses.values()) if u.get("risk_tokens") is not None]
        self.verify = risky[0] if risky else None
        self.tau = list(self.uses.values())[risky[0]]["risk_tokens"] if risky else 1.0
        self.rows: dict[str, float] = {}
        self.levels_of: list[tuple[str, float, dict[str, float], float]] = []
        self.capability, self.worth, self.served = self._trained()
        self._shared_rows()
        self.lanes = list(self._lanes())
        self._training_rows()
        self.arms = [a for i in range(len(self.members)) for a in self._arms(i)]
        self.groups = self._groups()

    # rows and linear decisions ------------------------------------------------------------------

    def row(self, name: str, capacity: float) -> None:
        self.rows.setdefault(name, capacity)

    def decide(
        self, name: str, cost: float, uses: Mapping[str, float], most: float = np.inf
    ) -> None:
        """A level ≥ 0 that costs and takes from rows; rows that nobody limits are left out."""
        kept = {r: v for r, v in uses.items() if r in self.rows}
        self.levels_of.append((name, cost, kept, most))

    def covers(self, limit: dict, name: str) -> bool:
        classes, tenants = limit.get("classes"), limit.get("tenants")
        if classes is None and tenants is None:
            return True
        return name in (classes or ()) or self.classes[name].get("tenant") in (tenants or ())

    def _shared_rows(self) -> None:
        money = (self.c.get("budgets") or {}).get("money_usd")
        if money is not None:
            self.row("budget", money)
        for n, t in named(self.c.get("tenants")).items():
            if t.get("money_usd") is not None:
                self.row(f"tenant {n}", t["money_usd"])
        for n in ("risk_per_h", "irreversible_risk_per_h"):
            if self.limits.get(n) is not None:
                self.row(n, self.limits[n])
        for t, w in self.share.items():
            if self.humans.get("minutes_per_h") is not None:
                self.row(f"humans {t}", w * self.humans["minutes_per_h"])
            for g, spec in self.gpus.items():
                self.row(f"gpu {g} {t}", w * given(spec, "available", 1e6))
            for m, spec in self.models.items():
                for cap in ("requests_per_minute", "tokens_per_minute"):
                    if (spec.get("api") or {}).get(cap) is not None:
                        self.row(f"{m} {cap} {t}", 60.0 * w * spec["api"][cap])
        for n, limit in named(self.limits.get("latency")).items():
            self.row(f"latency {n}", 0.0)
            self.row(f"served {n}", 0.0)
            uses = {f"latency {n}": -limit["mean_s"], f"served {n}": 1.0}
            self.decide(f"latency {n}", 0.0, uses)
        for n, limit in named(self.limits.get("shares")).items():
            total = sum(r for k, _, r in self.members if self.covers(limit, k))
            if limit.get("max_share") is not None:
                self.row(f"most {n}", limit["max_share"] * total)
            if limit.get("min_share") is not None:
                self.row(f"least {n}", -limit["min_share"] * total)
        tail = self.limits.get("tail_risk")
        self.scenarios = named((tail or {}).get("scenarios"))
        if tail:
            price, beta = tail.get("price_usd", 0.0), tail.get("beta", 0.95)
            for n in self.scenarios:
                self.row(f"tail {n}", 0.0)
            if tail.get("max_loss_per_h") is not None:
                self.row("tail", tail["max_loss_per_h"])
            uses = {f"tail {n}": -1.0 for n in self.scenarios} | {"tail": 1.0}
            self.decide("quantile", price, uses)
            for n, s in self.scenarios.items():
                part = s["probability"] / (1.0 - beta)
                self.decide(f"beyond {n}", price * part, {f"tail {n}": -1.0, "tail": part})

    def _speeds(self, family: str, d: dict, alpha: float) -> list[float]:
        if d.get("stage") == "prefill":
            first = d.get("utilisations") or self._spaced(6)
        elif d.get("tpot_ms"):
            first = [1.0 - alpha / (t / 1e3) for t in d["tpot_ms"] if t / 1e3 > alpha]
        else:
            first = self._spaced(8)
        used = [
            line["speed_utilisation"]
            for line in self.document["layers"]["serving"]
            if line["lane"].partition(" @ ")[0] == family
        ]
        return sorted({round(u, 12) for u in [*first, *used]})

    @staticmethod
    def _spaced(n: int) -> list[float]:
        low, high = (math.log(u / (1 - u)) for u in (0.05, 0.97))
        return [1.0 / (1.0 + math.exp(-x)) for x in np.linspace(low, high, n)]

    def _lanes(self) -> Iterator[Lane]:
        groups = named((self.c.get("caching") or {}).get("sharing"))
        self.traffic = {
            g: max(
                sum(
                    r / w
                    for k, p, r in self.members
                    if p == t and self.classes[k].get("sharing") == g
                )
                for t, w in self.share.items()
            )
            for g in groups
        }
        for name, d in named(self.c.get("deployments")).items():
            for family, physics in families(name, d):
                for u in self._speeds(family, d, physics[0]):
                    lane = Lane(f"{family}@{u:.12g}", d, *physics, u)
                    self._replicas(lane, groups)
                    yield lane

    def _replicas(self, lane: Lane, groups: dict[str, dict]) -> None:
        d, n = lane.spec, lane.spec.get("gpus_per_replica", 1)
        pay = n * self.gpus[d["gpu"]].get("price_usd_per_h", 0.0)
        for t, w in self.share.items():
            uses: dict[str, float] = {
                f"{lane.name} busy {t}": -1.0,
                f"gpu {d['gpu']} {t}": n,
                "budget": pay,
            }
            self.row(f"{lane.name} busy {t}", 0.0)
            if d.get("max_batch") is not None and lane.stage != "prefill":
                self.row(f"{lane.name} batch {t}", 0.0)
                uses[f"{lane.name} batch {t}"] = -d["max_batch"]
            if d.get("kv_memory_gb") is not None:
                self.row(f"{lane.name} kv {t}", 0.0)
                uses[f"{lane.name} kv {t}"] = -d["kv_memory_gb"]
                for g, s in groups.items() if lane.stage != "decode" else ():
                    self.row(f"{lane.name} shared {g} {t}", 0.0)
                    held = {f"{lane.name} shared {g} {t}": -self.traffic[g]}
                    held[f"{lane.name} kv {t}"] = s["tokens"] * lane.gb
                    self.decide(f"copy of {g} on {lane.name} {t}", 0.0, held, w)
            self.decide(f"replicas {lane.name} {t}", pay, uses)

    # arms ---------------------------------------------------------------------------------------

    def _ways(self, k: dict, model: str) -> Iterator[tuple]:
        """("api",), ("flat",) or ("own", prefill lane, decode lane, kept, shared)."""
        spec, slow, late = self.models[model], k.get("max_tpot_ms"), k.get("max_ttft_s")
        slow, late = slow or math.inf, late or math.inf
        own = [x for x in self.lanes if x.spec["model"] == model]
        api = spec.get("api")
        if api and api.get("tpot_ms", 0) <= slow and api.get("ttft_s", 0) <= late:
            yield ("api",)
        if not api and not own:
            yield ("flat",)
        pairs = [(x, x) for x in own if x.stage == "mixed"]
        before, after = ([x for x in own if x.stage == s] for s in ("prefill", "decode"))
        pairs += [(x, y) for x in before for y in after]
        caching = self.c.get("caching") or {}
        for x, y in pairs:
            memory = x.spec.get("kv_memory_gb") is not None
            kept = [0.0]
            if memory and k.get("reuse") and k.get("prefix_tokens", 0) > 0:
                kept += [z for z in caching.get("retention_s", [0, 60, 300, 3600]) if z > 0]
            for z in kept:
                for shared in (False, True) if memory and k.get("sharing") else (False,):
                    new, whole = self._prompt(k, z, shared)
                    moved = 0.0 if x is y else y.spec.get("kv_transfer_ms_per_ktok", 0.0) / 1e6
                    first = (x.delta / (1 - x.u) * new + moved * whole) / k.get("calls", 1.0)
                    if 1e3 * y.tpot <= slow * (1 + 1e-9) and first <= late * (1 + 1e-9):
                        yield ("own", x, y, z, shared)

    def _prompt(self, k: dict, kept: float, shared: bool) -> tuple[float, float]:
        """Tokens of a request that must be prefilled, and all of them."""
        caching = self.c.get("caching") or {}
        prefix, found, copied, hit = k.get("prefix_tokens", 0.0), 0.0, 0.0, 0.0
        if k.get("reuse") and kept > 0:
            r = caching["reuse"][k["reuse"]]
            drift = r.get("drift_per_h", 0.0) / HOUR
            found = over_reuse(r["points"], kept, lambda z: np.exp(-drift * z))
        if k.get("sharing"):
            s = named(caching["sharing"])[k["sharing"]]
            copied, hit = s["tokens"], s.get("hit", 1.0) if shared else 0.0
        prompt = k.get("prompt_tokens", 0.0)
        return prompt + prefix * (1 - found) + copied * (1 - hit), prompt + prefix + copied

    def _context(self, k: dict) -> float:
        if k.get("context_tokens") is not None:
            return k["context_tokens"]
        base = k.get("prompt_tokens", 0.0) + k.get("prefix_tokens", 0.0) / k.get("calls", 1.0)
        return (
            base
            + k.get("output_tokens", 0.0) / 2
            + self._prompt({**k, "reuse": None}, 0, False)[1]
            - k.get("prompt_tokens", 0.0)
            - k.get("prefix_tokens", 0.0)
        )

    def _arms(self, i: int) -> Iterator[Arm]:
        name, period, _ = self.members[i]
        k = self.classes[name]
        for level_name, level in self.levels.items():
            if k.get("autonomy") is not None and level_name not in k["autonomy"]:
                continue
            if level.get("actions") is not None and k.get("action", "act") not in level["actions"]:
                continue
            if level.get("human_success") is not None:
                uses = self._request(name, period, level, None, ("human",))
                yield Arm(i, (None, level_name, "human"), None, uses)
                continue
            for model in self.models:
                if k.get("models") is not None and model not in k["models"]:
                    continue
                for way in self._ways(k, model):
                    uses = self._request(name, period, level, model, way)
                    key = way if way[0] != "own" else (*(x.name for x in way[1:3]), *way[3:])
                    yield Arm(i, (model, level_name, *key), model, uses)

    def _request(
        self, name: str, t: str, level: dict, model: str | None, way: tuple
    ) -> dict[str, np.ndarray]:
        """What one request uses of every row, and costs: [constant, by token…, by wrong action]."""
        k, j = self.classes[name], len(self.uses)
        prices, out = self.c.get("prices") or {}, {}

        def add(row: str, flat: float, tokens: Any = 0.0, wrong: float = 0.0) -> None:
            if row != MONEY and row not in self.rows:
                return
            line = out.setdefault(row, np.zeros(j + 2))
            line[0] += flat
            line[1 : 1 + j] += tokens
            line[-1] += wrong

        def money(flat: float, tokens: Any = 0.0) -> None:
            for row in (MONEY, "budget", f"tenant {k.get('tenant')}"):
                add(row, flat, tokens)

        lam = given(k, "latency_usd_per_s", prices.get("latency_usd_per_s", 0.0))
        slo = [n for n, x in named(self.limits.get("latency")).items() if self.covers(x, name)]

        def wait(flat: float, tokens: Any = 0.0) -> None:
            add(MONEY, lam * flat, lam * np.asarray(tokens))
            for n in slo:
                add(f"latency {n}", flat, tokens)

        for n in slo:
            add(f"served {n}", -1.0)
        minutes = level.get("human_minutes", 0.0)
        add(MONEY, minutes * self.humans.get("cost_usd_per_h", 0.0) / 60.0)
        add(f"humans {t}", minutes)
        wait(level.get("wait_s", 0.0))
        self._losses(k, level, prices, add)
        if model is None:
            return out
        spec = self.models[model]
        money(
            spec.get("cost_per_task_usd", 0.0),
            np.array([u.get("price_usd", 0.0) for u in self.uses.values()]),
        )
        wait(spec.get("latency_per_task_s", 0.0))
        for n, limit in named(self.limits.get("shares")).items():
            if model in limit["models"] and self.covers(limit, name):
                add(f"most {n}", 1.0)
                add(f"least {n}", -1.0)
        if self.capability.get(model):
            gained = self.capability[model] * k.get("trainability", 1.0)
            add(MONEY, -gained * k["value_usd"])
        if way[0] == "api":
            self._api(spec["api"], k, model, t, add, money, wait)
        elif way[0] == "own":
            self._own(k, t, way, add, wait)
        return out

    def _losses(self, k: dict, level: dict, prices: dict, add: Any) -> None:
        factor = level.get("risk_factor", 1.0)
        late = given(level, "irreversible_factor", factor)
        loss, lost = k.get("loss", 1.0) * factor, k.get("irreversible_loss", 0.0) * late
        rho = prices.get("risk_usd", 0.0)
        add(MONEY, 0, 0, rho * loss + given(prices, "irreversible_risk_usd", rho) * lost)
        add("risk_per_h", 0, 0, loss)
        add("irreversible_risk_per_h", 0, 0, lost)
        for n, s in self.scenarios.items():
            factor = (s.get("factors") or {}).get(k.get("action", "act"), s.get("factor", 1.0))
            add(f"tail {n}", 0, 0, factor * (loss + lost))

    def _api(self, a: dict, k: dict, m: str, t: str, add: Any, money: Any, wait: Any) -> None:
        into, out = a.get("input_usd_per_mtok", 0) / 1e6, a.get("output_usd_per_mtok", 0) / 1e6
        cached, hit = given(a, "cached_input_usd_per_mtok", 1e6 * into) / 1e6, a.get("cache_hit", 0)
        prompt, output = k.get("prompt_tokens", 0.0), k.get("output_tokens", 0.0)
        whole = self._prompt(k, 0.0, False)[1]
        old = (whole - prompt) * (hit * cached + (1 - hit) * into)
        money(prompt * into + old + output * out, np.where(self.is_input, into, out))
        tpot, calls = a.get("tpot_ms", 0.0) / 1e3, k.get("calls", 1.0)
        wait(calls * a.get("ttft_s", 0.0) + output * tpot, np.where(self.is_input, 0.0, tpot))
        add(f"{m} requests_per_minute {t}", calls)
        add(f"{m} tokens_per_minute {t}", whole + output, np.ones(len(self.uses)))

    def _own(self, k: dict, t: str, way: tuple, add: Any, wait: Any) -> None:
        _, x, y, kept, shared = way
        new, whole = self._prompt(k, kept, shared)
        context, output = self._context(k), k.get("output_tokens", 0.0)
        tenant, caching = f"tenant {k.get('tenant')}", self.c.get("caching") or {}
        moved = 0.0 if x is y else y.spec.get("kv_transfer_ms_per_ktok", 0.0) / 1e6

        def hourly(lane: Lane) -> float:
            price = self.gpus[lane.spec["gpu"]].get("price_usd_per_h", 0.0)
            return lane.spec.get("gpus_per_replica", 1) * price

        read = np.where(self.is_input, 1.0, 0.0)
        busy = x.load * x.delta
        add(f"{x.name} busy {t}", busy * new, busy * read)
        add(tenant, hourly(x) * busy * new, hourly(x) * busy * read)
        first = x.delta / (1 - x.u)
        wait(first * new + moved * whole, (first + moved) * read)
        write = 1.0 - read
        for row, use in y.decode(context, t).items():
            add(row, use * output, use * write)
            if " busy " in row:
                add(tenant, hourly(y) * use * output, hourly(y) * use * write)
        wait(y.tpot * output, y.tpot * write)
        if kept > 0:
            r = caching["reuse"][k["reuse"]]
            held = kept - over_reuse(r["points"], kept, lambda z: kept - z)
            add(f"{x.name} kv {t}", x.gb / HOUR * k["prefix_tokens"] * held)
            drift, wrong = r.get("drift_per_h", 0.0) / HOUR, r.get("mismatch_per_h", 0.0) / HOUR
            misled = wrong * over_reuse(r["points"], kept, lambda z: z * np.exp(-drift * z))
            add(MONEY, k["value_usd"] * misled)
        if shared:
            group = k["sharing"]
            s = named(caching["sharing"])[group]
            add(f"{x.name} shared {group} {t}", 1.0)
            inside = [
                (c["value_usd"], r)
                for n, _, r in self.members
                if (c := self.classes[n]).get("sharing") == group
            ]
            mean = sum(v * r for v, r in inside) / sum(r for _, r in inside)
            add(MONEY, s.get("mismatch", 0.0) * s.get("hit", 1.0) * abs(k["value_usd"] - mean))

    def _groups(self) -> list[Group]:
        by: dict[tuple, list[int]] = {}
        for n, a in enumerate(self.arms):
            by.setdefault((a.model, a.key[1] if a.model is None else ""), []).append(n)
        out = []
        for (model, level), at in by.items():
            classes = [self.classes[self.members[self.arms[n].member][0]] for n in at]
            if model is None:
                spec = {"quality": self.levels[level]["human_success"]}
                wrong = self.levels[level].get("human_wrong_action_rate", 0.0)
            else:
                spec = self.models[model]
                wrong = spec.get("wrong_action_rate", 0.0)
            success = Success(spec, self.exponents.sum())
            own = spec.get("reference_tokens") or {}
            reference = np.array(
                [own.get(u, s.get("reference_tokens", 1.0)) for u, s in self.uses.items()]
            )
            free = 1e9 if success.form == "cobb_douglas" else 1e3
            caps = [
                given(s, "max_tokens", free * r)
                for s, r in zip(self.uses.values(), reference, strict=True)
            ]
            quality = [(k.get("quality") or {}).get(model) for k in classes]
            own = best = success.ceiling
            if own <= 0:  # no curve to scale: a class's quality is a constant success
                success, best = Success({"quality": 1.0}, 0.0), 1.0
            out.append(
                Group(
                    at,
                    success,
                    np.array([(own if q is None else q) / best for q in quality]),
                    np.array([k.get("difficulty", 1.0) for k in classes]),
                    np.array([k["value_usd"] for k in classes]),
                    wrong,
                    reference,
                    np.array([self._caps(n, np.array(caps)) for n in at]),
                )
            )
        return out

    def _caps(self, n: int, caps: np.ndarray) -> np.ndarray:
        """Caps of an arm's tokens; those that are read wait in the prefill before a deadline."""
        arm = self.arms[n]
        k = self.classes[self.members[arm.member][0]]
        read = self.is_input & (self.exponents > 0)
        if self.verify is not None and self.is_input[self.verify]:
            read[self.verify] = True
        if k.get("max_ttft_s") is None or len(arm.key) != 6 or not read.any():
            return caps
        lanes = {x.name: x for x in self.lanes}
        x, y = lanes[arm.key[2]], lanes[arm.key[3]]
        new, whole = self._prompt(k, *arm.key[4:])
        moved = 0.0 if x is y else y.spec.get("kv_transfer_ms_per_ktok", 0.0) / 1e6
        each = x.delta / (1 - x.u)
        left = k["max_ttft_s"] * k.get("calls", 1.0) - each * new - moved * whole
        weight = np.where(read, np.where(self.exponents > 0, self.exponents, 0.0), 0.0)
        weight[read & (weight == 0)] = weight.max() or 1.0
        share = np.where(read, weight / weight.sum(), 0.0)
        room = max(left, 0.0) / (each + moved) * share if each + moved > 0 else np.inf
        return np.where(read, np.minimum(caps, room), caps)

    # best responses -----------------------------------------------------------------------------

    def _effort(self, g: Group, tokens: np.ndarray) -> np.ndarray:
        if g.success.form == "constant":
            return np.ones(len(tokens))
        parts = (tokens / g.reference) ** self.exponents
        return np.prod(np.where(self.exponents > 0, parts, 1.0), axis=1) / g.difficulty

    def _wrong(self, g: Group, tokens: np.ndarray) -> np.ndarray:
        if self.verify is None or g.arms and self.arms[g.arms[0]].model is None:
            return np.full(len(tokens), g.wrong)
        return g.wrong * np.exp(-tokens[:, self.verify] / self.tau)

    def _bought(self, g: Group, p: np.ndarray, w: np.ndarray, m: np.ndarray) -> np.ndarray:
        """Tokens if a unit of log effort brings m: each use until its worth is its price."""
        alpha = self.exponents if g.success.form != "constant" else 0.0 * self.exponents
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(alpha > 0, alpha * m[:, None] / p, 0.0)
        v = self.verify
        if v is not None:
            low, high = np.zeros(len(p)), g.caps[:, v].copy()
            for _ in range(_HALVINGS):  # worth of a verifying token falls
                mid = 0.5 * (low + high)
                with np.errstate(divide="ignore"):
                    worth = alpha[v] * m / mid + w * g.wrong / self.tau * np.exp(-mid / self.tau)
                more = worth > p[:, v]
                low, high = np.where(more, mid, low), np.where(more, high, mid)
            t[:, v] = 0.5 * (low + high)
        return np.minimum(np.nan_to_num(t, nan=0.0, posinf=np.inf), g.caps)

    def respond(self, g: Group, p: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(profit before the constant, tokens) of every arm of a group at token prices."""
        n = len(p)
        if g.success.form == "constant" or self.arms[g.arms[0]].model is None:
            none = np.zeros(n)
            t = self._bought(g, p, w, none)
            if self.arms[g.arms[0]].model is None:
                t = np.zeros_like(t)
            return self._profit(g, p, w, t), t
        low, high = np.full(n, -60.0), np.full(n, 40.0)
        for _ in range(_HALVINGS):  # what effort brings, less what is paid for it, falls with m
            mid = 0.5 * (low + high)
            m = np.exp(mid)
            y = self._effort(g, self._bought(g, p, w, m))
            brings = g.value * g.factor * g.success.slope(y) * y
            low, high = np.where(brings > m, mid, low), np.where(brings > m, high, mid)
        t = self._bought(g, p, w, np.exp(0.5 * (low + high)))
        idle = np.zeros_like(t)
        if self.verify is not None:
            idle[:, self.verify] = self._bought(g, p, w, np.zeros(n))[:, self.verify]
        profit, other = self._profit(g, p, w, t), self._profit(g, p, w, idle)
        better = other > profit
        return np.where(better, other, profit), np.where(better[:, None], idle, t)

    def _profit(self, g: Group, p: np.ndarray, w: np.ndarray, t: np.ndarray) -> np.ndarray:
        worth = g.value * g.factor * g.success.value(self._effort(g, t))
        return worth - w * self._wrong(g, t) - (p * t).sum(axis=1)

    # training -----------------------------------------------------------------------------------

    def _trained(self) -> tuple[dict, dict, dict]:
        """Capability of every model, what a point of it is worth, and the requests behind that."""
        section = self.c.get("training")
        if not section:
            return {}, {}, {}
        model_of = {n: a["model"] for n, a in named(section["assets"]).items()}
        capability = dict.fromkeys(model_of.values(), 0.0)
        for line in self.document["layers"]["training"]:
            capability[line["model"]] += line["gain"]
        worth = dict.fromkeys(capability, 0.0)
        for line in self.document["layers"]["router"]:
            if line["model"] in worth:
                k = self.classes[line["class"]]
                w = self.share[line.get("period") or next(iter(self.share))]
                x = line["requests_per_s"] * HOUR * w
                worth[line["model"]] += x * k["value_usd"] * k.get("trainability", 1.0)
        return capability, worth, model_of

    def _training_rows(self) -> None:
        self.assets = named((self.c.get("training") or {}).get("assets"))
        self.assets = {n: a for n, a in self.assets.items() if self.worth.get(a["model"], 0) > 0}
        for n, a in self.assets.items():
            self.row(f"room {a['model']}", self._room(a["model"]))
            for kind in ("rollout", "verifier", "update"):
                spec = a.get(kind)
                if spec and spec.get("max_tokens_per_s") is not None:
                    self.row(f"made {n} {kind}", HOUR * spec["max_tokens_per_s"])

    def _room(self, model: str) -> float:
        """Success points until no class that may use a model has anything to gain."""
        spec, out = self.models[model], 0.0
        for k, *_ in self.members:
            c = self.classes[k]
            theta = c.get("trainability", 1.0)
            if theta > 0 and model in (c.get("models") or [model]) and c["rate_per_s"] > 0:
                sure = 0.0 if spec.get("success") else spec["quality"]
                if not spec.get("success"):
                    sure = given(c.get("quality") or {}, model, sure)
                out = max(out, (1.0 - sure) / theta)
        return min(out, 1.0)

    def _sources(
        self, n: str, kind: str, levels: list[dict] | None = None
    ) -> Iterator[dict[str, float]]:
        """Ways to get one token of an input that counts: row → use, and what it costs."""
        a = self.assets[n]
        spec = a[kind]
        stale = a.get("staleness") if kind == "rollout" else None
        for level in levels or stale or [{}]:
            times = level.get("cost", 1.0) / level.get("efficiency", 1.0)
            made = {f"made {n} {kind}": 1.0 / level.get("efficiency", 1.0)}
            bill = times * spec.get("price_usd_per_mtok", 0.0) / 1e6
            base = made | {MONEY: bill, "budget": bill}
            if spec.get("gpu"):
                per = times / HOUR / spec["tokens_per_gpu_s"]
                pay = per * self.gpus[spec["gpu"]].get("price_usd_per_h", 0.0)
                for t in self.share:
                    extra = {f"gpu {spec['gpu']} {t}": per, MONEY: bill + pay, "budget": bill + pay}
                    yield base | extra
            elif spec.get("deployment"):
                context = self._rollout_context(n, spec)
                for lane in self.lanes:
                    if lane.name.partition("@")[0].removesuffix("+draft") != spec["deployment"]:
                        continue
                    for t in self.share:
                        used = lane.decode(context, t)
                        yield base | {r: times * v for r, v in used.items()}
            else:
                yield base

    def _rollout_context(self, n: str, spec: dict) -> float:
        if spec.get("context_tokens") is not None:
            return spec["context_tokens"]
        model = self.assets[n]["model"]
        able = [
            (self._context(self.classes[k]), r)
            for k, _, r in self.members
            if model in (self.classes[k].get("models") or [model])
        ]
        return sum(c * r for c, r in able) / sum(r for _, r in able)

    def _portfolio(self) -> tuple[list[str], float, np.ndarray]:
        """Assets, risk aversion, and the covariance of their gains."""
        section, names = self.c["training"], list(self.assets)
        std = np.array([self.assets[n].get("gain_std", 0.0) for n in names])
        corr = np.eye(len(names))
        for a, others in (section.get("correlation") or {}).items():
            for b, v in others.items():
                if a in names and b in names:
                    corr[names.index(a), names.index(b)] = corr[names.index(b), names.index(a)] = v
        return names, section.get("risk_aversion", 0.0), corr * np.outer(std, std)

    def plan(self, mu: dict[str, float]) -> tuple[float, dict[str, float]] | None:
        """The best training at prices: (what it earns less its own costs, row → use).

        Money of the plan itself is under ``$``, not in the first number.
        """
        if not self.assets:
            return None
        names, kappa, cov = self._portfolio()
        window = self.c["training"]["depreciation_per_h"]
        inputs = [(i, k) for i, n in enumerate(names) for k in self.assets[n] if k in _KINDS]
        cheapest, sources = [], []
        for i, kind in inputs:
            priced = [
                (sum(v * mu.get(r, 0.0) for r, v in s.items() if r != MONEY) + s[MONEY], s)
                for s in self._sources(names[i], kind)
            ]
            price, source = min(priced, key=lambda x: x[0])
            cheapest.append(price)
            sources.append(source)
        reference = np.array(
            [self.assets[names[i]][k].get("reference_tokens", 1.0) * window for i, k in inputs]
        )
        alpha = np.array([self.assets[names[i]][k].get("exponent", 0.0) for i, k in inputs])
        whose, price = np.array([i for i, _ in inputs]), np.array(cheapest)
        models = [self.assets[n]["model"] for n in names]
        full = np.array([mu.get(f"room {m}", 0.0) for m in models])
        worth = np.array([self.worth[m] for m in models]) - full
        verifier = [next((x for x, (i, k) in enumerate(inputs) if i == j and k == "verifier"), -1)
                    for j in range(len(names))]  # fmt: skip

        def earned(scaled: np.ndarray) -> tuple[Any, np.ndarray]:
            """Of tokens per reference, and its gradient in their logarithms."""
            g, rate = np.zeros(len(names)), np.zeros(len(names))
            for j, n in enumerate(names):
                at = whose == j
                y = float(np.prod(scaled[at] ** alpha[at]))
                g[j], rate[j] = _gain(self.assets[n]["gain"], y)
                rate[j] *= y
            per = worth - kappa * cov @ g
            total = worth @ g - 0.5 * kappa * g @ cov @ g - price @ (scaled * reference)
            slope = -price * scaled * reference
            for j, n in enumerate(names):
                noise = self.assets[n].get("verifier_noise", 0.0)
                if noise and verifier[j] >= 0:
                    seen = scaled[verifier[j]]
                    total -= 0.5 * kappa * noise * g[j] ** 2 / seen
                    per[j] -= kappa * noise * g[j] / seen
                    slope[verifier[j]] += 0.5 * kappa * noise * g[j] ** 2 / seen
            return total, slope + per[whose] * alpha * rate[whose]

        def against(z: np.ndarray) -> tuple[float, np.ndarray]:
            total, slope = earned(np.exp(z))
            return -total, -slope

        seen = {(n, k): tokens for n, k, tokens, _ in self._written_inputs()}
        much = [seen.get((names[i], k), 0.0) for i, k in inputs]
        most = max(_MOST, 2.0 + math.log(max(1.0, *(np.array(much) / reference))))
        best = None
        for start in (-3.0, 0.0, 2.0, most - 2.0):
            z = np.full(len(inputs), start)
            for _ in range(4):  # each restart forgets a curvature that has gone stale
                found = minimize(
                    against, z, jac=True, method="L-BFGS-B", bounds=[(-30.0, most)] * len(z),
                    options={"ftol": 1e-16, "gtol": 1e-11, "maxiter": 5000},
                )  # fmt: skip
                z = found.x
            if best is None or found.fun < best.fun:
                best = found
        if best.fun >= 0:
            return 0.0, {MONEY: 0.0}
        tokens = np.exp(best.x) * reference
        uses: dict[str, float] = {}
        for n, source in zip(tokens, sources, strict=True):
            for r, v in source.items():
                uses[r] = uses.get(r, 0.0) + n * v
        gains = [
            _gain(self.assets[n]["gain"], math.exp(float(alpha[whose == j] @ best.x[whose == j])))[
                0
            ]
            for j, n in enumerate(names)
        ]
        for m, gain in zip(models, gains, strict=True):
            uses[f"room {m}"] = uses.get(f"room {m}", 0.0) + gain
        return -best.fun + float(price @ tokens) + float(full @ gains), uses

    # the linear program -------------------------------------------------------------------------

    def _price_table(self) -> None:
        self.names = list(self.rows)
        self.at = {n: i for i, n in enumerate(self.names)}
        self.capacity = np.array([self.rows[n] for n in self.names])
        arm, row, uses = [], [], []
        for n, a in enumerate(self.arms):
            for r, v in a.uses.items():
                arm.append(n)
                row.append(len(self.names) if r == MONEY else self.at[r])
                uses.append(v)
        self.t_arm, self.t_row, self.t_use = np.array(arm), np.array(row), np.array(uses)

    def _prices(self, mu: np.ndarray) -> np.ndarray:
        """[arms, 1 + uses + 1]: what a request, a token and a wrong action cost."""
        out = np.zeros((len(self.arms), self.t_use.shape[1]))
        np.add.at(out, self.t_arm, np.append(mu, 1.0)[self.t_row, None] * self.t_use)
        return out

    def column(self, n: int, tokens: np.ndarray) -> tuple[float, np.ndarray]:
        """(welfare per request, use of rows) of an arm with tokens."""
        g, i = self._where[n]
        one = Group(
            [n], g.success, g.factor[i : i + 1], g.difficulty[i : i + 1], g.value[i : i + 1],
            g.wrong, g.reference, g.caps[i : i + 1],
        )  # fmt: skip
        t = tokens[None]
        wrong = self._wrong(one, t)[0]
        amounts = np.concatenate([[1.0], tokens, [wrong]])
        use, money = np.zeros(len(self.names)), 0.0
        for r, v in self.arms[n].uses.items():
            if r == MONEY:
                money = float(v @ amounts)
            else:
                use[self.at[r]] += v @ amounts
        zero = np.zeros_like(t)
        return float(self._profit(one, zero, np.zeros(1), t)[0]) - money, use

    def solve(self, tolerance: float = 1e-8, rounds: int = 80, verbose: bool = False) -> Found:
        """Judge the document, then find the best by pricing columns out."""
        self._price_table()
        self._where = {n: (g, i) for g in self.groups for i, n in enumerate(g.arms)}
        found = Found(arms=len(self.arms))
        columns = self._written()
        found.violation, found.welfare = self._judged(columns)
        member = np.array([a.member for a in self.arms])
        rate = np.array([r for *_, r in self.members])
        declined = np.array(
            [
                -c.get("decline_cost_usd", 0.0) if c.get("decline", True) else -np.inf
                for c in (self.classes[k] for k, *_ in self.members)
            ]
        )
        plans: list[tuple[float, dict[str, float]]] = [(0.0, {MONEY: 0.0})]
        bound = np.inf
        for found.rounds in range(1, rounds + 1):
            best, mu, rent, rent_plan = self._master(columns, plans, declined, rate)
            total, news = float(mu @ self.capacity), []
            total += self._levels_at(mu)
            table = self._prices(mu)
            top = declined.copy()
            for g in self.groups:
                p, w = table[g.arms, 1:-1], table[g.arms, -1]
                profit, tokens = self.respond(g, p, w)
                profit = profit - table[g.arms, 0]
                owner = member[g.arms]
                np.maximum.at(top, owner, profit)
                better = profit > rent[owner] + 1e-10 * max(1.0, abs(best)) / rate[owner]
                news += [(g.arms[i], tokens[i]) for i in np.flatnonzero(better)]
            total += float(rate @ top)
            if self.assets:
                prices = dict(zip(self.names, mu, strict=True))
                plan = self.plan(prices)
                assert plan is not None
                worth = plan[0] - plan[1][MONEY] - self._use_at(plan[1], mu)
                total += max(worth, 0.0)
                if worth > rent_plan + 1e-10 * max(1.0, abs(best)):
                    plans.append(plan)
            bound = min(bound, total)
            if verbose:
                print(found.rounds, best, bound, len(news), len(columns), file=sys.stderr)
            if bound - best <= tolerance * max(abs(best), 1e-9) or not (news or self.assets):
                break
            columns += news
        omega = sum(a * self.worth[m] for m, a in self.capability.items())
        found.best, found.bound = best - omega, bound - omega
        found.foc = self._foc(table)
        found.prices = self._resources(dict(zip(self.names, mu, strict=True)))
        return found

    def _use_at(self, uses: dict[str, float], mu: np.ndarray) -> float:
        return sum(v * mu[self.at[r]] for r, v in uses.items() if r in self.at)

    def _levels_at(self, mu: np.ndarray) -> float:
        """What bounded levels earn at prices; unbounded ones earn nothing up to rounding."""
        out = 0.0
        for _, cost, uses, most in self.levels_of:
            earned = -cost - sum(v * mu[self.at[r]] for r, v in uses.items())
            if earned > 0:
                out += earned * (most if np.isfinite(most) else self._formal)
        return out

    _formal = 1e4  # no answer has so many replicas; rounding of the duals is multiplied by it

    def _matrix(self, columns: list, plans: list) -> tuple[np.ndarray, np.ndarray]:
        """(use of rows, welfare) of levels, columns and plans, per unit."""
        key = len(columns)
        done = getattr(self, "_columns", ([], []))
        for n, t in columns[len(done[0]) :]:
            w, use = self.column(n, t)
            done[0].append(w)
            done[1].append(use)
        self._columns = done
        levels = np.zeros((len(self.names), len(self.levels_of)))
        for i, (_, _, uses, _) in enumerate(self.levels_of):
            for r, v in uses.items():
                levels[self.at[r], i] += v
        taught = np.zeros((len(self.names), len(plans)))
        for i, (_, uses) in enumerate(plans):
            for r, v in uses.items():
                if r in self.at:
                    taught[self.at[r], i] += v
        chosen = np.array(done[1][:key]).reshape(key, len(self.names)).T
        use = np.column_stack([levels, chosen, taught])
        welfare = np.concatenate(
            [
                [-c for _, c, _, _ in self.levels_of],
                done[0][:key],
                [earned - uses[MONEY] for earned, uses in plans],
            ]
        )
        return use, welfare

    def _master(self, columns: list, plans: list, declined: np.ndarray, rate: np.ndarray) -> tuple:
        use, welfare = self._matrix(columns, plans)
        n_levels, n = len(self.levels_of), len(columns)
        scale = np.maximum(np.abs(use).max(axis=1), 1e-12)
        share = np.ones(use.shape[1])
        owner = np.array([self.arms[a].member for a, _ in columns])
        share[n_levels : n_levels + n] = rate[owner]  # requests as a share of their class
        equal = np.zeros((len(rate) + 1, use.shape[1] + len(rate)))
        equal[owner, n_levels + np.arange(n)] = 1.0
        equal[np.arange(len(rate)), use.shape[1] + np.arange(len(rate))] = 1.0
        equal[-1, n_levels + n : use.shape[1]] = 1.0
        left = np.where(np.isfinite(declined), declined, 0.0) * rate
        bounds = [(0, m if np.isfinite(m) else None) for *_, m in self.levels_of]
        bounds += [(0, None)] * (n + len(plans))
        bounds += [(0, None) if np.isfinite(d) else (0, 0) for d in declined]
        money = max(float(np.abs(welfare[n_levels:] * share[n_levels:]).max()), 1e-9)
        answer = linprog(
            np.concatenate([-welfare * share, -left]) / money,
            A_ub=np.column_stack([use * share / scale[:, None], np.zeros((len(scale), len(rate)))]),
            b_ub=self.capacity / scale,
            A_eq=equal,
            b_eq=np.ones(len(rate) + 1),
            bounds=bounds,
            method="highs",
            options={"dual_feasibility_tolerance": 1e-10, "primal_feasibility_tolerance": 1e-10},
        )
        if answer.status != 0:
            raise RuntimeError(answer.message)
        mu = np.maximum(-answer.ineqlin.marginals, 0.0) / scale * money
        rent = -answer.eqlin.marginals * money
        return -answer.fun * money, mu, rent[:-1] / rate, rent[-1]

    # the document -------------------------------------------------------------------------------

    def _written(self) -> list[tuple[int, np.ndarray]]:
        """The document's requests as columns; ``self.flow`` holds how many an hour."""
        index = {(a.member, a.key): n for n, a in enumerate(self.arms)}
        whose = {(k, t): i for i, (k, t, _) in enumerate(self.members)}
        speed = {}
        for line in self.document["layers"]["serving"]:
            family = line["lane"].partition(" @ ")[0]
            speed[line["lane"]] = f"{family}@{round(line['speed_utilisation'], 12):.12g}"
        out, flow = [], []
        for line in self.document["layers"]["router"]:
            t = line.get("period") or next(iter(self.share))
            for way in line["ways"]:
                key: tuple = (way["way"],)
                if way["way"] == "own":
                    then = speed[way["lane"]]
                    first = speed[way["prefill"]] if way["prefill"] else then
                    key = (first, then, way["retention_s"], way["shared_prefix"])
                arm = index[whose[line["class"], t], (line["model"], line["autonomy"], *key)]
                out.append((arm, np.array([way["tokens"][u] for u in self.uses])))
                flow.append(way["requests_per_s"] * HOUR * self.share[t])
        self.flow = np.array(flow)
        return out

    def _judged(self, columns: list) -> tuple[float, float]:
        """(least violation, welfare) with requests, tokens, replicas and training as written."""
        use, welfare = self._matrix(columns, [])
        self._columns = ([], [])
        replicas = {}
        for line in self.document["layers"]["serving"]:
            t = line.get("period") or next(iter(self.share))
            family = line["lane"].partition(" @ ")[0]
            name = f"replicas {family}@{round(line['speed_utilisation'], 12):.12g} {t}"
            replicas[name] = line["replicas"] * self.share[t]
        bounds: list[tuple[float, float | None]] = []
        for name, _, _, most in self.levels_of:
            fixed = replicas.get(name, 0.0) if name.startswith("replicas ") else None
            bounds.append((0.0, most) if fixed is None else (fixed, fixed))
        bounds += [(x, x) for x in self.flow]
        supply, bills, made, amount = self._taught()
        used = np.column_stack([use, supply])
        bounds += [(0.0, None)] * (supply.shape[1] + 1)
        gross = np.abs(use[:, len(self.levels_of) :]) @ self.flow
        gross = np.maximum(np.maximum(gross, np.abs(self.capacity)), 1e-9)
        equal = np.column_stack([np.zeros((len(amount), use.shape[1])), made])
        limits: dict[str, Any] = {
            "A_ub": np.column_stack([used / gross[:, None], -np.ones(len(gross))]),
            "b_ub": self.capacity / gross,
            "A_eq": np.column_stack([equal, np.zeros(len(amount))]) if len(amount) else None,
            "b_eq": np.ones(len(amount)) if len(amount) else None,
            "method": "highs",
            "options": {"primal_feasibility_tolerance": 1e-10},
        }
        least = linprog(np.append(np.zeros(used.shape[1]), 1.0), bounds=bounds, **limits)
        bounds[-1] = (0.0, 2 * least.fun + 1e-9)
        cost = np.concatenate([-welfare, bills, [0.0]])
        best = linprog(cost, bounds=bounds, **limits)
        served = np.zeros(len(self.members))
        for (a, _), x in zip(columns, self.flow, strict=True):
            served[self.arms[a].member] += x
        rate = np.array([r for *_, r in self.members])
        lost = [self.classes[k].get("decline_cost_usd", 0.0) for k, *_ in self.members]
        over = float(np.max((served - rate) / rate))
        over = max(over, *(self._overstated(best.x[use.shape[1] : -1], made, amount)), 0.0)
        welfare_ = -best.fun - float(np.maximum(rate - served, 0.0) @ lost) - self._risky()
        return max(least.fun, over), welfare_

    def _written_inputs(self) -> list[tuple[str, str, float, float | None]]:
        """(asset, input, tokens made an hour, staleness) of the document."""
        return [
            (line["asset"], kind, line[f"{kind}_tokens"], line.get("staleness"))
            for line in self.document["layers"]["training"]
            for kind in _KINDS
            if line["asset"] in self.assets and line[f"{kind}_tokens"]
        ]

    def _taught(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[float]]:
        """Sources of the document's training tokens, in units of an input's tokens made.

        Use of rows [rows, sources], bills [sources], and which source makes which input
        [inputs, sources], with the tokens made of each.
        """
        columns, bills, owner, amount = [], [], [], []
        self._efficiency: list[float] = []
        for at, (n, kind, tokens, stale) in enumerate(self._written_inputs()):
            amount.append(tokens)
            levels = self.assets[n].get("staleness") if kind == "rollout" else None
            known = [x for x in levels or [] if stale is not None and x["versions"] == stale]
            for level in known or levels or [{}]:
                good = level.get("efficiency", 1.0)
                for source in self._sources(n, kind, [level]):
                    column = np.zeros(len(self.names))
                    for r, v in source.items():
                        if r in self.at:
                            column[self.at[r]] += v * good * tokens
                    columns.append(column)
                    bills.append(source[MONEY] * good * tokens)
                    owner.append(at)
                    self._efficiency.append(good)
        made = np.zeros((len(amount), len(columns)))
        made[owner, np.arange(len(columns))] = 1.0
        use = np.array(columns).T if columns else np.zeros((len(self.names), 0))
        return use, np.array(bills), made, amount

    def _overstated(self, sources: np.ndarray, made: np.ndarray, amount: list[float]) -> list:
        """By how much, relatively, each gain is above what its inputs give."""
        counted = (made * np.array(self._efficiency)) @ sources * np.array(amount)
        window = self.c["training"]["depreciation_per_h"] if self.assets else 1.0
        out = [0.0]
        for line in self.document["layers"]["training"]:
            if line["asset"] not in self.assets:
                continue
            y = 1.0
            for (n, kind, *_), tokens in zip(self._written_inputs(), counted, strict=True):
                if n == line["asset"]:
                    spec = self.assets[n][kind]
                    reference = spec.get("reference_tokens", 1.0) * window
                    y *= (tokens / reference) ** spec.get("exponent", 0.0)
            most, _ = _gain(self.assets[line["asset"]]["gain"], y)
            out.append(line["gain"] / most - 1.0)
        for m in {a["model"] for a in self.assets.values()}:
            out.append(self.capability[m] / self._room(m) - 1.0)
        return out

    def _risky(self) -> float:
        """What the variance of the document's gains costs, USD/h."""
        if not self.assets:
            return 0.0
        names, kappa, cov = self._portfolio()
        lines = {line["asset"]: line for line in self.document["layers"]["training"]}
        g = np.array([lines[n]["gain"] if n in lines else 0.0 for n in names])
        out = 0.5 * kappa * float(g @ cov @ g)
        for j, n in enumerate(names):
            noise, spec = self.assets[n].get("verifier_noise", 0.0), self.assets[n].get("verifier")
            if noise and spec and g[j] > 0:
                window = self.c["training"]["depreciation_per_h"]
                reference = spec.get("reference_tokens", 1.0) * window
                seen = lines[n]["verifier_tokens"] / reference
                out += 0.5 * kappa * noise * g[j] ** 2 / seen
        return out

    def _foc(self, table: np.ndarray) -> float:
        """Worth of the next token against its price at the duals, for the document's tokens."""
        worst = 0.0
        for (n, t), x in zip(self._written(), self.flow, strict=True):
            g, i = self._where[n]
            if self.arms[n].model is None or x <= 1e-9:
                continue
            p, w = table[n, 1:-1], table[n, -1]
            y = np.array([self._effort(g, np.tile(t, (len(g.arms), 1)))[i]])
            worths = []
            for left in (False, True):
                m = float(g.value[i] * g.factor[i] * (g.success.slope(y, left) * y)[0])
                with np.errstate(divide="ignore", invalid="ignore"):
                    worth = np.where(self.exponents > 0, self.exponents * m / t, 0.0)
                if self.verify is not None:
                    v = self.verify
                    worth[v] += w * g.wrong / self.tau * math.exp(-t[v] / self.tau)
                worths.append(worth)
            for j, spent in enumerate(t):
                if spent <= 0:
                    continue
                below, above = worths[0][j], worths[1][j]
                capped = spent >= g.caps[i, j] * (1 - 1e-9)
                off = max(0.0 if capped else below / p[j] - 1, 1 - above / p[j], 0.0)
                worst = max(worst, off)
        return worst

    def _resources(self, mu: dict[str, float]) -> dict[str, float]:
        """Prices of resources that are rows, as the document names them."""
        out = {}
        for g in self.gpus:
            out[f"gpus.{g}.available"] = sum(w * mu[f"gpu {g} {t}"] for t, w in self.share.items())
        if "budget" in mu:
            out["budgets.money_usd"] = mu["budget"]
        for n, t in named(self.c.get("tenants")).items():
            if t.get("money_usd") is not None:
                out[f"tenants.{n}.money_usd"] = mu[f"tenant {n}"]
        if self.humans.get("minutes_per_h") is not None:
            out["humans.minutes_per_h"] = sum(w * mu[f"humans {t}"] for t, w in self.share.items())
        for n in ("risk_per_h", "irreversible_risk_per_h"):
            if n in mu:
                out[f"limits.{n}"] = mu[n]
        for m, spec in self.models.items():
            for cap in ("requests_per_minute", "tokens_per_minute"):
                if (spec.get("api") or {}).get(cap) is not None:
                    out[f"models.{m}.api.{cap}"] = 60 * sum(
                        w * mu[f"{m} {cap} {t}"] for t, w in self.share.items()
                    )
        return out


_HALVINGS = 60  # of a bracket: down to the last digit
_MOST = 3.0  # logarithm of the most tokens of a plan, in references: keeps the rows near one scale
_KINDS = ("rollout", "verifier", "update")


def _gain(gain: dict, y: float) -> tuple[float, float]:
    """Success points of an effort index, and their slope."""
    match gain["form"]:
        case "saturating":
            top, scale = gain["ceiling"], gain.get("scale", 1.0)
            return top * -math.expm1(-y / scale), top / scale * math.exp(-y / scale)
        case "cobb_douglas":
            return gain.get("scale", 1.0) * y, gain.get("scale", 1.0)
    floor, b, c, power = (gain[k] for k in ("floor", "b", "c", "power"))
    n = gain.get("samples", 1.0)
    inner = floor + b / (n * y + c)
    slope = power * inner ** (power - 1) * b / (n * y + c) ** 2 * n
    return (floor + b / c) ** power - inner**power, slope


def check_files(config: str | Path, result: str | Path, verbose: bool = False) -> Found:
    """Judge a result document by its config."""
    read = YAML(typ="safe").load(Path(config).read_text("utf-8"))
    document = json.loads(Path(result).read_text("utf-8"))
    return Program(read, document).solve(verbose=verbose)


def main(arguments: list[str]) -> int:
    """Print what was found; 1 if it contradicts the document by more than 1e-6 (prices: 1e-3)."""
    found = check_files(*arguments[:2], verbose=True)
    document = json.loads(Path(arguments[1]).read_text("utf-8"))
    claimed = document["objective"]["welfare"]
    print(f"arms                {found.arms}")
    print(f"welfare, claimed    {claimed:.9f} USD/h")
    print(f"welfare, recomputed {found.welfare:.9f} USD/h")
    print(f"best found here     {found.best:.9f} USD/h in {found.rounds} rounds")
    print(f"bound               {found.bound:.9f} USD/h, gap to the answer {found.gap:.2g}")
    print(f"largest violation   {found.violation:.2g}")
    print(f"first-order failure {found.foc:.2g}")
    wrong = abs(found.welfare - claimed) > 1e-6 * abs(claimed) or found.gap > 1e-6
    wrong = wrong or found.violation > 1e-7
    theirs = {p["resource"]: p["value"] for p in document["prices"]}
    for name, mine in found.prices.items():
        print(f"  {name:44s} {mine:12.6g}   document {theirs[name]:12.6g}")
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
