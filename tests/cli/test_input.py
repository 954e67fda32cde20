"""No command writes over a file that its config is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from allocate.cli.main import main

CONFIG = """
version: 1
include: [piece.txt]
classes: {question: {rate_per_s: 0.2, value_usd: 1.0}}
"""
PIECE = "models: {cheap: {quality: 0.7, cost_per_task_usd: 0.002}}\n"


@pytest.mark.parametrize("command", ["solve", "compare", "diagnose"])
def test_an_included_file_is_never_the_output(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config, piece = tmp_path / "config.yaml", tmp_path / "piece.txt"
    config.write_text(CONFIG)
    piece.write_text(PIECE)
    assert main([command, str(config), "--out", str(piece)]) == 2
    assert piece.read_text() == PIECE
    assert "piece.txt" in capsys.readouterr().err
