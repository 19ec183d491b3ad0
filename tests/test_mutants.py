"""The list of mutants is in order; `python tests/mutants.py` runs them."""
import ast
from collections import Counter

import mutants
import pytest

ALL = mutants.mutants()


def test_there_are_enough():
    assert len(ALL) >= 60
    assert sum(m.name.startswith("* ") for m in ALL) >= 10
    readme = (mutants.ROOT / "README.md").read_text(encoding="utf-8")
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
