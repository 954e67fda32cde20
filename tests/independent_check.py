"""A second judge that shares no code with the package: NumPy, ruamel.yaml and json only.

    python tests/independent_check.py CONFIG.yaml RESULT.json

Reads a config and a result document and recomputes from ``docs/program.md``, by its own
formulas: shares and successes, wrong actions, the accounts and the welfare, every limit
that the document lets one see; and, where nothing is served on own GPUs, the dual value of
the document's prices (so the gap) and the first-order conditions of every token in use.

Bounds of what it can see: a class that one model serves both by API and on own GPUs is
reported together, so its bill cannot be split; the seconds of a request on own GPUs are
taken from the document; training is not judged. ``Report.skipped`` lists what was left out.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

HOUR = 3600.0


@dataclass
class Report:
    """What was found. Residuals are relative unless their name says otherwise."""

    welfare: float = math.nan
    accounts: dict[str, float] = field(default_factory=dict)
    claimed: dict[str, float] = field(default_factory=dict)
    violations: dict[str, float] = field(default_factory=dict)
    dual: float | None = None
    gap: float | None = None
    foc: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def max_violation(self) -> float:
        return max(self.violations.values(), default=0.0)

    @property
    def max_foc(self) -> float:
        return max(self.foc.values(), default=0.0)

    @property
    def max_account_error(self) -> float:
        moved = sum(abs(v) for v in self.accounts.values()) + 1e-300
        names = [n for n in self.accounts if n in self.claimed]
        return max(abs(self.accounts[n] - self.claimed[n]) / moved for n in [*names])

    def problems(self, tolerance: float = 1e-6) -> list[str]:
        """Everything that is not as the document says."""
        out = []
        for name, mine in {**self.accounts, "welfare": self.welfare}.items():
            moved = sum(abs(v) for v in self.accounts.values()) + 1e-300
            if not abs(mine - self.claimed[name]) <= 10 * tolerance * moved:
                out.append(f"{name} is {mine:.9g}, the document says {self.claimed[name]:.9g}")
        for name, over in self.violations.items():
            if not over <= 10 * tolerance:
                out.append(f"{name} is violated by {over:.3g}")
        if self.gap is not None and not abs(self.gap) <= 10 * tolerance:
            out.append(f"the dual is {self.dual:.9g}, the welfare {self.welfare:.9g}")
        for name, residual in self.foc.items():
            if not residual <= 100 * tolerance:
                out.append(f"first-order condition of {name} is off by {residual:.3g}")
        return out


def named(section: Any) -> dict[str, dict]:
    """A section written as a mapping, or as a list of items with a name."""
    if isinstance(section, list):
        return {x["name"]: {k: v for k, v in x.items() if k != "name"} for x in section}
    return {k: dict(v or {}) for k, v in (section or {}).items()}


# --- curves -----------------------------------------------------------------------------------


class Curve:
    """Success of effort Y, and its slope, for one model and class."""

    def __init__(self, model: dict, uses: dict[str, dict], quality: float | None):
        self.alpha = np.array([u.get("exponent", 0.0) for u in uses.values()])
        success = model.get("success")
        if success is None:
            self.form, best = "constant", model.get("quality") or 0.0
            self.alpha = np.zeros(len(uses))
        else:
            self.form = success.get("form", "saturating")
            best = success.get("ceiling", success.get("scale", 1.0))
            self.scale = success.get("scale", 1.0)
        self.best = best
        if self.form == "table":
            total = self.alpha.sum()
            points = [(0.0, 0.0)] + [(c**total, q) for c, q in success["points"]]
            hull: list[tuple[float, float]] = []
            for x, y in sorted(points):
                while len(hull) > 1 and (hull[-1][1] - hull[-2][1]) * (x - hull[-1][0]) <= (
                    y - hull[-1][1]
                ) * (hull[-1][0] - hull[-2][0]):
                    hull.pop()
                hull.append((x, y))
            self.points = np.array(hull)
            self.best = self.points[-1, 1]
        if self.form == "power":
            self.coefficient, self.exponent = success["coefficient"], success["exponent"]
        if quality is not None and self.best <= 0:  # no curve to scale: a constant success
            self.form, self.best, self.alpha = "constant", quality, np.zeros(len(uses))
        self.factor = 1.0 if quality is None or self.best <= 0 else quality / self.best

    def value(self, y: float) -> float:
        match self.form:
            case "constant":
                q = self.best
            case "saturating":
                q = self.best * -math.expm1(-y / self.scale)
            case "power":
                q = self.best - self.coefficient * y**-self.exponent if y > 0 else -math.inf
            case "table":
                q = float(np.interp(y, self.points[:, 0], self.points[:, 1]))
            case _:
                q = self.best * y
        return self.factor * q

    def slopes(self, y: float) -> tuple[float, float]:
        """Slope to the right and to the left; they differ at the kink of a table."""
        match self.form:
            case "constant":
                s = (0.0, 0.0)
            case "saturating":
                s = (self.best / self.scale * math.exp(-y / self.scale),) * 2
            case "power":
                s = (self.coefficient * self.exponent * y ** (-self.exponent - 1),) * 2
            case "table":
                x, q = self.points.T
                steps = np.append(np.diff(q) / np.diff(x), 0.0)
                right = int(np.searchsorted(x, y * (1 + 1e-9), "right")) - 1
                left = max(int(np.searchsorted(x, y * (1 - 1e-9), "left")) - 1, 0)
                s = (float(steps[right]), float(steps[left]))
            case _:
                s = (self.best, self.best)
        return self.factor * s[0], self.factor * s[1]


@dataclass
class Agent:
    """One class on one model: its curves, and its best tokens at prices."""

    curve: Curve
    reference: np.ndarray
    cap: np.ndarray
    difficulty: float
    wrong: float
    verify: int | None
    tau: float

    def effort(self, t: np.ndarray) -> float:
        a = self.curve.alpha
        with np.errstate(divide="ignore"):
            used = np.where(a > 0, np.power(t / self.reference, a), 1.0)
        return float(np.prod(used)) / self.difficulty

    def risk(self, t: np.ndarray) -> float:
        return self.wrong * math.exp(-(t[self.verify] / self.tau) if self.verify is not None else 0)

    def profit(self, t: np.ndarray, value: float, loss: float, price: np.ndarray) -> float:
        earned = value * self.curve.value(self.effort(t))
        return earned - loss * self.risk(t) - float(price @ t)

    def tokens_at(self, m: float, loss: float, price: np.ndarray) -> np.ndarray:
        """Tokens at which the last dollar of each use earns a dollar; m is V q'(Y) Y."""
        t = np.zeros(len(price))
        for j, p in enumerate(price):
            worth = self.curve.alpha[j] * m
            if j != self.verify:
                t[j] = 0.0 if worth <= 0 else self.cap[j] if p <= 0 else worth / p
            else:
                low, high = 0.0, float(self.cap[j])
                if not math.isfinite(high):
                    high = (worth + loss * self.wrong) / max(p, 1e-300) + 1.0

                def gain(x: float, w: float = worth, p: float = p) -> float:
                    saved = loss * self.wrong / self.tau * math.exp(-x / self.tau)
                    return (w / x if x > 0 else math.inf if w > 0 else 0.0) + saved - p

                if gain(high) >= 0:
                    low = high
                for _ in range(200 if gain(low) > 0 and low < high else 0):
                    middle = 0.5 * (low + high)
                    low, high = (middle, high) if gain(middle) > 0 else (low, middle)
                t[j] = low
        return np.minimum(t, self.cap)

    def best(self, value: float, loss: float, price: np.ndarray) -> tuple[float, np.ndarray]:
        """Largest profit of one request over its tokens, by bisection on log m."""
        candidates = [np.zeros(len(price)), self.tokens_at(0.0, loss, price)]
        if self.curve.form != "constant":
            low, high = -80.0, 80.0
            for _ in range(200):
                middle = 0.5 * (low + high)
                m = math.exp(middle)
                y = self.effort(self.tokens_at(m, loss, price))
                earned = value * self.curve.slopes(y)[0] * y if y > 0 else math.inf
                low, high = (middle, high) if earned > m else (low, middle)
            candidates += [self.tokens_at(math.exp(x), loss, price) for x in (low, high)]
            if self.curve.form == "table":  # a kink holds the effort where m jumps
                for x in self.curve.points[1:, 0]:
                    lo, hi = -80.0, 80.0
                    for _ in range(200):
                        middle = 0.5 * (lo + hi)
                        y = self.effort(self.tokens_at(math.exp(middle), loss, price))
                        lo, hi = (middle, hi) if y < x else (lo, middle)
                    candidates.append(self.tokens_at(math.exp(hi), loss, price))
        return max(
            ((self.profit(t, value, loss, price), t) for t in candidates), key=lambda x: x[0]
        )


# --- the judge ----------------------------------------------------------------------------------


class Judge:
    """A config read by itself; ``judge`` holds a document against it."""

    def __init__(self, config: dict, classes: dict[str, dict] | None = None):
        self.c = config
        self.models = named(config["models"])
        self.uses = named(config.get("token_uses"))
        self.levels = named(config.get("autonomy")) or {"free": {}}
        self.classes = classes if classes is not None else named(config.get("classes"))
        self.periods = named(config.get("periods")) or {"all day": {"hours": 24.0}}
        hours = sum(p["hours"] for p in self.periods.values())
        self.share = {n: p["hours"] / hours for n, p in self.periods.items()}
        prices = config.get("prices") or {}
        self.lam = prices.get("latency_usd_per_s", 0.0)
        self.rho = prices.get("risk_usd", 0.0)
        late = prices.get("irreversible_risk_usd")
        self.rho_late = self.rho if late is None else late
        self.pay = (config.get("humans") or {}).get("cost_usd_per_h", 0.0) / 60.0
        self.limits = config.get("limits") or {}
        self.own = bool(config.get("deployments"))

    def rate(self, name: str, period: str) -> float:
        """Requests per hour of a class, as the mean of a day."""
        k, p = self.classes[name], self.periods[period]
        if k.get("periods") is not None and period not in k["periods"]:
            return 0.0
        scale = (self.c.get("demand") or {}).get("scale", 1.0) * p.get("demand_scale", 1.0)
        return k["rate_per_s"] * HOUR * scale * self.share[period]

    def members(self) -> list[tuple[str, str]]:
        return [(k, t) for k in self.classes for t in self.periods if self.rate(k, t) > 0]

    def lam_of(self, k: dict) -> float:
        own = k.get("latency_usd_per_s")
        return self.lam if own is None else own

    def agent(self, class_name: str, model_name: str | None, level_name: str) -> Agent:
        n = len(self.uses)
        if model_name is None:
            level = self.levels[level_name]
            model = {"quality": level["human_success"]}
            return Agent(
                Curve(model, {u: {} for u in self.uses}, None),
                np.ones(n),
                np.zeros(n),
                1.0,
                level.get("human_wrong_action_rate", 0.0),
                None,
                1.0,
            )
        model, k = self.models[model_name], self.classes[class_name]
        own = model.get("reference_tokens") or {}
        reference = np.array(
            [own.get(u, s.get("reference_tokens", 1.0)) for u, s in self.uses.items()]
        )
        curve = Curve(model, self.uses, (k.get("quality") or {}).get(model_name))
        free = math.inf if curve.form == "cobb_douglas" else 1000.0
        cap = np.array(
            [
                s.get("max_tokens") or free * r
                for s, r in zip(self.uses.values(), reference, strict=True)
            ]
        )
        risky = [j for j, s in enumerate(self.uses.values()) if s.get("risk_tokens") is not None]
        tau = list(self.uses.values())[risky[0]]["risk_tokens"] if risky else 1.0
        return Agent(
            curve,
            reference,
            cap,
            k.get("difficulty", 1.0),
            model.get("wrong_action_rate", 0.0),
            risky[0] if risky else None,
            tau,
        )

    def arms(self, class_name: str) -> list[tuple[str | None, str]]:
        k, out = self.classes[class_name], []
        action = k.get("action", "act")
        for level_name, level in self.levels.items():
            if k.get("autonomy") is not None and level_name not in k["autonomy"]:
                continue
            if level.get("actions") is not None and action not in level["actions"]:
                continue
            if level.get("human_success") is not None:
                out.append((None, level_name))
                continue
            for name, model in self.models.items():
                if k.get("models") is not None and name not in k["models"]:
                    continue
                api = model.get("api") or {}
                if k.get("max_tpot_ms") is not None and api.get("tpot_ms", 0) > k["max_tpot_ms"]:
                    continue
                if k.get("max_ttft_s") is not None and api.get("ttft_s", 0) > k["max_ttft_s"]:
                    continue
                out.append((name, level_name))
        return out

    # what one request uses besides its tokens, and each token of a use ----------------------------

    def shared_tokens(self, k: dict) -> float:
        groups = named((self.c.get("caching") or {}).get("sharing"))
        return groups[k["sharing"]]["tokens"] if k.get("sharing") else 0.0

    def bill(self, k: dict, model_name: str | None, api: bool = True) -> tuple[float, np.ndarray]:
        """USD of a request and of a token of each use."""
        per_use = np.array([s.get("price_usd", 0.0) for s in self.uses.values()])
        if model_name is None:
            return 0.0, np.zeros(len(self.uses))
        model = self.models[model_name]
        fixed = model.get("cost_per_task_usd", 0.0)
        a = model.get("api")
        if not a or not api:
            return fixed, per_use
        into, out = a.get("input_usd_per_mtok", 0) / 1e6, a.get("output_usd_per_mtok", 0) / 1e6
        cached = a.get("cached_input_usd_per_mtok")
        cached = into if cached is None else cached / 1e6
        hit = a.get("cache_hit", 0.0)
        prefix = hit * cached + (1 - hit) * into
        fixed += into * k.get("prompt_tokens", 0.0) + out * k.get("output_tokens", 0.0)
        fixed += prefix * (k.get("prefix_tokens", 0.0) + self.shared_tokens(k))
        kinds = [s.get("kind", "output") for s in self.uses.values()]
        return fixed, per_use + np.array([into if x == "input" else out for x in kinds])

    def seconds(self, k: dict, model_name: str | None, level: str) -> tuple[float, np.ndarray]:
        wait = self.levels[level].get("wait_s", 0.0)
        if model_name is None:
            return wait, np.zeros(len(self.uses))
        model = self.models[model_name]
        fixed = wait + model.get("latency_per_task_s", 0.0)
        a = model.get("api") or {}
        tpot = a.get("tpot_ms", 0.0) / 1e3
        fixed += k.get("calls", 1.0) * a.get("ttft_s", 0.0) + k.get("output_tokens", 0.0) * tpot
        kinds = [s.get("kind", "output") for s in self.uses.values()]
        return fixed, np.array([0.0 if x == "input" else tpot for x in kinds])

    def losses(self, k: dict, level: str) -> tuple[float, float]:
        """Reversible and irreversible loss of one wrong action at a level of autonomy."""
        s = self.levels[level]
        factor = s.get("risk_factor", 1.0)
        late = s.get("irreversible_factor")
        late = factor if late is None else late
        return k.get("loss", 1.0) * factor, k.get("irreversible_loss", 0.0) * late

    def scenario_factors(self, k: dict) -> list[tuple[float, float]]:
        found = named((self.limits.get("tail_risk") or {}).get("scenarios"))
        action = k.get("action", "act")
        return [
            (s["probability"], (s.get("factors") or {}).get(action, s.get("factor", 1.0)))
            for s in found.values()
        ]

    def inside(self, name: str, limit: dict) -> bool:
        wanted, tenants = limit.get("classes"), limit.get("tenants")
        if wanted is None and tenants is None:
            return True
        return name in (wanted or ()) or self.classes[name].get("tenant") in (tenants or ())

    # judging

    def judge(self, document: dict) -> Report:
        r = Report()
        objective = document["objective"]
        r.claimed = {n: objective[n] for n in objective if n != "unit"}
        tables = document["layers"]
        account = dict.fromkeys(("value", "money", "latency", "risk", "oversight"), 0.0)
        served: dict[tuple[str, str], float] = {}
        spend: dict[str | None, float] = {}
        minutes = dict.fromkeys(self.periods, 0.0)
        calls: dict[tuple[str, str], float] = {}
        metered: dict[tuple[str, str], float] = {}
        envelope = [0.0, 0.0]
        scenario = np.zeros(len(named((self.limits.get("tail_risk") or {}).get("scenarios"))))
        by_share: dict[tuple[str, str | None], float] = {}
        waited: dict[str, list[float]] = {}
        billed_all = True

        agents = {
            (a["class"], a.get("period"), a["model"], a["autonomy"]): a for a in tables["autonomy"]
        }
        for line in tables["router"]:
            name, period = line["class"], line.get("period") or next(iter(self.periods))
            k, x = self.classes[name], line["requests_per_s"] * HOUR * self.share[period]
            self._over(r, f"share of {name}", abs(x - line["share"] * self.rate(name, period)), x)
            if line["autonomy"] == "declined":
                account["value"] -= x * k.get("decline_cost_usd", 0.0)
                if not k.get("decline", True):
                    self._over(r, f"{name} may not be declined", x, self.rate(name, period))
                continue
            served[name, period] = served.get((name, period), 0.0) + x
            model, level = line["model"], line["autonomy"]
            if (model, level) not in self.arms(name) and not self.own:
                r.violations[f"{name} on a closed arm {model}, {level}"] = 1.0
            a = agents[name, line.get("period"), model, level]
            by_api = line["served_by"] != "own"
            t = np.array([a["tokens"][u] for u in self.uses])
            agent = self.agent(name, model, level)
            self._over(r, f"tokens of {name}", float(np.max(-t, initial=0.0)), 1.0)
            self._over(
                r, f"token caps of {name}", float(np.max(t / agent.cap - 1, initial=0.0)), 1.0
            ) if model is not None else None
            if line["served_by"] == "mixed" or self.own:  # a mean over lanes: Jensen
                most, least = agent.curve.value(agent.effort(t)), agent.risk(t)
                self._over(r, f"success of {name}", a["success"] - most, 1.0)
                self._over(r, f"wrong actions of {name}", least - a["wrong_actions"], 1.0)
                success, wrong = a["success"], a["wrong_actions"]
            else:
                success, wrong = agent.curve.value(agent.effort(t)), agent.risk(t)
                self._over(r, f"success of {name}", abs(a["success"] - success), 1.0)
                self._over(r, f"wrong actions of {name}", abs(a["wrong_actions"] - wrong), 1.0)
            account["value"] += x * success * k["value_usd"]
            fixed, per = self.bill(k, model, by_api)
            bill = x * (fixed + float(per @ t))
            if line["served_by"] == "mixed":
                billed_all = False
                r.skipped.append(f"bill of {name}, served both ways")
            account["money"] += bill
            spend[k.get("tenant")] = spend.get(k.get("tenant"), 0.0) + bill
            if by_api and line["served_by"] != "mixed":
                fixed, per = self.seconds(k, model, level)
                waits = fixed + float(per @ t)
                self._over(r, f"seconds of {name}", abs(waits - a["latency_s"]), max(waits, 1e-9))
                if model is not None and self.models[model].get("api"):
                    n = k.get("calls", 1.0) * x
                    calls[model, period] = calls.get((model, period), 0.0) + n
                    tokens = sum(
                        k.get(f"{f}_tokens", 0.0) for f in ("prompt", "prefix", "output")
                    ) + self.shared_tokens(k)
                    metered[model, period] = metered.get((model, period), 0.0) + x * (
                        tokens + float(t.sum())
                    )
            else:
                waits = a["latency_s"]
            account["latency"] += x * waits * self.lam_of(k)
            for limit, s in named(self.limits.get("latency")).items():
                if self.inside(name, s):
                    total = waited.setdefault(limit, [0.0, 0.0])
                    total[0] += x * waits
                    total[1] += x
            loss, late = self.losses(k, level)
            account["risk"] += x * wrong * (loss * self.rho + late * self.rho_late)
            envelope[0] += x * wrong * loss
            envelope[1] += x * wrong * late
            for w, (_, f) in enumerate(self.scenario_factors(k)):
                scenario[w] += x * wrong * (loss + late) * f
            human = self.levels[level].get("human_minutes", 0.0)
            account["oversight"] += x * human * self.pay
            minutes[period] += x * human
            by_share[name, model] = by_share.get((name, model), 0.0) + x

        for member in self.members():
            total = served.get(member, 0.0)
            self._over(r, f"arrivals of {member}", total - self.rate(*member), self.rate(*member))
            if not self.classes[member[0]].get("decline", True):
                short = self.rate(*member) - total
                self._over(r, f"{member} must be served", short, self.rate(*member))
        self._gpus(r, tables["serving"], account)
        self._limits(
            r, account, spend, minutes, calls, metered, envelope, by_share, waited, billed_all
        )
        if len(scenario):
            self._tail(r, scenario, account)
        if self.c.get("training"):
            r.skipped.append("training")
            account["training"] = r.claimed.get("training", 0.0)
        if not billed_all:
            account["money"] = r.claimed["money"]
        misled = (self.c.get("caching") or {}).get("reuse") or self.c.get("caching", {}).get(
            "sharing"
        )
        if misled and self.own:
            r.skipped.append("risk of reuse")
            account["risk"] = r.claimed["risk"]
        r.accounts = account
        r.welfare = account["value"] - sum(v for n, v in account.items() if n != "value")
        single = len(self.periods) == 1
        if not self.own and not self.c.get("training") and not len(scenario) and single:
            self._prices(r, document, agents)
        else:
            r.skipped.append("dual value and first-order conditions")
        return r

    @staticmethod
    def _over(r: Report, name: str, by: float, size: float) -> None:
        over = by / size if size > 0 else by
        if over > 0 or not math.isfinite(over):
            over = over if math.isfinite(over) else math.inf
            r.violations[name] = max(r.violations.get(name, 0.0), over)

    def _gpus(self, r: Report, lanes: list[dict], account: dict) -> None:
        used: dict[tuple[str, str], float] = {}
        for lane in lanes:
            period = lane.get("period") or next(iter(self.periods))
            used[lane["gpu"], period] = used.get((lane["gpu"], period), 0.0) + lane["gpus"]
            d = next(
                d
                for n, d in named(self.c["deployments"]).items()
                if lane["lane"].split(" @ ")[0] in (n, f"{n}+draft")
            )
            gpus = lane["replicas"] * d.get("gpus_per_replica", 1.0)
            self._over(r, f"GPUs of {lane['lane']}", abs(gpus - lane["gpus"]), gpus)
            if lane.get("batch") is not None and d.get("max_batch"):
                self._over(r, f"batch of {lane['lane']}", lane["batch"] / d["max_batch"] - 1, 1.0)
            if lane.get("kv_used") is not None:
                self._over(r, f"KV of {lane['lane']}", lane["kv_used"] - 1, 1.0)
            if lane.get("tpot_ms") is not None and not lane.get("draft"):
                most = (1 - d.get("alpha_ms", 0.0) / lane["tpot_ms"]) / d.get("burst_headroom", 1.0)
                self._over(r, f"busy share of {lane['lane']}", lane["utilisation"] - most, 1.0)
        for (name, period), n in used.items():
            gpu = named(self.c["gpus"])[name]
            account["money"] += n * self.share[period] * gpu.get("price_usd_per_h", 0.0)
            if gpu.get("available") is not None:
                self._over(r, f"GPUs {name} in {period}", n - gpu["available"], gpu["available"])

    def _limits(
        self, r, account, spend, minutes, calls, metered, envelope, by_share, waited, billed_all
    ) -> None:
        budget = (self.c.get("budgets") or {}).get("money_usd")
        if budget is not None:
            if self.c.get("training"):
                r.skipped.append("budget with training")
            elif billed_all:
                self._over(r, "money budget", account["money"] - budget, budget)
        for name, tenant in named(self.c.get("tenants")).items():
            cap = tenant.get("money_usd")
            if cap is not None and billed_all:  # own GPUs only add to it
                self._over(r, f"budget of {name}", spend.get(name, 0.0) - cap, cap)
        there = (self.c.get("humans") or {}).get("minutes_per_h")
        for period, used in minutes.items():
            if there is not None:
                cap = there * self.share[period]
                self._over(r, f"reviewers in {period}", used - cap, cap)
        for what, field_ in ((calls, "requests_per_minute"), (metered, "tokens_per_minute")):
            for (model, period), used in what.items():
                cap = self.models[model]["api"].get(field_)
                if cap is not None:
                    cap = 60.0 * cap * self.share[period]
                    self._over(r, f"{field_} of {model}", used - cap, cap)
        for field_, used in zip(("risk_per_h", "irreversible_risk_per_h"), envelope, strict=True):
            cap = self.limits.get(field_)
            if cap is not None:
                self._over(r, field_, used - cap, cap)
        for name, limit in named(self.limits.get("latency")).items():
            seconds, n = waited.get(name, (0.0, 0.0))
            if n > 0:
                self._over(
                    r, f"mean latency {name}", seconds / n - limit["mean_s"], limit["mean_s"]
                )
        for name, limit in named(self.limits.get("shares")).items():
            used = sum(
                x
                for (k, m), x in by_share.items()
                if m in limit["models"] and self.inside(k, limit)
            )
            total = sum(self.rate(k, t) for k, t in self.members() if self.inside(k, limit))
            if limit.get("max_share") is not None:
                self._over(r, f"share {name}", used - limit["max_share"] * total, total)
            if limit.get("min_share") is not None:
                self._over(r, f"share {name}", limit["min_share"] * total - used, total)

    def _tail(self, r: Report, loss: np.ndarray, account: dict) -> None:
        tail = self.limits["tail_risk"]
        p = np.array([s["probability"] for s in named(tail["scenarios"]).values()])
        beta = tail.get("beta", 0.95)
        # mean of the worst 1 − β, by sorting
        left, cvar = 1.0 - beta, 0.0
        for i in np.argsort(-loss):
            take = min(left, p[i])
            cvar += take * loss[i]
            left -= take
        cvar /= 1.0 - beta
        account["risk"] += tail.get("price_usd", 0.0) * cvar
        cap = tail.get("max_loss_per_h")
        if cap is not None:
            self._over(r, "tail risk", cvar - cap, cap)

    def _prices(self, r: Report, document: dict, agents: dict) -> None:
        """The dual value of the document's prices, and whether tokens are worth what they cost."""
        value = {p["resource"]: p["value"] for p in document["prices"]}
        caps = {p["resource"]: p["capacity"] for p in document["prices"]}
        eta = value.get("budgets.money_usd", 0.0)
        human = value.get("humans.minutes_per_h", 0.0)
        nu = (value.get("limits.risk_per_h", 0.0), value.get("limits.irreversible_risk_per_h", 0.0))
        dual, period = 0.0, next(iter(self.periods))
        for resource in value:
            if resource.startswith("limits.latency."):
                continue  # its rows have capacity 0
            dual += value[resource] * caps[resource]
        mean = {}
        for name, limit in named(self.limits.get("latency")).items():
            served = sum(
                line["requests_per_s"] * HOUR
                for line in document["layers"]["router"]
                if line["autonomy"] != "declined" and self.inside(line["class"], limit)
            )
            worth = value.get(f"limits.latency.{name}.mean_s", 0.0)
            mean[name] = (worth / served if served > 0 else 0.0, limit["mean_s"])
        shares = {}
        for name, limit in named(self.limits.get("shares")).items():
            total = sum(self.rate(k, t) for k, t in self.members() if self.inside(k, limit))
            for f in ("max_share", "min_share"):
                worth = value.get(f"limits.shares.{name}.{f}", 0.0)
                shares[name] = shares.get(name, 0.0) + (worth / total if total else 0.0)

        for name, k in self.classes.items():
            rate = self.rate(name, period)
            if rate <= 0:
                continue
            tenant = value.get(f"tenants.{k.get('tenant')}.money_usd", 0.0)
            best = -k.get("decline_cost_usd", 0.0) if k.get("decline", True) else -math.inf
            for model, level in self.arms(name):
                fixed_usd, token_usd = self.bill(k, model)
                fixed_s, token_s = self.seconds(k, model, level)
                per_s, credit = self.lam_of(k), 0.0
                for limit, (nu_s, at) in mean.items():
                    if self.inside(name, named(self.limits["latency"])[limit]):
                        per_s, credit = per_s + nu_s, credit + nu_s * at
                fixed = fixed_usd * (1 + eta + tenant) + fixed_s * per_s - credit
                price = token_usd * (1 + eta + tenant) + token_s * per_s
                fixed += self.levels[level].get("human_minutes", 0.0) * (self.pay + human)
                api = self.models[model].get("api") if model is not None else None
                if api:
                    head = f"models.{model}.api."
                    per_call = value.get(f"{head}requests_per_minute", 0.0) / 60.0
                    per_token = value.get(f"{head}tokens_per_minute", 0.0) / 60.0
                    tokens = sum(
                        k.get(f"{f}_tokens", 0.0) for f in ("prompt", "prefix", "output")
                    ) + self.shared_tokens(k)
                    fixed += per_call * k.get("calls", 1.0) + per_token * tokens
                    price = price + per_token
                for limit, s in named(self.limits.get("shares")).items():
                    if model in s["models"] and self.inside(name, s):
                        fixed += shares[limit]
                loss, late = self.losses(k, level)
                w = loss * (self.rho + nu[0]) + late * (self.rho_late + nu[1])
                agent = self.agent(name, model, level)
                profit, _ = agent.best(k["value_usd"], w, price)
                best = max(best, profit - fixed)
                used = agents.get((name, None, model, level))
                if used is not None and model is not None:
                    t = np.array([used["tokens"][u] for u in self.uses])
                    self._foc(r, f"{name} on {model}, {level}", agent, t, k["value_usd"], w, price)
            dual += rate * best
        r.dual = dual
        moved = sum(abs(v) for v in r.accounts.values())
        r.gap = (dual - r.welfare) / max(abs(dual), abs(r.welfare), 1e-9 * moved, 1e-300)

    def _foc(self, r, name, agent: Agent, t, value, loss, price) -> None:
        y = agent.effort(t)
        more, less = (value * s for s in agent.curve.slopes(y)) if y > 0 else (0.0, 0.0)
        for j, use in enumerate(self.uses):
            saved = 0.0
            if j == agent.verify:
                saved = loss * agent.risk(t) / agent.tau
            per_y = agent.curve.alpha[j] * y / t[j] if t[j] > 0 else 0.0
            up, down = more * per_y + saved, less * per_y + saved
            size = max(price[j], 1e-300)
            if price[j] == 0:
                size = max(up, down, 1e-300)
            residual = 0.0
            if t[j] < agent.cap[j] * (1 - 1e-9):
                residual = max(residual, (up - price[j]) / size)
            if t[j] > 1e-9 * agent.reference[j]:
                residual = max(residual, (price[j] - down) / size)
            r.foc[f"{use} of {name}"] = residual


def check(config: dict, document: dict, classes: dict[str, dict] | None = None) -> Report:
    """Judge a result document (as of ``--format json``) against its config (plain values)."""
    return Judge(config, classes).judge(document)


def check_files(config: str | Path, result: str | Path) -> Report:
    values = YAML(typ="safe", pure=True).load(Path(config).read_text("utf-8"))
    return check(values, json.loads(Path(result).read_text("utf-8")))


if __name__ == "__main__":
    found = check_files(sys.argv[1], sys.argv[2])
    for name, mine in found.accounts.items():
        print(f"{name:10} {mine:18.9g}   document {found.claimed[name]:18.9g}")
    print(f"{'welfare':10} {found.welfare:18.9g}   document {found.claimed['welfare']:18.9g}")
    print(f"violation {found.max_violation:.3g}, dual {found.dual}, gap {found.gap}")
    print(f"first-order residual {found.max_foc:.3g}; not judged: {found.skipped or 'nothing'}")
    for problem in found.problems():
        print(f"PROBLEM {problem}")
    sys.exit(1 if found.problems() else 0)
