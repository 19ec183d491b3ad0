"""A demo ends with an exit status, and with one sentence where it fails."""
import argparse
import errno
import subprocess
import sys

import pytest

from minivae.extras.command_line import above_0, at_least, parser, run


@pytest.mark.parametrize("problem, status, sentence", [
    (None, 0, ""),
    (ValueError("wrong"), 2, "error: wrong\n"),
    (FloatingPointError("no number"), 2, "error: no number\n"),
    (RuntimeError("no GPU"), 2, "error: no GPU\n"),
    (OSError(errno.ENOSPC, "No space left on device", "a.png"), 2,
     "error: a.png cannot be written or read (No space left on device); "
     "make room or rights for it, or choose another folder with --out\n"),
    (KeyboardInterrupt(), 130, "")])
def test_each_end_has_its_status_and_sentence(capfd, problem, status,
                                              sentence, monkeypatch):
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)

    def main(args):
        assert args == "arguments"
        if problem:
            raise problem
    with pytest.raises(SystemExit) as end:
        run(main, lambda: "arguments")
    assert end.value.code == status and capfd.readouterr().err == sentence


def test_a_reader_that_has_had_enough_gets_no_error():
    code = ("from minivae.extras.command_line import run\n"
            "run(lambda _: [print('a line') for _ in range(10 ** 6)], dict)")
    with subprocess.Popen([sys.executable, "-c", code], text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == "a line\n"
        process.stdout.close()
        assert process.wait() == 1 and process.stderr.read() == ""


def test_options():
    options = parser("What it shows.", "runs/x")
    assert options.parse_args([]).out.as_posix() == "runs/x"
    assert "What it shows." in options.format_help()
    assert at_least(0)("0") == 0 and above_0("0.5") == 0.5
    for kind, bad in ((at_least(1), "0"), (at_least(1), "1.5"),
                      (above_0, "0"), (above_0, "inf"), (above_0, "x")):
        with pytest.raises(argparse.ArgumentTypeError, match=f"^{bad} is no"):
            kind(bad)
