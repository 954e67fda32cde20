"""What somebody wrote, and where they keep it, never leaves: paths, prompts, broken lines."""

import csv
import json
from pathlib import Path

import polars as pl
import pytest

from allocate.cli.main import main
from allocate.errors import DataError, Problem
from allocate.models.calibration import private
from allocate.models.calibration.naming import shown, slug
from allocate.models.calibration.result import Calibration, Parameter
from allocate.models.calibration.writing import write

DATA = Path(__file__).parents[1] / "data"
HOME = "/home/alice/secret models/"
PROMPT = "my secret prompt PATIENT JOHN DOE\\x has cancer"


def ran(capsys, *arguments):
    capsys.readouterr()
    code = main(["calibrate", *(str(a) for a in arguments)])
    out, err = capsys.readouterr()
    return code, out + err


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/home/alice/models/m-7b", "m-7b"), ("~/m", "m"), ("~alice", "unnamed"), ("./a/b", "b"),
        ("../b/c", "c"), ("C:\\Users\\alice\\m", "m"), ("C:/Users/alice", "unnamed"),
        ("file:///home/alice/m", "m"), ("s3://alice/runs/m", "m"), ("\\\\host\\alice\\m", "m"),
        ("$HOME/x/y", "y"), ("/home/alice/", "unnamed"), ("/home/alice smith/m", "m"),
        ("no price for /home/alice smith/m, b/c", "no price for m, b/c"),
        ("of (/home/alice) and `/root/x/m`", "of (unnamed) and `m`"), ("a=/home/al/m", "a=m"),
        ("org/m-7b", "org/m-7b"), ("request/s", "request/s"), ("1/2, p99/p50", "1/2, p99/p50"),
        ("tokens / s", "tokens / s"), ("~5 %", "~5 %"), ("https is at host", "https is at host"),
    ],
)  # fmt: skip
def test_of_a_path_only_the_last_part_is_kept(text, kept):
    assert private.without_paths(text) == kept


def test_every_part_of_a_result_passes_the_gate(tmp_path):
    """Whatever a reader puts anywhere: the gate does not rest on readers."""
    path = f"{HOME}m-7b"
    found = Calibration(
        "lanes", path, 1, {f"row of {path}": 1},
        [Parameter(f"{path}.x", 1, 0, 2, path, {"of": path})],
        {"rows": pl.DataFrame({path: [path, None], f"{HOME}b": ["a/b", path]})},
        {"models": {path: {"label": path, "tags": [path]}}}, [], [f"note on {path}."],
        check={path: path, "m-7b": 1}, grounds={f"models.{path}.x": {"method": path}},
    )  # fmt: skip
    names = write(found, tmp_path / "o")
    texts = [json.dumps(found.to_dict()), *((tmp_path / "o" / name).read_text() for name in names)]
    for text in texts:
        assert "alice" not in text
        assert "secret" not in text
        assert "m-7b" in text
    assert found.to_dict()["check"] == {"m-7b_2": "m-7b", "m-7b": 1}


def test_an_error_passes_it_too():
    hint = f"say where `{HOME}x` is"
    error = DataError([Problem("CAL006", f"`{HOME}m` is none", "f.csv", 3, 4, hint, PROMPT)])
    cleaned = private.cleaned_error(error).problems[0]
    assert (cleaned.message, cleaned.hint) == ("`m` is none", "say where `x` is")
    assert cleaned.source_line is None
    assert (shown(f"{HOME}m"), slug("C:\\Users\\alice\\m-1")) == ("m", "m_1")
    assert shown(PROMPT) == f"a text of {len(PROMPT)} characters"


def with_paths(source: Path, target: Path, columns: list[str]) -> Path:
    """The same table with a path before each text of the columns, which are all read."""
    with source.open(newline="") as read, target.open("w", newline="") as out:
        rows = list(csv.DictReader(read))
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {c: HOME + row[c] for c in columns if row[c]})
    return target


def spans_with_paths(target: Path) -> Path:
    text = (DATA / "spans/otlp_new.jsonl").read_text()
    for name in ("gpt-5", "apply_patch", "run_tests", "read_file"):
        text = text.replace(f'"{name}"', f'"{HOME}{name}"')
    assert HOME in text
    target.write_text(text)
    return target


def bench_with_paths(target: Path) -> Path:
    document = json.loads((DATA / "lanes/vllm_bench.json").read_text())
    planted = [key for key in document if key in ("model_id", "tokenizer_id", "model")]
    assert planted
    target.write_text(json.dumps(document | {key: HOME + document[key] for key in planted}))
    return target


PLANTED = {
    "lanes": ("lanes/ttft_tpot.csv", ["model", "backend"], []),
    "models": ("models/aider.csv", ["model", "edit_format", "editor_model"], []),
    "prices": ("prices/litellm_prices.csv", ["model", "provider"], []),
    "training": ("training/staleness.csv", ["algorithm"], ["base=AIME24=29.3|AIME25=24"]),
}


@pytest.mark.parametrize("kind", [*PLANTED, "spans", "bench", "reuse", "gpus"])
def test_paths_in_fields_that_are_read_do_not_leave(kind, tmp_path, capsys):
    options: list[str] = []
    if kind in PLANTED:
        name, columns, options = PLANTED[kind]
        source = with_paths(DATA / name, tmp_path / Path(name).name, columns)
    elif kind == "gpus":
        source = with_paths(
            DATA / "prices/gpu_prices.csv", tmp_path / "g.csv", ["accelerator", "provider"]
        )
    elif kind == "reuse":
        source = tmp_path / "r.jsonl"
        text = (DATA / "reuse/qwen.jsonl").read_text()
        source.write_text(text.replace('"type": "', f'"type": "{HOME}'))
    else:
        source = (spans_with_paths if kind == "spans" else bench_with_paths)(tmp_path / "s.json")
    word = {"bench": "lanes", "gpus": "prices"}.get(kind, kind)
    extra = [f"--option={option}" for option in options]
    extra += ["--blocks=10,200"] if kind == "reuse" else []
    extra += ["--option=gpu=h100_sxm"] if kind == "bench" else []
    out = tmp_path / "out"
    code, said = ran(capsys, word, source, "--out", out, "--format", "json", *extra)
    assert code == 0, said
    for text in (said.replace(str(tmp_path), ""), *(p.read_text() for p in out.iterdir())):
        assert "alice" not in text
        assert "secret" not in text


BROKEN = {
    "trace": '{"timestamp": 1, "prompt": "%s", "input_length": 3}',
    "reuse": '{"timestamp": 1, "hash_ids": [1], "prompt": "%s"}',
    "spans": '{"resourceSpans": [{"scopeSpans": [{"spans": [{"value": "%s"}]}]}]}',
    "lanes": (DATA / "lanes/vllm_bench.json").read_text().rstrip()[:-1] + ', "prompt": "%s"}',
    "prices": '{"m": {"input_cost_per_token": 1, "litellm_provider": "%s"}}',
}


@pytest.mark.parametrize("cut", [False, True], ids=["bad escape", "cut"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_line_is_not_printed(kind, cut, tmp_path, capsys):
    line = BROKEN[kind] % PROMPT
    path = tmp_path / "f.json"
    path.write_text(line[: line.index("DOE")] if cut else line + "\n")
    code, said = ran(capsys, kind, path)
    assert code == 2
    assert "f.json:" in said
    assert "JSON" in said
    assert "secret" not in said
    assert "PATIENT" not in said


def test_texts_are_refused_as_names_of_classes(tmp_path, capsys):
    spans = DATA / "spans/otlp_new.jsonl"
    for name in ("gen_ai.prompt", "input.value", "gen_ai.input.messages", "llm.completions"):
        code, said = ran(capsys, "spans", spans, "--option", f"class={name}")
        assert (code, "what somebody wrote" in said) == (2, True)
    table = DATA / "models/routellm.csv"
    code, said = ran(capsys, "models", table, "--map", "class=question")
    assert (code, "what somebody wrote" in said) == (2, True)
    assert not private.holds_text("task.type")
    assert not private.holds_text("gen_ai.usage.prompt_tokens")


def test_sentences_are_no_classes_whatever_they_are_called(tmp_path, capsys):
    lines = (DATA / "spans/otlp_new.jsonl").read_text()
    path = tmp_path / "s.jsonl"
    said_by = (
        '{"key": "note", "value": {"stringValue": "my secret prompt of JOHN DOE who is ill"}}, '
    )
    path.write_text(lines.replace('"attributes":[{', f'"attributes":[{said_by}{{'))
    assert "secret" in path.read_text()
    code, said = ran(capsys, "spans", path, "--option", "class=note", "--out", tmp_path / "o")
    assert (code, "holds sentences, not classes" in said, "secret" in said) == (2, True, False)


def test_a_first_line_that_is_no_header_is_not_printed(tmp_path, capsys):
    path = tmp_path / "f.csv"
    path.write_text(f'12.5,"{PROMPT.replace(chr(92), "")}",404,23\n' * 5)
    code, said = ran(capsys, "trace", path)
    assert (code, "secret" in said, "404" in said) == (2, False, True)
