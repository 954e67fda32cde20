"""Ctrl-C while an answer is written: it is told, and not lost, unless it is meant."""

import os
import signal

import pytest

from allocate.cli.writing import writing


def press(times):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)


def test_an_impatient_ctrl_c_is_told_and_the_answer_is_written(capsys):
    before = signal.getsignal(signal.SIGINT)
    with writing():
        press(2)
    assert capsys.readouterr().err.count("being written") == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_the_third_is_meant():
    with pytest.raises(KeyboardInterrupt), writing():
        press(3)
