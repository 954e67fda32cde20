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
    assert ran.err == f"wrote {tmp_path / name}\n"


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


def test_an_unwritable_place_ends_with_2(cli, solved, tmp_path):
    ran = cli("solve", "c.yaml", "--out", tmp_path / "none" / "r.json")
    assert ran.code == 2
    assert "cannot be written" in ran.err


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


def test_progress_shows_on_a_terminal_after_a_while(monkeypatch):
    monkeypatch.setattr(progress, "AFTER_S", 0.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(Story()) as shown:
        assert shown._timer is not None
        shown._timer.join()
        shown.report({"iteration": 3, "gap": 1e-3})
        assert shown._status is not None
    assert "solving" in terminal.getvalue() or "iteration" in terminal.getvalue()


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
