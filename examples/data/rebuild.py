"""Write every derived number into coding_agent.yaml or fleet.yaml, from the tables here.

    python rebuild.py coding_agent          writes ../coding_agent.yaml anew
    python rebuild.py fleet --check         changes nothing; exit code 1 if a number is stale

Numbers change, and the section ``calibrated`` at the end is written anew; comments, order and
layout stay. Each number is written with the decimals that stand there, or five significant digits
where those would not do. ``derive.py`` says what each one is, ``intervals.py`` how far it may be
off; judgements stand under ``assumed`` and are not touched.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import derive  # noqa: E402
import intervals  # noqa: E402

MARK = """
# Written by data/rebuild.py, not by hand: how far derived numbers may be off, 90 % intervals of
# data/intervals.py. `--samples` draws from them, and solve warns where a range is left.
calibrated:
"""
DIGITS = 6
WIDTH = 100


def rebuilt(text: str, values: dict[str, object]) -> str:
    """Return a config's text with the derived values in their places."""
    root = YAML(pure=True).compose(text)
    edits: dict[tuple[int, int], str] = {}
    for path, value in values.items():
        node = root
        for key in path.split("."):
            node = child(node, key, path)
        put(node, value, path, edits)
    for (start, end), number in sorted(edits.items(), reverse=True):
        text = text[:start] + number + text[end:]
    return text


def child(node: Node, key: str, path: str) -> Node:
    """Return the value of a key."""
    if isinstance(node, MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value
    raise SystemExit(f"{path}: the config has no `{key}`")


def put(node: Node, value: Any, path: str, edits: dict[tuple[int, int], str]) -> None:
    """Note the edits that make a node hold a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            put(child(node, key, path), inner, f"{path}.{key}", edits)
    elif isinstance(value, list | tuple):
        if not isinstance(node, SequenceNode) or len(node.value) != len(value):
            raise SystemExit(f"{path}: the config has another number of entries")
        for i, (item, inner) in enumerate(zip(node.value, value, strict=True)):
            put(item, inner, f"{path}.{i}", edits)
    elif isinstance(node, ScalarNode):
        span = node.start_mark.index, node.end_mark.index
        edits[span] = written(float(value), node.value)
    else:
        raise SystemExit(f"{path}: the config holds no number there")


def written(value: float, there: str) -> str:
    """Write a number as the one that stands there is written."""
    decimals = len(there.partition(".")[2]) if "e" not in there.lower() else 0
    text = f"{value:.{decimals}f}"
    if abs(float(text) - value) <= 1e-3 * abs(value):
        return text
    return f"{value:.5g}"


def with_intervals(text: str, entries: dict[str, dict[str, Any]]) -> str:
    """Return a config's text with the section ``calibrated`` anew, at its end."""
    head = text.split(MARK)[0].rstrip("\n")
    lines = [MARK.strip("\n")]
    for path, entry in entries.items():
        lines.append(f"  {path}:")
        cells = [f"{key}: {shown(value)}" for key, value in entry.items()]
        body = "{" + ", ".join(cells) + "}"
        lines += textwrap.wrap(
            body, WIDTH, initial_indent="    ", subsequent_indent="     ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return head + "\n\n" + "\n".join(lines) + "\n"


def shown(value: Any) -> str:
    """Write a value of an entry as YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.{DIGITS}g}"
    return json.dumps(value)


def main() -> None:
    """Rebuild one config, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", choices=["coding_agent", "fleet"])
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    path = HERE.parent / f"{given.config}.yaml"
    before = path.read_text(encoding="utf-8")
    values, entries = derive.derive(given.config), intervals.intervals(given.config)
    after = with_intervals(rebuilt(before, values), entries)
    lines = itertools.zip_longest(before.split("\n"), after.split("\n"))
    stale = sum(a != b for a, b in lines)
    told = f"{len(values)} derived values, {len(entries)} intervals, {stale} lines differ"
    print(f"{path.name}: {told}")
    if given.check:
        raise SystemExit(1 if stale else 0)
    if stale:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(after)
        Path(name).chmod(path.stat().st_mode)
        Path(name).replace(path)


if __name__ == "__main__":
    main()
