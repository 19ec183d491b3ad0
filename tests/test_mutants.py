"""The list of mutants is in order; `python tests/mutants.py` runs them."""
import ast
import shutil
import subprocess
import time
from collections import Counter

import mutants
import pytest

ALL = mutants.mutants()


def test_there_are_enough():
    assert len(ALL) >= 60
    assert sum(m.name.startswith("* ") for m in ALL) >= 10
    readme = (mutants.ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    assert f"breaks minivae in {len(ALL)} ways" in readme
    assert max(Counter((m.file, m.name, *m.tests)
               for m in ALL).values()) == 1


@pytest.mark.parametrize("mutant", ALL, ids=lambda m: f"{m.file}: {m.name}")
def test_it_applies(mutant):
    path = mutants.path_in(mutants.ROOT, mutant.file)
    text = path.read_text(encoding="utf-8")
    broken = mutants.mutate(mutant, text)
    assert broken != text
    if path.suffix == ".py":
        assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(text))


# ---- the runner, on a library with one function -----------------------------

TEST = """
import os, subprocess, sys
import minivae

def test_value(tmp_path):
    # as a test starts a demo: elsewhere, and in a session of its own
    code = "import minivae; print(minivae.value())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path,
                          capture_output=True, start_new_session=True)
    assert done.stdout.split() == [b"1"]
"""


@pytest.fixture
def caught(tmp_path, monkeypatch):
    """caught(new): what catches a mutant with that line in minivae.value."""
    for name, text in {"minivae/__init__.py": "def value():\n    return 1\n",
                       "tests/test_value.py": TEST, "demos/demo.py": "",
                       "setup.cfg": ""}.items():
        path = tmp_path / "library" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    monkeypatch.setattr(mutants, "ROOT", tmp_path / "library")
    monkeypatch.setattr(mutants, "FLOOR", 1)
    mutants.seconds.cache_clear()

    def caught(new, tests=["value"]):
        return mutants.catch(mutants.Mutant(
            "__init__", "a mistake", {"    return 1": f"    {new}"}, tests))
    yield caught
    mutants.seconds.cache_clear()


def test_a_mutant_is_caught_by_a_demo_too(caught):
    assert caught("return 1 * 1") is None
    assert caught("return 2") == "test_value.py::test_value"


def test_a_mutant_that_hangs_is_caught_and_killed(caught, tmp_path):
    pid = tmp_path / "pid"
    started = time.monotonic()
    assert caught(f"open({str(pid)!r}, 'w').write(str(__import__('os')"
                  ".getpid())); __import__('time').sleep(999)") == "hangs"
    assert time.monotonic() - started < 500
    if shutil.which("ps"):
        end = time.monotonic() + 60          # the system removes it, in time
        while alive(pid.read_text()):
            assert time.monotonic() < end
            time.sleep(0.1)


def alive(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", pid], text=True,
                           capture_output=True).stdout
    return state.strip()[:1] not in ("", "Z")          # Z: it has ended


def test_a_mutant_that_ends_pytest_is_caught(caught, tmp_path):
    (tmp_path / "library/tests/conftest.py").write_text(
        "import minivae\nminivae.value()\n")
    assert caught("__import__('os')._exit(9)") == "pytest ends with status 9"


def test_tests_that_are_not_there_are_an_error(caught):
    with pytest.raises(RuntimeError, match="pytest did not run"):
        caught("return 2", ["value::test_nothing"])
