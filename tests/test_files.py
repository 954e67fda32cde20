"""Files are written whole or not at all, with the umask untouched, by one process at a time."""

import os
import stat
import threading

import pytest

from allocate.files import alone, write_whole


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", "x")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_file_that_is_replaced_keeps_its_mode_and_its_links(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o604)
    link.symlink_to(real)
    write_whole(link, b"new")
    assert (real.read_text(), link.is_symlink()) == ("new", True)
    assert stat.S_IMODE(real.stat().st_mode) == 0o604


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    path.write_text("old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    assert path.read_text() == "old"


def test_a_name_as_long_as_names_may_be_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    write_whole(path, "x")
    assert path.read_text() == "x"


def test_only_one_holds_a_folder(tmp_path):
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with alone(tmp_path):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    with pytest.raises(OSError, match="another process"), alone(tmp_path, 0.05):
        pass
    done.set()
    thread.join()
    with alone(tmp_path, 5):
        pass
