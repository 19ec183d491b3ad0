"""demos/common/notebook.py: exercises in notebooks, graded in a cell."""
import builtins
import sys
from types import ModuleType

import pytest

from common import notebook
from common.exercise import FILES, the_exercise
from test_demos import arguments, load
from test_exercises import SOLUTIONS

nbformat = pytest.importorskip("nbformat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    for number in range(1, len(FILES) + 1):
        notebook.write_notebook(folder, number)
    return folder


@pytest.mark.parametrize("number", range(1, len(FILES) + 1))
def test_a_notebook_is_its_exercise(folder, number):
    path, exercise = the_exercise(number)
    found = nbformat.read(folder / f"{path.stem}.ipynb", 4)
    nbformat.validate(found)
    question, first, answer, check = found.cells
    text = path.read_text("utf-8")
    title = text.removeprefix('"""').splitlines()[0]
    assert question.source.startswith(f"# {number}. {title}\n\n")
    assert question.source.endswith(f"\n\nRead {exercise.read} first.")
    assert text.endswith(f'"""\n{answer.source}\n')
    assert first.source == notebook.FIRST_CELL
    assert check.source.startswith(f"check({number})  ")
    assert found.metadata.kernelspec.name == "python3"


def test_what_markdown_would_take_for_itself():
    assert notebook.plain("a*b, its _s and x < y") == (
        r"a\*b, its \_s and x \< y")
    assert notebook.plain("    a*b") == "    a*b"


@pytest.fixture
def cells(monkeypatch):
    """Run cells as a notebook does, in a __main__ of their own."""
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)

    def run_cell(source):
        exec(compile(source, "the cell", "exec"), main.__dict__)
    return run_cell


@pytest.mark.parametrize("number", range(1, len(FILES) + 1))
def test_solutions_pass_in_a_cell(cells, capsys, number):
    path, _ = the_exercise(number)
    cells((SOLUTIONS / path.name).read_text("utf-8"))
    notebook.check(number)
    assert capsys.readouterr().out.startswith("Right: ")


def test_what_check_says_in_a_cell(cells, capsys):
    def says():
        notebook.check(1)
        return " ".join(capsys.readouterr().out.split())
    hints = " Hints: hint(1). Read minivae/layers.py, from Sigmoid on."
    assert says() == ("There is no Tanh yet: run the cell above, and keep the "
                      "names that it came with." + hints)
    cells(FILES[0].read_text("utf-8"))
    assert says() == ("Still open: it raises NotImplementedError. Write the "
                      "part that is left open." + hints)
    right = (SOLUTIONS / FILES[0].name).read_text("utf-8")
    line = right[:right.index("return dy")].count("\n") + 1
    cells(right.replace("return dy", "return dz"))
    assert f": in line {line}, NameError: name 'dz' is not" in says()
    cells(right.replace("return dy *", "return 2 * dy *"))
    assert says().startswith("dx is wrong") and "Hints:" not in right
    cells(right)
    assert hints not in says()
    # a function tells where it is, too
    cells("def f():\n    pass")
    assert str(notebook.cell_of(sys.modules["__main__"].f)) == "the cell"
    assert notebook.cell_of(ModuleType("empty")) is None


def test_hints_in_a_cell(capsys):
    hints = the_exercise(7)[1].hints
    notebook.hint(7)
    notebook.hint(7, 3)
    printed = " ".join(capsys.readouterr().out.split())
    assert printed == f"Hint 1 of 3: {hints[0]} Hint 3 of 3: {hints[2]}"
    for arguments_, sentence in (((7, 4), "there is no hint 4; they are 1, 2"),
                                 ((0,), "there is no exercise 0; they go"),
                                 ((25,), "there is no exercise 25; they go")):
        with pytest.raises(ValueError, match=sentence):
            notebook.hint(*arguments_)


def test_start_writes_notebooks(monkeypatch, tmp_path, capsys):
    demo = load("exercises.py")
    lab = tmp_path / "lab"
    demo.main(arguments(demo, monkeypatch, "start", lab, "--notebooks"))
    assert sorted(p.name for p in lab.iterdir()) == [
        f"{p.stem}.ipynb" for p in FILES]
    assert f"24 notebooks are in {lab}." in capsys.readouterr().out


def test_without_nbformat(monkeypatch, tmp_path):
    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: real(
        "no such module" if name == "nbformat" else name, *rest))
    with pytest.raises(RuntimeError, match="written with nbformat, which is "
                       "not installed; install it with `pip install nbf"):
        notebook.write_notebook(tmp_path, 1)


def test_one_notebook_from_its_first_cell_to_its_grade(folder):
    nbclient = pytest.importorskip("nbclient")
    found = nbformat.read(folder / "01_tanh.ipynb", 4)
    found.cells[2].source = (SOLUTIONS / "01_tanh.py").read_text("utf-8")
    nbclient.NotebookClient(found, timeout=300, resources={
        "metadata": {"path": folder}}).execute()
    assert found.cells[3].outputs[0].text.startswith("Right: ")
