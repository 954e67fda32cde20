"""No command writes over what it reads, and no input of any depth is a bug."""

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


@pytest.mark.parametrize("command", ["solve", "compare", "diagnose", "validate"])
def test_an_included_file_is_never_the_output(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config, piece = tmp_path / "config.yaml", tmp_path / "piece.txt"
    config.write_text(CONFIG)
    piece.write_text(PIECE)
    assert main([command, str(config), "--out", str(piece)]) == 2
    assert piece.read_text() == PIECE
    assert "piece.txt" in capsys.readouterr().err


def test_a_piece_of_a_wrong_config_is_never_the_output(cli, tmp_path: Path) -> None:
    config, piece = tmp_path / "config.yaml", tmp_path / "piece.txt"
    config.write_text(CONFIG + "nonsense: 1\n")
    piece.write_text(PIECE)
    ran = cli("validate", config, "--out", piece)
    assert (ran.code, piece.read_text()) == (2, PIECE)
    assert "would replace" in ran.err


@pytest.mark.parametrize(
    "flag", [("solve", "--warm-from"), ("compare", "--observed"), ("diagnose", "--observed")]
)
def test_a_second_input_is_never_the_output(cli, tmp_path: Path, flag: tuple[str, str]) -> None:
    command, name = flag
    earlier = tmp_path / "earlier.json"
    earlier.write_text("{}")
    ran = cli(command, "c.yaml", name, earlier, "--out", earlier)
    assert (ran.code, earlier.read_text()) == (2, "{}")
    assert f"would replace {earlier}" in ran.err


@pytest.mark.parametrize(
    "flag", [("solve", "--warm-from"), ("compare", "--observed"), ("diagnose", "--observed")]
)
def test_a_document_that_is_nested_too_deeply_is_refused(
    cli, tmp_path: Path, flag: tuple[str, str]
) -> None:
    command, name = flag
    config, deep = tmp_path / "config.yaml", tmp_path / "deep.json"
    config.write_text(CONFIG.replace("include: [piece.txt]", PIECE))
    deep.write_text("[" * 100_000)
    ran = cli(command, config, name, deep)
    assert ran.code == 2
    assert "nested too deeply" in ran.err


@pytest.mark.parametrize("source", ["trace-log.csv", "calibration.json", "trace.yaml"])
def test_calibrate_never_replaces_a_source(cli, tmp_path: Path, source: str) -> None:
    path = tmp_path / source
    text = "time,input_tokens,output_tokens\n" + "".join(f"{t},9,5\n" for t in range(60))
    path.write_text(text)
    ran = cli("calibrate", "trace", path, "--out", tmp_path)
    assert (ran.code, path.read_text()) == (2, text)
    assert "could replace" in ran.err
    assert [p.name for p in tmp_path.iterdir()] == [source]


def test_a_folder_that_cannot_take_files_is_told_before_any_work(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")

    def never(*_: object) -> None:
        raise AssertionError("the source was read")

    monkeypatch.setattr("allocate.models.calibration.running.run", never)
    ran = cli("calibrate", "trace", "log.csv", "--out", tmp_path / "file" / "o")
    assert ran.code == 2
    assert "is a file" in ran.err


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_a_seed_that_no_generator_takes_is_refused(cli, seed: str) -> None:
    assert cli("solve", "c.yaml", "--seed", seed).code == 2
    assert cli("calibrate", "trace", "log.csv", "--seed", seed).code == 2
