"""What is installed is whole, and what an index shows of it is true."""
import configparser
import re
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from minivae.data import load_fashion_mnist

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "minivae"
DESCRIPTION = PACKAGE / "README.md"
CODE = re.findall(r"```python\n(.*?)```", DESCRIPTION.read_text("utf-8"),
                  re.DOTALL)


@pytest.fixture
def setup():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup


def test_all_data_is_installed(setup):
    patterns = setup["options.package_data"]["minivae"].split("\n")
    for path in PACKAGE.rglob("*"):
        name = path.relative_to(PACKAGE).as_posix()
        if (path.is_file() and path.suffix not in (".py", ".pyc")
                and path.name != "README.md"):
            # As setuptools does, which knows no commas
            assert any(fnmatch(name, p) for p in patterns), name


def test_every_folder_with_code_is_a_package():
    for path in PACKAGE.rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path


def test_every_import_is_a_requirement(setup):
    names = re.findall(r"^\w+", setup["options"]["install_requires"], re.M)
    there = {*names, "PIL", "minivae", *sys.stdlib_module_names}
    for path in PACKAGE.rglob("*.py"):
        for module in re.findall(r"^(?:import|from) (\w+)",
                                 path.read_text("utf-8"), re.M):
            assert module in there, path


def test_requirements_have_floors_that_are_tested(setup):
    for line in setup["options"]["install_requires"].strip().split("\n"):
        assert re.fullmatch(r"[a-z]+ >= \d+(\.\d+)+", line), line


def test_the_description_needs_no_file_beside_it():
    assert not re.search(r"!\[|<img|\]\((?!https?:)",
                         DESCRIPTION.read_text("utf-8"))


@pytest.mark.parametrize("code", CODE, ids=["model", "training", "layer"])
def test_the_descriptions_code_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = load_fashion_mnist()
    few = few._replace(train_images=few.train_images[:640])
    monkeypatch.setattr("minivae.data.load_fashion_mnist", lambda: few)
    exec(code, {})
    if "check_layer" in code:
        assert "passed at a tolerance" in capsys.readouterr().out
    if "landscape.png" in code:
        assert Path("landscape.png").stat().st_size > 10_000
