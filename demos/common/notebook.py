"""Exercises as notebooks: written with nbformat, graded in a cell.

Each has the question, a cell with the part that is left open, and a cell with
check(7), which grades what the notebook has defined by then.
"""
import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

from common.exercise import the_exercise
from common.grading import Verdict, judge

FIRST_CELL = """\
import sys
from pathlib import Path

import minivae

# in the checkout that `pip install -e .` has installed
sys.path.insert(0, str(Path(minivae.__file__).parents[1] / "demos"))
from common.notebook import check, hint"""


def write_notebook(folder: Path, number: int) -> Path:
    """Write an exercise as a notebook into a folder; return its path.

    Raises RuntimeError where nbformat is missing.
    """
    try:
        from nbformat import v4, write
    except ImportError:
        raise RuntimeError("notebooks are written with nbformat, which is not "
                           "installed; install it with `pip install nbformat`"
                           ) from None
    source, exercise = the_exercise(number)
    text = source.read_text("utf-8")
    doc = ast.parse(text).body[0]                   # the module's docstring
    title, *question = doc.value.value.splitlines()
    code = "\n".join(text.splitlines()[doc.end_lineno:])
    notebook = v4.new_notebook(
        cells=[v4.new_markdown_cell("\n".join([
                   f"# {number}. {title}", *map(plain, question), "",
                   f"Read {exercise.read} first."])),
               v4.new_code_cell(FIRST_CELL),
               v4.new_code_cell(code.strip()),
               v4.new_code_cell(f"check({number})    # hint({number}), "
                                f"hint({number}, 2), hint({number}, 3)")],
        metadata={"kernelspec": {"name": "python3", "language": "python",
                                 "display_name": "Python 3"}})
    path = folder / source.with_suffix(".ipynb").name
    write(notebook, path)
    return path


def plain(line: str) -> str:
    """Escape what Markdown would take for itself: f*g, the _s of names."""
    return line if line[:4].isspace() else re.sub(r"([*_<])", r"\\\1", line)


# ---- in a cell -------------------------------------------------------------

def check(number: int) -> None:
    """Grade what the notebook has defined for an exercise."""
    _, exercise = the_exercise(number)
    notebook = sys.modules["__main__"]
    missing = [n for n in exercise.needs if not hasattr(notebook, n)]
    if missing:
        verdict = Verdict("missing", [
            f"There is no {' and no '.join(missing)} yet: run the cell above, "
            "and keep the names that it came with."])
    else:
        verdict = judge(exercise, lambda **case: exercise.run(
            notebook, **case), cell_of(getattr(notebook, exercise.needs[0])))
    print(verdict)
    if verdict.status != "done":
        print(f"\nHints: hint({number}). Read {exercise.read}.")


def hint(number: int, level: int = 1) -> None:
    """Print one of an exercise's three hints; the last says most."""
    print(the_exercise(number)[1].hint(level))


def cell_of(answer: Callable) -> Path | None:
    """Return what Python calls the cell that a class or function is in."""
    for part in (answer, *vars(answer).values()):
        if hasattr(part, "__code__"):
            return Path(part.__code__.co_filename)
    return None
