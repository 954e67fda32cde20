"""The rules: a code, a name, the layer whose decision it is, and the condition that is violated.

The hundreds digit: 1 router, 2 autonomy, 3 serving, 4 capital (weights and caches). Every rule
has a page, ``docs/codes/CODE.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from allocate.errors import AllocateError

_IN_PACKAGE = Path(__file__).parents[3] / "codes"  # of a wheel
_IN_CHECKOUT = Path(__file__).parents[4] / "docs" / "codes"


class RuleError(AllocateError):
    """A code that is no rule."""


@dataclass(frozen=True)
class Rule:
    """One failure mode. ``condition`` is the inequality that shows it, as the paper writes it."""

    code: str
    name: str
    layer: str
    condition: str

    @property
    def page(self) -> str:
        """Where the page of the rule stands, in the project."""
        return f"docs/codes/{self.code}.md"

    def text(self) -> str:
        """The page itself.

        Raises:
            RuleError: it is not installed.
        """
        for folder in (_IN_PACKAGE, _IN_CHECKOUT):
            path = folder / f"{self.code}.md"
            if path.is_file():
                return path.read_text(encoding="utf-8")
        raise RuleError(f"the page of {self.code} is not installed")


RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule("AL101", "over-routing", "router", "V ΔQ < ΔC + λ ΔL + ρ ΔR against a cheaper model"),
        Rule("AL102", "under-routing", "router", "V ΔQ > ΔC + λ ΔL + ρ ΔR of a better model"),
        Rule("AL201", "over-delegation", "autonomy", "ρ ∂R/∂a > V ∂p/∂a + the oversight saved"),
        Rule("AL202", "under-verification", "autonomy", "V ΔQ_v − ρ ΔR_v > the price of verifying"),
        Rule("AL301", "serving congestion", "serving", "λ ΔL of all on the lane > ΔC of its room"),
        Rule("AL401", "stale rollouts", "training", "depreciation δA > the gain at the margin"),
        Rule("AL402", "cache misuse", "serving", "mismatch, age and memory > the prefill saved"),
    )
}
"""Every rule by its code; a code is never given a new meaning."""


def rule(code: str) -> Rule:
    """Look a rule up by its code, in any case of letters.

    Raises:
        RuleError: there is none.
    """
    found = RULES.get(code.upper())
    if found is None:
        raise RuleError(f"there is no rule {code}: the rules are {', '.join(RULES)}")
    return found


def chosen(select: Iterable[str] = (), ignore: Iterable[str] = ()) -> frozenset[str]:
    """Codes that are selected and not ignored; a text selects every code that begins with it.

    Raises:
        RuleError: a text with which no code begins.
    """
    selected = frozenset(_family(select)) or frozenset(RULES)
    return selected - frozenset(_family(ignore))


def family(text: str) -> list[str]:
    """Codes that begin with a text, such as AL2."""
    return [code for code in RULES if code.startswith(text.upper())] if text else []


def _family(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        found = family(text)
        if not found:
            raise RuleError(f"no rule begins with {text}: the rules are {', '.join(RULES)}")
        yield from found
