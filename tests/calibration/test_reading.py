"""Files that are cut off, huge, mixed up or hostile end in a message with a place."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from allocate.errors import CODES, DataError
from allocate.models.calibration import mapping, reading


def drain(result):
    if hasattr(result, "__next__"):
        for _ in result:
            pass


def problem(call, *arguments):
    with pytest.raises(DataError) as caught:
        drain(call(*arguments))
    assert len(caught.value.problems) == 1
    found = caught.value.problems[0]
    assert found.code in CODES
    return found


def write(tmp_path, raw, name="f.csv"):
    path = tmp_path / name
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return path


@pytest.mark.parametrize(
    ("raw", "code", "message", "line", "column"),
    [
        (b"", "CAL003", "the file is empty", None, None),
        (b"\n\n", "CAL003", "holds no lines", None, None),
        (b"\xff\xfea\x00,\x00b\x00", "CAL001", "UTF-16", 1, 1),
        (b"a,b\n1,caf\xe9\n", "CAL001", "byte 0xe9 is not UTF-8", 2, 6),
        (b"a,b\n1,\x00\n", "CAL001", "not text", 2, None),
        (b"a,b\n1,2\n3", "CAL003", "1 cells, the header 2", 3, None),
        (b"a,b\n1,2\n3,4,5\n6,7\n", "CAL003", "3 cells, the header 2", 3, None),
        (b'a,b\n1,"x, y"\n3\n', "CAL003", "1 cells, the header 2", 3, None),
        (b"a,a\n1,2\n", "CAL005", "`a` stands in the file twice", 1, None),
        (b"PK\x03\x04zip", "CAL002", "compressed with zip", None, None),
        (b"PAR1....", "CAL002", "the file is Parquet", None, None),
        (b"(\xb5/\xfdzst", "CAL002", "compressed with Zstandard", None, None),
        (gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-20], "CAL003", "ends early", None, None),
        (b"\x1f\x8b\x08\x00" + b"junk" * 20, "CAL003", "damaged", None, None),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, raw, code, message, line, column):
    found = problem(reading.csv_frames, write(tmp_path, raw))
    assert (found.code, found.line, found.column) == (code, line, column)
    assert message in found.message


@pytest.mark.parametrize(
    ("raw", "code", "message", "line"),
    [
        (b'{"a": 1}\n{"a": ', "CAL003", "ends early", 2),
        (b'{"a": 1}\n{"a": x}\n', "CAL006", "not valid JSON", 2),
        (b"[1]\n", "CAL006", "not a JSON object", 1),
        (b'{"a": ' + b"[" * 100_000, "CAL004", "nested too deeply", 1),
        (b'{"a": ' + b"9" * 5000 + b"}", "CAL006", "not valid JSON", 1),
    ],
)
def test_json_lines_that_cannot_be_read(tmp_path, raw, code, message, line):
    found = problem(reading.json_lines, write(tmp_path, raw, "f.jsonl"))
    assert (found.code, found.line) == (code, line)
    assert message in found.message


def test_missing_file_and_folder(tmp_path):
    assert "no such file" in problem(reading.open_bytes, tmp_path / "none").message
    assert "folder" in problem(reading.open_bytes, tmp_path).message


def test_a_compressed_bomb_is_refused_in_bounded_memory(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(100):
            file.write(b"a,b\n" * 262_144)
    tracemalloc.start()
    found = problem(reading.csv_frames, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.code == "CAL004"
    assert "grows more than" in found.message
    assert peak < 400e6


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK", 1000)
    path = write(tmp_path, b'a,b\n"' + b"x" * 5000)
    assert problem(reading.csv_frames, path).code == "CAL004"
    lines = write(tmp_path, b'{"a": "' + b"x" * 5000 + b'"}')
    assert problem(reading.json_lines, lines).code == "CAL004"


def test_whole_documents_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_WHOLE", 100)
    found = problem(reading.read_json, write(tmp_path, b"[" + b"1," * 100 + b"1]"))
    assert (found.code, "one JSON object a line" in found.hint) == ("CAL004", True)
    table = write(tmp_path, b"a,b\n" + b"1,2\n" * 1000)
    assert problem(reading.read_table, table).code == "CAL004"


@pytest.mark.parametrize("size", [5, 7, 16, 64, 1 << 24])
def test_blocks_join_to_the_file_with_its_line_numbers(tmp_path, monkeypatch, size):
    monkeypatch.setattr(reading, "BLOCK", size)
    text = 'a,b\n1,"x\ny"\n\n2,z\n3,"p, ""q"""\n'
    path = write(tmp_path, text)
    frames = list(reading.csv_frames(path))
    rows = [row for _, frame in frames for row in frame.iter_rows() if row != (None, None)]
    assert rows == [("1", "x\ny"), ("2", "z"), ("3", 'p, "q"')]
    lines = text.split("\n")
    for line, frame in frames:
        first = next(row for row in frame.iter_rows() if row != (None, None))
        assert any(str(first[0]) in text for text in lines[line - 1 : line + 1])


def test_nan_in_json_is_missing_not_zero(tmp_path):
    path = write(tmp_path, b'{"a": NaN, "b": Infinity, "c": 0}\n')
    assert [record for _, record in reading.json_lines(path)] == [{"a": None, "b": None, "c": 0}]


def test_a_source_is_its_name_and_hash_only(tmp_path):
    path = write(tmp_path, b"abc", "x\ny.csv")
    found = reading.source(path, 3)
    assert found.name == "xy.csv"
    assert found.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_columns_by_alias_and_by_map():
    header = ["Time", "Prompt Tokens", "other"]
    aliases = {"time": ("t", "time"), "input": ("prompt_tokens",), "output": ("out",)}
    path = Path("f.csv")
    assert mapping.choose(header, aliases, {}, path) == {"time": "Time", "input": "Prompt Tokens"}
    given = mapping.choose(header, aliases, {"output": "other"}, path, ("output",))
    assert given["output"] == "other"
    missing = problem(mapping.choose, header, aliases, {}, path, ("output",))
    assert (missing.code, "--map output=COLUMN" in missing.hint) == ("CAL005", True)
    wrong = problem(mapping.choose, header, aliases, {"output": "othr"}, path)
    assert wrong.hint == "did you mean `other`?"


@pytest.mark.parametrize("text", ["a", "=x", "a=", "nothing=x"])
def test_pairs_that_are_none(text):
    assert problem(mapping.parse_pairs, [text], {"a": ""}, "--map").code == "CAL009"
    assert mapping.parse_pairs(["a = b=c"], {"a": ""}, "--map") == {"a": "b=c"}


# --- Parquet -------------------------------------------------------------------------------


def stored(tmp_path, frame):
    path = tmp_path / "t.parquet"
    frame.write_parquet(path)
    return path


def test_a_parquet_table_is_read_as_text_without_its_lists(tmp_path):
    frame = pl.DataFrame({"a": [1, 2], "texts": [["x"], ["y"]], "b": [0.5, None]})
    found = reading.read_table(stored(tmp_path, frame))
    assert found.to_dict(as_series=False) == {"a": ["1", "2"], "b": ["0.5", None]}


def test_a_parquet_bomb_is_refused_by_its_footer(tmp_path, monkeypatch):
    """40 million equal rows take a few thousand bytes; not a cell of them is read."""
    frame = pl.select(pl.repeat(7, 40_000_000, dtype=pl.Int8).alias("a"))
    path = stored(tmp_path, frame.with_columns(b=pl.col("a")))
    assert path.stat().st_size < 200_000
    monkeypatch.setattr("polars.LazyFrame.collect", only_counts(pl.LazyFrame.collect))
    found = problem(reading.read_table, path)
    assert (found.code, "larger than 512 MiB" in found.message) == ("CAL004", True)


def only_counts(collect):
    def counted(self, *arguments, **more):
        found = collect(self, *arguments, **more)
        assert found.height <= 1
        return found

    return counted


@pytest.mark.parametrize("seed", range(8))
def test_damaged_parquet_ends_in_a_message(tmp_path, seed):
    whole = stored(tmp_path, pl.DataFrame({"a": range(2000), "b": ["x"] * 2000})).read_bytes()
    draw = np.random.default_rng(seed)
    raw = bytearray(whole)
    for at in draw.integers(len(raw) // 2, len(raw), 40):
        raw[at] = draw.integers(0, 256)
    cut = whole[: int(draw.integers(1, len(whole)))]
    for name, data in (("bent.parquet", bytes(raw)), ("cut.parquet", cut)):
        found = problem(reading.read_table, write(tmp_path, data, name))
        assert found.code in ("CAL001", "CAL003", "CAL004")
