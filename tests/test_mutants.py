"""The list of mutants is in order; `python tests/mutants.py` runs them."""
import ast
import shutil
import subprocess
import time
from collections import Counter

import mechanical
import mechanical_text
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


def test_the_tests_that_should_notice_are_there():
    every = {*sum([*(m.tests for m in ALL), *mutants.TESTS.values(),
                   *mechanical.MORE.values()], [])}
    texts = {path.stem.removeprefix("test_"): path.read_text(encoding="utf-8")
             for path in (mutants.ROOT / "tests").glob("test_*.py")}
    for file, _, name in (test.partition("::") for test in every):
        name, _, _ = name.partition("[")
        assert not name or f"def {name}(" in texts[file], (file, name)


# ---- mistakes that nobody chose ---------------------------------------------

def test_of_python_each_is_another_program():
    sources = [mechanical.Source(name, path) for name, path in
               mechanical.files() if name in ("train", "demos/common/fit")]
    for source in sources:
        texts = [m.patch[source.text] for m in mechanical.changes(source)]
        dumps = {ast.dump(ast.parse(text)) for text in [*texts, source.text]}
        assert len(dumps) > 25 and len(dumps) == len(texts) + 1


def test_of_javascript_each_is_one_token_or_statement():
    text = """// a + b
const s = "x - 1", n = f(a, b);
if (!n) return 1.5;
paint.lineWidth = 2;
for (let i = 0; i < n; i++) {
  g(4 * unit);
}
"""
    found = [(text[start:end], new)
             for start, end, new in mechanical_text.changes(text)]
    assert found == [
        ("a, b", "b, a"), ("if (!n) return 1.5;", ";"), ("!", ""),
        ("1.5", "3.0"), ("0", "1"), ("<", "<="), ("g(4 * unit);", ";"),
        ("*", "/")]


def test_those_that_were_judged_equivalent_are_there():
    judged = mechanical.equivalent()
    named = {line.split(": ")[0] for line in judged}
    assert judged <= {f"{m.file}: {m.name}"
                      for name, path in mechanical.files() if name in named
                      for m in mechanical.changes(mechanical.Source(name,
                                                                    path))}


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
    monkeypatch.setattr(mutants, "FLOOR", 0.01)   # all are suspected to hang;
    monkeypatch.setattr(mutants, "FACTOR", 200)   # a busy machine is not slow
    mutants.seconds.cache_clear()

    def caught(new, tests=["value"]):
        return mutants.catch(mutants.Mutant(
            "__init__", "a mistake", {"    return 1": f"    {new}"}, tests))
    yield caught
    mutants.seconds.cache_clear()


def test_a_mutant_is_caught_by_a_demo_too(caught):
    assert caught("return 1 * 1") is None
    assert caught("return 2") == "test_value.py::test_value"


def test_a_mutant_that_hangs_is_caught_and_killed(caught, tmp_path,
                                                  monkeypatch):
    monkeypatch.setattr(mutants, "FACTOR", 10)
    pid = tmp_path / "pid"
    started = time.monotonic()
    assert caught(f"open({str(pid)!r}, 'w').write(str(__import__('os')"
                  ".getpid())); __import__('time').sleep(999)") == "hangs"
    assert time.monotonic() - started < 500
    if shutil.which("ps"):
        end = time.monotonic() + 300         # the system removes it, in time
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
