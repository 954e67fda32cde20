"""Write every derived number into coding_agent.yaml or fleet.yaml, from the tables here.

    python rebuild.py coding_agent          writes ../coding_agent.yaml anew
    python rebuild.py fleet --check         changes nothing; exit code 1 if a number is stale

Only numbers change: comments, order and layout stay. Each is written with the decimals that
stand there, or five significant digits where those would not do. ``derive.py`` says what
each one is; judgements stand under ``assumed`` and are not touched.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import derive  # noqa: E402


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


def main() -> None:
    """Rebuild one config, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", choices=["coding_agent", "fleet"])
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    path = HERE.parent / f"{given.config}.yaml"
    before = path.read_text(encoding="utf-8")
    values = derive.derive(given.config)
    after = rebuilt(before, values)
    stale = sum(a != b for a, b in zip(before.split("\n"), after.split("\n"), strict=True))
    print(f"{path.name}: {len(values)} derived values, {stale} lines differ")
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
