"""stdout is the answer, stderr the story; files are whole or not there."""

import io
import json
import os
import subprocess
import sys

import pytest

from allocate.cli import output, progress
from allocate.cli.flags import Color
from allocate.cli.output import OutputError, write_whole
from allocate.cli.progress import Progress
from allocate.cli.terminal import Story, make_console

ESCAPE = "\x1b"
VERDICT = "$4,013.51/h welfare - a local optimum for this menu of speeds"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_piped_output_has_no_escape_codes(cli, solved):
    assert ESCAPE not in cli("solve", "c.yaml").out
    assert ESCAPE in cli("solve", "c.yaml", "--color", "always").out


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colour_gets_no_escape_codes(monkeypatch, name, value):
    stream = Terminal()
    make_console(stream).print("a", style="bold red")
    assert ESCAPE in stream.getvalue()
    monkeypatch.setenv(name, value)
    stream = Terminal()
    make_console(stream).print("a", style="bold red")
    assert ESCAPE not in stream.getvalue()


def test_colour_carries_no_information(cli, solved):
    import re

    coloured = cli("solve", "c.yaml", "--color", "always").out
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == cli("solve", "c.yaml").out


def test_json_is_the_whole_stdout(cli, solved):
    ran = cli("solve", "c.yaml", "--format", "json", "-v")
    assert json.loads(ran.out) == solved
    assert "method conic" in ran.err


def test_environment_names_work_and_flags_win(cli, solved, monkeypatch):
    monkeypatch.setenv("ALLOCATE_FORMAT", "json")
    assert cli("solve", "c.yaml").out.startswith("{")
    assert cli("solve", "c.yaml", "--format", "csv").out.startswith("resource,")


@pytest.mark.parametrize(
    ("name", "starts"), [("a.json", "{"), ("a.csv", "resource,"), ("a.md", "**"), ("a.txt", "$")]
)
def test_out_takes_the_format_from_the_name(cli, solved, tmp_path, name, starts):
    ran = cli("solve", "c.yaml", "--out", tmp_path / name)
    assert (tmp_path / name).read_text().startswith(starts)
    assert ran.out == ""
    assert ran.err == f"{VERDICT}\nwrote {tmp_path / name}\n"


def test_a_file_of_an_answer_that_was_stopped_says_so(cli, solved, tmp_path):
    solved["status"] = "stopped"
    solved["timing"].pop("ranges_s", None)
    ran = cli("solve", "c.yaml", "--out", tmp_path / "r.json")
    assert ran.code == 4
    assert ran.err.startswith("$4,013.51/h welfare - stopped at your request: ")


def test_a_file_whose_prices_have_no_ranges_says_so(cli, solved, tmp_path):
    solved["warnings"].insert(0, "stopped at your request before the prices had ranges: …")
    ran = cli("solve", "c.yaml", "--out", tmp_path / "r.json")
    assert ran.err.startswith(f"{VERDICT}\nwarning: stopped at your request before")


def test_quiet_prints_only_the_path_written(cli, solved, tmp_path):
    path = tmp_path / "r.json"
    ran = cli("solve", "c.yaml", "--out", path, "-q")
    assert (ran.out, ran.err) == (f"{path}\n", "")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    path.write_text("old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output.os, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["r.json"]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "version: 1\nmodels: {m: {quality: 0.5}}\nclass_table: {path: t.csv}\n"
        "include: [piece.yaml]\n"
    )
    (tmp_path / "t.csv").write_text("rate_per_s,value_usd\n1,1\n")
    (tmp_path / "piece.yaml").write_text("demand: {scale: 2}\n")
    return path


def refused_unsolved(cli, solver, config, out, *flags):
    """Ask for an answer that cannot go where it should, of a solver that must not be called."""

    def solve(*args, **kwargs):
        raise AssertionError("it was solved all the same")

    solver.solve = solve
    before = {path.name: path.read_bytes() for path in config.parent.iterdir() if path.is_file()}
    ran = cli("solve", config, "--out", out, *flags)
    assert ran.code == 2
    assert ran.out == ""
    after = {path.name: path.read_bytes() for path in config.parent.iterdir() if path.is_file()}
    assert after == before
    return ran.err


def test_an_unwritable_place_is_refused_before_the_solve(cli, solver, config, tmp_path):
    assert "no folder" in refused_unsolved(cli, solver, config, tmp_path / "none" / "r.json")
    assert "a folder" in refused_unsolved(cli, solver, config, tmp_path, "--format", "json")


@pytest.mark.parametrize("name", ["c.yaml", "t.csv", "piece.yaml", "link.yaml"])
def test_an_input_is_never_replaced_by_the_answer(cli, solver, config, name):
    (config.parent / "link.yaml").symlink_to(config)
    told = refused_unsolved(cli, solver, config, config.parent / name, "--format", "json")
    assert "would replace" in told


def test_an_unknown_ending_is_refused(cli, solver, config, tmp_path):
    told = refused_unsolved(cli, solver, config, tmp_path / "x.html")
    assert ".html" in told
    assert ".json" in told


def test_an_answer_that_cannot_be_written_after_all_is_not_lost(cli, solved, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output.os, "replace", fail)
    ran = cli("solve", "c.yaml", "--out", tmp_path / "r.json")
    assert ran.code == 2
    assert json.loads(ran.out) == solved
    assert "No space left" in ran.err
    assert "on stdout instead" in ran.err


def test_columns_are_believed_on_a_pipe(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert make_console(io.StringIO()).width == 120
    monkeypatch.setenv("COLUMNS", "400")
    assert make_console(io.StringIO()).width == 120
    monkeypatch.setenv("COLUMNS", "wide")
    assert make_console(io.StringIO()).width == 80


def test_an_exported_out_sends_nothing_there(cli, solved, tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOCATE_OUT", str(tmp_path / "everything.json"))
    assert cli("solve", "c.yaml").out
    assert not (tmp_path / "everything.json").exists()


def test_next_steps_are_for_a_person_who_reads_them_now(cli, solved, tmp_path):
    assert "\nNext\n" in cli("solve", "c.yaml").out
    assert "\nNext\n" not in cli("solve", "c.yaml", "-q").out
    cli("solve", "c.yaml", "--out", tmp_path / "r.txt")
    assert "\nNext\n" not in (tmp_path / "r.txt").read_text()


def test_a_written_file_follows_links_and_keeps_its_mode(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    write_whole(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_reader_that_leaves_is_no_error():
    code = "from allocate.cli.main import run; import sys; sys.argv[1:] = ['schema']; run()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def shown_progress(monkeypatch, *steps) -> str:
    """Report steps on a terminal and return what it drew last."""
    monkeypatch.setattr(progress, "AFTER_S", 0.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(Story()) as shown:
        assert shown._timer is not None
        shown._timer.join()
        for step in steps:
            shown.report(step)
        assert shown._status is not None
    return terminal.getvalue()


def test_progress_shows_on_a_terminal_after_a_while(monkeypatch):
    drawn = shown_progress(monkeypatch, {"phase": "training", "round": 9, "gap": 1e-3})
    assert "letting routing and training agree, round 9, 0 s" in drawn


def test_progress_needs_no_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    drawn = shown_progress(monkeypatch, {"phase": "speeds", "round": 2, "of": 10})
    assert "choosing speeds (2 of 10)" in drawn
    assert f"{ESCAPE}[3" not in drawn  # the line is redrawn, and nothing in it is coloured


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ({}, "looking for the optimum, 41 s"),
        ({"phase": "solve", "round": 0, "gap": 50_181.0}, "looking for the optimum, 41 s"),
        (
            {"phase": "speeds", "round": 2, "gap": 0.3},
            "choosing speeds, round 2, 41 s; Ctrl-C gives the last round",
        ),
        ({"iteration": 7, "gap": 0.861, "ridge": 0.01}, "looking for the optimum, gap 0.86, 41 s"),
        (
            {"phase": "training", "round": 9, "of": None, "gap": None, "passes": 3},
            "letting routing and training agree, round 9, 41 s; Ctrl-C gives the last round",
        ),
        (
            {"phase": "ranges", "round": 4, "of": 15, "gap": 1e-9},
            "optimum found; checking how far prices hold (4 of 15), 41 s; Ctrl-C keeps the answer",
        ),
        (
            {"phase": "baselines", "done": 3, "of": 7, "what": "greedy-tuned"},
            "baseline 3 of 7: greedy-tuned, 41 s; Ctrl-C keeps the finished ones",
        ),
        (
            {"phase": "tuning", "round": 12},
            "tuning the local rules, round 12, 41 s; Ctrl-C keeps the joint answer",
        ),
        ({"phase": "diagnosis"}, "looking for faults, 41 s"),
    ],
)
def test_progress_says_what_goes_on(step, line):
    assert progress.describe(step, 41.3) == line


def test_a_new_phase_forgets_the_numbers_of_the_last():
    shown = Progress(Story())
    shown.report({"phase": "solve", "gap": 0.5})
    shown.report({"passes": 2})
    assert "gap 0.5" in shown.line()
    shown.report({"phase": "ranges", "round": 1, "of": 3})
    assert "gap" not in shown.line()


@pytest.mark.parametrize(("quiet", "shown"), [(True, True), (False, False)])
def test_progress_is_silent_when_asked(monkeypatch, quiet, shown):
    monkeypatch.setattr(progress, "AFTER_S", 0.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(Story(quiet=quiet), shown) as line:
        line.report({"iteration": 3})
    assert terminal.getvalue() == ""


def test_progress_is_silent_on_a_pipe(capsys):
    with Progress(Story()) as line:
        line.report({"iteration": 3})
    assert capsys.readouterr().err == ""
    assert make_console(io.StringIO(), Color.AUTO).width == 80
