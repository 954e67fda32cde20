"""Which commands are worth trying next, with the user's own file and changes in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocate.cli.render.text import clean
from allocate.cli.render.verdict import has_no_whole, is_whole

if TYPE_CHECKING:
    from allocate.models.config import Config

MORE = 1.1  # 10 % more of the dearest capacity
_NEEDS = re.compile(r"(?P<path>\S+) = \S+ needs at (?P<way>least|most) (?P<value>[-+.\de]+)\b")
Command = tuple[str, str]


@dataclass(frozen=True)
class Question:
    """What was asked, so that a next command can ask almost the same."""

    config: Path
    overrides: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()

    def command(self, *more: str, without: Collection[str] = ()) -> str:
        """Write the command that asks this again, with more flags and without some overrides."""
        words = ["allocate", "solve", clean(self.config)]
        if self.scenarios:
            words += ["--scenario", ",".join(self.scenarios)]
        for text in self.overrides:
            if text.partition("=")[0].strip() not in without:
                words += ["--set", text]
        return shlex.join(words + list(more))

    def change(self, path: str, value: str) -> str:
        """Write the command that asks this again with one value changed."""
        return self.changes({path: value})

    def changes(self, values: Mapping[str, str]) -> str:
        """Write the command that asks this again with some values changed."""
        flags = [f for path, value in values.items() for f in ("--set", f"{clean(path)}={value}")]
        return self.command(*flags, without=values)

    def written(self, *path: str) -> Any:
        """Look up what the file itself, not a table beside it, says at a path; None if nothing."""
        from allocate.errors import ConfigError
        from allocate.models.paths import value_at
        from allocate.models.source import read_bytes, read_source

        try:
            data = read_source(read_bytes(self.config, str(self.config)), str(self.config)).data
        except ConfigError:
            return None
        return value_at(data, path)

    def read(self) -> Config | None:
        """Read what was asked about, with its tables and changes; None if it cannot be."""
        from allocate.errors import AllocateError
        from allocate.models.loader import STDIN, load

        if str(self.config) == STDIN:
            return None
        try:
            return load(self.config, self.overrides, self.scenarios).config
        except AllocateError:
            return None


def next_commands(result: dict[str, Any], asked: Question, hidden: bool = False) -> list[Command]:
    """Offer up to three commands; ``hidden`` tells that tables were cut."""
    status = result["status"]
    if status == "infeasible":
        return _loosened(result, asked)
    if status == "unbounded":
        return _bounded(result, asked)
    offers = []
    if status == "stopped" and not has_no_whole(result):
        offers.append((asked.command(), "to the end"))
    elif status == "feasible" and not is_whole(result) and not result["certificate"]["holds"]:
        offers.append((asked.command("--method", "conic"), "another way to the prices"))
    else:
        offers += _changed(result, asked)
    offers.append((asked.command("--out", "result.json"), "keep the whole answer"))
    if hidden:
        offers.append((asked.command("--all"), "every line of every table"))
    return offers


def _loosened(result: dict[str, Any], asked: Question) -> list[Command]:
    """Give the limits in conflict what they need, where the conflicts say how much."""
    needs = {}
    for text in result.get("conflicts") or ():
        if found := _NEEDS.match(text):
            room = 1.001 if found["way"] == "least" else 0.999
            needs[found["path"]] = _plain(room * float(found["value"]))
    if not needs:
        return []
    what = "that limit needs" if len(needs) == 1 else "these limits need together"
    return [(asked.changes(needs), f"with what {what}")]


def _bounded(result: dict[str, Any], asked: Question) -> list[Command]:
    """Offer what the refusal names and the config does not have yet: caps on tokens, a budget."""
    config, message = asked.read(), result.get("message") or ""
    if config is None:
        return []
    open_uses = {
        f"token_uses.{name}.max_tokens": _plain(1000.0 * use.reference_tokens)
        for name, use in config.token_uses.items()
        if use.exponent > 0 and use.max_tokens is None
    }
    offers = []
    if open_uses and "max_tokens" in message:
        offers.append((asked.changes(open_uses), "no request may have more tokens than that"))
    if config.budgets.money_usd is None and "budgets.money_usd" in message:
        bounded = asked.change("budgets.money_usd", "1000")
        offers.append((bounded, "a budget bounds what can be bought"))
    return offers


def _changed(result: dict[str, Any], asked: Question) -> list[Command]:
    """Change what matters most: the dearest capacity, a class that is not served, or demand."""
    bound = [p for p in result["prices"] if p["binding"] and p["capacity"]]
    if bound:
        top = max(bound, key=lambda p: abs((p["value"] or 0.0) * p["capacity"]))
        if top["value"] < 0:  # a floor: less of it is better
            less = asked.change(top["resource"], _plain(top["capacity"] / MORE))
            return [(less, f"10 % less: {clean(top['label'])}")]
        most = 1.0 if top["resource"].endswith("max_share") else float("inf")
        more = asked.change(top["resource"], _plain(min(MORE * top["capacity"], most)))
        return [(more, f"10 % more: {clean(top['label'])}")]
    declined = [line for line in result["layers"]["router"] if line.get("model") is None]
    for line in sorted(declined, key=lambda r: -r["requests_per_s"]):
        if (
            line.get("autonomy") == "declined"
            and asked.written("classes", line["class"]) is not None
        ):
            path, name = f"classes.{line['class']}.decline", clean(line["class"])
            return [(asked.change(path, "false"), f"what serving {name} all the same would cost")]
    scale = asked.written("demand", "scale") or 1.0
    told = asked.scenarios or any(text.startswith("demand.scale") for text in asked.overrides)
    if told or not isinstance(scale, int | float):
        return []
    return [(asked.change("demand.scale", _plain(1.2 * scale)), "a fifth more demand")]


def _plain(value: float) -> str:
    return (
        f"{value:.6g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.0f}" if value > 1 else str(value)
    )
