"""What a folder of calibrations holds: every kind, the last tables of each, and no formula."""

import json
import multiprocessing
from pathlib import Path

import polars as pl
import pytest

from allocate.models.calibration.result import Calibration
from allocate.models.calibration.writing import RECORD, read_record, write


def found(kind: str, **tables: list[str]) -> Calibration:
    frames = {name: pl.DataFrame({"text": column}) for name, column in tables.items()}
    return Calibration(kind, "a table", 1, {}, [], frames, {}, [])


def put(folder: str, kind: str) -> None:
    for i in range(5):
        write(found(kind, rows=[str(i)]), Path(folder))


def test_kinds_that_are_calibrated_at_once_are_all_kept(tmp_path):
    kinds = ["trace", "reuse", "spans", "prices"]
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=put, args=(str(tmp_path), kind)) for kind in kinds]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert sorted(read_record(tmp_path)["calibrations"]) == sorted(kinds)


def test_a_table_of_the_last_run_that_this_one_does_not_write_is_removed(tmp_path):
    write(found("trace", rows=["a"], day=["b"]), tmp_path)
    write(found("reuse", day=["c"]), tmp_path)
    mine = tmp_path / "trace-notes.csv"
    mine.write_text("of my own")
    write(found("trace", rows=["a"]), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert "trace-day.csv" not in names
    assert {"trace-rows.csv", "trace.yaml", "reuse-day.csv", mine.name, RECORD} <= names


@pytest.mark.parametrize("name", ["../trace-x.csv", "other.csv", "reuse-day.csv", "/trace-x.csv"])
def test_a_record_that_names_a_strange_file_removes_nothing(tmp_path, name):
    folder = tmp_path / "o"
    write(found("trace", rows=["a"]), folder)
    stranger = (folder / name).resolve() if not name.startswith("/") else tmp_path / name[1:]
    stranger.write_text("not ours")
    record = json.loads((folder / RECORD).read_text())
    record["calibrations"]["trace"]["files"].append(name)
    (folder / RECORD).write_text(json.dumps(record))
    write(found("trace", rows=["a"]), folder)
    assert stranger.read_text() == "not ours"


def test_the_record_is_written_last(tmp_path, monkeypatch):
    write(found("trace", rows=["a"]), tmp_path)
    before = (tmp_path / RECORD).read_bytes()

    def broken(path: Path, content: object) -> None:
        if path.name == "trace.yaml":
            raise OSError("disk full")

    monkeypatch.setattr("allocate.models.calibration.writing.write_whole", broken)
    with pytest.raises(OSError, match="disk full"):
        write(found("trace", other=["b"]), tmp_path)
    assert (tmp_path / RECORD).read_bytes() == before
    assert (tmp_path / "trace-rows.csv").exists()


@pytest.mark.parametrize("text", ["=1+1", "  =1+1", "+1", "-1", "@x", "\u202e=1"])
def test_a_text_is_never_a_formula(tmp_path, text):
    write(found("trace", rows=[text]), tmp_path)
    assert (tmp_path / "trace-rows.csv").read_text().splitlines()[1].startswith("'")
