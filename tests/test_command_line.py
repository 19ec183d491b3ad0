"""A demo ends with an exit status, and with one sentence where it fails."""
import argparse
import contextlib
import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.command_line import (a_path, above_0, at_least, at_least_0,
                                 explain, parser, run, up_to)
from common.own_folder import claim, own_folder

DEMOS = Path(__file__).parent.parent / "demos"


@pytest.fixture(autouse=True)
def handlers():
    """Give the tests' own Ctrl-C back after run."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def end_of(main, arguments=argparse.Namespace):
    with pytest.raises(SystemExit) as end:
        run(main, arguments)
    return end.value.code


@pytest.mark.parametrize("problem, status, sentence", [
    (None, 0, ""),
    (ValueError("wrong"), 2, "error: wrong\n"),
    (FloatingPointError("no number"), 2, "error: no number\n"),
    (RuntimeError("no GPU"), 2, "error: no GPU\n"),
    (ModuleNotFoundError("No module", name="pooch"), 2, "error: this needs "
     "pooch, which is not installed: pip install pooch\n"),
    (MemoryError(), 2, "error: memory ran out (no details); close other "
     "programs\n"),
    (KeyboardInterrupt(), 130, "")])
def test_each_end_has_its_status_and_sentence(capsys, problem, status,
                                              sentence):
    def main(args):
        assert args == "arguments"
        if problem:
            raise problem
    assert end_of(main, lambda: "arguments") == status
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize("mistake", [TypeError, RecursionError, KeyError])
def test_a_mistake_of_ours_keeps_its_traceback(capsys, mistake):
    def main(args):
        raise mistake("ours")
    assert end_of(main) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("name, status, said", [
    ("SIGINT", 130, ""), ("SIGTERM", 143, "stopped by SIGTERM\n")])
def test_a_signal_ends_a_demo(monkeypatch, capsys, name, status, said):
    number, ended = getattr(signal, name), []
    # (a job in the background is started deaf to SIGINT)
    before = signal.signal(number, signal.default_int_handler)
    try:
        assert end_of(lambda _: signal.raise_signal(number)) == status
        # and while the last of what it printed is written, at once
        monkeypatch.setattr(os, "_exit", ended.append)
        signal.raise_signal(number)
        assert ended == [status]
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().err == said


# ---- what is printed, and where to -----------------------------------------

class Full(io.StringIO):
    """A standard output on a full disk."""

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    def fileno(self):
        return os.open(os.devnull, os.O_WRONLY)


def test_no_standard_output_is_no_problem(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)             # as under pythonw
    monkeypatch.setattr(sys, "stderr", None)
    assert end_of(lambda _: print("a line")) == 0
    assert end_of(lambda _: 1 / 0) == 2
    sys.stdout.close()
    sys.stderr.close()


def test_a_full_standard_output_gets_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full())
    assert end_of(lambda _: print("a line")) == 2
    assert capsys.readouterr().err == (
        "error: what is printed cannot be written (No space left on device); "
        "send it somewhere else\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-8"])
def test_any_text_can_be_printed(monkeypatch, encoding):
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding))
    text = "σ → Schuhe, туфли, 靴, caf\udce9"
    assert end_of(lambda _: print(text)) == 0
    assert printed.getvalue().decode(encoding).startswith(
        text.encode(encoding, "backslashreplace").decode(encoding))


def test_help_can_be_printed(monkeypatch):
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, "ascii"))
    options = parser("What σ is.", "runs/x")
    assert end_of(None, lambda: options.parse_args(["--help"])) == 0
    assert rb"What \u03c3 is." in printed.getvalue()


def test_a_reader_that_has_had_enough_gets_no_error():
    code = ("from common.command_line import run\n"
            "run(lambda _: [print('a line') for _ in range(10 ** 6)], dict)")
    with subprocess.Popen([sys.executable, "-c", code], text=True,
                          cwd=DEMOS, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == "a line\n"
        process.stdout.close()
        assert process.wait() == 1 and process.stderr.read() == ""


# ---- files -----------------------------------------------------------------

@pytest.mark.parametrize("number, file, sentence", [
    (errno.ENOSPC, "runs/x/a.png", "a.png cannot be written (No space left "
     "on device); make room, or choose another place with --out"),
    (errno.ENOSPC, None, "what is printed cannot be written (No space left on "
     "device); send it somewhere else"),
    (errno.EFBIG, "cache/images", "images cannot be written (File too large); "
     "allow larger files (ulimit -f)"),
    (errno.EACCES, "runs", "runs cannot be written (Permission denied); get "
     "permission to write there, or choose another place with --out"),
    (errno.EISDIR, "runs/x/a.png", "a.png cannot be written (Is a directory);"
     " move away the folder in its place, or choose another place with "
     "--out"),
    (errno.EACCES, "models/a.npz", "a.npz cannot be read (Permission denied); "
     "check its name and its permissions")])
def test_a_file_is_named_with_what_helps(number, file, sentence):
    error = OSError(number, os.strerror(number), file and str(Path(file)))
    found = explain(error, argparse.Namespace(out=Path("runs/x")))
    assert found.startswith("error: ") and found.endswith(sentence)


def test_memory_names_the_options_that_take_it():
    args = argparse.Namespace(batch_size=32, limit=None, latent_dim=2,
                              workers=1)
    for error in MemoryError("64 GiB"), OSError(errno.ENOMEM, "64 GiB"):
        found = explain(error, args)
        assert "64 GiB" in found
        assert found.endswith("; lower --batch-size or --latent-dim")


# ---- one run, one folder ---------------------------------------------------

def test_a_folder_has_one_run_at_a_time(tmp_path):
    with claim(tmp_path / "no" / "such"):
        assert (tmp_path / "no" / "such").is_dir()
        with claim(tmp_path):                          # another folder
            pass
        with pytest.raises(RuntimeError, match="another run is writing to .*"
                           "such; wait until it ends, or "):
            claim(tmp_path / "no" / "such").__enter__()
    with claim(str(tmp_path / "no" / "such")):         # it is free again
        pass
    assert not list((tmp_path / "no" / "such").iterdir())


def test_another_process_is_kept_out_until_it_is_killed(tmp_path):
    code = ("from common.own_folder import claim\n"
            f"with claim({str(tmp_path)!r}):\n"
            "    print('mine', flush=True); input()")
    with subprocess.Popen([sys.executable, "-c", code], text=True,
                          cwd=DEMOS, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "mine\n"
        with pytest.raises(RuntimeError, match="another run is writing"):
            claim(tmp_path).__enter__()
        process.kill()
        process.wait()
        with claim(tmp_path):
            pass


def test_copies_of_mpiexec_hear_of_distributed(monkeypatch, tmp_path):
    monkeypatch.setenv("PMI_SIZE", "3")
    with claim(tmp_path), pytest.raises(
            RuntimeError, match="mpiexec has started 3 copies of this one: "
            "add --distributed"):
        claim(tmp_path).__enter__()


@pytest.mark.parametrize("problem", [
    NotImplementedError("no flock"), OSError(errno.ENOLCK, "no locks")])
def test_without_locks_a_run_goes_on(monkeypatch, tmp_path, problem):
    @contextlib.contextmanager
    def acquire(self, timeout):
        raise problem
        yield
    monkeypatch.setattr("common.own_folder.FileLock.acquire", acquire)
    ran = own_folder(lambda args: args.out.is_dir())
    assert ran(argparse.Namespace(out=tmp_path / "new"))


def test_of_ranks_only_the_first_has_the_lock(tmp_path):
    class Another:
        rank = 1

        def bcast(self, answer):
            return None
    args = argparse.Namespace(out=tmp_path / "mine", comm=Another())
    assert own_folder(lambda args: 3)(args) == 3
    assert not args.out.exists()


# ---- options ---------------------------------------------------------------

def test_options():
    options = parser("What it shows.", "runs/x")
    assert options.parse_args([]).out.as_posix() == "runs/x"
    assert "What it shows." in options.format_help()
    assert at_least(0)("0") == 0 and above_0("0.5") == 0.5
    assert at_least_0("0") == 0 and at_least_0("2.5") == 2.5
    assert up_to(10)("10") == 10
    assert at_least(1, 5)("5") == 5 and a_path("a/b") == Path("a/b")
    for kind, bad in ((at_least(1), "0"), (at_least(1), "1.5"),
                      (at_least(1, 5), "6"),
                      (at_least(0), "9" * 5000), (up_to(10), "10.5"),
                      (above_0, "0"), (above_0, "inf"), (above_0, "x"),
                      (at_least_0, "-0.1"), (at_least_0, "inf"),
                      (at_least_0, "nan"), (at_least_0, "x")):
        with pytest.raises(argparse.ArgumentTypeError, match=f"^{bad:.50} is"):
            kind(bad)
    for empty in "", " ":
        with pytest.raises(argparse.ArgumentTypeError, match="a name was exp"):
            a_path(empty)
