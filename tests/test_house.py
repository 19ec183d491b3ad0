"""The house keeps its order: files are read from top to bottom.

README's table is the reading order; each file may use only what stands
above it, so that nobody meets a name before its explanation.
"""
import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["backend", "layers", "gradcheck", "conv", "losses", "vae",
         "optim", "data", "files", "train", "plots"]
# what may be used before it is read: refusals, and where the data lies
ANYWHERE = {"minivae.datasets.embedded", *(
    f"minivae.checks.{name}" for name in ("adam", "arrays", "networks",
                                          "gradcheck", "images"))}
FILES = sorted(path for folder in ("minivae", "demos", "tests")
               for path in (ROOT / folder).rglob("*.py"))


def imports(path):
    """The modules that a file imports, relative ones as minivae.NAME."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and not node.module:        # from . import name
                yield from (f"minivae.{alias.name}" for alias in node.names)
            else:
                yield f"minivae.{node.module}" if node.level else node.module


def test_every_file_has_a_place_in_the_order():
    names = {p.stem for p in (ROOT / "minivae").glob("*.py")} - {"__init__"}
    assert names == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_files_use_only_what_stands_above_them(name):
    above = {f"minivae.{other}" for other in ORDER[:ORDER.index(name)]}
    used = {module for module in imports(ROOT / "minivae" / f"{name}.py")
            if module.startswith("minivae.")}
    assert used - ANYWHERE <= above


def test_checks_know_only_arrays_and_layers():
    for path in (ROOT / "minivae" / "checks").glob("*.py"):
        assert {module for module in imports(path)
                if module.startswith("minivae.")} <= {
                    "minivae.backend", "minivae.arrays", "minivae.layers"}


def test_quick_forms_know_only_what_they_stand_for():
    for path in (ROOT / "minivae" / "quick").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {node.module or node.names[0].name for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and node.level == 2}
        assert used <= {"backend", "conv"}


def test_the_first_storey_is_read_in_an_evening():
    lines = [line for name in ORDER for line in (
        ROOT / "minivae" / f"{name}.py").read_text("utf-8").splitlines()]
    assert len(lines) <= 1700


def test_only_one_file_imports_cupy():
    guilty = [path.name for path in FILES for module in imports(path)
              if module.split(".")[0] == "cupy"]
    assert set(guilty) <= {"device.py"}


def test_the_readme_lists_the_files_in_this_order():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("## One way through"):]
    places = [*(table.index(f"`minivae/{name}.py`") for name in ORDER),
              table.index("`minivae/quick/`")]
    assert places == sorted(places)
    assert len(readme.splitlines()) <= 150


def test_the_first_storey_imports_nothing_from_the_second():
    for name in ORDER:
        assert not [module for module in imports(
            ROOT / "minivae" / f"{name}.py") if "extras" in module], name


# what a room of minivae/extras may use of the others
ROOMS = {"runs": set(), "parallel": {"runs"}, "images": {"runs"},
         "figures": set(), "explorer": {"figures"}, "gpu": set()}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_what_it_should(room):
    known = {room, *ROOMS[room]}
    for path in (ROOT / "minivae" / "extras" / room).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {(node.module or node.names[0].name).split(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and node.level == 2}
        assert used <= known, path


def test_the_second_storey_has_no_other_rooms():
    rooms = {path.name for path in (ROOT / "minivae" / "extras").iterdir()
             if path.is_dir() and path.name != "__pycache__"}
    assert rooms == set(ROOMS)


def test_only_load_pretrained_knows_the_relatives():
    below = {path for path in (ROOT / "minivae").rglob("*.py")
             if "beyond" not in path.parts}
    guilty = {path.stem for path in below
              if any("beyond" in module for module in imports(path))}
    assert guilty == {"model_file"}


def test_files_about_relatives_are_short():
    for path in (ROOT / "minivae" / "beyond").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 150, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                size = node.end_lineno - node.lineno + 1
                assert size <= 40, f"{path.stem}.{node.name}"


def test_demos_use_no_private_names():
    for path in (ROOT / "demos").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert not [alias.name for alias in node.names
                            if alias.name.startswith("_")], path


def test_a_toy_demo_loads_no_workers_no_mpi_and_no_zip_code():
    code = ("import sys; sys.path.insert(0, 'demos'); import spiral\n"
            "print([name for name in sys.modules if name.startswith("
            "('minivae.extras.parallel', 'minivae.extras.runs.npz', "
            "'minivae.extras.images', 'mpi4py', 'cloudpickle'))])")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_functions_of_the_first_storey_fit_on_a_screen():
    for name in ORDER:
        path = ROOT / "minivae" / f"{name}.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                size = node.end_lineno - node.lineno + 1
                assert size <= 40, f"{name}.{node.name} has {size} lines"


def test_public_names_have_docstrings():
    for path in (ROOT / "minivae").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree) or path.stem == "__init__", path
        for node in tree.body:
            if (isinstance(node, (ast.FunctionDef, ast.ClassDef))
                    and not node.name.startswith("_")):
                assert ast.get_docstring(node), f"{path}: {node.name}"


def test_the_readmes_list_every_demo_and_their_pictures_are_small():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    course = (ROOT / "demos" / "README.md").read_text(encoding="utf-8")
    for demo in (ROOT / "demos").glob("*.py"):
        assert f"`{demo.name}`" in readme and f"`{demo.name}`" in course
    shown = set(re.findall(r"pictures/([\w.]+)", readme + course))
    pictures = list((ROOT / "demos" / "pictures").iterdir())
    assert shown == {path.name for path in pictures}
    assert sum(path.stat().st_size for path in pictures) < 3e6
