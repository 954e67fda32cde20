"""Which use a model's tokens are for, from the names of tools and spans."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

USES = ("plan", "edit", "verify")
"""Uses of output tokens; ``read`` is fresh input."""

# Words of a name that begin so; the first use that knows a word has it.
STEMS: dict[str, tuple[str, ...]] = {
    "human": ("human", "approv", "confirm", "ask", "askuser", "escalat", "permission"),
    "verify": ("test", "pytest", "lint", "check", "verif", "review", "judge", "critic", "evaluat",
               "valid", "compile", "build", "typecheck", "mypy", "ruff", "tsc", "grade"),
    "plan": ("plan", "think", "todo", "reason", "task", "decompos", "design"),
    "edit": ("edit", "write", "patch", "replace", "insert", "create", "apply", "commit", "refactor",
             "delete", "rename", "multiedit", "implement", "fix"),
    "read": ("read", "view", "open", "cat", "grep", "search", "find", "list", "ls", "glob", "fetch",
             "retriev", "browse", "query", "lookup", "get", "load"),
}  # fmt: skip
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


@dataclass
class Rules:
    """Stems by use, those of the user before ours; remembers which tools nobody knew."""

    added: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    _known: dict[str, str | None] = field(default_factory=dict)

    def use(self, name: str) -> str | None:
        """Name the use of a tool or span, or None."""
        if name not in self._known:
            if len(self._known) > 10_000:  # names that hold numbers or paths
                self._known.clear()
            self._known[name] = self._find(name)
        return self._known[name]

    def tool(self, name: str) -> str | None:
        """Name the use of a tool, and remember it when there is none."""
        use = self.use(name)
        if use is None:
            words = _WORDS.findall(name)
            if len(self.unknown) < 1000 and words:
                self.unknown["_".join(words[:3]).lower()[:40]] += 1
        return use

    def _find(self, name: str) -> str | None:
        words = [word.lower() for word in _WORDS.findall(name)]
        for stems in (self.added, STEMS):
            for use, known in stems.items():
                if any(word.startswith(known) for word in words):
                    return use
        return None
