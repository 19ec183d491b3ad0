"""The house keeps its order: files are read from top to bottom.

README's table is the reading order; each file may use only what stands
above it, so that nobody meets a name before its explanation.
"""
import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["backend", "checks", "layers", "gradcheck", "conv", "losses", "vae",
         "optim", "data", "files", "train", "plots", "quick"]
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
    assert used <= above


def test_only_one_file_imports_cupy():
    guilty = [path.name for path in FILES for module in imports(path)
              if module.split(".")[0] == "cupy"]
    assert set(guilty) <= {"device.py"}


def test_the_readme_lists_the_files_in_this_order():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    places = [readme.index(f"`minivae/{name}.py`") for name in ORDER]
    assert places == sorted(places)


def test_public_names_have_docstrings():
    for path in (ROOT / "minivae").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree) or path.stem == "__init__", path
        for node in tree.body:
            if (isinstance(node, (ast.FunctionDef, ast.ClassDef))
                    and not node.name.startswith("_")):
                assert ast.get_docstring(node), f"{path}: {node.name}"


def test_the_readme_lists_every_demo_and_its_pictures_are_small():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    demos = {demo.name for demo in (ROOT / "demos").glob("*.py")}
    for demo in demos:
        assert f"`{demo}`" in readme
    shown = set(re.findall(r"demos/pictures/([\w.]+)", readme))
    pictures = list((ROOT / "demos" / "pictures").iterdir())
    assert shown == {path.name for path in pictures}
    assert sum(path.stat().st_size for path in pictures) < 3e6
