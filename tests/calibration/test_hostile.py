"""What every reader must survive: damaged, wrong and hostile files, and secrets beside the data."""

import csv
import gzip
import json
import re
from pathlib import Path

import pytest

from allocate.cli.main import main
from allocate.models.calibration.registry import KINDS

DATA = Path(__file__).parents[1] / "data"
SAMPLES = {
    "trace": [DATA / "trace/burstgpt.csv", DATA / "trace/mooncake.jsonl"],
    "reuse": [DATA / "reuse/qwen.jsonl"],
    "lanes": [DATA / "lanes/ttft_tpot.csv", DATA / "lanes/splitwise.csv"],
    "models": [DATA / "models/aider.csv", DATA / "models/routellm.csv"],
    "spans": [DATA / "spans/otlp_new.jsonl"],
    "prices": [DATA / "prices/gpu_prices.csv", DATA / "prices/litellm_prices.csv"],
    "training": [DATA / "training/staleness.csv"],
}
OPTIONS = {
    "lanes": ["--option", "gpu=h100_sxm"],
    "training": ["--option", "base=AIME24=29.3|AIME25=24"],
}
SECRET = "sk-hunter2-0123456789"
BOMB = gzip.compress(b"a,b\n" + b"1,2\n" * 3_000_000, mtime=0)
FILES = {
    "empty.csv": b"",
    "blank.jsonl": b"\n\n\n",
    "header_only.csv": b"TIMESTAMP,ContextTokens,GeneratedTokens\n",
    "utf16.csv": "timestamp,score\n1,2\n".encode("utf-16"),
    "latin1.csv": b"timestamp,score,caf\xe9\n1,2,3\n",
    "nul.csv": b"timestamp,score\n1,\x00\n",
    "deep.json": b'{"resourceSpans": ' + b"[" * 200_000,
    "deep.jsonl": b'{"timestamp": ' + b"[" * 200_000 + b"\n",
    "deep.yaml": b"model_list: " + b"[" * 20_000,
    "cut.json": b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "a',
    "cut.csv.gz": gzip.compress(b"timestamp,score\n" + b"1,2\n" * 5000, mtime=0)[:-30],
    "bomb.csv.gz": BOMB,
    "bomb.jsonl.gz": gzip.compress(b" " * 8_000_000, mtime=0),
    "zip.csv": b"PK\x03\x04" + b"x" * 100,
    "words.csv": b"timestamp,input_tokens,output_tokens,score\nyesterday,many,few,good\n" * 3,
    "infinite.csv": b"timestamp,input_tokens,output_tokens\n" + b"nan,inf,-inf\n" * 50,
    "negative.csv": b"timestamp,input_tokens,output_tokens\n" + b"-1,-5,-6\n" * 50,
    "wide.csv": b",".join(b"c%d" % i for i in range(20_000)) + b"\n",
    "entities.yaml": b"model_list: &a [*a]\n",
    "tag.yaml": b"model_list: !!python/object/apply:os.system ['true']\n",
}


def ran(capsys, *arguments):
    capsys.readouterr()
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out + err


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_cannot_be_used_ends_with_2_and_a_place(kind, name, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    out = tmp_path / "out"
    code, said = ran(capsys, "calibrate", kind, path, "--out", out, *OPTIONS.get(kind, []))
    assert code == 2, said
    assert "error[CAL" in said
    assert "Traceback" not in said
    assert len(said) < 4000
    assert not (out / "calibration.json").exists()


def with_secrets(path: Path, folder: Path) -> Path:
    """The same file with texts, keys and formulas in fields that no reader asks for."""
    texts = {"prompt": f"=cmd|'/C calc'!A0 {SECRET}", "api_key": SECRET, "cwd": "/home/alice/work"}
    target = folder / path.name
    if path.suffix == ".csv":
        with path.open(newline="") as read, target.open("w", newline="") as write:
            rows = list(csv.reader(read))
            writer = csv.writer(write)
            writer.writerow([*rows[0], *texts])
            writer.writerows([*row, *texts.values()] for row in rows[1:])
    else:
        lines = [json.loads(line) | texts for line in path.read_text().splitlines()]
        target.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return target


@pytest.mark.parametrize(
    ("kind", "path"), [(k, p) for k, paths in SAMPLES.items() for p in paths], ids=str
)
def test_secrets_beside_the_data_never_leave_the_reader(kind, path, tmp_path, capsys):
    folder = tmp_path / "private-folder-of-alice"
    folder.mkdir()
    out = tmp_path / "out"
    source = with_secrets(path, folder)
    code, said = ran(
        capsys, "calibrate", kind, source, "--out", out, "--format", "json",
        *(OPTIONS.get(kind, []) if kind == "training" else []),
    )  # fmt: skip
    assert code == 0, said
    texts = [said.replace(str(tmp_path), ""), *(p.read_text() for p in out.iterdir())]
    for text in texts:
        assert "hunter2" not in text
        assert "alice" not in text
        assert "=cmd" not in text


@pytest.mark.parametrize(
    ("kind", "path", "column"),
    [
        ("models", DATA / "models/aider.csv", "model"),
        ("prices", DATA / "prices/gpu_prices.csv", "accelerator"),
        ("lanes", DATA / "lanes/ttft_tpot.csv", "backend"),
        ("training", DATA / "training/staleness.csv", "algorithm"),
    ],
)
def test_names_that_are_formulas_are_made_harmless(kind, path, column, tmp_path, capsys):
    formula = "=HYPERLINK(1)"
    with path.open(newline="") as read:
        rows = list(csv.DictReader(read))
    source, out = tmp_path / path.name, tmp_path / "out"
    with source.open("w", newline="") as write:
        writer = csv.DictWriter(write, rows[0])
        writer.writeheader()
        writer.writerows(row | {column: formula + row[column]} for row in rows)
    code, said = ran(capsys, "calibrate", kind, source, "--out", out, *OPTIONS.get(kind, []))
    assert code == 0, said
    tables = [table.read_text().splitlines() for table in out.glob("*.csv")]
    cells = [cell for lines in tables for row in csv.reader(lines) for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in cells)


def mixed(kind: str, path: Path, folder: Path) -> Path:
    """The same data with every other time in another unit."""
    target = folder / path.name
    if kind == "lanes":
        with path.open(newline="") as read:
            rows = list(csv.DictReader(read))
        for row in rows[::2]:
            row["tpot_ms"] = str(float(row["tpot_ms"]) / 1000)
        with target.open("w", newline="") as write:
            writer = csv.DictWriter(write, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return target
    lines = path.read_text().splitlines()
    names = "startTimeUnixNano|endTimeUnixNano"
    shorter = [re.sub(rf'("(?:{names})": ?"\d+)\d{{6}}"', r'\1"', line) for line in lines[::2]]
    assert shorter[0] != lines[0]
    target.write_text("\n".join([*lines[1::2], *shorter]) + "\n")
    return target


@pytest.mark.parametrize(
    ("kind", "path"),
    [("lanes", DATA / "lanes/ttft_tpot.csv"), ("spans", DATA / "spans/otlp_new.jsonl")],
)
def test_times_in_two_units_are_refused(kind, path, tmp_path, capsys):
    """Trace, models, training and prices have such tests of their own."""
    code, said = ran(capsys, "calibrate", kind, mixed(kind, path, tmp_path))
    assert code == 2, said
    assert "error[CAL008]" in said
    assert "mix units" in said


def test_a_group_of_hashes_that_is_a_formula_is_made_harmless(tmp_path, capsys):
    source, out = tmp_path / "log.jsonl", tmp_path / "out"
    lines = (DATA / "reuse/qwen.jsonl").read_text().splitlines()
    records = [json.loads(line) | {"type": "=HYPERLINK(1)"} for line in lines]
    many = [r | {"timestamp": r["timestamp"] + 100 * i} for i in range(12) for r in records]
    source.write_text("".join(json.dumps(record) + "\n" for record in many))
    code, said = ran(capsys, "calibrate", "reuse", source, "--out", out, "--blocks", "10,200")
    assert code == 0, said
    texts = [table.read_text() for table in out.glob("*.csv")]
    cells = [cell for text in texts for row in csv.reader(text.splitlines()) for cell in row]
    assert any("hyperlink" in cell.casefold() for cell in cells)
    assert not any(cell.startswith("=") for cell in cells)
