"""What a solver's compiled code prints does not reach standard output."""

import os

from allocate.solver.methods.conic import _silenced


def test_lines_written_below_python_are_kept_off_standard_output(capfd):
    with _silenced():
        os.write(1, b"a line of a compiled solver\n")
    print("the answer")
    out, err = capfd.readouterr()
    assert out == "the answer\n"
    assert err == ""


def test_standard_output_comes_back_after_an_error(capfd):
    try:
        with _silenced():
            raise ValueError("from a solver")
    except ValueError:
        pass
    os.write(1, b"the answer\n")
    assert capfd.readouterr().out == "the answer\n"
